//! The backend's service forwards from port 80 to the backend's port 5678.

mod protocol;

use std::collections::BTreeSet;
use std::net::IpAddr;

use protocol::{explain_protocol, is_http2};

use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{BackendDetails, Endpoint, Evidence, Expectations, Pod, Service, selector};
use crate::facts::demo::{find_deployment, is_pod_of, is_scaled_to_zero};
use crate::facts::injection::demo_namespace_is_missing;
use crate::format::{format_pod_state, list};
use crate::judgement::{Judged, Judgement, Look as _, Verdict, require};
use crate::object::Object;
use crate::steps::cluster::delete;
use crate::steps::demo::{apply_manifest, restore_service, start};
use crate::steps::services::show_endpoints;
use crate::steps::workloads::show_finalizers;
use crate::steps::{IntoSteps, pods};

claim! {
    /// The tutorial's `backend.yaml` has the service `echo-service` in namespace `client`. Its port 80, named `http`, has
    /// targetPort 5678. Its selector is `app: echo`.
    ///
    /// ## Why it matters
    /// The client requests the service's name. Istio derives the protocol from the port's name: `http` and `http-…` are
    /// HTTP, and `tcp` is TCP. For a name without a protocol, Istio has to detect it.
    ///
    /// ## How it is checked
    /// - Lists services, endpoint slices and pods of the demo's namespace (`list` on each; services and pods in the whole
    ///   cluster).
    /// - The service has a cluster IP, the tutorial's port, and a selector for the backend's pods.
    /// - All ready endpoints are pods of the backend, with the backend's port.
    ///
    /// ## What makes it fail
    /// - The service does not exist or is being deleted, or the namespace is missing (`namespace_labelled`).
    /// - Its port, port name, protocol, targetPort or selector differs, or it has no cluster IP.
    /// - It has no ready endpoint: the backend is scaled to 0 or not ready (`backend_deployment`).
    /// - An endpoint is not a pod of the backend, or has another port than the backend's.
    ///
    /// ## How to fix it
    /// - Another specification: patch the service, or apply `backend.yaml` again. Delete a service without a cluster IP
    ///   first.
    /// - The backend has 0 replicas: scale it to 1. It is not ready: read the log or the events of its pod.
    ///
    /// ## Check by hand
    ///     kubectl -n client get service echo-service -o yaml
    ///     kubectl -n client get endpoints,pods -o wide
    demo::backend_service: "the backend's service forwards from port 80 to the backend's port 5678",
    statement_for: |expectations| format!(
        "the backend's service forwards from port {} to the backend's port {}",
        expectations.backend.service_port, expectations.backend.port
    ),
    needs: Reading,
    stops: [Service],
    caused_by: [
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        backend_deployment if no_backend_is_ready,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let service = require_service(evidence)?;
    let parts = all_hold([
        check_deletion(evidence, service),
        check_specification(evidence, service),
        check_endpoints(evidence),
    ])?;
    Ok(Judgement::pass(parts[1..].join(", ")))
}

/// Whether a request to the service's port reaches a ready pod of the backend; nothing where that could not be read.
pub(crate) fn leads_to_the_backend(evidence: &Evidence) -> Option<bool> {
    let holds = |judged: Judged| match judged {
        Ok(_) => Some(true),
        Err(judgement) => (judgement.verdict == Verdict::Fail).then_some(false),
    };
    let wanted = evidence.expectations.backend.service_port;
    let leads = |service: &Service| {
        has_cluster_ip(service) && service.ports.iter().any(|port| port.port == wanted)
    };
    match require_service(evidence) {
        Ok(service) if leads(service) => holds(check_endpoints(evidence)),
        Ok(_) => Some(false),
        Err(missing) => holds(Err(missing)),
    }
}

/// Whether the service breaks the client's requests: it does not lead to the backend, or Envoy uses HTTP/2 for its port.
pub(crate) fn breaks_requests(evidence: &Evidence) -> bool {
    let BackendDetails { service_port, service_port_name, .. } = &evidence.expectations.backend;
    let ports = require_service(evidence).map(|service| service.ports.iter()).into_iter().flatten();
    let name =
        ports.filter(|port| port.port == *service_port).map(|port| port.name.as_str()).next();
    leads_to_the_backend(evidence) == Some(false)
        || name.is_some_and(is_http2) && !is_http2(service_port_name)
}

/// Whether a service has a cluster IP. Without one no port is forwarded: a client gets the pods' addresses and uses the
/// service's port there.
fn has_cluster_ip(service: &Service) -> bool {
    service.cluster_ip.as_deref().is_some_and(|ip| ip.parse::<IpAddr>().is_ok())
}

fn service_object(evidence: &Evidence) -> Object {
    let Expectations { namespace, backend_service, .. } = &evidence.expectations;
    Object::new("service", namespace, backend_service)
}

fn require_service(evidence: &Evidence) -> Result<&Service, Judgement> {
    let Expectations { namespace, backend_service, .. } = &evidence.expectations;
    let what = format!("the services of namespace {namespace}");
    let object = service_object(evidence);
    let apply = || apply_manifest(evidence, "backend.yaml");
    let services = require(&evidence.demo.services, &what, &object, apply)?;
    services.iter().find(|service| service.name == *backend_service).ok_or_else(|| {
        let BackendDetails { service_port, service_port_name, port, .. } =
            &evidence.expectations.backend;
        let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
        Judgement::fail(format!("service {backend_service} does not exist"))
            .expected(format!(
                "service {backend_service}: port {service_port} `{service_port_name}`, targetPort {port}"
            ))
            .observed(format!("services in {namespace}: {}", list(&names)))
            .object(object)
            .step(apply())
    })
}

/// The text of the step that deletes a service without a cluster IP.
const DELETE: &str = "Delete the service: it cannot get a cluster IP later";

/// Fails where the service is being deleted.
fn check_deletion(evidence: &Evidence, service: &Service) -> Judged {
    if !service.terminating {
        return Ok(Judgement::pass(String::new()));
    }
    let object = service_object(evidence);
    Err(Judgement::fail(format!("{object} is being deleted"))
        .expected("no deletionTimestamp")
        .observed("deletionTimestamp is set")
        .object(object)
        .step(show_finalizers(evidence, &service.namespace, &format!("service/{}", service.name)))
        .step(apply_manifest(evidence, "backend.yaml")))
}

/// A difference between the service and the tutorial's.
struct Difference {
    what: String,
    expected: String,
    observed: String,
}

fn check_specification(evidence: &Evidence, service: &Service) -> Judged {
    let name = &service.name;
    if service.kind == "ExternalName" {
        let what = format!("service {name} has type ExternalName and selects no pods");
        let expected = "type ClusterIP".into();
        let observed = format!("type {}", service.kind);
        let difference = Difference { what, expected, observed };
        return Err(differs(evidence, &[difference]));
    }
    if !has_cluster_ip(service) {
        let found = service.cluster_ip.as_deref().unwrap_or("none");
        return Err(Judgement::fail(format!(
            "service {name} has no cluster IP: no port is forwarded"
        ))
        .expected("a cluster IP")
        .observed(format!("cluster IP {found}"))
        .object(service_object(evidence))
        .step(delete(evidence, &service.namespace, "svc", name, DELETE))
        .step(apply_manifest(evidence, "backend.yaml")));
    }
    let BackendDetails { service_port, service_port_name, port, labels, .. } =
        &evidence.expectations.backend;
    let mut differences = compare_port(service, &evidence.expectations.backend);
    let selects: Vec<_> =
        service.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !selects_backend(evidence, service) {
        differences.push(Difference {
            what: format!("service {name} does not select the backend's pods"),
            expected: format!("selector {}", selector(labels)),
            observed: match selects.as_slice() {
                [] => "no selector".to_owned(),
                selects => format!("selector {}", selects.join(",")),
            },
        });
    }
    if !differences.is_empty() {
        return Err(differs(evidence, &differences));
    }
    Ok(Judgement::pass(format!(
        "service {name}: port {service_port} `{service_port_name}`, targetPort {port}, selector {}",
        selects.join(",")
    )))
}

/// Fails with all differences at once: one command restores the service.
fn differs(evidence: &Evidence, differences: &[Difference]) -> Judgement {
    let all =
        |part: fn(&Difference) -> &str| differences.iter().map(part).collect::<Vec<_>>().join("; ");
    let summary = match differences {
        [only] => only.what.clone(),
        several => format!(
            "service {} differs from the tutorial's in {} points",
            evidence.expectations.backend_service,
            several.len()
        ),
    };
    Judgement::fail(summary)
        .expected(all(|it| &it.expected))
        .observed(all(|it| &it.observed))
        .object(service_object(evidence))
        .step(restore_service(evidence))
}

/// Lists the differences of the service's port.
fn compare_port(service: &Service, tutorials: &BackendDetails) -> Vec<Difference> {
    let BackendDetails { service_port: number, service_port_name, port: listens, .. } = tutorials;
    let name = &service.name;
    let Some(port) = service.ports.iter().find(|port| port.port == *number) else {
        let ports: Vec<_> = service.ports.iter().map(|port| port.port.to_string()).collect();
        let (expected, observed) = (format!("port {number}"), format!("port {}", list(&ports)));
        let what = format!("service {name} has no {expected}");
        return vec![Difference { what, expected, observed }];
    };
    let mut differences = Vec::new();
    let mut add = |what, expected, observed| {
        differences.push(Difference { what, expected, observed });
    };
    if port.name != *service_port_name {
        add(
            match port.name.as_str() {
                "" => format!(
                    "port {number} of service {name} has no name: Istio has to detect the protocol"
                ),
                found => format!(
                    "port {number} of service {name} is named `{found}`, expected \
                     `{service_port_name}`: {}",
                    explain_protocol(found, service_port_name)
                ),
            },
            format!("port name {service_port_name}"),
            match port.name.as_str() {
                "" => "no port name".to_owned(),
                found => format!("port name {found}"),
            },
        );
    }
    if port.protocol != "TCP" {
        let what = format!("port {number} of service {name} has protocol {}", port.protocol);
        add(what, "protocol TCP".into(), format!("protocol {}", port.protocol));
    }
    // A named target port shows its number in the endpoints.
    if port.target_port.parse::<u16>().is_ok_and(|target| target != *listens) {
        let target = &port.target_port;
        add(
            format!(
                "port {number} of service {name} forwards to targetPort {target}, the backend \
                 listens on {listens}"
            ),
            format!("targetPort {listens}"),
            format!("targetPort {target}"),
        );
    }
    differences
}

/// Whether the service selects the pods of the backend's deployment.
fn selects_backend(evidence: &Evidence, service: &Service) -> bool {
    let backend = find_deployment(evidence, &evidence.expectations.backend_deployment);
    service.selects_labels(
        backend.map_or(&evidence.expectations.backend.labels, |it| &it.template_labels),
    )
}

fn check_endpoints(evidence: &Evidence) -> Judged {
    let Expectations { namespace, backend_service, backend_deployment, .. } =
        &evidence.expectations;
    let port = evidence.expectations.backend.port;
    let object = service_object(evidence);
    let show = || show_endpoints(evidence, namespace);
    let what = format!("the endpoints of {backend_service}");
    let endpoints = require(&evidence.demo.endpoints, &what, &object, show)?;
    let ready: Vec<_> = endpoints.iter().filter(|one| is_ready(evidence, one)).collect();
    if ready.is_empty() {
        return Err(no_endpoint(evidence));
    }
    let what = format!("the pods of namespace {namespace}");
    let pods = require(&evidence.demo.pods, &what, &object, show)?;
    let is_backend = |endpoint: &Endpoint| {
        endpoint.pod.as_ref().is_some_and(|name| {
            pods.iter().any(|pod| pod.name == *name && is_pod_of(evidence, pod, backend_deployment))
        })
    };
    if let Some(stranger) = ready.iter().find(|endpoint| !is_backend(endpoint)) {
        evidence.demo.deployments.look(&format!("the deployments of namespace {namespace}"))?;
        let who = stranger.pod.clone().unwrap_or_else(|| list(&stranger.addresses));
        let summary = format!(
            "service {backend_service} has the endpoint {who}, which is no pod of {backend_deployment}"
        );
        return Err(fail(evidence, summary, who, restore_service(evidence)));
    }
    // A service of two address families lists its pods twice.
    let good = ready.iter().filter(|endpoint| endpoint.ports.contains(&port));
    let good = good.map(|endpoint| &endpoint.pod).collect::<BTreeSet<_>>().len();
    // Of several ports, each may have endpoints of its own.
    let is_only_port = require_service(evidence).is_ok_and(|service| service.ports.len() == 1);
    let has_other_port = |it: &&&Endpoint| is_only_port && !it.ports.contains(&port);
    let mut elsewhere: Vec<_> = ready.iter().filter(has_other_port).collect();
    if good == 0 {
        elsewhere = ready.iter().collect();
    }
    if !elsewhere.is_empty() {
        let ports: BTreeSet<_> = elsewhere.iter().flat_map(|endpoint| &endpoint.ports).collect();
        let ports: Vec<_> = ports.into_iter().map(u16::to_string).collect();
        let summary = format!(
            "endpoints of service {backend_service} have another port than the backend's {port}"
        );
        let observed = format!("port {}", list(&ports));
        return Err(fail(evidence, summary, observed, restore_service(evidence)));
    }
    Ok(Judgement::pass(match good {
        1 => "1 ready endpoint".to_owned(),
        number => format!("{number} ready endpoints"),
    }))
}

fn is_ready(evidence: &Evidence, endpoint: &Endpoint) -> bool {
    let service = &evidence.expectations.backend_service;
    endpoint.service == *service && endpoint.ready && !endpoint.addresses.is_empty()
}

fn fail(
    evidence: &Evidence,
    summary: String,
    observed: String,
    steps: impl IntoSteps,
) -> Judgement {
    let (name, port) =
        (&evidence.expectations.backend_deployment, evidence.expectations.backend.port);
    Judgement::fail(summary)
        .expected(format!("a ready pod of {name} with port {port}"))
        .observed(observed)
        .object(service_object(evidence))
        .steps(steps.into_steps())
}

/// Fails because there is no ready endpoint: the reason is the backend or the service.
fn no_endpoint(evidence: &Evidence) -> Judgement {
    let Expectations { namespace, backend_service, backend_deployment, .. } =
        &evidence.expectations;
    if is_scaled_to_zero(evidence, backend_deployment) {
        let summary = format!(
            "service {backend_service} has no ready endpoint: {backend_deployment} is scaled to 0"
        );
        let observed = format!("no ready pod: {backend_deployment} has 0 replicas");
        return fail(evidence, summary, observed, start(evidence, backend_deployment));
    }
    let mut pods = evidence.demo.pods.value().into_iter().flatten();
    let summary = format!("service {backend_service} has no ready endpoint");
    match pods.find(|pod| is_pod_of(evidence, pod, backend_deployment)) {
        Some(pod) if !pod.ready => {
            let observed = format!("pod {} is {}", pod.name, format_pod_state(pod));
            fail(evidence, summary, observed, pods::diagnose(evidence, pod))
        }
        _ => {
            let observed = "no ready endpoint".to_owned();
            fail(evidence, summary, observed, show_endpoints(evidence, namespace))
        }
    }
}

/// Whether the service is the tutorial's, and no pod of the backend is ready.
fn no_backend_is_ready(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let name = &evidence.expectations.backend_deployment;
    let is_ready_backend = |pod: &Pod| is_pod_of(evidence, pod, name) && pod.is_running_and_ready();
    let is_specified = require_service(evidence)
        .is_ok_and(|service| check_specification(evidence, service).is_ok());
    let (pods, endpoints) = (evidence.demo.pods.value(), evidence.demo.endpoints.value());
    is_specified
        && endpoints.is_some_and(|all| !all.iter().any(|one| is_ready(evidence, one)))
        && pods.is_some_and(|pods| !pods.iter().any(is_ready_backend))
}

#[cfg(test)]
mod cases;
