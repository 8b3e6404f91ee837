//! Steps that bring an image onto a node.

use serde_json::json;

use super::{Impact, Purpose, Step, nodes, workloads};
use crate::evidence::{Container, Evidence, Node, Pod};
use crate::facts::gateway_address::is_local_cluster;
use crate::facts::pull::{PullFailure, classify_pull_error, registry_host};
use crate::facts::workload::owner_workload;
use crate::hint::escape_backquotes;

/// Removes the reason for which the node of a pod does not have the image of a container, where the container runtime's
/// message shows the reason.
pub(crate) fn obtain(
    evidence: &Evidence,
    pod: &Pod,
    container: &Container,
    message: &str,
) -> Vec<Step> {
    match classify_pull_error(message) {
        PullFailure::Time => set_clock(evidence, pod),
        PullFailure::Certificate => trust_registry(evidence, pod),
        PullFailure::Disk => free_disk(evidence, pod),
        PullFailure::RateLimit => vec![advice(
            "Wait for the registry's rate limit to end, log in to the registry, or pull from a mirror".into(),
        )],
        failure @ (PullFailure::Name | PullFailure::Unreachable) => {
            reach_registry(evidence, pod, container, failure)
        }
        PullFailure::Access => log_in(evidence, pod, container),
        PullFailure::ShortName => name_registry(evidence, pod, container),
        PullFailure::Platform => vec![advice(use_own_platform(evidence, pod, container))],
        PullFailure::Never => vec![advice(format!(
            "Load image {} into the node, or set imagePullPolicy IfNotPresent",
            escape_backquotes(&container.image)
        ))],
        PullFailure::Other => Vec::new(),
    }
}

fn advice(text: String) -> Step {
    Step::advice(Purpose::Fix, text)
}

fn find_node<'e>(evidence: &'e Evidence, pod: &Pod) -> Option<&'e Node> {
    evidence.cluster.nodes.value()?.iter().find(|node| Some(&node.name) == pod.node.as_ref())
}

/// Shows the output of a command on the pod's node, where the node is a container of this machine.
fn show_on_node(evidence: &Evidence, pod: &Pod, command: &[&str], text: String) -> Option<Step> {
    let node = pod.node.as_deref().filter(|_| is_local_cluster(evidence))?;
    Some(Step::inspect(evidence.on_node(node, command), text))
}

fn set_clock(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let text = "Set the node's clock and keep it right by NTP; if it is right, the registry's certificate has expired";
    nodes::set_clock(evidence, pod.node.as_deref(), text)
}

fn trust_registry(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let trust = |node| nodes::trust_certificate(evidence, node);
    let mut steps = pod.node.as_deref().map_or_else(Vec::new, trust);
    if pod.namespace == evidence.expectations.istio_namespace {
        let text =
            "Install Istio again with the same command, if the installation stopped at this pod";
        steps.push(advice(text.into()));
    }
    steps
}

fn free_disk(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    find_node(evidence, pod).map_or_else(Vec::new, |node| nodes::free_disk(evidence, node))
}

fn reach_registry(
    evidence: &Evidence,
    pod: &Pod,
    container: &Container,
    failure: PullFailure,
) -> Vec<Step> {
    let host = registry_host(&container.image);
    let name = host.split(':').next().unwrap_or(host);
    let show = if failure == PullFailure::Name {
        let text = format!("Check whether the node resolves the name of the registry, {name}");
        show_on_node(evidence, pod, &["getent", "hosts", name], text)
    } else {
        let text = format!("Check whether the node reaches the registry, {host}");
        let url = format!("https://{host}/v2/");
        show_on_node(evidence, pod, &["curl", "-sSI", "--max-time", "5", &url], text)
    };
    let text = format!(
        "Give the node DNS and a way to {name} (VPN, firewall, proxy of the container runtime), or load the image into it"
    );
    show.into_iter().chain([advice(escape_backquotes(&text))]).collect()
}

/// Creates a pull secret and uses it for the pods of the demo's namespace, whose service account is `default`. Istio's own
/// service accounts get theirs by an option of the installation.
fn log_in(evidence: &Evidence, pod: &Pod, container: &Container) -> Vec<Step> {
    const SECRET: &str = "registry-login";
    let host = registry_host(&container.image);
    let image = escape_backquotes(&container.image);
    let check = format!("Check that image {image} exists; its registry may want a login");
    let mut steps = vec![advice(check)];
    let create = ["-n", &pod.namespace, "create", "secret", "generic", SECRET];
    let login =
        ["--type=kubernetes.io/dockerconfigjson", "--from-file=.dockerconfigjson=config.json"];
    let text = format!(
        "Create a pull secret from config.json of ~/.docker, where docker login writes the login of {}",
        escape_backquotes(host)
    );
    let create = evidence.kubectl(&[&create[..], &login].concat());
    steps.push(Step::fix(Impact::Changes, create, text));
    if pod.namespace == evidence.expectations.istio_namespace {
        let option = "values.global.imagePullSecrets";
        steps.push(advice(format!("Name that secret in {option} of Istio's installation")));
        return steps;
    }
    let patch = json!({ "imagePullSecrets": [{ "name": SECRET }] }).to_string();
    let use_it = ["-n", &pod.namespace, "patch", "serviceaccount", "default", "-p", &patch];
    let text = "Use the secret for new pods of the namespace";
    steps.push(Step::fix(Impact::Changes, evidence.kubectl(&use_it), text));
    let restart = owner_workload(pod)
        .map(|it| workloads::restart(evidence, &pod.namespace, &it, "Create the pods again"));
    steps.extend(restart);
    steps
}

/// Writes the registry into the image's name in the template of the pod's workload.
fn name_registry(evidence: &Evidence, pod: &Pod, container: &Container) -> Vec<Step> {
    let image = &container.image;
    let whole = if image.contains('/') {
        format!("docker.io/{image}")
    } else {
        format!("docker.io/library/{image}")
    };
    let text = format!("Write the registry into the image's name: {}", escape_backquotes(&whole));
    let Some(workload) = owner_workload(pod) else { return vec![advice(text)] };
    let set = format!("{}={whole}", container.name);
    let command = evidence.kubectl(&["-n", &pod.namespace, "set", "image", &workload, &set]);
    vec![Step::fix(Impact::Changes, command, text)]
}

fn use_own_platform(evidence: &Evidence, pod: &Pod, container: &Container) -> String {
    let platform = find_node(evidence, pod).map_or("the node's", |node| &node.architecture);
    let image = escape_backquotes(&container.image);
    format!("Use a build of image {image} for platform {}", escape_backquotes(platform))
}
