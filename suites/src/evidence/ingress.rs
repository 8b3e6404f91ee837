//! The gateway, seen from outside of the mesh. Its service and pods are in
//! [`super::InstallEvidence`].

use serde::{Deserialize, Serialize};

use super::{HttpAnswer, Observation};

/// What the section *ingress* needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressEvidence {
    /// `GET http://ADDRESS:15021/healthz/ready`; absent where the gateway has no address.
    pub health: Observation<HttpAnswer>,
    /// Requests through a route of our own.
    pub route: Observation<Route>,
}

/// Requests through a `Gateway` and a `VirtualService` of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The namespace of ours in which they stood.
    pub namespace: String,
    /// The host name of our own that was routed to the backend.
    pub host: String,
    /// The answer for that host.
    #[serde(default)]
    pub routed: Observation<HttpAnswer>,
    /// The answer for a host that nobody routes.
    #[serde(default)]
    pub unknown_host: Observation<HttpAnswer>,
    /// Whether both objects were removed again, by a look afterwards.
    #[serde(default)]
    pub removed: Observation<bool>,
}
