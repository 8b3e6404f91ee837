//! Kiali. Its deployment, service and pods are in [`super::InstallEvidence`].

use serde::{Deserialize, Serialize};

use super::{HttpAnswer, Observation};

/// What the section *kiali* needs. Redirects are not followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KialiEvidence {
    /// `GET /` through a port-forward.
    pub root: Observation<HttpAnswer>,
    /// `GET /` through a second hop of our own in front of the port-forward, or at a URL that the
    /// caller named.
    pub exposed: Observation<HttpAnswer>,
    /// `GET /kiali/`.
    pub console: Observation<HttpAnswer>,
    /// `GET /kiali/api`, whose answer names Kiali's version.
    pub api: Observation<HttpAnswer>,
}
