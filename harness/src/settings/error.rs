//! Why a configuration file cannot be used, with the place of what is wrong in it.

use std::io;
use std::path::{Path, PathBuf};

use meshcheck_suites::hint::quote;

use crate::text::{io_reason, read_fix};

/// The longest file that is read, in bytes. With every key and its comment it has 4 KiB.
pub(super) const LIMIT: u64 = 256 << 10;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// It could not be read.
    #[error("cannot read the configuration {}: {}", path.display(), io_reason(error))]
    Read { path: PathBuf, error: io::Error },
    /// It is longer than any configuration.
    #[error("cannot read the configuration {}: it is longer than {} KiB", .0.display(), LIMIT >> 10)]
    TooLong(PathBuf),
    /// It is not text.
    #[error("cannot read the configuration {}: it is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// A key or value is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Wrong { path: PathBuf, line: usize, column: usize, message: String },
}

impl SettingsError {
    /// Describes what is wrong at a byte of the text.
    pub(super) fn wrong(path: &Path, text: &str, at: usize, message: String) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self::Wrong { path: path.to_owned(), line, column, message }
    }

    /// Returns the fix.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Read { error, path } if error.kind() == io::ErrorKind::NotFound => {
                let path = quote(&path.to_string_lossy());
                format!(
                    "check the path, or write the file with all defaults: `meshcheck config > {path}`"
                )
            }
            Self::Read { path, .. } => read_fix(path),
            Self::TooLong(_) | Self::NotText(_) => {
                "name another file with --config; `meshcheck config` prints one with all defaults"
                    .into()
            }
            Self::Wrong { .. } => {
                "see `meshcheck config`: it prints every key with its purpose and default".into()
            }
        }
    }
}
