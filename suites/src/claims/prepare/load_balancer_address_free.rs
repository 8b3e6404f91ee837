//! A load balancer address is free for the ingress gateway.

use super::addresses::{
    Gateway, Shortage, find_failure, find_free_address, find_gateway, find_holders,
    find_other_refusal, format_holders, lacks_addresses,
};
use crate::claims::by_name::no_competing_load_balancer;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Expectations, LoadBalancerProbe, Observation};
use crate::facts::gateway::is_minikube;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps::{Step, services};

claim! {
    /// The tutorial says: before the install, make sure that a load balancer address is free for the ingress gateway.
    ///
    /// ## Why it matters
    /// Without a free address the gateway's service stays pending, and nothing from outside reaches the mesh.
    ///
    /// ## How it is checked
    /// Lists services of type LoadBalancer (`list` on services). After the install the gateway must hold an address. Before
    /// it, a service of meshcheck's own asks for one, in a namespace of its own (`--active`: `create` and `delete` on
    /// namespaces and services).
    ///
    /// ## What makes it fail
    /// - No load balancer controller answers, or it says why it gives no address.
    /// - Other services hold addresses, and the gateway waits for one: then `no_competing_load_balancer` is the cause.
    ///
    /// Where a service of meshcheck's own got an address that nobody holds since, the claim passes: a gateway that is
    /// pending all the same has another reason (`ingress::external_address`). Where the others hold host names, as a
    /// cloud gives them, it is unjudged.
    ///
    /// ## How to fix it
    /// Install a load balancer such as MetalLB with a pool that has a free address. On minikube, run `minikube tunnel`.
    /// Free an address that nobody needs, where the pool is used up.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    prepare::load_balancer_address_free: "a load balancer address is free for the ingress gateway",
    needs: Reading,
    stops: [LoadBalancer],
    caused_by: [no_competing_load_balancer if others_hold_the_addresses],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let gateway = &evidence.expectations.gateway;
    let probe = &evidence.cluster.load_balancer_probe;
    match find_gateway(evidence) {
        Ok(Gateway::Holds(addresses)) => {
            Ok(Judgement::pass(format!("{gateway} holds {}", list(&addresses))))
        }
        Ok(Gateway::Pending(_)) => gateway_pending(evidence),
        Ok(state @ (Gateway::AsksNone(_) | Gateway::Missing)) => match probe {
            Observation::Seen { value } => probed(evidence, value),
            Observation::NotAsked { reason } => Err(Judgement::skipped(format!(
                "{}, and whether an address is free was not tried: {reason}",
                describe(&state, gateway)
            ))),
            Observation::Failed { reason } | Observation::Absent { reason } => {
                Err(Judgement::unjudged(format!(
                    "{}, and whether an address is free could not be tried: {reason}",
                    describe(&state, gateway)
                )))
            }
        },
        // A service of our own that got nothing proves the claim wrong, whoever holds what.
        Err(unseen) => match probe.value() {
            Some(probe) if probe.address.is_none() => probed(evidence, probe),
            _ => Err(unseen),
        },
    }
}

fn describe(state: &Gateway<'_>, gateway: &str) -> String {
    match state {
        Gateway::AsksNone(kind) => {
            format!("the service {gateway} is of type {kind} and asks for no address")
        }
        _ => format!("the service {gateway} is not there yet"),
    }
}

fn probed(evidence: &Evidence, probe: &LoadBalancerProbe) -> Judged {
    if let Some(address) = &probe.address {
        return Ok(Judgement::pass(format!(
            "a service of our own in {} got {address}",
            probe.namespace
        )));
    }
    let mut observed = format!("none after {} s", probe.waited_ms.div_ceil(1000));
    if let Some(event) = probe.events.last() {
        observed = format!("{observed}; the cluster says: {}", excerpt(event));
    }
    Err(without_address(evidence, "a service of our own", &observed)
        .object(format!("a service of type LoadBalancer in namespace {}", probe.namespace)))
}

fn gateway_pending(evidence: &Evidence) -> Judged {
    let Expectations { gateway, .. } = &evidence.expectations;
    if let Some(address) = find_free_address(evidence) {
        return Ok(Judgement::pass(format!(
            "a service of our own got {address}, which is free: that {gateway} is pending has another reason"
        )));
    }
    let holders = find_holders(evidence);
    if let Some(words) = find_other_refusal(evidence).filter(|_| !holders.is_empty()) {
        return Err(Judgement::unjudged(format!(
            "{gateway} is pending, and the load balancer says: {}; whether another address is free is not known",
            excerpt(words)
        )));
    }
    if Shortage::of(evidence).is_none() && !holders.is_empty() {
        return Err(Judgement::unjudged(format!(
            "{gateway} is pending, and {} shows that the load balancer gives addresses: \
             whether it has one more is not known",
            format_holders(&holders)
        )));
    }
    Err(without_address(evidence, &format!("the service {gateway}"), "<pending>")
        .object(Object::new("service", evidence.expectations.gateway_namespace(), gateway)))
}

fn without_address(evidence: &Evidence, who: &str, observed: &str) -> Judgement {
    let expected = "an external address";
    let Some(shortage) = Shortage::of(evidence) else {
        if let Some(words) = find_failure(evidence) {
            let summary =
                format!("{who} gets no load balancer address: the load balancer refuses it");
            return Judgement::fail(summary)
                .expected(expected)
                .observed(format!("{observed}; the cluster says: {}", excerpt(words)))
                .step(show_refusal(evidence, words));
        }
        let others = match find_holders(evidence).as_slice() {
            [] => "no other service holds one: no load balancer controller answers".to_owned(),
            holders => format_holders(holders),
        };
        let judgement =
            Judgement::fail(format!("{who} gets no load balancer address, and {others}"));
        return judgement.expected(expected).observed(observed).steps(missing_controller(evidence));
    };
    let said = shortage.words().map(|words| format!("{observed}; the cluster says: {words}"));
    let why = shortage.describe();
    Judgement::fail(format!("{who} gets no load balancer address: {why}"))
        .expected(expected)
        .observed(said.unwrap_or_else(|| observed.to_owned()))
        .steps(shortage.steps(evidence))
}

/// Shows what the load balancer needs to give an address.
fn show_refusal(evidence: &Evidence, words: &str) -> Step {
    if lacks_addresses(words) {
        let text = "shows MetalLB's pools: it needs an IPAddressPool with a free address";
        return services::show_pools(evidence, text);
    }
    let Expectations { gateway, .. } = &evidence.expectations;
    let text = "shows what the load balancer says; mend what it names";
    services::describe(evidence, evidence.expectations.gateway_namespace(), gateway, text)
}

/// What gives addresses where no load balancer controller answers.
fn missing_controller(evidence: &Evidence) -> Vec<Step> {
    if is_minikube(evidence) {
        return vec![services::open_tunnel(evidence)];
    }
    vec![services::list_all(
        evidence,
        "shows who asks for an address: a cluster without a cloud needs a controller such as MetalLB, \
         with a pool that has a free address",
    )]
}

/// An address that is free explains nothing.
fn others_hold_the_addresses(effect: &Effect<'_, Evidence>) -> bool {
    find_free_address(effect.evidence).is_none()
}

#[cfg(test)]
mod cases {
    use crate::claims::prepare::addresses::changes::*;
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::of;

    cases! { Evidence:
        healthy(|_| {}, Pass);
        not_tried(not_tried, Pass);
        own_list_failed(|e| e.cluster.load_balancer_services = Observation::failed("x"), Pass);
        others_hold_too(kong, Pass);
        refused_for_another_reason(|e| {
            kong(e);
            refused(e, "AllocationFailed: [\"10.9.9.9\"] is not allowed in config");
        }, Unjudged);
        another_service_of_istio_waits(|e| {
            let mut other = of(&mut e.cluster.load_balancer_services)[0].clone();
            other.name = "eastwest".into();
            other.load_balancer_addresses.clear();
            of(&mut e.cluster.load_balancer_services).insert(0, other);
        }, Pass);
        pending_without_holder(pending, Fail);
        pending_on_minikube(|e| { pending(e); e.subject.context = "minikube".into(); }, Fail);
        no_pool(|e| refused(e, "AllocationFailed: Failed to allocate IP: no available IPs"), Fail);
        cloud_refuses(|e| refused(e, "SyncLoadBalancerFailed: could not find any suitable subnets"), Fail);
        pool_used_up(|e| { kong(e); pending(e); }, Fail);
        hint_frees(|e| { kong(e); pending(e); }, Fail);
        pool_used_up_by_its_own_words(used_up, Fail);
        address_left(|e| { pending(e); kong(e); tried(e); }, Pass);
        address_left_and_events_of_before(|e| { used_up(e); tried(e); }, Pass);
        address_taken_since(|e| { pending(e); other(e, "kong-proxy", "198.51.100.8", &[80]); tried(e); }, Fail);
        cloud_gives_names(|e| { cloud(e); pending(e); }, Unjudged);
        cloud_gives_no_name_to_ours(|e| { before_the_install(e); cloud(e); tried_in_vain(e); }, Fail);
        ports_of_the_nodes(|e| on_nodes(e, "traefik", &[80, 443]), Fail);
        minikube_without_tunnel(|e| { pending(e); of(&mut e.cluster.nodes)[0].name = "minikube".into(); }, Fail);
        before(before_the_install, Pass);
        before_in_vain(|e| { before_the_install(e); tried_in_vain(e); }, Fail);
        before_used_up(|e| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail);
        before_not_tried(|e| { before_the_install(e); not_tried(e); }, Skipped);
        before_not_possible(|e| { before_the_install(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged);
        node_port(|e| { node_port(e); not_tried(e); }, Skipped);
        blind(blind, Unjudged);
        blind_in_vain(|e| { blind(e); tried_in_vain(e); }, Fail);
    }
}
