//! Verdicts for readers: people, scripts, CI servers. All from the same report.

mod cards;
mod claims;
mod class;
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
mod metrics;
mod options;
mod outcome;
mod schema;
mod style;
mod summary;
mod versions;
mod writer;

pub(crate) use cards::change_lines;
pub use claims::claims;
pub(crate) use class::{
    class_commands, class_human, class_line, outcome as class_outcome, state as class_state,
};
pub use commands::commands;
pub(crate) use died::died_report;
pub use died::{Died, Selected, emit_died};
pub(crate) use diff::without_records;
pub use diff::{diff_human, diff_markdown, emit_diff, write_diff};
pub use emit::{emit, to_stdout, writable};
pub(crate) use emit::{json, write_files};
pub use error::ReportError;
pub use html::html;
pub(crate) use html::{
    class_faults, class_head, class_html, class_page, class_policy, class_row, matrix_html,
    report_policy,
};
pub(crate) use human::format_progress;
pub use human::{human, phases};
pub use junit::junit;
pub(crate) use junit::{junit_of_files, junit_of_outcomes};
pub(crate) use matrix::matrix_human;
pub(crate) use metrics::metrics;
pub use options::{ColorChoice, FailOn, Format, Kind, OutputOptions, ReportFile};
pub(crate) use options::{STDOUT, output_path, parse_diff_report};
pub(crate) use outcome::counted;
pub use schema::{Document, schema};
pub use style::Style;
pub(crate) use summary::{annotations, class_markdown, markdown, matrix_markdown};
pub use versions::versions;
pub(crate) use writer::steps;
