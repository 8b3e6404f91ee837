//! Why a configuration file cannot be used, with the place of what is wrong in it.

use std::io;
use std::path::{Path, PathBuf};

/// The longest file that is read, in bytes. With every key and its comment it has 4 KiB.
pub(super) const LIMIT: u64 = 256 << 10;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// It could not be read.
    #[error("reading the configuration `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is no configuration of a few lines.
    #[error("the configuration `{}` is longer than {} KiB", .0.display(), LIMIT >> 10)]
    TooLong(PathBuf),
    /// It is not text.
    #[error("the configuration `{}` is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// What it says is wrong.
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

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "`meshcheck config > meshcheck.toml` writes one with all defaults".into()
            }
            Self::Read { .. } => "name a file that can be read".into(),
            Self::TooLong(_) | Self::NotText(_) => {
                "name another file: `meshcheck config` prints one to begin with".into()
            }
            Self::Wrong { .. } => {
                "`meshcheck config` prints every key, what it is for, and its default".into()
            }
        }
    }
}
