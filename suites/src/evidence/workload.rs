//! Kubernetes objects as far as claims and readers need them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations of the mesh: those whose key ends in `istio.io/…`.
    pub annotations: BTreeMap<String, String>,
    /// The controller that owns it: `ReplicaSet/echo-deployment-5b9`, `Job/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The node that it is on, once it is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its address, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Whether it lives in the node's network.
    pub host_network: bool,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Why it is in that phase, or why it is not scheduled: the API's reason and message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// `.spec.containers`, with their statuses.
    pub containers: Vec<Container>,
    /// `.spec.initContainers`, with their statuses.
    pub init_containers: Vec<Container>,
}

/// A container of a pod: what was asked for, and how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image as asked for.
    pub image: String,
    /// The command, where the pod sets one.
    pub command: Vec<String>,
    /// The arguments.
    pub args: Vec<String>,
    /// The ports that it declares.
    pub ports: Vec<u16>,
    /// An init container's own restart policy: `Always` makes it a native sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// Whether its status says ready.
    pub ready: bool,
    /// How often it was restarted.
    pub restarts: u32,
    /// What it does now.
    pub state: ContainerState,
    /// How it ended the last time, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_termination: Option<Termination>,
}

/// What a container does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ContainerState {
    /// The kubelet has not said yet.
    #[default]
    Unknown,
    /// It waits to start.
    Waiting {
        /// The kubelet's reason: `CrashLoopBackOff`, `ImagePullBackOff`, `PodInitializing`.
        reason: String,
        /// The kubelet's message, often empty.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when, by the node's clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// It has ended.
    Terminated(Termination),
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termination {
    /// The exit code.
    pub exit_code: i32,
    /// The kubelet's reason: `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// When, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// A deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels by which it selects its pods.
    pub selector: BTreeMap<String, String>,
    /// The labels of its pod template.
    pub template_labels: BTreeMap<String, String>,
    /// The containers of its pod template; their statuses are empty.
    pub containers: Vec<Container>,
    /// Replicas asked for.
    pub replicas: u32,
    /// Replicas that exist, of any template.
    pub current_replicas: u32,
    /// Replicas of the current template.
    pub updated_replicas: u32,
    /// Replicas that are ready.
    pub ready_replicas: u32,
    /// Replicas that are available.
    pub available_replicas: u32,
    /// The generation of the specification.
    pub generation: i64,
    /// The generation that the controller has seen.
    pub observed_generation: i64,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// A condition in an object's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `Available`, `Progressing`, `Ready`, `MemoryPressure`, …
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

/// A service, with the endpoints behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: String,
    /// Its cluster address; `None` stands for a headless service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ip: Option<String>,
    /// The labels by which it selects pods.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// The addresses and host names in `.status.loadBalancer.ingress`.
    pub load_balancer_addresses: Vec<String>,
    /// When it was created, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    /// Its name, empty where it has none.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The service's port.
    pub port: u16,
    /// The pod's port: a number or a name.
    pub target_port: String,
    /// The port on every node, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<u16>,
}

/// An endpoint in the slices of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The service that it belongs to.
    pub service: String,
    /// Its addresses: one, in practice.
    pub addresses: Vec<String>,
    /// The pod behind it, where it is a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The ports that it answers on.
    pub ports: Vec<u16>,
    /// Whether it takes traffic.
    pub ready: bool,
}
