//! Steps that request the gateway from a place with a route to its address.

use std::net::IpAddr;

use super::istio::check_impact;
use super::{Impact, Step};
use crate::evidence::{Evidence, Provider, Subject};
use crate::facts::gateway::{find_gateway_service, is_minikube};
use crate::facts::gateway_address::{has_private_address, is_local_cluster, lacks_ipv6};
use crate::hint::{escape_backquotes, quote};

/// Returns the steps that show whether the gateway answers where this machine got no answer for this reason.
pub(crate) fn ask_elsewhere(evidence: &Evidence, reason: &str) -> Vec<Step> {
    let more_time = is_helper_too_slow(reason).then(|| check_with_more_time(evidence));
    if lacks_ipv6(evidence, reason) {
        return vec![check(evidence, &[], "Check the mesh on a machine with an IPv6 connection")];
    }
    let service = find_gateway_service(evidence);
    let Some(address) = service.and_then(|it| it.external_addresses().next()) else {
        return more_time.into_iter().chain([check_there(evidence)]).collect();
    };
    let is_loopback = address.parse().is_ok_and(|it: IpAddr| it.is_loopback());
    let inside = is_local_cluster(evidence).then(|| {
        if address == "localhost" || is_loopback {
            Some(ask_loopback())
        } else {
            ask_in_node(evidence, address)
        }
    });
    let is_private = has_private_address(evidence) && address.parse::<IpAddr>().is_ok();
    let route = (inside.is_some() && is_linux(evidence) && is_private).then(|| show_route(address));
    let ask = inside.flatten().unwrap_or_else(|| check_there(evidence));
    more_time.into_iter().chain([ask]).chain(route).collect()
}

/// Whether the container that asks from the cluster's network did not end in time.
pub(crate) fn is_helper_too_slow(reason: &str) -> bool {
    reason.contains("`docker run` did not end")
}

fn is_linux(evidence: &Evidence) -> bool {
    evidence.subject.collected_on.starts_with("linux")
}

fn health_url(address: &str) -> String {
    let is_v6 = address.contains(':');
    let host = if is_v6 { format!("[{address}]") } else { address.to_owned() };
    format!("http://{host}:15021/healthz/ready")
}

/// Requests the gateway's health at the IPv4 address of localhost.
fn ask_loopback() -> Step {
    let text = "Test the IPv4 address of localhost: status 200 shows that the gateway answers";
    Step::inspect(format!("curl -si {}", health_url("127.0.0.1")), text)
}

/// Requests the gateway's health from a node that is a container or a virtual machine here.
fn ask_in_node(evidence: &Evidence, address: &str) -> Option<Step> {
    let text =
        "Test the address from inside the node: status 200 shows that the gateway answers there";
    let url = health_url(address);
    let Subject { context, provider, .. } = &evidence.subject;
    if is_minikube(evidence) {
        let profile = quote(context);
        let command = format!("minikube ssh --profile {profile} -- curl -si {}", quote(&url));
        return Some(Step::inspect(command, text));
    }
    let is_kind = *provider == Provider::Kind || context.starts_with("kind-");
    let node = evidence.cluster.nodes.value()?.first().filter(|_| is_kind)?;
    Some(Step::inspect(evidence.on_node(&node.name, &["curl", "-si", &url]), text))
}

/// Shows the route of this machine to an address.
fn show_route(address: &str) -> Step {
    let text =
        "Show the route to the address: it must use the bridge of the cluster's network, no VPN";
    Step::inspect(format!("ip route get {}", quote(address)), text)
}

/// Shows which network card answers for an address; none where this machine has no `ip`.
pub(crate) fn show_neighbour(evidence: &Evidence, address: &str) -> Option<Step> {
    is_linux(evidence).then(|| {
        let text = "Show the MAC address of the machine that has the address";
        Step::inspect(format!("ip neigh show {}", quote(address)), text)
    })
}

/// Shows the program that listens on a port of this machine.
pub(crate) fn show_listener(evidence: &Evidence, port: u16) -> Step {
    let system = evidence.subject.collected_on.split('/').next().unwrap_or_default();
    let command = match system {
        "macos" => format!("lsof -nP -iTCP:{port} -sTCP:LISTEN"),
        "windows" => format!("netstat -ano -p tcp | findstr :{port}"),
        _ => format!("sudo ss -ltnp 'sport = :{port}'"),
    };
    Step::inspect(command, format!("Show the program that has port {port} of this machine"))
}

/// Checks the mesh again, with more time for each request.
fn check_with_more_time(evidence: &Evidence) -> Step {
    check(evidence, &["--timeout", "30s"], "Check again with a time limit of 30 s")
}

/// Checks the mesh from a machine that reaches the cluster's network.
fn check_there(evidence: &Evidence) -> Step {
    let server = evidence.subject.server.split_once("://").map_or("", |(_, rest)| rest);
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    let place = match host.parse::<IpAddr>() {
        Ok(address) if !address.is_loopback() => escape_backquotes(host),
        _ => "the machine that runs the cluster".to_owned(),
    };
    let text = format!(
        "Check the mesh on {place} or in its network; the context may have another name there"
    );
    check(evidence, &[], text)
}

/// Checks the mesh from a machine whose requests pass no proxy.
pub(crate) fn check_without_proxy(evidence: &Evidence) -> Step {
    let text = "Check the mesh on a machine without a proxy or web filter on the path";
    check(evidence, &[], text)
}

fn check(evidence: &Evidence, more: &[&str], text: impl Into<String>) -> Step {
    let Subject { active, provider, .. } = evidence.subject;
    let is_asked = active && provider == Provider::Existing;
    let active: &[&str] = if is_asked { &["--active"] } else { &[] };
    let command = evidence.meshcheck("check", &[active, more].concat());
    let impact = if is_asked { check_impact(true) } else { Impact::Reads };
    Step { impact, ..Step::inspect(command, text) }
}
