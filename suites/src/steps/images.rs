//! Steps that bring an image onto a node.

use serde_json::{Value, json};

use super::{Impact, Purpose, Step, injection, nodes, workloads};
use crate::evidence::{Container, Evidence, Node, Pod};
use crate::facts::gateway_address::is_local_cluster;
use crate::facts::kiali::is_kiali_pod;
use crate::facts::pull::{PullFailure, classify_pull_error, registry_host, unreached_host};
use crate::facts::sidecar::{INIT, SIDECAR};
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
            reach_registry(evidence, pod, container, message, failure)
        }
        PullFailure::Proxy => vec![advice(
            "Correct HTTP_PROXY, HTTPS_PROXY or NO_PROXY of the container runtime on the node, or let the proxy forward the pull"
                .into(),
        )],
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

/// Shows whether the node reaches the host that the message names, else the registry.
fn reach_registry(
    evidence: &Evidence,
    pod: &Pod,
    container: &Container,
    message: &str,
    failure: PullFailure,
) -> Vec<Step> {
    let host = unreached_host(message).unwrap_or_else(|| registry_host(&container.image));
    let name = host.split(':').next().unwrap_or(host);
    let url = format!("https://{host}/v2/");
    let (resolve, reach) =
        (["getent", "hosts", name], ["curl", "-sSI", "--max-time", "5", url.as_str()]);
    let (command, text): (&[&str], _) = if failure == PullFailure::Name {
        (&resolve, "resolves the name")
    } else {
        (&reach, "reaches the host")
    };
    let text = escape_backquotes(&format!("Check whether the node {text} {name}"));
    let show = show_on_node(evidence, pod, command, text);
    let text = format!(
        "Give the node DNS and a way to {name} (VPN, firewall, proxy of the container runtime), or load the image into it"
    );
    show.into_iter().chain([advice(escape_backquotes(&text))]).collect()
}

/// Creates a pull secret and uses it. The demo's pods have the service account `default`, Istio's own an option of the
/// installation. Another workload gets it in its template.
fn log_in(evidence: &Evidence, pod: &Pod, container: &Container) -> Vec<Step> {
    const SECRET: &str = "registry-login";
    let namespace = &pod.namespace;
    let host = escape_backquotes(registry_host(&container.image));
    let image = escape_backquotes(&container.image);
    let check = format!("Check that image {image} exists; its registry may want a login");
    let create = ["-n", namespace, "create", "secret", "generic", SECRET];
    let kind = ["--type=kubernetes.io/dockerconfigjson"];
    let create = format!(
        "{} --from-file=.dockerconfigjson=\"$HOME/.docker/config.json\"",
        evidence.kubectl(&[&create[..], &kind].concat())
    );
    let text = format!(
        "Create a pull secret from the file where docker login writes the login of {host}; with credsStore it has none"
    );
    let create = Step::fix(Impact::Changes, create, text);
    let secrets = json!({ "imagePullSecrets": [{ "name": SECRET }] });
    let patch = |target: &[&str], patch: &Value| {
        let patch = patch.to_string();
        evidence.kubectl(&[&["-n", namespace, "patch"], target, &["-p", &patch]].concat())
    };
    let workload = owner_workload(pod);
    let use_it = if *namespace == evidence.expectations.namespace {
        let text = "Use the secret for new pods of the namespace";
        let use_it = patch(&["serviceaccount", "default"], &secrets);
        let restart = if [INIT, SIDECAR].contains(&container.name.as_str()) {
            Some(injection::restart_all(evidence, "Create the pods again"))
        } else {
            workload.map(|it| workloads::restart(evidence, namespace, &it, "Create the pods again"))
        };
        [Step::fix(Impact::Changes, use_it, text)].into_iter().chain(restart).collect()
    } else if *namespace == evidence.expectations.istio_namespace && !is_kiali_pod(pod) {
        let option = "values.global.imagePullSecrets";
        vec![advice(format!("Name that secret in {option} of Istio's installation"))]
    } else {
        let template = json!({ "spec": { "template": { "spec": secrets } } });
        let use_it = workload.map(|it| patch(&[&it], &template));
        let text = "Use the secret for the pods of the workload";
        use_it.map(|it| Step::fix(Impact::RestartsPods, it, text)).into_iter().collect()
    };
    [vec![advice(check), create], use_it].concat()
}

/// Writes the registry into the image's name in the template of the pod's workload, which has no injected container.
fn name_registry(evidence: &Evidence, pod: &Pod, container: &Container) -> Vec<Step> {
    let image = &container.image;
    let whole = if image.contains('/') {
        format!("docker.io/{image}")
    } else {
        format!("docker.io/library/{image}")
    };
    let text = format!("Write the registry into the image's name: {}", escape_backquotes(&whole));
    let is_injected = [INIT, SIDECAR].contains(&container.name.as_str());
    let Some(workload) = owner_workload(pod).filter(|_| !is_injected) else {
        return vec![advice(text)];
    };
    let set = format!("{}={whole}", container.name);
    let command = evidence.kubectl(&["-n", &pod.namespace, "set", "image", &workload, &set]);
    vec![Step::fix(Impact::Changes, command, text)]
}

fn use_own_platform(evidence: &Evidence, pod: &Pod, container: &Container) -> String {
    let platform = find_node(evidence, pod).map_or("the node's", |node| &node.architecture);
    let image = escape_backquotes(&container.image);
    format!("Use a build of image {image} for platform {}", escape_backquotes(platform))
}
