//! From objects of the API to evidence: what claims and readers need of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment as ApiDeployment, DeploymentCondition};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use meshcheck_suites::evidence::{
    Condition, Container, ContainerState, Deployment, Endpoint, MARKS, Node, Pod, Service,
    ServicePort, Termination,
};

use super::resources::resources;

/// A time of the API. Its library has a version of its own.
pub(crate) fn time(time: &Time) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.0.as_nanosecond()).ok()
}

/// A container that can be brought together with its status.
fn container(spec: &core::Container, statuses: &[core::ContainerStatus]) -> Container {
    let status = statuses.iter().find(|status| status.name == spec.name);
    let ports = spec.ports.iter().flatten();
    Container {
        name: spec.name.clone(),
        image: spec.image.clone().unwrap_or_default(),
        command: spec.command.clone().unwrap_or_default(),
        args: spec.args.clone().unwrap_or_default(),
        ports: ports.filter_map(|port| u16::try_from(port.container_port).ok()).collect(),
        env: spec.env.iter().flatten().map(|variable| variable.name.clone()).collect(),
        restart_policy: spec.restart_policy.clone(),
        ready: status.is_some_and(|status| status.ready),
        restarts: status.and_then(|it| u32::try_from(it.restart_count).ok()).unwrap_or_default(),
        state: status.and_then(|it| it.state.as_ref()).map(state).unwrap_or_default(),
        last_termination: status
            .and_then(|it| it.last_state.as_ref())
            .and_then(|it| it.terminated.as_ref())
            .map(termination),
    }
}

fn state(state: &core::ContainerState) -> ContainerState {
    if let Some(running) = &state.running {
        ContainerState::Running { since: running.started_at.as_ref().and_then(time) }
    } else if let Some(terminated) = &state.terminated {
        ContainerState::Terminated(termination(terminated))
    } else if let Some(waiting) = &state.waiting {
        ContainerState::Waiting {
            reason: waiting.reason.clone().unwrap_or_default(),
            message: waiting.message.clone().unwrap_or_default(),
        }
    } else {
        ContainerState::Unknown
    }
}

fn termination(terminated: &core::ContainerStateTerminated) -> Termination {
    Termination {
        exit_code: terminated.exit_code,
        reason: terminated.reason.clone().unwrap_or_default(),
        finished_at: terminated.finished_at.as_ref().and_then(time),
    }
}

/// Containers, and init containers, of a pod's specification.
pub(crate) fn containers(
    spec: &core::PodSpec,
    status: Option<&core::PodStatus>,
) -> (Vec<Container>, Vec<Container>) {
    let statuses = |pick: fn(&core::PodStatus) -> &Option<Vec<core::ContainerStatus>>| {
        status.and_then(|status| pick(status).clone()).unwrap_or_default()
    };
    let running = statuses(|status| &status.container_statuses);
    let init = statuses(|status| &status.init_container_statuses);
    (
        spec.containers.iter().map(|spec| container(spec, &running)).collect(),
        spec.init_containers.iter().flatten().map(|spec| container(spec, &init)).collect(),
    )
}

/// A pod.
pub(crate) fn pod(pod: &core::Pod) -> Pod {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.as_ref();
    let (containers, init_containers) = containers(&spec, status);
    let conditions = status.and_then(|status| status.conditions.clone()).unwrap_or_default();
    let is_of_the_mesh =
        |key: &str| key.split('/').next().is_some_and(|it| it.ends_with("istio.io"));
    let unscheduled = conditions
        .iter()
        .find(|it| it.type_ == "PodScheduled" && it.status == "False")
        .map(|it| join_reason(it.reason.as_deref(), it.message.as_deref()));
    let reason = status
        .filter(|status| status.reason.is_some())
        .map(|status| join_reason(status.reason.as_deref(), status.message.as_deref()))
        .or(unscheduled);
    Pod {
        namespace: pod.namespace().unwrap_or_default(),
        name: pod.name_any(),
        labels: pod.labels().clone(),
        annotations: pod
            .annotations()
            .iter()
            .filter(|(key, _)| is_of_the_mesh(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        other_annotations: pod
            .annotations()
            .keys()
            .filter(|key| !is_of_the_mesh(key))
            .cloned()
            .collect(),
        owner: pod
            .owner_references()
            .iter()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| format!("{}/{}", owner.kind, owner.name)),
        node: spec.node_name.clone(),
        ip: status.and_then(|status| status.pod_ip.clone()),
        ips: status
            .and_then(|status| status.pod_ips.as_ref())
            .map(|all| all.iter().map(|it| it.ip.clone()).collect())
            .unwrap_or_default(),
        host_network: spec.host_network.unwrap_or_default(),
        phase: status.and_then(|it| it.phase.clone()).unwrap_or_else(|| "Unknown".into()),
        reason,
        ready: conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        created_at: pod.creation_timestamp().as_ref().and_then(time),
        containers,
        init_containers,
    }
}

fn join_reason(reason: Option<&str>, message: Option<&str>) -> String {
    [reason, message].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

fn condition(
    kind: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
) -> Condition {
    let (reason, message) = (reason.unwrap_or_default(), message.unwrap_or_default());
    Condition { kind, status, reason, message }
}

/// The labels and annotations of an object that tell who installed it.
pub(crate) fn marks(object: &impl kube::ResourceExt) -> BTreeMap<String, String> {
    let all = object.labels().iter().chain(object.annotations());
    let marks = all.filter(|(key, _)| MARKS.contains(&key.as_str()));
    marks.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A deployment.
pub(crate) fn deployment(deployment: &ApiDeployment) -> Deployment {
    let spec = deployment.spec.clone().unwrap_or_default();
    let status = deployment.status.clone().unwrap_or_default();
    let count = |number: Option<i32>| number.and_then(|it| u32::try_from(it).ok());
    let of_deployment =
        |it: DeploymentCondition| condition(it.type_, it.status, it.reason, it.message);
    let template = spec.template.spec.clone().unwrap_or_default();
    Deployment {
        namespace: deployment.namespace().unwrap_or_default(),
        name: deployment.name_any(),
        terminating: deployment.metadata.deletion_timestamp.is_some(),
        marks: marks(deployment),
        selector: spec.selector.match_labels.clone().unwrap_or_default(),
        template_labels: spec
            .template
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.labels.clone())
            .unwrap_or_default(),
        containers: containers(&template, None).0,
        replicas: count(spec.replicas).unwrap_or(1),
        current_replicas: count(status.replicas).unwrap_or_default(),
        updated_replicas: count(status.updated_replicas).unwrap_or_default(),
        ready_replicas: count(status.ready_replicas).unwrap_or_default(),
        available_replicas: count(status.available_replicas).unwrap_or_default(),
        generation: deployment.metadata.generation.unwrap_or_default(),
        observed_generation: status.observed_generation.unwrap_or_default(),
        conditions: status.conditions.into_iter().flatten().map(of_deployment).collect(),
    }
}

/// A service.
pub(crate) fn service(service: &core::Service) -> Service {
    let spec = service.spec.clone().unwrap_or_default();
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|it| it.ingress.clone()).unwrap_or_default();
    let target = |port: &core::ServicePort| match &port.target_port {
        Some(IntOrString::Int(number)) => number.to_string(),
        Some(IntOrString::String(name)) => name.clone(),
        None => port.port.to_string(),
    };
    Service {
        namespace: service.namespace().unwrap_or_default(),
        name: service.name_any(),
        terminating: service.metadata.deletion_timestamp.is_some(),
        kind: spec.type_.unwrap_or_else(|| "ClusterIP".into()),
        cluster_ip: spec.cluster_ip.filter(|address| !address.is_empty()),
        selector: spec.selector.unwrap_or_default(),
        ports: spec
            .ports
            .iter()
            .flatten()
            .map(|port| ServicePort {
                name: port.name.clone().unwrap_or_default(),
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()),
                port: u16::try_from(port.port).unwrap_or_default(),
                target_port: target(port),
                node_port: port
                    .node_port
                    .and_then(|it| u16::try_from(it).ok())
                    .filter(|it| *it > 0),
            })
            .collect(),
        external_ips: spec.external_ips.unwrap_or_default(),
        load_balancer_class: spec.load_balancer_class,
        allocates_node_ports: spec.allocate_load_balancer_node_ports,
        load_balancer_addresses: ingress
            .into_iter()
            .filter_map(|it| it.ip.or(it.hostname))
            .filter(|address| !address.is_empty())
            .collect(),
        created_at: service.creation_timestamp().as_ref().and_then(time),
    }
}

/// An event, as `REASON: MESSAGE`.
pub(crate) fn event(event: &core::Event) -> String {
    let (reason, message) = (event.reason.as_deref(), event.message.as_deref());
    format!("{}: {}", reason.unwrap_or_default(), message.unwrap_or_default())
}

/// The endpoints in a slice.
pub(crate) fn endpoints(slice: &EndpointSlice) -> Vec<Endpoint> {
    let service = slice.labels().get("kubernetes.io/service-name").cloned().unwrap_or_default();
    let ports: Vec<_> =
        slice.ports.iter().flatten().filter_map(|port| u16::try_from(port.port?).ok()).collect();
    let endpoint = |it: &k8s_openapi::api::discovery::v1::Endpoint| Endpoint {
        service: service.clone(),
        addresses: it.addresses.clone(),
        pod: it
            .target_ref
            .as_ref()
            .filter(|target| target.kind.as_deref() == Some("Pod"))
            .and_then(|target| target.name.clone()),
        ports: ports.clone(),
        // No word on it means ready: so the API says.
        ready: it.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true),
    };
    slice.endpoints.iter().map(endpoint).collect()
}

/// A node.
pub(crate) fn node(node: &core::Node) -> Node {
    let spec = node.spec.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    let of_node = |it: core::NodeCondition| condition(it.type_, it.status, it.reason, it.message);
    Node {
        name: node.name_any(),
        conditions: status.conditions.into_iter().flatten().map(of_node).collect(),
        unschedulable: spec.unschedulable.unwrap_or_default(),
        taints: spec
            .taints
            .unwrap_or_default()
            .into_iter()
            .map(|it| format!("{}={}:{}", it.key, it.value.unwrap_or_default(), it.effect))
            .collect(),
        excluded_from_load_balancers: node.labels().contains_key(Node::EXCLUDED),
        pod_cidrs: spec.pod_cidrs.or(spec.pod_cidr.map(|it| vec![it])).unwrap_or_default(),
        addresses: status.addresses.unwrap_or_default().into_iter().map(|it| it.address).collect(),
        allocatable: resources(&status.allocatable.unwrap_or_default()),
        kubelet_version: info.kubelet_version,
        container_runtime: info.container_runtime_version,
        kernel: info.kernel_version,
        architecture: info.architecture,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installer_of_a_deployment_is_read_from_labels_and_annotations() {
        let deployment: ApiDeployment = serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": "istiod",
                "labels": { "app": "istiod", "app.kubernetes.io/managed-by": "Helm" },
                "annotations": {
                    "deployment.kubernetes.io/revision": "1",
                    "meta.helm.sh/release-name": "istiod"
                }
            }
        }))
        .unwrap();
        let marks = super::deployment(&deployment).marks.into_iter().collect::<Vec<_>>();
        let expected =
            [("app.kubernetes.io/managed-by", "Helm"), ("meta.helm.sh/release-name", "istiod")];
        assert_eq!(marks, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn names_of_variables_and_annotations_are_kept_without_their_values() {
        let made: core::Pod = serde_json::from_value(serde_json::json!({
            "metadata": { "annotations": {
                "vault.hashicorp.com/agent-inject": "secret", "sidecar.istio.io/inject": "true" } },
            "spec": { "containers": [
                { "name": "a", "env": [{ "name": "http_proxy", "value": "http://u:secret@p" }] } ] }
        }))
        .unwrap();
        let pod = pod(&made);
        assert_eq!(pod.other_annotations, ["vault.hashicorp.com/agent-inject"]);
        assert_eq!(pod.annotations["sidecar.istio.io/inject"], "true");
        assert_eq!(pod.containers[0].env, ["http_proxy"]);
        assert!(!format!("{pod:?}").contains("secret"));
    }
}
