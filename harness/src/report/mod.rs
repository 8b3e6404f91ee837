//! Verdicts for readers: people, scripts, CI servers. All from the same report.

mod claims;
mod emit;
mod hint;
mod html;
mod human;
mod junit;
mod lines;
mod options;
mod style;

pub use claims::claims;
pub use emit::{ReportError, emit, emit_died, emit_preflight_died, to_stdout, writable};
pub(crate) use hint::hint;
pub use html::html;
pub use human::{human, phases};
pub use junit::{died, junit};
pub use options::{ColorChoice, Format, Kind, OutputOptions, ReportFile};
pub use style::Style;
