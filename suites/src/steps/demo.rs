//! Steps on the demo's own objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Impact, Purpose, Step, services, workloads};
use crate::evidence::{BackendDetails, Evidence, Expectations, Reply, Service};
use crate::facts::demo::find_deployment;
use crate::facts::proxy_replies::{is_policy_denial, is_proxys_own_reply, is_timeout};
use crate::format::list;
use crate::hint::escape_backquotes;

/// Applies a manifest of the tutorial again. The tutorial prints it; it may not be in a file yet. The tutorial's command
/// for `backend.yaml` has a pipe in place of a redirection, and writes no file.
pub(crate) fn apply_manifest(evidence: &Evidence, file: &str) -> Step {
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "apply", "-f", file]);
    let typo = match file {
        "backend.yaml" => " (in the tutorial's command, replace | before backend.yaml by >)",
        _ => "",
    };
    let text = format!("Apply the tutorial's manifest, saved as {file}{typo}");
    Step::fix(Impact::Changes, command, text)
}

/// Scales a deployment of the demo from 0 replicas to 1.
pub(crate) fn start(evidence: &Evidence, deployment: &str) -> Step {
    let text = "Scale the deployment to 1 replica";
    workloads::scale_up(evidence, &evidence.expectations.namespace, deployment, text)
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
    let text = "Set the client's image to the tutorial's, which has curl";
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
    Step::fix(
        Impact::Changes,
        evidence.kubectl(&patch),
        "Set the arguments of the backend to the tutorial's",
    )
}

/// A field of a service with its new value, and the JSON patch that sets it.
type Change = (String, Value);

/// Changes each field of the backend's service that differs from the tutorial's, and no other field.
pub(crate) fn restore_service(evidence: &Evidence) -> Step {
    let Expectations { namespace, backend_service, .. } = &evidence.expectations;
    let mut services = evidence.demo.services.value().into_iter().flatten();
    let Some(service) = services.find(|service| service.name == *backend_service) else {
        return apply_manifest(evidence, "backend.yaml");
    };
    let kind = (service.kind == "ExternalName").then(|| {
        let patch = json!({"op": "replace", "path": "/spec/type", "value": "ClusterIP"});
        ("type ClusterIP".to_owned(), patch)
    });
    let changes: Vec<_> = kind
        .into_iter()
        .chain(correct_port(evidence, service))
        .chain(correct_selector(evidence, service))
        .collect();
    if changes.is_empty() {
        return services::show_endpoints(evidence, namespace);
    }
    let (mut names, patches): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    names.dedup();
    let text = escape_backquotes(&format!("Set {} in the service", list(&names)));
    let patch = Value::from(patches).to_string();
    let patch = ["-n", namespace, "patch", "svc", backend_service, "--type=json", "-p", &patch];
    Step::fix(Impact::Changes, evidence.kubectl(&patch), text)
}

/// Returns the changes of the service's port: of the port with the tutorial's number, or with its name, or of a new
/// port, because two ports cannot have one name.
fn correct_port(evidence: &Evidence, service: &Service) -> Vec<Change> {
    let BackendDetails { service_port: number, service_port_name: name, port: target, .. } =
        &evidence.expectations.backend;
    let ports = || service.ports.iter();
    let by_name = || ports().position(|port| port.name == *name || port.name.is_empty());
    let Some(index) = ports().position(|port| port.port == *number).or_else(by_name) else {
        let port = json!({"name": name, "port": number, "protocol": "TCP", "targetPort": target});
        let patch = if service.ports.is_empty() {
            json!({"op": "add", "path": "/spec/ports", "value": [port]})
        } else {
            json!({"op": "add", "path": "/spec/ports/-", "value": port})
        };
        return vec![(format!("port {number}"), patch)];
    };
    let port = &service.ports[index];
    // A named target port is correct where the endpoints have the backend's port.
    let is_target = port.target_port == target.to_string()
        || port.target_port.parse::<u16>().is_err() && !forwards_elsewhere(evidence);
    let change = |field: &str, text: String, value: Value| {
        let path = format!("/spec/ports/{index}/{field}");
        (text, json!({"op": "add", "path": path, "value": value}))
    };
    [
        (port.name == *name, change("name", format!("port name {name}"), json!(name))),
        (port.port == *number, change("port", format!("port {number}"), json!(number))),
        (port.protocol == "TCP", change("protocol", "protocol TCP".into(), json!("TCP"))),
        (is_target, change("targetPort", format!("targetPort {target}"), json!(target))),
    ]
    .into_iter()
    .filter_map(|(is_right, change)| (!is_right).then_some(change))
    .collect()
}

/// Whether the service's ready endpoints have another port than the backend's.
fn forwards_elsewhere(evidence: &Evidence) -> bool {
    let endpoints = evidence.demo.endpoints.value().into_iter().flatten();
    let port = evidence.expectations.backend.port;
    endpoints.into_iter().any(|it| !it.ports.is_empty() && !it.ports.contains(&port))
}

/// Returns the changes of the service's selector: the labels that it lacks, and those that the backend's pods lack.
fn correct_selector(evidence: &Evidence, service: &Service) -> Vec<Change> {
    let Expectations { backend_deployment, backend, .. } = &evidence.expectations;
    let template = find_deployment(evidence, backend_deployment).map(|it| &it.template_labels);
    if service.selects_labels(template.unwrap_or(&backend.labels)) {
        return Vec::new();
    }
    let wanted: BTreeMap<_, _> = backend
        .labels
        .iter()
        .map(|(key, value)| (key, template.and_then(|labels| labels.get(key)).unwrap_or(value)))
        .collect();
    let labels: Vec<_> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let text = format!("selector {}", labels.join(","));
    if service.selector.is_empty() {
        return vec![(text, json!({"op": "add", "path": "/spec/selector", "value": wanted}))];
    }
    let path = |key: &str| format!("/spec/selector/{}", key.replace('~', "~0").replace('/', "~1"));
    let is_wrong = |(key, value): &(&String, &String)| {
        template.is_none_or(|labels| labels.get(*key) != Some(*value)) && !wanted.contains_key(*key)
    };
    let remove = service.selector.iter().filter(is_wrong);
    let remove = remove.map(|(key, _)| json!({"op": "remove", "path": path(key)}));
    let set = wanted.iter().filter(|(key, value)| service.selector.get(**key) != Some(**value));
    let set = set.map(|(key, value)| json!({"op": "add", "path": path(key), "value": value}));
    set.chain(remove).map(|patch| (text.clone(), patch)).collect()
}

/// Sends the request again, and shows the headers of the answer.
pub(crate) fn ask_again(evidence: &Evidence, url: &str) -> Step {
    let Expectations { namespace, client_deployment, client, .. } = &evidence.expectations;
    let target = format!("deployment/{client_deployment}");
    let exec = ["-n", namespace, "exec", &target, "-c", &client.container, "--"];
    let command = evidence.kubectl(&[&exec[..], &["curl", "-sSi", url]].concat());
    Step::inspect(command, "Test the request from the client")
}

/// Shows the cluster's domain, and sets it in the configuration and in the client.
pub(crate) fn explain_domain(evidence: &Evidence, domain: &str) -> Vec<Step> {
    let show =
        evidence.kubectl(&["-n", "kube-system", "get", "configmap", "coredns", "-o", "yaml"]);
    let domain = escape_backquotes(domain);
    let Expectations { namespace, backend_service, .. } = &evidence.expectations;
    let set = format!("Set cluster-domain to {domain} in section demo of meshcheck.toml");
    let request = escape_backquotes(&format!(
        "Request {backend_service}.{namespace}.svc.{domain} in client.yaml, and apply it again"
    ));
    vec![
        Step::advice(Purpose::Fix, set),
        Step::advice(Purpose::Fix, request),
        Step::inspect(show, "Show the domain that the cluster's DNS serves"),
    ]
}

/// Removes environment variables from the client's container, where its template sets them.
pub(crate) fn unset_variables(evidence: &Evidence, names: &[&str]) -> Vec<Step> {
    let Expectations { namespace, client_deployment, client, .. } = &evidence.expectations;
    let target = format!("deployment/{client_deployment}");
    let template = find_deployment(evidence, client_deployment).map(|it| &it.containers);
    let mut set = template.into_iter().flatten().flat_map(|it| &it.env);
    if !names.iter().all(|name| set.any(|it| it == name)) {
        return vec![workloads::describe(
            evidence,
            namespace,
            client_deployment,
            "Show the deployment",
        )];
    }
    let names: Vec<_> = names.iter().map(|name| format!("{name}-")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let unset = ["-n", namespace, "set", "env", &target, "-c", &client.container];
    let command = evidence.kubectl(&[&unset[..], &names].concat());
    vec![Step::fix(Impact::Changes, command, "Remove the variable from the pod template")]
}

/// Lists the peer authentications, which can make the backend's sidecar accept mutual TLS only.
pub(crate) fn list_peer_authentications(evidence: &Evidence) -> Step {
    let command = evidence.kubectl(&["get", "peerauthentications", "--all-namespaces"]);
    Step::inspect(command, "Check whether the backend accepts mTLS only (mode STRICT)")
}

/// Envoy's answers where it has no endpoint, or where no endpoint accepts the request.
const UPSTREAM: [&str; 2] = ["no healthy upstream", "upstream connect error"];

/// Lists the configuration by which a proxy gives such a reply itself or no reply in time, or shows the backend's log.
pub(crate) fn show_answerer(evidence: &Evidence, reply: Option<&Reply>) -> Vec<Step> {
    let list = |kinds: &str, text: &str| {
        Step::inspect(evidence.kubectl(&["get", kinds, "--all-namespaces"]), text)
    };
    let body = reply.map_or("", |it| it.body.as_str());
    if is_policy_denial(body) {
        let text = "List the authorization policies, one of which denies the request";
        return vec![list("authorizationpolicies", text)];
    }
    if body.contains("fault filter abort") {
        let text = "List the virtual services, one of which injects this fault";
        return vec![list("virtualservices", text)];
    }
    if UPSTREAM.iter().any(|it| body.contains(it)) || reply.is_some_and(is_proxys_own_reply) {
        let kinds = "virtualservices,destinationrules,peerauthentications";
        return vec![list(kinds, "List the mesh resources that can keep Envoy from the backend")];
    }
    let slow = reply.is_some_and(is_timeout).then(|| {
        let text = "List what can delay or drop a request: virtual services and network policies";
        list("virtualservices,networkpolicies", text)
    });
    let Expectations { namespace, backend_deployment, backend, .. } = &evidence.expectations;
    let target = format!("deployment/{backend_deployment}");
    let logs = ["-n", namespace, "logs", &target, "-c", &backend.container, "--tail=20"];
    let log = Step::inspect(evidence.kubectl(&logs), "Show the log of the backend");
    slow.into_iter().chain([log]).collect()
}
