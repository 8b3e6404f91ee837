//! Why a report could not be written, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::atomic_file;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Standard output.
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    /// A file.
    #[error("cannot write the report {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The report itself.
    #[error("cannot format the report: {0}")]
    Format(String),
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Stdout(_) | Self::Format(_) => {
                "write the report to a file with --report KIND=FILE".into()
            }
            Self::File { path, source } => atomic_file::hint(path, source),
        }
    }
}
