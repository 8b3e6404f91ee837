//! Why a configuration file cannot be used: each problem with its line and column.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::find::LIMIT;

/// How many problems of one file are told: the rest shows once these are mended.
const SHOWN: usize = 20;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It could not be read.
    #[error("reading the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// It is no configuration of a few lines.
    #[error("the configuration `{}` is longer than {} KiB", .0.display(), LIMIT >> 10)]
    TooLong(PathBuf),
    /// It is not text.
    #[error("the configuration `{}` is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// What it says is wrong.
    #[error("{}", told(path, problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What, in the order of the file.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl SettingsError {
    /// What to do about it.
    pub fn hint(&self) -> String {
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

fn told(path: &std::path::Path, problems: &[Problem]) -> String {
    let mut lines: Vec<_> = problems
        .iter()
        .take(SHOWN)
        .map(|problem| format!("{}:{problem}", path.display()))
        .collect();
    if let Some(more) = problems.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
