//! Pods, containers, deployments: the fields that claims and reports need.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations of Istio, whose keys end in `istio.io/…`.
    pub annotations: BTreeMap<String, String>,
    /// The names of all its other annotations. Their values are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_annotations: Vec<String>,
    /// The controller that owns it: `ReplicaSet/echo-deployment-5b9`, `Job/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its node, where it is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its address, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// All of its addresses: two in a dual-stack cluster. Empty in older files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// Whether it uses the node's network (`hostNetwork`).
    pub host_network: bool,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Reason and message of its phase, or why it is not scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
    /// `.spec.containers`, with their statuses.
    pub containers: Vec<Container>,
    /// `.spec.initContainers`, with their statuses.
    pub init_containers: Vec<Container>,
}

/// A container of a pod: its specification and its status.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The image in its specification.
    pub image: String,
    /// The command, where the pod sets one.
    pub command: Vec<String>,
    /// The arguments.
    pub args: Vec<String>,
    /// The ports that it declares.
    pub ports: Vec<u16>,
    /// The names of the environment variables that its specification sets. Their values are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// An init container's own restart policy: `Always` makes it a native sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// Whether its status is ready.
    pub ready: bool,
    /// The number of restarts.
    pub restarts: u32,
    /// Its current state.
    pub state: ContainerState,
    /// Its last termination, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_termination: Option<Termination>,
}

/// The state of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ContainerState {
    /// The kubelet has not reported a state.
    #[default]
    Unknown,
    /// It is waiting to start.
    Waiting {
        /// The kubelet's reason: `CrashLoopBackOff`, `ImagePullBackOff`, `PodInitializing`.
        reason: String,
        /// The kubelet's message, often empty.
        message: String,
    },
    /// It is running.
    Running {
        /// Since when, by the node's clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        since: Option<Timestamp>,
    },
    /// It has terminated.
    Terminated(Termination),
}

/// The termination of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Termination {
    /// The exit code.
    pub exit_code: i32,
    /// The kubelet's reason: `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// When, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub finished_at: Option<Timestamp>,
}

/// A deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Deployment {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is being deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminating: bool,
    /// Those of [`MARKS`](super::MARKS) that it has: `meta.helm.sh/release-name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, String>,
    /// The labels by which it selects its pods.
    pub selector: BTreeMap<String, String>,
    /// The labels of its pod template.
    pub template_labels: BTreeMap<String, String>,
    /// The containers of its pod template, without status.
    pub containers: Vec<Container>,
    /// The desired number of replicas.
    pub replicas: u32,
    /// The number of existing replicas, of any template.
    pub current_replicas: u32,
    /// The number of replicas of the current template.
    pub updated_replicas: u32,
    /// The number of ready replicas.
    pub ready_replicas: u32,
    /// The number of available replicas.
    pub available_replicas: u32,
    /// The generation of the specification.
    pub generation: i64,
    /// The generation that the controller has seen.
    pub observed_generation: i64,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// A condition in an object's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Condition {
    /// `Available`, `Progressing`, `Ready`, `MemoryPressure`, …
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Its reason, one word.
    #[serde(default)]
    pub reason: String,
    /// Its message.
    #[serde(default)]
    pub message: String,
}

impl Pod {
    /// Whether the pod is Running and not being deleted.
    pub fn is_running(&self) -> bool {
        self.phase == "Running" && !self.terminating
    }

    /// Whether the pod is Running, not being deleted, and Ready.
    pub fn is_running_and_ready(&self) -> bool {
        self.is_running() && self.ready
    }

    /// Whether it has all of these labels.
    pub fn has_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        has_all(&self.labels, labels)
    }

    /// Returns all of its containers, init containers last.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> + Clone {
        self.containers.iter().chain(&self.init_containers)
    }

    /// Returns the containers that `kubectl get pods` counts in READY, native sidecars included.
    pub fn counted_containers(&self) -> impl Iterator<Item = &Container> {
        let native = self.init_containers.iter().filter(|it| it.is_native_sidecar());
        self.containers.iter().chain(native)
    }

    /// Returns its addresses, each once.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let more = self.ips.iter().filter(|it| Some(*it) != self.ip.as_ref());
        self.ip.iter().chain(more).filter_map(|it| it.parse().ok())
    }

    /// Returns its container istio-proxy: a sidecar, or the proxy of a gateway.
    pub fn proxy(&self) -> Option<&Container> {
        self.counted_containers().find(|container| container.name == "istio-proxy")
    }

    /// Returns its sidecar: a container, or a native sidecar.
    pub fn sidecar(&self) -> Option<&Container> {
        self.proxy().filter(|proxy| !proxy.is_router())
    }

    /// Whether the pod is a gateway: its proxy runs as a router.
    pub fn is_gateway(&self) -> bool {
        self.proxy().is_some_and(Container::is_router)
    }
}

impl Container {
    /// Whether the container is the proxy of a gateway: `pilot-agent proxy router`.
    pub fn is_router(&self) -> bool {
        let mut words = self.command.iter().chain(&self.args);
        words.any(|word| word == "proxy") && words.next().is_some_and(|word| word == "router")
    }

    /// Whether the container is a native sidecar: an init container with restartPolicy Always.
    pub fn is_native_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

impl Deployment {
    /// Whether its selector selects this pod.
    pub fn selects(&self, pod: &Pod) -> bool {
        pod.namespace == self.namespace
            && !self.selector.is_empty()
            && pod.has_labels(&self.selector)
    }
}

/// Whether labels contain all wanted ones.
pub(super) fn has_all(
    labels: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Service;
    use rstest::rstest;

    fn labels(app: &str) -> BTreeMap<String, String> {
        [("app".to_owned(), app.to_owned()), ("tier".to_owned(), "back".to_owned())].into()
    }

    fn container(name: &str, policy: Option<&str>) -> Container {
        let restart_policy = policy.map(str::to_owned);
        Container { name: name.into(), restart_policy, ..Container::default() }
    }

    #[rstest]
    #[case::runs("Running", false, true, true)]
    #[case::runs_unready("Running", false, false, true)]
    #[case::leaves("Running", true, true, false)]
    #[case::ended("Succeeded", false, false, false)]
    #[case::no_phase("", false, true, false)]
    fn running_pod_is_not_being_deleted(
        #[case] phase: &str,
        #[case] terminating: bool,
        #[case] ready: bool,
        #[case] running: bool,
    ) {
        let pod = Pod { phase: phase.into(), terminating, ready, ..Pod::default() };
        assert_eq!(pod.is_running(), running);
        assert_eq!(pod.is_running_and_ready(), running && ready);
    }

    #[rstest]
    #[case::all("demo", labels("echo"), true)]
    #[case::another_value("demo", labels("client"), false)]
    #[case::missing_label("demo", [("app".to_owned(), "echo".to_owned())].into(), false)]
    #[case::another_namespace("shop", labels("echo"), false)]
    fn deployment_selects_pods_of_its_namespace_with_all_labels(
        #[case] namespace: &str,
        #[case] of_pod: BTreeMap<String, String>,
        #[case] selected: bool,
    ) {
        let pod = Pod { namespace: namespace.into(), labels: of_pod, ..Pod::default() };
        let named =
            |selector| Deployment { namespace: "demo".into(), selector, ..Default::default() };
        assert_eq!(named(labels("echo")).selects(&pod), selected);
        assert!(!named(BTreeMap::new()).selects(&pod), "an empty selector selects nothing");
        let service = |selector| Service { selector, ..Service::default() };
        assert_eq!(
            service(labels("echo")).selects_labels(&pod.labels),
            selected || namespace == "shop"
        );
        assert!(!service(BTreeMap::new()).selects_labels(&pod.labels));
    }

    #[rstest]
    #[case::container(&[None], &[], 2, true)]
    #[case::native(&[], &[Some("Always")], 2, true)]
    #[case::init_container(&[], &[None], 1, false)]
    #[case::other_policy(&[], &[Some("OnFailure")], 1, false)]
    #[case::none(&[], &[], 1, false)]
    fn sidecar_is_a_container_or_a_native_sidecar(
        #[case] main: &[Option<&str>],
        #[case] init: &[Option<&str>],
        #[case] counted: usize,
        #[case] found: bool,
    ) {
        let proxy = |policy: Option<&str>| container("istio-proxy", policy);
        let mut pod = Pod::default();
        pod.containers.push(container("app", None));
        pod.containers.extend(main.iter().copied().map(proxy));
        pod.init_containers.extend(init.iter().copied().map(proxy));
        assert_eq!(pod.counted_containers().count(), counted);
        assert_eq!(pod.sidecar().is_some(), found);
        assert_eq!(pod.all_containers().count(), 1 + main.len() + init.len());
    }

    #[rstest]
    #[case::sidecar(&["proxy", "sidecar"], true)]
    #[case::gateway(&["proxy", "router", "--domain"], false)]
    #[case::named_for_it(&["proxy", "sidecar", "router"], true)]
    fn router_proxy_is_no_sidecar(#[case] args: &[&str], #[case] is_sidecar: bool) {
        let mut proxy = container("istio-proxy", None);
        proxy.args = args.iter().copied().map(str::to_owned).collect();
        let pod = Pod { containers: vec![proxy], ..Pod::default() };
        assert!(pod.proxy().is_some());
        assert_eq!((pod.sidecar().is_some(), pod.is_gateway()), (is_sidecar, !is_sidecar));
    }

    #[test]
    fn pod_returns_each_address_once() {
        let ips = ["10.244.0.8", "fd00:10:244::8"].map(str::to_owned);
        let mut pod = Pod { ip: Some(ips[0].clone()), ips: ips.into(), ..Pod::default() };
        assert_eq!(pod.addresses().map(|it| it.to_string()).collect::<Vec<_>>(), pod.ips);
        pod.ips.clear();
        assert_eq!(pod.addresses().count(), 1);
    }
}
