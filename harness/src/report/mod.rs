//! Verdicts for readers: people, scripts, CI servers. All from the same report.

mod cards;
mod claims;
mod commands;
mod died;
mod diff;
mod emit;
mod error;
mod html;
mod human;
mod junit;
mod markdown;
mod matrix;
mod options;
mod outcome;
mod style;
mod writer;

pub(crate) use cards::change_lines;
pub use claims::claims;
pub use commands::commands;
pub use died::{Asked, Died, emit_died};
pub(crate) use diff::without_records;
pub use diff::{diff_human, diff_markdown, emit_diff, write_diff};
pub use emit::{emit, to_stdout, writable};
pub(crate) use emit::{json, no_markdown, write_files};
pub use error::ReportError;
pub use html::html;
pub(crate) use html::matrix_html;
pub use human::{human, phases};
pub use junit::junit;
pub(crate) use matrix::matrix_human;
pub use options::{ColorChoice, FailOn, Format, Kind, OutputOptions, ReportFile};
pub(crate) use options::{STDOUT, output_path, parse_diff_report};
pub use style::Style;
pub(crate) use writer::steps;
