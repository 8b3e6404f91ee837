//! The gateway's service: its type, its ports, its address.

use std::net::IpAddr;

use super::{gateway, object, show};
use crate::evidence::Evidence;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement};

/// The ports of the default profile's gateway: health, HTTP, HTTPS.
const PORTS: [u16; 3] = [15021, 80, 443];

pub(in super::super) fn service_is_load_balancer(evidence: &Evidence) -> Judged {
    let gateway = gateway(evidence)?;
    let install = evidence.install_default();
    let fail = |summary: String, observed: String| {
        Judgement::fail(summary)
            .expected(format!(
                "type LoadBalancer with a cluster IP, ports {PORTS:?}, each with a node port"
            ))
            .observed(observed)
            .object(object(evidence))
            .legacy_hint(format!("`{install}` sets it right; `{}` shows it", show(evidence)))
    };
    if gateway.kind != "LoadBalancer" {
        let kind = &gateway.kind;
        return Err(fail(format!("{} is of type {kind}", gateway.name), format!("type {kind}")));
    }
    if gateway.cluster_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()).is_none() {
        let found = gateway.cluster_ip.as_deref().unwrap_or("none");
        return Err(fail(
            format!("{} has no cluster IP", gateway.name),
            format!("cluster IP {found}"),
        ));
    }
    let all: Vec<_> = gateway.ports.iter().map(|port| port.port.to_string()).collect();
    for wanted in PORTS {
        let port = gateway.ports.iter().find(|port| port.port == wanted && port.protocol == "TCP");
        let Some(port) = port else {
            return Err(fail(
                format!("{} has no port {wanted}", gateway.name),
                format!("ports {}", list(&all)),
            ));
        };
        if port.node_port.is_none() {
            return Err(fail(
                format!("port {wanted} of {} has no node port", gateway.name),
                format!("port {wanted} without a node port"),
            ));
        }
    }
    Ok(Judgement::pass(format!("{} is a LoadBalancer with ports {}", gateway.name, list(&all))))
}

pub(in super::super) fn external_address(evidence: &Evidence) -> Judged {
    let gateway = gateway(evidence)?;
    let fail = |summary: String, observed: String, hint: String| {
        Judgement::fail(summary)
            .expected("an address or a host name")
            .observed(observed)
            .object(object(evidence))
            .legacy_hint(hint)
    };
    let Some(address) = gateway.load_balancer_addresses.first() else {
        let holders = holders(evidence);
        let hint = match holders.first() {
            None => format!(
                "`{}` shows what the load balancer says; without one (MetalLB, a cloud's) it stays pending",
                evidence.kubectl(&["-n", &gateway.namespace, "describe", "service", &gateway.name])
            ),
            Some((namespace, name)) => format!(
                "`{}` shows a service that holds an address",
                evidence.kubectl(&["-n", namespace, "get", "service", name])
            ),
        };
        return Err(fail(
            format!("{} has no external address: it is pending", gateway.name),
            "<pending>".into(),
            hint,
        ));
    };
    if address.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified()) || is_host_name(address) {
        return Ok(Judgement::pass(format!("{} has {address}", gateway.name)));
    }
    Err(fail(
        format!("what {} has is no address: {}", gateway.name, excerpt(address)),
        excerpt(address),
        format!("`{}` shows it", show(evidence)),
    ))
}

/// Other services that hold an address.
fn holders(evidence: &Evidence) -> Vec<(&str, &str)> {
    let services = evidence.cluster.load_balancer_services.value().into_iter().flatten();
    services
        .filter(|service| !service.load_balancer_addresses.is_empty())
        .map(|service| (service.namespace.as_str(), service.name.as_str()))
        .collect()
}

/// Whether a text is a host name with a domain, as DNS has them; or that of this machine, which Docker Desktop
/// gives.
fn is_host_name(text: &str) -> bool {
    if text == "localhost" {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let numeric = text.split('.').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253
        && text.contains('.')
        && !numeric
        && text.trim_end_matches('.').split('.').all(label)
}
