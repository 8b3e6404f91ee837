//! What can go wrong with the state on disk.

use std::io;
use std::path::{Path, PathBuf};

use meshcheck_suites::hint::quote;

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// There is no place for it.
    #[error(
        "there is no directory for the state: none of MESHCHECK_STATE, XDG_STATE_HOME, HOME is set"
    )]
    NoPlace,
    /// A file or directory could not be read or written.
    #[error("{action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// A state file is damaged.
    #[error("the state file `{}` is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
}

impl StateError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoPlace => Some("set MESHCHECK_STATE to a directory of yours".into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("the disk is full: free some space".into())
            }
            Self::Io { path, .. } => Some(format!(
                "`ls -ld {}` shows who may write there; MESHCHECK_STATE moves it",
                quote(&path.parent().unwrap_or(path).to_string_lossy())
            )),
            Self::Damaged { .. } => Some("`meshcheck down` removes what it belongs to".into()),
        }
    }
}

pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |source| StateError::Io { action, path: path.to_owned(), source }
}
