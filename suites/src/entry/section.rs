//! The sections of a report, and the stops in the picture of the request path.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A section of a report on the tutorial or the preflight.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The cluster before the install.
    Prepare,
    /// The control plane.
    Install,
    /// The echo backend and its client.
    Demo,
    /// Sidecars, redirection, traffic.
    Mesh,
    /// From outside of the cluster into the mesh.
    Ingress,
    /// Kiali and its console.
    Kiali,
    /// Preflight: the machine that creates the cluster.
    Machine,
    /// Preflight: the software to install.
    Software,
    /// Preflight: the existing cluster.
    Cluster,
}

impl Section {
    /// The sections of the tutorial, in its order.
    pub const ALL: [Self; 6] =
        [Self::Prepare, Self::Install, Self::Demo, Self::Mesh, Self::Ingress, Self::Kiali];

    /// The sections of the preflight. No claim of the tutorial is in them.
    pub const PREFLIGHT: [Self; 3] = [Self::Machine, Self::Software, Self::Cluster];

    /// Returns its word in ids and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Install => "install",
            Self::Demo => "demo",
            Self::Mesh => "mesh",
            Self::Ingress => "ingress",
            Self::Kiali => "kiali",
            Self::Machine => "machine",
            Self::Software => "software",
            Self::Cluster => "cluster",
        }
    }

    /// Returns the section with which an id begins. A test proves that every id begins with one.
    pub(crate) fn of(id: &str) -> Self {
        let word = id.split("::").next().unwrap_or_default();
        let mut all = Self::ALL.into_iter().chain(Self::PREFLIGHT);
        all.find(|section| section.word() == word).unwrap_or(Self::Mesh)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A stop in the picture of the request path, or a connection between two stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The client's container.
    Client,
    /// The client's rules that redirect outbound traffic.
    OutboundRules,
    /// The client's sidecar.
    ClientSidecar,
    /// The network and the cluster's DNS between the pods.
    Network,
    /// The backend's service.
    Service,
    /// The backend's rules that redirect inbound traffic.
    InboundRules,
    /// The backend's sidecar.
    BackendSidecar,
    /// The port on which the backend listens.
    BackendPort,
    /// The backend's container.
    Backend,
    /// A client outside of the mesh.
    Outside,
    /// The load balancer in front of the gateway.
    LoadBalancer,
    /// The ingress gateway.
    Gateway,
    /// The route from the gateway into the mesh.
    Route,
}
