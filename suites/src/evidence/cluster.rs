//! The cluster: nodes, load balancers, DNS.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Deployment, Observation, Pod, Service};

/// The observations of the section *prepare*.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterEvidence {
    /// The server's version: `v1.29.15`.
    pub server_version: Observation<String>,
    /// All nodes.
    pub nodes: Observation<Vec<Node>>,
    /// The sum of the requests of all pods on each node, by the node's name.
    pub requested: Observation<BTreeMap<String, Resources>>,
    /// All services of type `LoadBalancer`, in all namespaces.
    pub load_balancer_services: Observation<Vec<Service>>,
    /// A test service of type LoadBalancer, before the install.
    pub load_balancer_probe: Observation<LoadBalancerProbe>,
    /// The events of the gateway's service: `REASON: MESSAGE`.
    pub gateway_events: Observation<Vec<String>>,
    /// The pods that implement the network, by their labels: kube-proxy, CNI plug-ins such as kindnet, MetalLB's speakers.
    pub network_pods: Observation<Vec<Pod>>,
    /// The cluster's DNS.
    pub dns: Observation<Dns>,
    /// Calico's IP pools; absent where their CRD is not installed.
    pub calico_pools: Observation<Vec<IpPool>>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its conditions: `Ready`, `MemoryPressure`, `DiskPressure`, `PIDPressure`, …
    pub conditions: Vec<Condition>,
    /// Whether it is cordoned (unschedulable).
    pub unschedulable: bool,
    /// Its taints: `key=value:effect`.
    pub taints: Vec<String>,
    /// Whether label [`Node::EXCLUDED`] keeps load balancers from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excluded_from_load_balancers: bool,
    /// Its ranges of pod addresses.
    pub pod_cidrs: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Its allocatable resources.
    pub allocatable: Resources,
    /// The kubelet's version.
    pub kubelet_version: String,
    /// `containerd://1.7.24`
    pub container_runtime: String,
    /// The kernel's version.
    pub kernel: String,
    /// `amd64`, `arm64`
    pub architecture: String,
}

impl Node {
    /// The label that excludes a node from load balancers, whatever its value. MetalLB 0.14 and later announces no
    /// address from such a node.
    /// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>.
    pub const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
}

/// An amount of resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Resources {
    /// CPU, in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The number of pods.
    pub pods: u64,
}

/// A test service of type LoadBalancer.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LoadBalancerProbe {
    /// Its temporary namespace.
    pub namespace: String,
    /// The address that it got, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How long it waited, in milliseconds.
    pub waited_ms: u64,
    /// Its events.
    pub events: Vec<String>,
}

/// The cluster's DNS: objects with the label `k8s-app=kube-dns` in `kube-system`.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Dns {
    /// Its deployments, with any name.
    pub deployments: Vec<Deployment>,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// One of Calico's IP pools.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct IpPool {
    /// Its name.
    pub name: String,
    /// Its range.
    pub cidr: String,
    /// Whether it is disabled.
    pub disabled: bool,
}
