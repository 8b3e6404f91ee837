//! Kiali. Its deployment, service and pods are in [`super::InstallEvidence`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HttpAnswer, Observation};

/// The observations of the section *kiali*. Redirects are not followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct KialiEvidence {
    /// `GET http://localhost:PORT/` through a port-forward, where PORT is the target port of Kiali's service. Older
    /// evidence has `GET /`, on the expected port.
    pub root: Observation<HttpAnswer>,
    /// `GET /` through a second hop in front of the port-forward, as with socat, or at the URL of `--kiali-url`.
    pub exposed: Observation<HttpAnswer>,
    /// `GET /` on the exposed port of the API server's host; not requested with `--kiali-url`.
    pub machine: Observation<HttpAnswer>,
    /// `GET /kiali/`.
    pub console: Observation<HttpAnswer>,
    /// `GET /kiali/api`; the answer contains Kiali's version.
    pub api: Observation<HttpAnswer>,
}
