//! Why a report could not be written, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::atomic_file;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Standard output.
    #[error("writing the report to standard output")]
    Stdout(#[source] io::Error),
    /// A file.
    #[error("writing the report `{}`", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The report itself.
    #[error("putting the report together: {0}")]
    Format(String),
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Stdout(_) | Self::Format(_) => "write it to a file with --report".into(),
            Self::File { path, source } => atomic_file::hint(path, source),
        }
    }
}
