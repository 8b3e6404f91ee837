//! What can be wrong with a bundle, each with what to do about it.

use std::path::PathBuf;

/// Why a bundle cannot be read, trusted or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no manifest in the directory.
    #[error("`{}` is not a bundle: it has no bundle.json", .0.display())]
    NotABundle(PathBuf),
    /// A file or directory could not be read or written.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was tried, as a gerund: "reading".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The manifest is not what this program can read.
    #[error("the manifest `{}` cannot be read: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// What should be a file is something else: a pipe, a device, a directory.
    #[error("`{}` in the bundle is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// A part that was asked for is not in the manifest.
    #[error("the bundle `{}` has no part called `{name}`", bundle.display())]
    NoSuchPart {
        /// The bundle.
        bundle: PathBuf,
        /// The missing part.
        name: String,
    },
    /// A part's file is missing.
    #[error("the part `{name}` is missing: `{}` is not there", path.display())]
    Missing {
        /// The part.
        name: String,
        /// Where its file should be.
        path: PathBuf,
    },
    /// A part's file is not the one that the manifest describes.
    #[error(
        "the part `{name}` (`{}`) was changed or damaged: expected {expected}, found {found}",
        path.display()
    )]
    Mismatch {
        /// The part.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        found: String,
    },
}

impl BundleError {
    /// Whether the system failed, rather than the bundle.
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    /// What the user can do about it, as one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotABundle(_) => "name a directory that holds a bundle.json",
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "make room on the disk, then start again: what is complete is kept"
            }
            Self::Io { .. } => "check the path and its permissions",
            Self::NotAFile(_) | Self::Manifest { .. } => {
                "get the bundle again, or use the meshcheck that made it"
            }
            Self::NoSuchPart { .. } | Self::Missing { .. } | Self::Mismatch { .. } => {
                "get the bundle again: a bundle is used whole or not at all"
            }
        }
    }
}
