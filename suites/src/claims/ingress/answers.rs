//! Answers at the gateway's address, and silence: who answered, and whether anybody could have.

use super::{bring_back_gateway, gateway_object};
use crate::evidence::{Evidence, HttpAnswer};
use crate::facts::gateway::{
    can_be_in_between, find_address_outside, find_gateway_service, find_network_address,
    has_private_address, has_ready_endpoint, is_reachable, is_unknown_name, node_addresses,
};
use crate::format::{excerpt, list};
use crate::judgement::Judgement;
use crate::steps::{Step, machine, nodes, services};

/// Who gave an answer: `server squid/5.7`, or whoever has a web page there.
fn format_server(answer: &HttpAnswer) -> String {
    match answer.headers.get("server") {
        Some(server) => format!("server {}", excerpt(server)),
        None => "a web server".to_owned(),
    }
}

/// Somebody else than the gateway answers: at its address, or on the way there. The latter proves nothing.
pub(super) fn another_answers(evidence: &Evidence, answer: &HttpAnswer) -> Judgement {
    let HttpAnswer { request, vantage, status, body, .. } = answer;
    let who = format_server(answer);
    let summary = format!("{request} from {vantage}: {who} answers, not the gateway");
    if can_be_in_between(evidence, answer) {
        let why = "a proxy or a web filter may be in between";
        return Judgement::unjudged(format!("{summary}: {why}"))
            .observed(format!("{status} {}", excerpt(body)))
            .step(machine::check_there(evidence));
    }
    Judgement::fail(format!("{summary}: another machine has its address"))
        .expected("an answer of server envoy")
        .observed(format!("{status} of {who}: {}", excerpt(body)))
        .object(gateway_object(evidence))
        .steps(choose_another_pool(evidence))
}

/// Another gateway answers at the address.
pub(super) fn another_gateway_answers(
    evidence: &Evidence,
    why: &str,
    observed: String,
) -> Judgement {
    let steps = match has_ready_endpoint(evidence) {
        Some(false) => bring_back_gateway(evidence),
        _ => choose_another_pool(evidence),
    };
    Judgement::fail(format!("another gateway answers at the gateway's address: {why}"))
        .expected("an answer of this mesh's gateway")
        .observed(observed)
        .object(gateway_object(evidence))
        .steps(steps)
}

fn choose_another_pool(evidence: &Evidence) -> Vec<Step> {
    vec![
        services::show_pools(
            evidence,
            "shows the pool: take one that no other cluster, machine or DHCP server uses",
        ),
        services::list_all(evidence, "shows who has which address"),
    ]
}

/// Nothing answers `what` at the gateway's address: a failure where somebody could have, else unjudged.
pub(super) fn no_answer(evidence: &Evidence, what: &str, reason: &str) -> Judgement {
    let has_no_endpoint = has_ready_endpoint(evidence) == Some(false);
    if !has_no_endpoint && !is_reachable(evidence, reason) {
        let why = if evidence.ingress.asked.is_empty() && !has_private_address(evidence) {
            "only the first address of the name was asked"
        } else {
            "no way from here into the cluster's network was seen"
        };
        return Judgement::unjudged(format!("{what}: {why}: {reason}"))
            .step(machine::check_there(evidence));
    }
    let (summary, steps) = if has_no_endpoint {
        let gateway = &evidence.expectations.gateway;
        (format!("service {gateway} has no ready endpoint: {reason}"), bring_back_gateway(evidence))
    } else {
        explain_silence(evidence, reason)
    };
    Judgement::fail(format!("{what}: {summary}"))
        .expected("an answer")
        .observed(reason)
        .object(gateway_object(evidence))
        .steps(steps)
}

/// Why nothing answers, where the address shows it, and what to do.
fn explain_silence(evidence: &Evidence, reason: &str) -> (String, Vec<Step>) {
    let pools = |text| vec![services::show_pools(evidence, text)];
    if let Some(address) = find_network_address(evidence) {
        let text = "shows the pool: begin it with the address of a host";
        return (
            format!("{address} is the address of a network, which no host can have: {reason}"),
            pools(text),
        );
    }
    if let Some(address) = find_address_outside(evidence) {
        let summary = format!(
            "{address} is outside of the nodes' network ({}): {reason}",
            format_nodes_network(evidence)
        );
        return (summary, pools("shows the pool: make it part of the nodes' network"));
    }
    let name = find_gateway_service(evidence).and_then(|it| {
        it.external_addresses().find(|name| is_unknown_name(reason) && reason.contains(name))
    });
    if let Some(name) = name {
        let text =
            "shows whether DNS knows the name: that of a new load balancer takes some minutes";
        return (format!("DNS does not know {name}: {reason}"), vec![machine::look_up(name, text)]);
    }
    (reason.to_owned(), bring_back_gateway(evidence))
}

fn format_nodes_network(evidence: &Evidence) -> String {
    match evidence.ingress.way.value() {
        Some(way) if !way.networks.is_empty() => list(&way.networks),
        _ => list(&node_addresses(evidence).map(|it| it.to_string()).collect::<Vec<_>>()),
    }
}

/// Shows MetalLB's own objects, which lead to an address of its pool.
pub(super) fn show_announcement(evidence: &Evidence) -> Vec<Step> {
    vec![
        services::show_pools(
            evidence,
            "shows MetalLB's IPAddressPool, and the L2Advertisement without which nobody announces its addresses",
        ),
        nodes::show_excluded(evidence),
    ]
}
