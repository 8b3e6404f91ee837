//! What can go wrong while installing.

use std::fmt::Display;

use meshcheck_bundle::BundleError;

use crate::process::{ProcessError, full_disk};
use crate::wait::WaitError;

/// Why something could not be installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// The bundle lacks something, or is damaged.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A program failed: istioctl, docker.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Something did not come up.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The API server refused something.
    #[error("{action}")]
    Api { action: String, source: Box<kube::Error> },
    /// A manifest cannot be read.
    #[error("the manifest of {what} cannot be used: {reason}")]
    Manifest { what: String, reason: String },
    /// No addresses for a load balancer.
    #[error("no addresses for a load balancer can be had from the network of kind: {0}")]
    Pool(String),
}

impl InstallError {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Bundle(error) => Some(error.hint().to_owned()),
            Self::Process(error) => error.hint(),
            Self::Wait(error) => full_disk(&error.to_string()).or_else(|| {
                Some(
                    "`meshcheck up` may be tried again; on a small machine, look at `docker stats`"
                        .into(),
                )
            }),
            Self::Api { .. } => None,
            Self::Manifest { .. } => {
                Some("get the bundle anew: remove its directory from the cache".into())
            }
            Self::Pool(_) => Some("`docker network inspect kind` shows its ranges".into()),
        }
    }
}

/// Puts what was tried in front of an answer of the API server.
pub(super) fn api(action: impl Into<String>) -> impl FnOnce(kube::Error) -> InstallError {
    move |source| InstallError::Api { action: action.into(), source: Box::new(source) }
}

/// Names the manifest that cannot be used, and why.
pub(super) fn unusable<E: Display>(what: &str) -> impl FnOnce(E) -> InstallError {
    move |error| InstallError::Manifest { what: what.to_owned(), reason: error.to_string() }
}
