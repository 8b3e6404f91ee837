//! Kiali. Its deployment, service and pods are in [`super::InstallEvidence`].

use serde::{Deserialize, Serialize};

use super::{HttpAnswer, Observation};

/// What the section *kiali* needs. Redirects are not followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KialiEvidence {
    /// `GET http://localhost:PORT/` through a port-forward, where PORT is the pod's that Kiali's service leads to. An older
    /// record has `GET /`, of the port that Kiali is expected to have.
    pub root: Observation<HttpAnswer>,
    /// `GET /` through a second hop of our own in front of the port-forward, or at a URL that the
    /// caller named.
    pub exposed: Observation<HttpAnswer>,
    /// `GET /` on the exposed port of the API server's host; not asked where the caller named a URL.
    pub machine: Observation<HttpAnswer>,
    /// `GET /kiali/`.
    pub console: Observation<HttpAnswer>,
    /// `GET /kiali/api`, whose answer names Kiali's version.
    pub api: Observation<HttpAnswer>,
}
