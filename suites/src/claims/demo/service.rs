//! The backend's service: its ports, its selector, and who is behind it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{apply, deployment, is_pod_of, scale_up};
use crate::combine::all_hold;
use crate::evidence::{BackendDetails, Endpoint, Evidence, Expectations, Service, selector};
use crate::format::{format_pod_state, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement, Verdict};
use crate::steps;

pub(in super::super) fn backend_service(evidence: &Evidence) -> Judged {
    let service = find(evidence)?;
    let words = all_hold([specification(evidence, service), endpoints(evidence)])?;
    Ok(Judgement::pass(words.join(", ")))
}

/// Whether the service is there, with the tutorial's specification.
pub(in super::super) fn service_as_told(evidence: &Evidence) -> bool {
    find(evidence).is_ok_and(|service| specification(evidence, service).is_ok())
}

/// Whether a request to the service's port reaches a ready pod of the backend; nothing where that was
/// not seen.
pub(in super::super) fn leads_to_the_backend(evidence: &Evidence) -> Option<bool> {
    let told = |judged: Judged| match judged {
        Ok(_) => Some(true),
        Err(judgement) => (judgement.verdict == Verdict::Fail).then_some(false),
    };
    let wanted = evidence.expectations.backend.service_port;
    match find(evidence) {
        Ok(service) if service.ports.iter().any(|port| port.port == wanted) => {
            told(endpoints(evidence))
        }
        Ok(_) => Some(false),
        Err(missing) => told(Err(missing)),
    }
}

fn object(evidence: &Evidence) -> String {
    let Expectations { namespace, backend_service, .. } = &evidence.expectations;
    format!("service {namespace}/{backend_service}")
}

fn find(evidence: &Evidence) -> Result<&Service, Judgement> {
    let Expectations { namespace, backend_service, .. } = &evidence.expectations;
    let what = format!("the services of namespace {namespace}");
    let object = object(evidence);
    let services =
        require(&evidence.demo.services, &what, &object, || apply(evidence, "backend.yaml"))?;
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
            .legacy_hint(apply(evidence, "backend.yaml"))
    })
}

/// Something that is not as the tutorial says.
struct Wrong {
    what: String,
    expected: String,
    observed: String,
}

fn specification(evidence: &Evidence, service: &Service) -> Judged {
    let name = &service.name;
    if service.kind == "ExternalName" {
        let what = format!("{name} is only another name for something outside of the cluster");
        let expected = "a service that selects pods".into();
        return Err(told(evidence, &[Wrong { what, expected, observed: service.kind.clone() }]));
    }
    // Without an address of its own nothing leads from its port to the pods': who asks it gets the
    // pods' addresses, and asks them for the service's port.
    if service.cluster_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()).is_none() {
        let found = service.cluster_ip.as_deref().unwrap_or("none");
        let again = evidence.kubectl(&["-n", &service.namespace, "delete", "svc", name]);
        return Err(Judgement::fail(format!("{name} has no cluster IP: its port leads nowhere"))
            .expected("a cluster IP")
            .observed(format!("cluster IP {found}"))
            .object(object(evidence))
            .legacy_hint(format!("`{again}`, then {}", apply(evidence, "backend.yaml"))));
    }
    let BackendDetails { service_port, service_port_name, port, labels, .. } =
        &evidence.expectations.backend;
    let mut wrongs = port_wrongs(service, &evidence.expectations.backend);
    let selects: Vec<_> =
        service.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !selects_backend(evidence, service) {
        wrongs.push(Wrong {
            what: format!("{name} does not select the backend's pods"),
            expected: selector(labels),
            observed: if selects.is_empty() { "no selector".to_owned() } else { list(&selects) },
        });
    }
    if !wrongs.is_empty() {
        return Err(told(evidence, &wrongs));
    }
    Ok(Judgement::pass(format!(
        "port {service_port} `{service_port_name}` leads to {port} of {}",
        list(&selects)
    )))
}

/// All that is wrong, told at once: one command mends it.
fn told(evidence: &Evidence, wrongs: &[Wrong]) -> Judgement {
    let all = |part: fn(&Wrong) -> &str| wrongs.iter().map(part).collect::<Vec<_>>().join("; ");
    Judgement::fail(all(|it| &it.what))
        .expected(all(|it| &it.expected))
        .observed(all(|it| &it.observed))
        .object(object(evidence))
        .legacy_hint(mend(evidence))
}

/// What is wrong with the service's port.
fn port_wrongs(service: &Service, tutorials: &BackendDetails) -> Vec<Wrong> {
    let BackendDetails { service_port: number, service_port_name, port: listens, .. } = tutorials;
    let name = &service.name;
    let Some(port) = service.ports.iter().find(|port| port.port == *number) else {
        let ports: Vec<_> = service.ports.iter().map(|port| port.port.to_string()).collect();
        let expected = format!("port {number}");
        let what = format!("{name} has no {expected}");
        return vec![Wrong { what, expected, observed: format!("ports: {}", list(&ports)) }];
    };
    let mut wrongs = Vec::new();
    if port.name != *service_port_name {
        wrongs.push(Wrong {
            what: format!(
                "port {number} of {name} is not named `{service_port_name}`: by the name the mesh knows what is spoken there"
            ),
            expected: format!("port name {service_port_name}"),
            observed: match port.name.as_str() {
                "" => "a port without a name".to_owned(),
                called => format!("port name {called}"),
            },
        });
    }
    if port.protocol != "TCP" {
        wrongs.push(Wrong {
            what: format!("port {number} of {name} is not for TCP"),
            expected: "TCP".into(),
            observed: port.protocol.clone(),
        });
    }
    // A named target port shows its number in the endpoints.
    if port.target_port.parse::<u16>().is_ok_and(|target| target != *listens) {
        let target = &port.target_port;
        wrongs.push(Wrong {
            what: format!("port {number} of {name} leads to port {target}, where nobody listens"),
            expected: format!("target port {listens}"),
            observed: format!("target port {target}"),
        });
    }
    wrongs
}

/// Whether the service selects the pods that the backend's deployment makes.
fn selects_backend(evidence: &Evidence, service: &Service) -> bool {
    let backend = deployment(evidence, &evidence.expectations.backend_deployment);
    service.selects_labels(
        backend.map_or(&evidence.expectations.backend.labels, |it| &it.template_labels),
    )
}

/// The tutorial's specification, put in place of what is there.
fn mend(evidence: &Evidence) -> String {
    let Expectations { namespace, backend_service, backend_deployment, .. } =
        &evidence.expectations;
    let BackendDetails { service_port, service_port_name, port, labels, .. } =
        &evidence.expectations.backend;
    let template = deployment(evidence, backend_deployment).map(|it| &it.template_labels);
    let selector: serde_json::Map<_, _> = labels
        .iter()
        .map(|(key, value)| (key, template.and_then(|labels| labels.get(key)).unwrap_or(value)))
        .map(|(key, value)| (key.clone(), value.clone().into()))
        .collect();
    let ports = serde_json::json!([{
        "name": service_port_name, "port": service_port, "protocol": "TCP", "targetPort": port
    }]);
    let patch = serde_json::json!([
        {"op": "replace", "path": "/spec/ports", "value": ports},
        {"op": "add", "path": "/spec/selector", "value": selector},
    ])
    .to_string();
    let patch = ["-n", namespace, "patch", "svc", backend_service, "--type=json", "-p", &patch];
    format!("`{}` makes it what the tutorial says", evidence.kubectl(&patch))
}

fn endpoints(evidence: &Evidence) -> Judged {
    let Expectations { namespace, backend_service, backend_deployment, .. } =
        &evidence.expectations;
    let port = evidence.expectations.backend.port;
    let object = object(evidence);
    let show = evidence.kubectl(&["-n", namespace, "get", "endpoints,pods", "-o", "wide"]);
    let shows = || format!("`{show}` shows who is behind it");
    let what = format!("the endpoints of {backend_service}");
    let endpoints = require(&evidence.demo.endpoints, &what, &object, shows)?;
    let ready: Vec<&Endpoint> = endpoints
        .iter()
        .filter(|one| one.service == *backend_service && one.ready && !one.addresses.is_empty())
        .collect();
    let fail = |summary: String, observed: String| {
        Judgement::fail(summary)
            .expected(format!("a ready pod of {backend_deployment} with port {port}"))
            .observed(observed)
            .object(&object)
    };
    if ready.is_empty() {
        return Err(nobody_behind(evidence, fail, shows));
    }
    let pods = require(
        &evidence.demo.pods,
        &format!("the pods of namespace {namespace}"),
        &object,
        shows,
    )?;
    let is_backend = |endpoint: &Endpoint| {
        endpoint.pod.as_ref().is_some_and(|name| {
            pods.iter().any(|pod| pod.name == *name && is_pod_of(evidence, pod, backend_deployment))
        })
    };
    if let Some(stranger) = ready.iter().find(|endpoint| !is_backend(endpoint)) {
        let who = stranger.pod.clone().unwrap_or_else(|| list(&stranger.addresses));
        let hint = mend(evidence);
        return Err(fail(
            format!(
                "behind {backend_service} stands {who}, which is no pod of {backend_deployment}"
            ),
            who,
        )
        .legacy_hint(hint));
    }
    // A service of two address families names its pods twice.
    let good = ready.iter().filter(|endpoint| endpoint.ports.contains(&port));
    let good = good.map(|endpoint| &endpoint.pod).collect::<BTreeSet<_>>().len();
    if good == 0 {
        let ports: Vec<_> =
            ready.iter().flat_map(|endpoint| &endpoint.ports).map(u16::to_string).collect();
        return Err(fail(
            format!("{backend_service} leads to another port than the backend's {port}"),
            format!("port {}", list(&ports)),
        )
        .legacy_hint(mend(evidence)));
    }
    Ok(Judgement::pass(match good {
        1 => "1 backend pod is ready behind it".to_owned(),
        number => format!("{number} backend pods are ready behind it"),
    }))
}

/// There is no ready endpoint: because of the backend, or because of the service.
fn nobody_behind(
    evidence: &Evidence,
    fail: impl Fn(String, String) -> Judgement,
    shows: impl Fn() -> String,
) -> Judgement {
    let Expectations { backend_service, backend_deployment, .. } = &evidence.expectations;
    if deployment(evidence, backend_deployment).is_some_and(|backend| backend.replicas == 0) {
        return fail(
            format!("nobody is behind {backend_service}: {backend_deployment} is scaled to zero"),
            format!("{backend_deployment} has 0 replicas"),
        )
        .legacy_hint(scale_up(evidence, backend_deployment));
    }
    let pods = evidence.demo.pods.value();
    let backend =
        pods.and_then(|pods| pods.iter().find(|pod| is_pod_of(evidence, pod, backend_deployment)));
    let summary = format!("nobody is behind {backend_service}: it has no ready endpoint");
    match backend {
        Some(pod) if !pod.ready => {
            fail(summary, format!("{} is {}", pod.name, format_pod_state(pod)))
                .legacy_hint(steps::joined(steps::pods::diagnose(evidence, pod)))
        }
        _ => fail(summary, "no ready endpoint".to_owned()).legacy_hint(shows()),
    }
}
