//! The backend's service leads from port 80 to the backend's port 5678.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::claims::by_name::{backend_deployment, namespace_labelled};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{BackendDetails, Endpoint, Evidence, Expectations, Pod, Service, selector};
use crate::facts::demo::{find_deployment, is_pod_of, is_scaled_to_zero};
use crate::facts::injection::demo_namespace_is_missing;
use crate::format::{format_pod_state, list};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::cluster::delete;
use crate::steps::demo::{apply_manifest, restore_service, start};
use crate::steps::services::show_endpoints;
use crate::steps::workloads::show_finalizers;
use crate::steps::{IntoSteps, pods};

claim! {
    /// The tutorial's `backend.yaml` has the service `echo-service` in namespace `client`: port 80, named `http`, to
    /// target port 5678, with the selector `app: echo`.
    ///
    /// ## Why it matters
    /// The client asks the service's name. By the port's name Istio knows the protocol: `http` and `http-…` are HTTP,
    /// `tcp` is not, and of a name without a protocol Istio has to detect it.
    ///
    /// ## How it is checked
    /// Lists services, endpoint slices and pods of the demo's namespace (`list` on each, services and pods in the
    /// whole cluster). The service has a cluster IP, the tutorial's port and a selector for the backend's pods. All
    /// ready endpoints are pods of the backend, with the backend's port.
    ///
    /// ## What makes it fail
    /// - The service is not there or is being deleted, or the namespace is missing (`namespace_labelled`).
    /// - Its port, port name, protocol, target port or selector is another one, or it has no cluster IP.
    /// - It has no ready endpoint: the backend is scaled to 0 or not ready (`backend_deployment`).
    /// - A pod of something else stands behind it, or an endpoint has another port than the backend's.
    ///
    /// ## How to fix it
    /// - Another specification: patch the service, or apply `backend.yaml` again. Delete a service without cluster IP
    ///   first.
    /// - The backend has 0 replicas: scale it to 1. It is not ready: read the log or the events of its pod.
    ///
    /// ## Check by hand
    ///     kubectl -n client get service echo-service -o yaml
    ///     kubectl -n client get endpoints,pods -o wide
    demo::backend_service: "the backend's service leads from port 80 to the backend's port 5678",
    statement_for: |expectations| format!(
        "the backend's service leads from port {} to the backend's port {}",
        expectations.backend.service_port, expectations.backend.port
    ),
    needs: Reading,
    stops: [Service],
    caused_by: [
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        backend_deployment if no_backend_is_ready,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let service = require_service(evidence)?;
    let words = all_hold([
        stays(evidence, service),
        specification(evidence, service),
        endpoints(evidence),
    ])?;
    Ok(Judgement::pass(words[1..].join(", ")))
}

/// Whether a request to the service's port reaches a ready pod of the backend; nothing where that was
/// not observed.
pub(crate) fn leads_to_the_backend(evidence: &Evidence) -> Option<bool> {
    let holds = |judged: Judged| match judged {
        Ok(_) => Some(true),
        Err(judgement) => (judgement.verdict == Verdict::Fail).then_some(false),
    };
    let wanted = evidence.expectations.backend.service_port;
    match require_service(evidence) {
        Ok(service) if service.ports.iter().any(|port| port.port == wanted) => {
            holds(endpoints(evidence))
        }
        Ok(_) => Some(false),
        Err(missing) => holds(Err(missing)),
    }
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
        Judgement::fail(format!("there is no service {backend_service}"))
            .expected(format!(
                "{backend_service}: port {service_port} `{service_port_name}` to {port}"
            ))
            .observed(format!("services in {namespace}: {}", list(&names)))
            .object(object)
            .step(apply())
    })
}

/// Fails where the service is being deleted.
fn stays(evidence: &Evidence, service: &Service) -> Judged {
    if !service.terminating {
        return Ok(Judgement::pass(String::new()));
    }
    let object = service_object(evidence);
    Err(Judgement::fail(format!("{object} is being deleted"))
        .expected(object.to_string())
        .observed("a deletion timestamp")
        .object(object)
        .step(show_finalizers(evidence, &service.namespace, &format!("service/{}", service.name)))
        .step(apply_manifest(evidence, "backend.yaml")))
}

/// Something that is not as the tutorial says.
struct Difference {
    what: String,
    expected: String,
    observed: String,
}

fn specification(evidence: &Evidence, service: &Service) -> Judged {
    let name = &service.name;
    if service.kind == "ExternalName" {
        let what = format!("{name} is only another name for something outside of the cluster");
        let expected = "a service that selects pods".into();
        let difference = Difference { what, expected, observed: service.kind.clone() };
        return Err(differs(evidence, &[difference]));
    }
    // Without an address of its own nothing leads from its port to the pods': who asks it gets the
    // pods' addresses, and asks them for the service's port.
    if service.cluster_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()).is_none() {
        let found = service.cluster_ip.as_deref().unwrap_or("none");
        return Err(Judgement::fail(format!("{name} has no cluster IP: its port leads nowhere"))
            .expected("a cluster IP")
            .observed(format!("cluster IP {found}"))
            .object(service_object(evidence))
            .step(delete(evidence, &service.namespace, "svc", name, "removes it"))
            .step(apply_manifest(evidence, "backend.yaml")));
    }
    let BackendDetails { service_port, service_port_name, port, labels, .. } =
        &evidence.expectations.backend;
    let mut differences = compare_port(service, &evidence.expectations.backend);
    let selects: Vec<_> =
        service.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !selects_backend(evidence, service) {
        differences.push(Difference {
            what: format!("{name} does not select the backend's pods"),
            expected: selector(labels),
            observed: if selects.is_empty() { "no selector".to_owned() } else { list(&selects) },
        });
    }
    if !differences.is_empty() {
        return Err(differs(evidence, &differences));
    }
    Ok(Judgement::pass(format!(
        "port {service_port} `{service_port_name}` leads to {port} of {}",
        list(&selects)
    )))
}

/// All that differs, at once: one command restores it.
fn differs(evidence: &Evidence, differences: &[Difference]) -> Judgement {
    let all =
        |part: fn(&Difference) -> &str| differences.iter().map(part).collect::<Vec<_>>().join("; ");
    Judgement::fail(all(|it| &it.what))
        .expected(all(|it| &it.expected))
        .observed(all(|it| &it.observed))
        .object(service_object(evidence))
        .step(restore_service(evidence))
}

/// What differs in the service's port.
fn compare_port(service: &Service, tutorials: &BackendDetails) -> Vec<Difference> {
    let BackendDetails { service_port: number, service_port_name, port: listens, .. } = tutorials;
    let name = &service.name;
    let Some(port) = service.ports.iter().find(|port| port.port == *number) else {
        let ports: Vec<_> = service.ports.iter().map(|port| port.port.to_string()).collect();
        let (expected, observed) = (format!("port {number}"), format!("ports: {}", list(&ports)));
        return vec![Difference { what: format!("{name} has no {expected}"), expected, observed }];
    };
    let mut differences = Vec::new();
    let mut add = |what, expected, observed| {
        differences.push(Difference { what, expected, observed });
    };
    if port.name != *service_port_name {
        add(
            match port.name.as_str() {
                "" => format!(
                    "port {number} of {name} has no name, from which Istio knows the protocol"
                ),
                called => format!(
                    "port {number} of {name} is named `{called}`, not `{service_port_name}`: {}",
                    explain_protocol(called, service_port_name)
                ),
            },
            format!("port name {service_port_name}"),
            match port.name.as_str() {
                "" => "a port without a name".to_owned(),
                called => format!("port name {called}"),
            },
        );
    }
    if port.protocol != "TCP" {
        let what = format!("port {number} of {name} is not for TCP");
        add(what, "TCP".into(), port.protocol.clone());
    }
    // A named target port shows its number in the endpoints.
    if port.target_port.parse::<u16>().is_ok_and(|target| target != *listens) {
        let target = &port.target_port;
        add(
            format!("port {number} of {name} leads to port {target}, where nobody listens"),
            format!("target port {listens}"),
            format!("target port {target}"),
        );
    }
    differences
}

/// The protocols that a port's name can begin with.
/// Source: <https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>.
const PROTOCOLS: [&str; 11] =
    ["http", "http2", "https", "grpc", "grpc-web", "tcp", "tls", "mongo", "mysql", "redis", "udp"];

/// What Istio makes of the name of a port that has another one.
fn explain_protocol(name: &str, tutorials: &str) -> String {
    let protocol = |name: &str| {
        let names = |it: &&&str| name.strip_prefix(**it).is_some_and(|rest| rest.starts_with('-'));
        let known = PROTOCOLS.iter().filter(|it| name == **it || names(it));
        known.max_by_key(|it| it.len()).copied()
    };
    match protocol(name) {
        Some(found) if Some(found) == protocol(tutorials) => {
            format!("Istio knows it as {found} all the same")
        }
        Some(found) => format!("Istio takes the protocol for {found}"),
        None => "the name tells no protocol, and Istio has to detect it".to_owned(),
    }
}

/// Whether the service selects the pods that the backend's deployment makes.
fn selects_backend(evidence: &Evidence, service: &Service) -> bool {
    let backend = find_deployment(evidence, &evidence.expectations.backend_deployment);
    service.selects_labels(
        backend.map_or(&evidence.expectations.backend.labels, |it| &it.template_labels),
    )
}

fn endpoints(evidence: &Evidence) -> Judged {
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
        let who = stranger.pod.clone().unwrap_or_else(|| list(&stranger.addresses));
        let summary = format!(
            "behind {backend_service} stands {who}, which is no pod of {backend_deployment}"
        );
        return Err(fail(evidence, summary, who, restore_service(evidence)));
    }
    // A service of two address families names its pods twice.
    let good = ready.iter().filter(|endpoint| endpoint.ports.contains(&port));
    let good = good.map(|endpoint| &endpoint.pod).collect::<BTreeSet<_>>().len();
    // Of several ports, each may have endpoints of its own.
    let is_only_port = require_service(evidence).is_ok_and(|service| service.ports.len() == 1);
    let leads_elsewhere = |it: &&&Endpoint| is_only_port && !it.ports.contains(&port);
    let mut elsewhere: Vec<_> = ready.iter().filter(leads_elsewhere).collect();
    if good == 0 {
        elsewhere = ready.iter().collect();
    }
    if !elsewhere.is_empty() {
        let ports: BTreeSet<_> = elsewhere.iter().flat_map(|endpoint| &endpoint.ports).collect();
        let ports: Vec<_> = ports.into_iter().map(u16::to_string).collect();
        let summary = format!("{backend_service} leads to another port than the backend's {port}");
        let observed = format!("port {}", list(&ports));
        return Err(fail(evidence, summary, observed, restore_service(evidence)));
    }
    Ok(Judgement::pass(match good {
        1 => "1 backend pod is ready behind it".to_owned(),
        number => format!("{number} backend pods are ready behind it"),
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

/// There is no ready endpoint: because of the backend, or because of the service.
fn no_endpoint(evidence: &Evidence) -> Judgement {
    let Expectations { namespace, backend_service, backend_deployment, .. } =
        &evidence.expectations;
    if is_scaled_to_zero(evidence, backend_deployment) {
        let summary =
            format!("nobody is behind {backend_service}: {backend_deployment} is scaled to zero");
        let observed = format!("{backend_deployment} has 0 replicas");
        return fail(evidence, summary, observed, start(evidence, backend_deployment));
    }
    let mut pods = evidence.demo.pods.value().into_iter().flatten();
    let summary = format!("nobody is behind {backend_service}: it has no ready endpoint");
    match pods.find(|pod| is_pod_of(evidence, pod, backend_deployment)) {
        Some(pod) if !pod.ready => {
            let observed = format!("{} is {}", pod.name, format_pod_state(pod));
            fail(evidence, summary, observed, pods::diagnose(evidence, pod))
        }
        _ => {
            let observed = "no ready endpoint".to_owned();
            fail(evidence, summary, observed, show_endpoints(evidence, namespace))
        }
    }
}

/// The service is as it should be, and no echo pod is ready behind it.
fn no_backend_is_ready(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let name = &evidence.expectations.backend_deployment;
    let is_ready_backend = |pod: &Pod| is_pod_of(evidence, pod, name) && pod.is_running_and_ready();
    let is_specified =
        require_service(evidence).is_ok_and(|service| specification(evidence, service).is_ok());
    let (pods, endpoints) = (evidence.demo.pods.value(), evidence.demo.endpoints.value());
    is_specified
        && endpoints.is_some_and(|all| !all.iter().any(|one| is_ready(evidence, one)))
        && pods.is_some_and(|pods| !pods.iter().any(is_ready_backend))
}

#[cfg(test)]
mod cases;
