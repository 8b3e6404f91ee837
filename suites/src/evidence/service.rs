//! Services and their endpoints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workload::has_all;

/// A service of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is being deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminating: bool,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: String,
    /// `.spec.clusterIP`; `None` for a headless service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ip: Option<String>,
    /// The labels by which it selects pods.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// The addresses and host names in `.status.loadBalancer.ingress`.
    pub load_balancer_addresses: Vec<String>,
    /// `.spec.externalIPs`: more addresses at which the nodes accept its traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ips: Vec<String>,
    /// `.spec.loadBalancerClass`: the only load balancer that may serve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
    /// `.spec.allocateLoadBalancerNodePorts`, where it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocates_node_ports: Option<bool>,
    /// When it was created, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ServicePort {
    /// Its name, empty where it has none.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The service's port.
    pub port: u16,
    /// The pod's port: a number or a name.
    pub target_port: String,
    /// `nodePort`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<u16>,
}

/// An endpoint in the endpoint slices of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its service.
    pub service: String,
    /// Its addresses: one, in practice.
    pub addresses: Vec<String>,
    /// The name of its pod, where it is a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its ports.
    pub ports: Vec<u16>,
    /// Whether it is ready.
    pub ready: bool,
}

impl Service {
    /// Returns the EXTERNAL-IP of `kubectl get svc`: the load balancer's addresses, then `.spec.externalIPs`.
    pub fn external_addresses(&self) -> impl Iterator<Item = &str> {
        self.load_balancer_addresses.iter().chain(&self.external_ips).map(String::as_str)
    }

    /// Whether it selects pods with these labels.
    pub fn selects_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.selector.is_empty() && has_all(labels, &self.selector)
    }
}
