//! What can go wrong with a cluster of meshcheck.

use meshcheck_bundle::BundleError;

use crate::process::{ProcessError, full_disk};
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
    /// A node did not come up: what kind says of it, and what the node tells of the reason.
    #[error("node `{node}` does not come up: {}\n{}", end(failed), told.join("\n"))]
    Node { node: String, failed: ProcessError, told: Vec<String> },
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
    /// A patch of the user's own kind configuration would have no effect.
    #[error(
        "the kind configuration `{}` patches {found}, and kind writes {written} for Kubernetes {kubernetes}: kind would \
         ignore the patch",
        path.display()
    )]
    Patch { path: std::path::PathBuf, found: String, written: String, kubernetes: String },
    /// The engine's kernel cannot run the Kubernetes that was chosen.
    #[error(
        "Kubernetes {kubernetes} needs cgroup v2, and the docker engine of this machine has cgroup v1"
    )]
    CgroupV1 { kubernetes: String, older: Option<String>, istio: String },
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

/// The last two lines of what a program wrote. Those before are kubeadm's advice for its own users.
fn end(failed: &ProcessError) -> String {
    match failed {
        ProcessError::Failed { last, .. } => {
            let lines: Vec<_> = last.lines().map(str::trim).collect();
            lines[lines.len().saturating_sub(2)..].join("; ")
        }
        other => other.to_string(),
    }
}

impl ClusterError {
    /// Whether the call was wrong, rather than the world.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Self::Bundle(bundle) => !bundle.is_environment(),
            _ => matches!(self, Self::NotOurs { .. } | Self::OwnConfig { .. } | Self::Patch { .. }),
        }
    }

    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Bundle(error) => Some(error.hint().to_owned()),
            Self::Process(error) => error.hint(),
            Self::Node { .. } => full_disk(&self.to_string()).or_else(|| {
                Some("`meshcheck preflight` checks what a node needs of this machine".into())
            }),
            Self::State(error) => error.hint(),
            Self::Config(_) => {
                Some("get the bundle anew: remove its directory from the cache".into())
            }
            Self::OwnConfig { .. } => Some(
                "it must be a file as for `kind create cluster --config`: kind: Cluster, \
                 apiVersion: kind.x-k8s.io/v1alpha4"
                    .into(),
            ),
            Self::Patch { written, .. } => Some(format!(
                "write `apiVersion: {written}` and its form of the fields, or name an older Kubernetes with --kubernetes"
            )),
            Self::CgroupV1 { older: Some(older), .. } => Some(format!(
                "write --kubernetes {older}, which runs with cgroup v1, or switch the machine to cgroup v2"
            )),
            Self::CgroupV1 { older: None, istio, .. } => Some(format!(
                "switch the machine to cgroup v2, or install an older Istio: Istio {istio} supports no Kubernetes that \
                 runs with cgroup v1"
            )),
            Self::NotOurs { .. } => Some(
                "name one of its clusters; to delete a cluster of somebody else, use that program"
                    .into(),
            ),
            Self::InUse { .. } => Some("end that run first: Ctrl-C there".into()),
            Self::LeftOver { .. } | Self::Wait(_) => Some("`meshcheck down` tries again".into()),
        }
    }
}
