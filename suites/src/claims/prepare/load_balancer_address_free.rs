//! A load balancer address is free for the ingress gateway.

use super::addresses::{Gateway, find_gateway, find_holders, format_holder};
use crate::claims::by_name::no_competing_load_balancer;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Expectations, LoadBalancerProbe, Observation};
use crate::facts::gateway::is_minikube;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps::services;

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
    /// - No load balancer controller answers.
    /// - All addresses are held by other services. Where one of them is the competitor that the tutorial names,
    ///   `no_competing_load_balancer` is the cause.
    ///
    /// ## How to fix it
    /// Install a load balancer such as MetalLB with a pool that has a free address, or free an address that nobody needs.
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
        Ok(Gateway::Pending) => Err(gateway_pending(evidence)),
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

fn gateway_pending(evidence: &Evidence) -> Judgement {
    let Expectations { gateway, .. } = &evidence.expectations;
    let mut observed = "<pending>".to_owned();
    if let Some(address) =
        evidence.cluster.load_balancer_probe.value().and_then(|probe| probe.address.as_ref())
    {
        observed = format!("{observed}, although a service of our own got {address}");
    }
    without_address(evidence, &format!("the service {gateway}"), &observed).object(Object::new(
        "service",
        evidence.expectations.gateway_namespace(),
        gateway,
    ))
}

fn without_address(evidence: &Evidence, who: &str, observed: &str) -> Judgement {
    let holders = find_holders(evidence);
    let expected = "an external address";
    let Some(first) = holders.first() else {
        let judgement = Judgement::fail(format!(
            "{who} gets no load balancer address, and no other service holds one: \
             no load balancer controller answers"
        ));
        let judgement = judgement.expected(expected).observed(observed);
        if is_minikube(evidence) {
            return judgement.step(services::open_tunnel(evidence));
        }
        return judgement.step(services::list_all(
            evidence,
            "shows who asks for an address: a cluster without a cloud needs a \
             controller such as MetalLB, with a pool that has a free address",
        ));
    };
    Judgement::fail(format!(
        "{who} gets no load balancer address: the pool is used up by {}",
        list(&holders.iter().map(|&holder| format_holder(holder)).collect::<Vec<_>>())
    ))
    .expected(expected)
    .observed(observed)
    .steps(services::free_address(evidence, first))
}

/// An address that was free before the install explains nothing, unless another service holds it now.
fn others_hold_the_addresses(effect: &Effect<'_, Evidence>) -> bool {
    let cluster = &effect.evidence.cluster;
    let probe = cluster.load_balancer_probe.value();
    probe.and_then(|probe| probe.address.as_ref()).is_none_or(|address| {
        let mut services = cluster.load_balancer_services.value().into_iter().flatten();
        services.any(|service| service.load_balancer_addresses.contains(address))
    })
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
        another_service_of_istio_waits(|e| {
            let mut other = of(&mut e.cluster.load_balancer_services)[0].clone();
            other.name = "eastwest".into();
            other.load_balancer_addresses.clear();
            of(&mut e.cluster.load_balancer_services).insert(0, other);
        }, Pass);
        pending_without_holder(pending, Fail);
        pending_on_minikube(|e| { pending(e); e.subject.context = "minikube".into(); }, Fail);
        pool_used_up(|e| { kong(e); pending(e); }, Fail);
        hint_frees(|e| { kong(e); pending(e); }, Fail);
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
