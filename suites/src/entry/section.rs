//! Where an entry belongs: its section in a report, and its stops in the picture of a request's path.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A section of a report: of the tutorial, or of the preflight before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// The way in from outside.
    Ingress,
    /// The console.
    Kiali,
    /// Preflight: the machine that is to make the cluster.
    Machine,
    /// Preflight: what is to be installed.
    Software,
    /// Preflight: the cluster that is there.
    Cluster,
}

impl Section {
    /// All of the tutorial's, in its order.
    pub const ALL: [Self; 6] =
        [Self::Prepare, Self::Install, Self::Demo, Self::Mesh, Self::Ingress, Self::Kiali];

    /// Those of the preflight. No claim of the tutorial belongs to them.
    pub const PREFLIGHT: [Self; 3] = [Self::Machine, Self::Software, Self::Cluster];

    /// Its word in ids and JSON.
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

    /// The section that an id begins with. Every entry's id begins with one, which a test proves.
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

/// A stop in the picture of a request's path, or what lies between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The client's container.
    Client,
    /// The client's rules that redirect what it sends.
    OutboundRules,
    /// The client's sidecar.
    ClientSidecar,
    /// The network and the cluster's DNS between the pods.
    Network,
    /// The backend's service.
    Service,
    /// The backend's rules that redirect what it receives.
    InboundRules,
    /// The backend's sidecar.
    BackendSidecar,
    /// The port on which the backend listens.
    BackendPort,
    /// The backend's container.
    Backend,
    /// Whoever asks from outside of the mesh.
    Outside,
    /// The load balancer in front of the gateway.
    LoadBalancer,
    /// The ingress gateway.
    Gateway,
    /// The route from the gateway into the mesh.
    Route,
}
