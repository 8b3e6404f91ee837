//! The gateway, seen from outside of the mesh. Its service and pods are in
//! [`super::InstallEvidence`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{HttpAnswer, Observation};

/// What the section *ingress* needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressEvidence {
    /// `GET http://ADDRESS:15021/healthz/ready`: the first answer of all addresses. Absent where the gateway has no
    /// address or none answers.
    pub health: Observation<HttpAnswer>,
    /// The IP addresses that were asked, those of a name looked up; empty in older files, which asked the first one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// The way from here into the cluster's network; absent where no node answered with its certificate.
    pub way: Observation<Way>,
    /// Requests to the address, as the gateway's own proxies count them.
    pub counted: Observation<GatewayCount>,
    /// Requests through a route of our own.
    pub route: Observation<Route>,
}

/// What shows that the cluster's network can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// From where: `this machine`, `a container of ours on the cluster's network`.
    pub vantage: String,
    /// The node that was reached: its kubelet's address, or its container.
    pub node: String,
    /// The ranges of the nodes' network, where the nodes are containers on this machine.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// Requests to port 15021 of the gateway's address, and `rq_total` of Envoy's cluster `agent`, to which that port
/// leads, before and after them. The kubelet's probes and those of a load balancer are counted too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayCount {
    /// How many requests were answered.
    pub requests: u64,
    /// The gateway's pods whose counters are summed.
    pub pods: Vec<String>,
    /// Before the requests.
    pub before: u64,
    /// After them.
    pub after: u64,
}

/// Requests through a `Gateway` and a `VirtualService` of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The namespace of ours in which they stood.
    pub namespace: String,
    /// The labels that the namespace has besides meshcheck's: those of the demo's namespace. Older files have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_labels: Option<BTreeMap<String, String>>,
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
