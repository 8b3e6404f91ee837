//! The gateway, tested from outside of the mesh. Its service and pods are in
//! [`super::InstallEvidence`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HttpAnswer, Observation};

/// The observations of the section *ingress*.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressEvidence {
    /// `GET http://ADDRESS:15021/healthz/ready`: the first answer from any address. Absent where the gateway has no address
    /// or no address answers.
    pub health: Observation<HttpAnswer>,
    /// The tested IP addresses, those of a host name after resolution. Empty in older files, which tested the first one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// The connection from this machine to the cluster's network; absent where no node answered with its certificate.
    pub way: Observation<Way>,
    /// The requests to the address that the gateway's proxies counted.
    pub counted: Observation<GatewayCount>,
    /// Requests through the test route.
    pub route: Observation<Route>,
}

/// A connection to the cluster's network.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Way {
    /// Where the connection begins: `this machine`, or a container on the cluster's network.
    pub vantage: String,
    /// The node that answered: the address of its kubelet, or its container.
    pub node: String,
    /// The ranges of the nodes' network, where the nodes are containers on this machine.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// Requests to port 15021 of the gateway's address, and `rq_total` of Envoy's cluster `agent`, which serves that port,
/// before and after them. Probes of the kubelet and of a load balancer are counted too.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GatewayCount {
    /// The number of answered requests.
    pub requests: u64,
    /// The gateway's pods whose counters are summed.
    pub pods: Vec<String>,
    /// Before the requests.
    pub before: u64,
    /// After them.
    pub after: u64,
}

/// Requests through the test route: a temporary `Gateway` and `VirtualService`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Route {
    /// The temporary namespace of these objects.
    pub namespace: String,
    /// The labels of that namespace besides meshcheck's, copied from the demo's namespace. Older files have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// The test host, which was routed to the backend.
    pub host: String,
    /// The answer for the test host.
    #[serde(default)]
    pub routed: Observation<HttpAnswer>,
    /// The answer for a host without a route.
    #[serde(default)]
    pub unknown_host: Observation<HttpAnswer>,
    /// Whether both objects were gone after the test.
    #[serde(default)]
    pub removed: Observation<bool>,
}
