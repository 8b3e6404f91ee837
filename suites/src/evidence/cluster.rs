//! The cluster beneath the mesh.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Condition, Deployment, Observation, Pod, Service};

/// What the section *prepare* needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterEvidence {
    /// The server's version: `v1.29.15`.
    pub server_version: Observation<String>,
    /// All nodes.
    pub nodes: Observation<Vec<Node>>,
    /// What the pods of all namespaces request of each node, by the node's name.
    pub requested: Observation<BTreeMap<String, Resources>>,
    /// All services of type `LoadBalancer`, in all namespaces.
    pub load_balancer_services: Observation<Vec<Service>>,
    /// A service of our own that asked for an address, before the install.
    pub load_balancer_probe: Observation<LoadBalancerProbe>,
    /// What the cluster's events say of the gateway's service: `REASON: MESSAGE`.
    pub gateway_events: Observation<Vec<String>>,
    /// Pods that make the nodes' network, by their labels: kube-proxy, kindnet and others like it, MetalLB's speakers.
    pub network_pods: Observation<Vec<Pod>>,
    /// Cluster DNS.
    pub dns: Observation<Dns>,
    /// Calico's IP pools; absent where the cluster does not know that kind of object.
    pub calico_pools: Observation<Vec<IpPool>>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its conditions: `Ready`, `MemoryPressure`, `DiskPressure`, `PIDPressure`, …
    pub conditions: Vec<Condition>,
    /// Whether it takes no new pods.
    pub unschedulable: bool,
    /// Taints that keep pods away: `key=value:effect`.
    pub taints: Vec<String>,
    /// The ranges of the pod network that it hands out.
    pub pod_cidrs: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// What it has to give.
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

/// An amount of what nodes give and pods request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU, in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Pods.
    pub pods: u64,
}

/// A service of our own that asked for a load balancer address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancerProbe {
    /// The namespace of ours in which it stood.
    pub namespace: String,
    /// The address that it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How long it waited, in milliseconds.
    pub waited_ms: u64,
    /// What the cluster's events said of it.
    pub events: Vec<String>,
}

/// Cluster DNS: what carries the label `k8s-app=kube-dns` in `kube-system`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Its deployments, whatever they are called.
    pub deployments: Vec<Deployment>,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// One of Calico's IP pools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpPool {
    /// Its name.
    pub name: String,
    /// Its range.
    pub cidr: String,
    /// Whether it is switched off.
    pub disabled: bool,
}
