//! What can go wrong on the way to a bundle, each with what to do about it.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use meshcheck_bundle::BundleError;

use super::disk;

/// The variable that names a registry mirror.
pub(super) const REGISTRY_MIRROR: &str = "MESHCHECK_REGISTRY_MIRROR";

/// Why a source gives no bundle. The messages fit behind "failed to get the software: ".
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its fields are")]
pub enum SourceError {
    /// A bundle cannot be read, trusted or written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no place for a cache.
    #[error("there is no cache directory: neither MESHCHECK_CACHE, XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// No recipe for this Istio version.
    #[error(
        "meshcheck cannot install Istio `{version}`: known are {known}, and newer versions are tried"
    )]
    UnknownIstio { version: String, known: String },
    /// No node image for this Kubernetes version.
    #[error("there is no node image of Kubernetes `{version}`: known are {known}")]
    UnknownKubernetes { version: String, known: String },
    /// Two versions that do not fit together.
    #[error("Istio {istio} does not support Kubernetes {kubernetes}: it supports {window}")]
    Unsupported { istio: String, kubernetes: String, window: String, example: String },
    /// The download place names no release.
    #[error("cannot find the newest Istio: `{page}` names no release")]
    NoLatest { page: String },
    /// The bundle that was named holds another Istio than the one that was asked for.
    #[error("the bundle `{}` holds Istio {holds}, not {asked}", bundle.display())]
    OtherIstio { bundle: PathBuf, asked: String, holds: String },
    /// The bundle that was named holds another Kubernetes than the one that was asked for.
    #[error("the bundle `{}` holds Kubernetes {holds}, not {asked}", bundle.display())]
    OtherKubernetes { bundle: PathBuf, asked: String, holds: String },
    /// No release is published for this machine.
    #[error("no official release runs on {system}/{architecture}")]
    Platform { system: String, architecture: String },
    /// An environment variable that names another origin is wrong.
    #[error("the environment variable {variable} has the value `{value}`: {reason}")]
    Origin { variable: &'static str, value: String, reason: String },
    /// The other side does not have it.
    #[error("`{url}` does not exist: {what}")]
    NotFound { url: String, what: String },
    /// The other side refuses, and asking again would not help.
    #[error("`{url}` was refused: {reason}")]
    Refused { url: String, reason: String },
    /// It failed as often as it was tried.
    #[error("`{url}` could not be downloaded in {attempts} attempts, the last one: {reason}")]
    Interrupted { url: String, attempts: u32, reason: String },
    /// What arrived is not what was expected.
    #[error("`{url}` has the wrong checksum: expected SHA-256 {expected}, received {found}")]
    Checksum { url: String, expected: String, found: String },
    /// A published file is another one than the last time.
    #[error("`{url}` was changed by its publisher: SHA-256 {now}, and {before} the last time")]
    Changed { url: String, before: String, now: String, record: PathBuf },
    /// There is no room.
    #[error("the disk is full: `{}` {}", path.display(), room(*need, *free))]
    DiskFull { path: PathBuf, need: Option<u64>, free: u64 },
    /// A file or directory could not be read or written.
    #[error("{action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// Something arrived whole but does not hold what it should.
    #[error("`{what}` is not as expected: {reason}")]
    Content { what: String, reason: String },
    /// The network client could not be set up.
    #[error("the network client could not be set up: {0}")]
    Client(String),
}

/// What stays free for others, so that a download does not stop the machine's other work.
const RESERVE: u64 = 1 << 20;

fn room(need: Option<u64>, free: u64) -> String {
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    match need {
        Some(need) => {
            format!("needs {} MiB, {} MiB are free", megabytes(need), free >> 20)
        }
        None => format!("does not fit, {} MiB are free", free >> 20),
    }
}

impl SourceError {
    /// Whether the call was wrong, rather than the world.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Bundle(bundle) if !bundle.is_environment())
            || matches!(
                self,
                Self::UnknownIstio { .. }
                    | Self::UnknownKubernetes { .. }
                    | Self::Unsupported { .. }
                    | Self::OtherIstio { .. }
                    | Self::OtherKubernetes { .. }
                    | Self::Origin { .. }
            )
    }

    /// What the user can do about it, as one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Bundle(error) => error.hint().to_owned(),
            Self::NoCache => {
                "set MESHCHECK_CACHE to a directory with some gigabytes of room".into()
            }
            Self::UnknownIstio { .. } => {
                "name a version that `meshcheck versions` lists, or a bundle with --bundle DIR".into()
            }
            Self::UnknownKubernetes { .. } => {
                "name a version that `meshcheck versions` lists, or all three numbers of a newer one".into()
            }
            Self::Unsupported { example, .. } => format!(
                "write --kubernetes {example}, or name another pair that `meshcheck versions` lists"
            ),
            Self::NoLatest { .. } => "name the version, as in --istio 1.31.1".into(),
            Self::OtherIstio { holds, .. } => {
                format!("leave --istio out, or say --istio {holds}, or name another bundle")
            }
            Self::OtherKubernetes { .. } => "leave --kubernetes out, or name another bundle".into(),
            Self::Platform { .. } => {
                "run it on Linux or macOS, on amd64 or arm64, or bring a bundle with --bundle DIR"
                    .into()
            }
            Self::Origin { variable, .. } => {
                format!("correct {variable}, or unset it to use the official place")
            }
            Self::NotFound { .. } => "check the version: the publisher may never have made it, or \
                                      your mirror may not carry it"
                .into(),
            Self::Refused { reason, .. } if reason.contains("429") => format!(
                "the registry limits anonymous downloads: wait, or name a mirror in \
                 {REGISTRY_MIRROR}"
            ),
            Self::Refused { .. } => {
                "check whether a proxy or mirror stands in between and wants a login".into()
            }
            Self::Interrupted { .. } => {
                "check the network and the proxy (HTTPS_PROXY, NO_PROXY), then start again: what \
                 has arrived is kept"
                    .into()
            }
            Self::Checksum { .. } => "the file was removed; start again, and if it stays wrong, \
                                      ask who runs the mirror or proxy in between: do not use it"
                .into(),
            Self::Changed { record, .. } => format!(
                "find out why it changed; if the change is right, remove its line from {}",
                record.display()
            ),
            Self::DiskFull { .. } => {
                "make room, or set MESHCHECK_CACHE to a directory on a larger \
                                      disk, then start again: what is complete is kept"
                    .into()
            }
            Self::Io { .. } => "check the path and its permissions".into(),
            Self::Content { .. } => {
                "start again; if it stays so, bring a bundle with --bundle DIR".into()
            }
            Self::Client(_) => {
                "check the proxy variables and the certificates of this machine".into()
            }
        }
    }

    /// Refuses to begin what will not fit on the disk.
    pub(super) fn if_too_large(path: &Path, need: u64) -> Result<(), Self> {
        let free =
            disk::free(path).map_err(|source| Self::io("asking the size of", path, source))?;
        if free < need.saturating_add(RESERVE) && need > 0 {
            return Err(Self::DiskFull { path: path.to_owned(), need: Some(need), free });
        }
        Ok(())
    }

    /// The error for something that arrived whole and is not right.
    pub(super) fn content(what: impl Display, reason: impl Display) -> Self {
        Self::Content { what: what.to_string(), reason: reason.to_string() }
    }

    /// The error for a failed file operation; a full disk gets its own.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            return Self::DiskFull {
                path: path.to_owned(),
                need: None,
                free: disk::free(path).unwrap_or(0),
            };
        }
        Self::Io { action, path: path.to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_download_is_refused_with_sizes() {
        let dir = tempfile::tempdir().unwrap();
        SourceError::if_too_large(dir.path(), 1).unwrap();
        let path = dir.path().join("not/yet/there");
        let error = SourceError::if_too_large(&path, u64::MAX / 2).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("not/yet/there") && text.contains("MiB are free"), "{text}");
        assert!(error.hint().contains("MESHCHECK_CACHE"));
    }
}
