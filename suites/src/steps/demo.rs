//! Steps on the demo's own objects.

use serde_json::{Map, json};

use super::{Impact, Purpose, Step, workloads};
use crate::evidence::{BackendDetails, Evidence, Expectations};
use crate::facts::demo::find_deployment;
use crate::hint::escape_backquotes;

/// Applies a manifest of the tutorial again.
pub(crate) fn apply_manifest(evidence: &Evidence, file: &str) -> Step {
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "apply", "-f", file]);
    Step::fix(Impact::Changes, command, "applies the tutorial's manifest")
}

/// Starts a deployment that has no replicas.
pub(crate) fn start(evidence: &Evidence, deployment: &str) -> Step {
    workloads::scale_up(evidence, &evidence.expectations.namespace, deployment, "starts it again")
}

/// Sets the image of a deployment's container.
pub(crate) fn set_image(
    evidence: &Evidence,
    deployment: &str,
    (container, image): (&str, &str),
    text: &str,
) -> Step {
    let (target, image) = (format!("deployment/{deployment}"), format!("{container}={image}"));
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "set", "image", &target, &image]);
    Step::fix(Impact::Changes, command, text)
}

/// Sets the client's image to the tutorial's.
pub(crate) fn restore_client_image(evidence: &Evidence) -> Step {
    let client = &evidence.expectations.client;
    let image = (client.container.as_str(), client.image.as_str());
    let text = "gives the client the image that has curl";
    set_image(evidence, &evidence.expectations.client_deployment, image, text)
}

/// Sets the arguments of the backend's container.
pub(crate) fn set_backend_arguments(evidence: &Evidence, arguments: &[String]) -> Step {
    let Expectations { namespace, backend_deployment, backend, .. } = &evidence.expectations;
    let patch = json!({"spec": {"template": {"spec": {"containers": [
        {"name": backend.container, "args": arguments}
    ]}}}})
    .to_string();
    let patch = ["-n", namespace, "patch", "deployment", backend_deployment, "-p", &patch];
    Step::fix(Impact::Changes, evidence.kubectl(&patch), "gives it the tutorial's arguments")
}

/// Puts the tutorial's specification of the backend's service in place of what is there.
pub(crate) fn restore_service(evidence: &Evidence) -> Step {
    let Expectations { namespace, backend_service, backend_deployment, backend, .. } =
        &evidence.expectations;
    let BackendDetails { service_port, service_port_name, port, labels, .. } = backend;
    let template = find_deployment(evidence, backend_deployment).map(|it| &it.template_labels);
    let selector: Map<_, _> = labels
        .iter()
        .map(|(key, value)| (key, template.and_then(|labels| labels.get(key)).unwrap_or(value)))
        .map(|(key, value)| (key.clone(), value.clone().into()))
        .collect();
    let ports = json!([{
        "name": service_port_name, "port": service_port, "protocol": "TCP", "targetPort": port
    }]);
    let patch = json!([
        {"op": "replace", "path": "/spec/ports", "value": ports},
        {"op": "add", "path": "/spec/selector", "value": selector},
    ])
    .to_string();
    let patch = ["-n", namespace, "patch", "svc", backend_service, "--type=json", "-p", &patch];
    Step::fix(Impact::Changes, evidence.kubectl(&patch), "makes it what the tutorial says")
}

/// Sends one more request, with the answer's headers.
pub(crate) fn ask_again(evidence: &Evidence, url: &str) -> Step {
    let Expectations { namespace, client_deployment, client, .. } = &evidence.expectations;
    let target = format!("deployment/{client_deployment}");
    let exec = ["-n", namespace, "exec", &target, "-c", &client.container, "--"];
    Step::inspect(evidence.kubectl(&[&exec[..], &["curl", "-sSi", url]].concat()), "asks again")
}

/// Shows the cluster's domain, and says where another one goes.
pub(crate) fn explain_domain(evidence: &Evidence, domain: &str) -> Vec<Step> {
    let show =
        evidence.kubectl(&["-n", "kube-system", "get", "configmap", "coredns", "-o", "yaml"]);
    let set = format!(
        "set cluster-domain to {} in section demo of meshcheck.toml, and ask that name in client.yaml",
        escape_backquotes(domain)
    );
    vec![
        Step::inspect(show, "shows the domain that the cluster's DNS serves"),
        Step::advice(Purpose::Fix, set),
    ]
}

/// Removes environment variables from the client's container, where its template sets them.
pub(crate) fn unset_variables(evidence: &Evidence, names: &[&str]) -> Vec<Step> {
    let Expectations { namespace, client_deployment, client, .. } = &evidence.expectations;
    let target = format!("deployment/{client_deployment}");
    let template = find_deployment(evidence, client_deployment).map(|it| &it.containers);
    let mut set = template.into_iter().flatten().flat_map(|it| &it.env);
    if !names.iter().all(|name| set.any(|it| it == name)) {
        return vec![workloads::describe(evidence, namespace, client_deployment, "shows its pods")];
    }
    let names: Vec<_> = names.iter().map(|name| format!("{name}-")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let unset = ["-n", namespace, "set", "env", &target, "-c", &client.container];
    let command = evidence.kubectl(&[&unset[..], &names].concat());
    vec![Step::fix(Impact::Changes, command, "removes the variable from its template")]
}

/// What Envoy answers where it has no endpoint, or none that takes the request.
const UPSTREAM: [&str; 2] = ["no healthy upstream", "upstream connect error"];

/// Shows who answers like that: the configuration of the mesh that makes a proxy answer, or the backend's log.
pub(crate) fn show_answerer(evidence: &Evidence, observed: &str) -> Vec<Step> {
    let Expectations { namespace, backend_deployment, backend, .. } = &evidence.expectations;
    let kinds = if observed.contains("RBAC: access denied") {
        "authorizationpolicies"
    } else if observed.contains("fault filter abort") {
        "virtualservices"
    } else if UPSTREAM.iter().any(|it| observed.contains(it)) {
        "virtualservices,destinationrules,peerauthentications"
    } else {
        let target = format!("deployment/{backend_deployment}");
        let logs = ["-n", namespace, "logs", &target, "-c", &backend.container, "--tail=20"];
        return vec![Step::inspect(evidence.kubectl(&logs), "shows the backend's side")];
    };
    let command = evidence.kubectl(&["get", kinds, "--all-namespaces"]);
    vec![
        Step::advice(Purpose::Inspect, "a proxy answered by itself, because of one of these"),
        Step::inspect(command, "lists them"),
    ]
}
