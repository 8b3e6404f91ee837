//! What can go wrong with a cluster of meshcheck.

use meshcheck_bundle::BundleError;

use crate::process::ProcessError;
use crate::state::StateError;

/// Why a cluster could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// The bundle lacks something, or is damaged.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A program failed: docker, kind.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something did not come to an end.
    #[error(transparent)]
    Wait(#[from] crate::wait::WaitError),
    /// The bundle's kind configuration cannot be used.
    #[error("the bundle's kind configuration cannot be used: {0}")]
    Config(String),
    /// The user's own kind configuration cannot be used.
    #[error("the kind configuration `{}` cannot be used: {reason}", path.display())]
    OwnConfig { path: std::path::PathBuf, reason: String },
    /// A cluster that was to be removed is not meshcheck's, or not there.
    #[error("meshcheck has no cluster called {name} (its clusters: {ours})")]
    NotOurs { name: String, ours: String },
    /// A cluster that was to be removed is in use.
    #[error("the cluster `{name}` is in use by another run of meshcheck")]
    InUse { name: String },
    /// Something of a removed cluster is still there.
    #[error("after removing the cluster `{name}`, this is still there: {left}")]
    LeftOver { name: String, left: String },
}

impl ClusterError {
    /// Whether the call was wrong, rather than the world.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Self::Bundle(bundle) => !bundle.is_environment(),
            _ => matches!(self, Self::NotOurs { .. } | Self::OwnConfig { .. }),
        }
    }

    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Bundle(error) => Some(error.hint().to_owned()),
            Self::Process(error) => error.hint(),
            Self::State(error) => error.hint(),
            Self::Config(_) => {
                Some("get the bundle anew: remove its directory from the cache".into())
            }
            Self::OwnConfig { .. } => Some(
                "it must be a file as for `kind create cluster --config`: kind: Cluster, \
                 apiVersion: kind.x-k8s.io/v1alpha4"
                    .into(),
            ),
            Self::NotOurs { .. } => Some(
                "name one of its clusters; to delete a cluster of somebody else, use that program"
                    .into(),
            ),
            Self::InUse { .. } => Some("end that run first: Ctrl-C there".into()),
            Self::LeftOver { .. } | Self::Wait(_) => Some("`meshcheck down` tries again".into()),
        }
    }
}
