//! Judgements on an answer of another server at the gateway's address, and on a missing answer.

use std::net::IpAddr;

use super::{
    bring_back_gateway, find_wrong_selector, gateway_object, repair_gateway, show_gateway,
};
use crate::evidence::{Evidence, HttpAnswer, Observation, Pod, Route, selector};
use crate::facts::gateway::{
    find_address_sharers, find_gateway_service, find_missing_label, has_address, has_ready_endpoint,
};
use crate::facts::gateway_address::{
    can_be_in_between, find_address_outside, find_network_address, has_private_address,
    is_of_this_machine, is_reachable, is_unknown_name, lacks_ipv6, node_addresses,
};
use crate::format::{excerpt, format_answer, format_pod_state, format_silence, list};
use crate::judgement::{Judgement, Look as _};
use crate::steps::{Purpose, Step, istio, machine, nodes, pods, services, vantage};

/// Formats the server that gave an answer: `server squid/5.7`, or `a web server` without a name.
fn format_server(answer: &HttpAnswer) -> String {
    match answer.headers.get("server") {
        Some(server) => format!("server {}", excerpt(server)),
        None => "a web server".to_owned(),
    }
}

/// Judges an answer of another server: a failure, or unjudged where a proxy on the path may have answered.
pub(super) fn another_answers(evidence: &Evidence, answer: &HttpAnswer) -> Judgement {
    let HttpAnswer { request, vantage, .. } = answer;
    let server = format_server(answer);
    let observed = format!("{server}: {} (request from {vantage})", format_answer(answer));
    if can_be_in_between(evidence, answer) {
        let why = "it may be a proxy or web filter on the path";
        return Judgement::unjudged(format!("{request}: {server} answers, {why}"))
            .observed(observed)
            .step(vantage::check_without_proxy(evidence));
    }
    let failure = |summary: String| {
        Judgement::fail(summary)
            .expected("server envoy")
            .observed(observed.clone())
            .object(gateway_object(evidence))
    };
    if let Some(port) = find_port(request).filter(|_| is_of_this_machine(evidence)) {
        let summary = format!("{server} answers: another program has port {port} of this machine");
        let stop = Step::advice(Purpose::Fix, "Stop that program, or give it another port");
        return failure(summary).step(vantage::show_listener(evidence, port)).step(stop);
    }
    let owner = match find_address_sharers(evidence).first() {
        Some((it, _)) => format!("service {}/{}", it.namespace, it.name),
        None => "another machine".to_owned(),
    };
    failure(format!("{request}: {server} answers, {owner} has the address"))
        .steps(choose_another_pool(evidence))
}

/// Returns the port of a request: `80` of `GET http://localhost:80/`.
fn find_port(request: &str) -> Option<u16> {
    let authority = request.split_once("://")?.1.split('/').next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}

/// Returns the failure that the gateway answers the health check with another status than 200.
pub(super) fn unhealthy(evidence: &Evidence, answer: &HttpAnswer) -> Judgement {
    let HttpAnswer { request, status, .. } = answer;
    let show = || repair_gateway(evidence).unwrap_or_else(|| show_gateway(evidence).to_vec());
    let (summary, steps) = match status {
        400 => {
            let why = "Envoy gets no valid HTTP request, the load balancer may send PROXY protocol";
            let text = "Check in the annotations that the load balancer sends no PROXY protocol";
            (format!("{request} returns 400: {why}"), vec![describe_service(evidence, text)])
        }
        500.. => (format!("the gateway is not ready: {request} returns {status}"), show()),
        _ => (format!("{request} returns {status}, expected 200"), show()),
    };
    Judgement::fail(summary)
        .expected("200")
        .observed(format_answer(answer))
        .object(gateway_object(evidence))
        .steps(steps)
}

/// Describes the gateway's service: its events are the messages of the load balancer.
fn describe_service(evidence: &Evidence, text: &str) -> Step {
    let expectations = &evidence.expectations;
    services::describe(evidence, expectations.gateway_namespace(), &expectations.gateway, text)
}

/// Returns the failure that the gateway gets no reply of the backend in time: it answers for a host without a route.
pub(super) fn backend_is_silent(
    evidence: &Evidence,
    route: &Route,
    reason: &str,
    other: &HttpAnswer,
) -> Judgement {
    let (_, attempts) = format_no_answer(reason);
    let Route { host, .. } = route;
    let summary = format!(
        "request for host {host} through the gateway: no reply from the backend in time, although \
         the gateway answers other hosts"
    );
    Judgement::fail(summary)
        .expected(format!("200 `{}`", evidence.expectations.reply))
        .observed(format!("{attempts}; unknown host: {}", other.status))
        .object(gateway_object(evidence))
        .step(istio::list_obstacles(evidence))
        .step(istio::show_gateway_log(evidence))
}

/// Returns the failure that port 80 of the address does not answer, and its port for health checks does.
pub(super) fn port_is_silent(
    evidence: &Evidence,
    expected: &str,
    reason: &str,
    health: &HttpAnswer,
) -> Judgement {
    let (silence, attempts) = format_no_answer(reason);
    let text = "Check the load balancer: its firewall must allow port 80, and its health probe must not need 200 for /";
    let service = describe_service(evidence, text);
    let listener = istio::show_listener(evidence);
    // Where the connection is refused, it has arrived.
    let steps = if reason.contains("refused") { [listener, service] } else { [service, listener] };
    Judgement::fail(format!("port 80 does not answer, although port 15021 does: {silence}"))
        .expected(expected)
        .observed(format!("{attempts}; {}: {}", health.request, health.status))
        .object(gateway_object(evidence))
        .steps(steps.to_vec())
}

/// Returns the failure that another gateway answers at the gateway's address.
pub(super) fn another_gateway_answers(
    evidence: &Evidence,
    why: &str,
    expected: String,
    observed: String,
) -> Judgement {
    let steps = match has_ready_endpoint(evidence) {
        Some(false) => bring_back_gateway(evidence),
        _ => choose_another_pool(evidence),
    };
    let gateway = &evidence.expectations.gateway;
    Judgement::fail(format!("another gateway answers at the address of {gateway}: {why}"))
        .expected(expected)
        .observed(observed)
        .object(gateway_object(evidence))
        .steps(steps)
}

fn choose_another_pool(evidence: &Evidence) -> Vec<Step> {
    let pools = services::show_pools(
        evidence,
        "Check that no other cluster, machine or DHCP server uses the addresses of the pool",
    );
    let address = find_gateway_service(evidence).and_then(|it| it.external_addresses().next());
    let neighbour = address
        .filter(|_| has_private_address(evidence))
        .and_then(|it| vantage::show_neighbour(evidence, it));
    let list = || services::list_all(evidence, "List the services with their addresses");
    vec![pools, neighbour.unwrap_or_else(list)]
}

/// Judges a 404 for the test host where the labels of its namespace may hide the route from istiod.
pub(super) fn unwatched_namespace(
    evidence: &Evidence,
    route: &Route,
    answer: &HttpAnswer,
) -> Option<Judgement> {
    let (key, value) = find_missing_label(route, evidence).filter(|_| answer.status == 404)?;
    let namespace = &route.namespace;
    let why = format!("istiod does not watch namespace {namespace}: no label {key}={value}");
    let judgement = Judgement::unjudged(format!("404 for the test host: {why}"));
    Some(judgement.step(istio::show_discovery_selectors(evidence)))
}

/// Returns the steps that show whether another mesh's gateway has the address: another cluster of kind shares the network.
pub(super) fn find_other_mesh(evidence: &Evidence) -> Vec<Step> {
    let is_kind = evidence.subject.context.starts_with("kind-");
    let neighbours = is_kind.then(machine::list_neighbour_clusters);
    let text = "Check that no other cluster uses the addresses of the pool";
    neighbours.into_iter().chain([services::show_pools(evidence, text)]).collect()
}

/// Requires an answer of the gateway, where it has an address: without an address, the observation decides.
///
/// # Errors
///
/// The judgement on a missing answer.
pub(super) fn require_answer(
    evidence: &Evidence,
    answer: &Observation<HttpAnswer>,
    expected: &str,
    details: &str,
) -> Result<(), Judgement> {
    let Observation::Absent { reason } = answer else { return Ok(()) };
    if has_address(evidence) {
        return Err(no_answer(evidence, expected, &format!("{reason}{details}")));
    }
    evidence.install.services.known("whether the gateway has an address")
}

/// Judges a missing answer at the gateway's address: a failure, or unjudged where this machine cannot reach it.
fn no_answer(evidence: &Evidence, expected: &str, reason: &str) -> Judgement {
    let (silence, attempts) = format_no_answer(reason);
    let has_no_endpoint = has_ready_endpoint(evidence) == Some(false);
    if !has_no_endpoint && !is_reachable(evidence, reason) {
        return Judgement::unjudged(explain_no_connection(evidence, reason))
            .observed(attempts)
            .steps(vantage::ask_elsewhere(evidence, reason));
    }
    let gateway = &evidence.expectations.gateway;
    if let Some((service, deployment)) = find_wrong_selector(evidence).filter(|_| has_no_endpoint) {
        let wrong = selector(&service.selector);
        return Judgement::fail(format!(
            "service {gateway} has no ready endpoints: no gateway pod has the labels {wrong}"
        ))
        .expected(format!("selector {}", selector(&deployment.selector)))
        .observed(format!("selector {wrong}"))
        .object(gateway_object(evidence))
        .steps(bring_back_gateway(evidence));
    }
    let (summary, steps) = if has_no_endpoint {
        (
            format!("service {gateway} has no ready endpoints: {silence}"),
            bring_back_gateway(evidence),
        )
    } else {
        explain_silence(evidence, reason)
    };
    Judgement::fail(summary)
        .expected(expected)
        .observed(attempts)
        .object(gateway_object(evidence))
        .steps(steps)
}

/// Returns the headline on a missing answer that does not prove that no server is there.
fn explain_no_connection(evidence: &Evidence, reason: &str) -> String {
    let (silence, _) = format_no_answer(reason);
    if lacks_ipv6(evidence, reason) {
        return format!("this machine has no IPv6 connection: {silence}");
    }
    if vantage::is_helper_too_slow(reason) {
        let limit = reason.split_once("did not end within ").map_or("its time limit", |it| it.1);
        let limit = limit.split(';').next().unwrap_or(limit);
        return format!(
            "the request from the cluster's network did not end: docker run took longer than {limit}"
        );
    }
    let way = &evidence.ingress.way;
    if let Some(why) = way.reason().filter(|_| !way.is_absent() && way.is_recorded()) {
        return format!("cannot check the connection to the cluster's network ({why}): {silence}");
    }
    let is_private = has_private_address(evidence);
    if evidence.ingress.asked.is_empty() && !is_private {
        return format!("only the first address of the host name was tested: {silence}");
    }
    if is_private && reason.contains("Connection refused") {
        let request = silence.trim_start_matches("no answer to ");
        return format!(
            "the gateway, or a device on the path such as a VPN, refuses the connection: {request}"
        );
    }
    format!("this machine has no connection to the cluster's network: {silence}")
}

/// Formats a missing answer: a clause that names the gateway or the request, and the attempts from each place.
fn format_no_answer(reason: &str) -> (String, String) {
    let silence = format_silence(reason);
    let silence = silence.strip_prefix("no answer: ").unwrap_or(&silence);
    let (request, attempts) = match (silence.strip_prefix("from "), silence.split_once(": from ")) {
        (Some(attempts), _) => ("", Some(attempts)),
        (None, Some((request, attempts))) => (request, Some(attempts)),
        (None, None) => (silence, None),
    };
    let summary = match request {
        "" => "the gateway does not answer".to_owned(),
        request if request.starts_with("no answer to ") => request.to_owned(),
        reason => format!("the gateway does not answer: {reason}"),
    };
    (summary, attempts.map_or_else(|| "no answer".to_owned(), |it| format!("from {it}")))
}

/// Returns the headline on a missing answer, with the reason where the address shows one, and the steps.
fn explain_silence(evidence: &Evidence, reason: &str) -> (String, Vec<Step>) {
    let pools = |text: &str| vec![services::show_pools(evidence, text)];
    let (silence, _) = format_no_answer(reason);
    if let Some(address) = find_network_address(evidence) {
        let text = "Check that the pool begins with a host address";
        return (
            format!("{address} is a network address, no host can have it: {silence}"),
            pools(text),
        );
    }
    if let Some(address) = find_address_outside(evidence) {
        let summary = format!(
            "{address} is outside of the nodes' network ({}): {silence}",
            format_nodes_network(evidence)
        );
        let example = find_free_range(evidence);
        let text = format!("Check that the pool is part of the nodes' network{example}");
        return (summary, pools(&text));
    }
    let name = find_gateway_service(evidence).and_then(|it| {
        it.external_addresses().find(|name| is_unknown_name(reason) && reason.contains(name))
    });
    if let Some(name) = name {
        let text =
            "Check whether DNS knows the name: a new load balancer's name takes some minutes";
        return (format!("DNS does not know {name}"), vec![machine::look_up(name, text)]);
    }
    let excluded = find_excluded_nodes(evidence);
    if !excluded.is_empty() {
        let which = match excluded.as_slice() {
            [only] => format!("node {only} is"),
            all => format!("all {} nodes are", all.len()),
        };
        let include = nodes::include_in_load_balancers(evidence, &excluded);
        let summary = format!("{silence}, and {which} excluded from external load balancers");
        return (summary, [vec![include], show_announcement(evidence)].concat());
    }
    if let Some(pod) = find_ill_network_pod(evidence) {
        let summary = format!("{silence}, and pod {} is {}", pod.name, format_pod_state(pod));
        return (summary, [pods::diagnose(evidence, pod), show_announcement(evidence)].concat());
    }
    (silence, bring_back_gateway(evidence))
}

/// Returns the nodes where a label excludes all of them from load balancers: MetalLB 0.14 and later then announces no address.
fn find_excluded_nodes(evidence: &Evidence) -> Vec<&str> {
    let nodes = evidence.cluster.nodes.value().map(Vec::as_slice).unwrap_or_default();
    let is_assigned =
        find_gateway_service(evidence).is_some_and(|it| !it.load_balancer_addresses.is_empty());
    if !is_assigned || !nodes.iter().all(|node| node.excluded_from_load_balancers) {
        return Vec::new();
    }
    nodes.iter().map(|node| node.name.as_str()).collect()
}

/// Returns a pod of the network that is not ready, where none of its workload is: MetalLB's speaker announces addresses,
/// kube-proxy forwards their traffic.
fn find_ill_network_pod(evidence: &Evidence) -> Option<&Pod> {
    let pods = evidence.cluster.network_pods.value()?;
    let has_ready = |pod: &Pod| pods.iter().any(|it| it.owner == pod.owner && it.ready);
    pods.iter().find(|pod| !pod.terminating && !has_ready(pod))
}

/// Formats a range for the pool in the network of kind's nodes, which is a /16: `, for example 172.19.255.200-…`.
fn find_free_range(evidence: &Evidence) -> String {
    let is_kind = evidence.subject.context.starts_with("kind-");
    let node = node_addresses(evidence).filter(|_| is_kind).find_map(|it| match it {
        IpAddr::V4(it) => Some(it.octets()),
        IpAddr::V6(_) => None,
    });
    node.map_or_else(String::new, |[a, b, ..]| {
        format!(", for example {a}.{b}.255.200-{a}.{b}.255.250")
    })
}

/// Formats the ranges of the nodes' network; without them, the addresses of the nodes.
fn format_nodes_network(evidence: &Evidence) -> String {
    match evidence.ingress.way.value() {
        Some(way) if !way.networks.is_empty() => list(&way.networks),
        _ => list(&node_addresses(evidence).map(|it| it.to_string()).collect::<Vec<_>>()),
    }
}

/// Returns steps on what announces an address of MetalLB's pool in the network.
pub(super) fn show_announcement(evidence: &Evidence) -> Vec<Step> {
    vec![
        services::show_pools(
            evidence,
            "Check that an L2Advertisement announces the addresses of MetalLB's pool",
        ),
        nodes::show_excluded(evidence),
    ]
}
