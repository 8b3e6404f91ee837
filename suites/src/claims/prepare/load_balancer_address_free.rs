//! A load balancer address is free for the ingress gateway.

use super::addresses::{
    Gateway, LIST_ADDRESSES, NO_TEST_SERVICE, OBJECTS, Shortage, find_failure, find_free_address,
    find_gateway, find_other_refusal, find_owners, format_owners, lacks_addresses,
};
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Expectations, LoadBalancerProbe, Observation};
use crate::facts::gateway::is_minikube;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::object::Object;
use crate::steps::{Purpose, Step, services};

claim! {
    /// The tutorial says: before the install, make sure that a load balancer address is free for the ingress gateway.
    ///
    /// ## Why it matters
    /// Without a free address the gateway's service stays `<pending>`. Then no request from outside reaches the mesh.
    ///
    /// ## How it is checked
    /// - After the install: lists the services of type LoadBalancer. The gateway's service must have an external IP.
    /// - Before the install: creates a test service in a temporary namespace and waits for its external IP. This needs
    ///   `--active`, and `create` and `delete` on namespaces and services.
    ///
    /// It needs `list` on services.
    ///
    /// ## What makes it fail
    /// - No load balancer controller answers, or its event gives a reason for the refusal.
    /// - Other services have the addresses and the gateway is `<pending>`. Then `no_competing_load_balancer` is the cause.
    ///
    /// The claim passes where the test service got an address that is still free. A pending gateway then has another
    /// reason (`ingress::external_address`). It is unjudged where the other services have host names of a cloud.
    ///
    /// ## How to fix it
    /// - No controller: install a load balancer such as MetalLB, with a pool that has a free address. On minikube, run
    ///   `minikube tunnel`.
    /// - Used-up pool: add an address to it, or remove a load balancer service that is not needed.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    prepare::load_balancer_address_free: "a load balancer address is free for the ingress gateway",
    needs: Reading,
    stops: [LoadBalancer],
    caused_by: [no_competing_load_balancer if others_hold_the_addresses],
}

fn judge(evidence: &Evidence) -> Judged {
    let gateway = &evidence.expectations.gateway;
    let probe = &evidence.cluster.load_balancer_probe;
    match find_gateway(evidence) {
        Ok(Gateway::Holds(addresses)) => {
            Ok(Judgement::pass(format!("service {gateway} has external IP {}", list(&addresses))))
        }
        Ok(Gateway::Pending(_)) => gateway_pending(evidence),
        Ok(state @ (Gateway::OtherType(_) | Gateway::Missing)) => match probe {
            Observation::Seen { value } => judge_probe(evidence, value),
            Observation::NotAsked { .. } => {
                Err(Judgement::skipped(format!("{}; {NO_TEST_SERVICE}", describe(&state, gateway))))
            }
            Observation::Failed { reason } | Observation::Absent { reason } => {
                Err(Judgement::unjudged(format!(
                    "{}; the test with a test service failed: {reason}",
                    describe(&state, gateway)
                )))
            }
        },
        // A test service without an address disproves the claim, whichever services have one.
        Err(unread) => match probe.value() {
            Some(probe) if probe.address.is_none() => judge_probe(evidence, probe),
            _ => Err(unread),
        },
    }
}

fn describe(state: &Gateway<'_>, gateway: &str) -> String {
    match state {
        Gateway::OtherType(kind) => {
            format!("service {gateway} has type {kind} and needs no address")
        }
        _ => format!("service {gateway} does not exist"),
    }
}

fn judge_probe(evidence: &Evidence, probe: &LoadBalancerProbe) -> Judged {
    if let Some(address) = &probe.address {
        return Ok(Judgement::pass(format!(
            "a test service in namespace {} got external IP {address}",
            probe.namespace
        )));
    }
    let waited = format!("<pending> after {} s", probe.waited_ms.div_ceil(1000));
    let event = probe.events.last().map(String::as_str);
    Err(without_address(evidence, "a test service", &waited, event)
        .object(format!("service of type LoadBalancer in namespace {}", probe.namespace)))
}

fn gateway_pending(evidence: &Evidence) -> Judged {
    let Expectations { gateway, .. } = &evidence.expectations;
    evidence.cluster.load_balancer_services.look(OBJECTS)?;
    if let Some(address) = find_free_address(evidence) {
        return Ok(Judgement::pass(format!(
            "a test service got {address}, which is free; {gateway} is <pending> for another reason"
        )));
    }
    let owners = find_owners(evidence);
    if let Some(event) = find_other_refusal(evidence).filter(|_| !owners.is_empty()) {
        return Err(Judgement::unjudged(format!(
            "service {gateway} is <pending>, unknown whether another address is free; event: {}",
            excerpt(event)
        )));
    }
    match Shortage::find(evidence) {
        Some(shortage) => shortage.require_events(evidence)?,
        None if owners.is_empty() => {}
        None => {
            return Err(Judgement::unjudged(format!(
                "service {gateway} is <pending>, unknown whether the cloud gives another address; {}",
                format_owners(&owners)
            )));
        }
    }
    let who = format!("service {gateway}");
    Err(without_address(evidence, &who, "<pending>", find_failure(evidence)).object(Object::new(
        "service",
        evidence.expectations.gateway_namespace(),
        gateway,
    )))
}

/// Fails because a service gets no address. `event` is the load balancer's, where it sent one.
fn without_address(evidence: &Evidence, who: &str, state: &str, event: Option<&str>) -> Judgement {
    let observed = match event {
        Some(event) => format!("{state}; event: {}", excerpt(event)),
        None => state.to_owned(),
    };
    let fail = |reason: &str| {
        Judgement::fail(format!("{who} is <pending>: {reason}"))
            .expected("an external IP")
            .observed(&observed)
    };
    if let Some(shortage) = Shortage::find(evidence) {
        return fail(&shortage.describe()).steps(shortage.steps(evidence));
    }
    if let Some(event) = find_failure(evidence) {
        return fail("the load balancer refuses an address").step(show_refusal(evidence, event));
    }
    match find_owners(evidence).as_slice() {
        [] => fail("no load balancer controller answers").steps(add_controller(evidence)),
        owners => fail(&format_owners(owners)).steps(add_controller(evidence)),
    }
}

/// Shows the reason for a refusal: the pools, or the events.
fn show_refusal(evidence: &Evidence, event: &str) -> Step {
    if lacks_addresses(event) {
        let text = "Show MetalLB's pools: it needs an IPAddressPool with a free address";
        return services::show_pools(evidence, text);
    }
    let Expectations { gateway, .. } = &evidence.expectations;
    let text = "Show the load balancer's events on the service: they name the reason";
    services::describe(evidence, evidence.expectations.gateway_namespace(), gateway, text)
}

/// Opens minikube's tunnel, or advises to install a load balancer controller.
fn add_controller(evidence: &Evidence) -> Vec<Step> {
    if is_minikube(evidence) {
        return vec![services::open_tunnel(evidence)];
    }
    let text = "Install a load balancer controller such as MetalLB, and a pool with a free address";
    vec![services::list_all(evidence, LIST_ADDRESSES), Step::advice(Purpose::Fix, text)]
}

/// Whether no address is known to be free. A free one explains nothing.
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
        not_tested(not_tried, Pass);
        list_of_services_failed(|e| e.cluster.load_balancer_services = Observation::failed("x"), Pass);
        others_have_addresses(kong, Pass);
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
        pending_alone(pending, Fail);
        pending_on_minikube(|e| { pending(e); e.subject.context = "minikube".into(); }, Fail);
        pool_empty(|e| refused(e, "AllocationFailed: Failed to allocate IP: no available IPs"), Fail);
        cloud_refuses(|e| refused(e, "SyncLoadBalancerFailed: could not find any suitable subnets"), Fail);
        another_has_an_address(|e| { kong(e); pending(e); }, Fail);
        two_others_have_addresses(|e| { kong(e); other(e, "grafana", "198.51.100.8", &[80]); pending(e); }, Fail);
        pool_used_up(used_up, Fail);
        pool_used_up_by_a_service_in_use(|e| {
            refused(e, "AllocationFailed: Failed to allocate IP: no available IPs");
            other(e, "grafana", "198.51.100.8", &[80]);
        }, Fail);
        address_free(|e| { pending(e); kong(e); tried(e); }, Pass);
        address_free_and_older_event(|e| { used_up(e); tried(e); }, Pass);
        address_taken_since(|e| { pending(e); other(e, "kong-proxy", "198.51.100.8", &[80]); tried(e); }, Fail);
        cloud_gives_names(|e| { cloud(e); pending(e); }, Unjudged);
        test_service_gets_no_host_name(|e| { before_the_install(e); cloud(e); tried_in_vain(e); }, Fail);
        ports_of_the_nodes(|e| on_nodes(e, "traefik", &[80, 443]), Fail);
        minikube_without_tunnel(|e| { pending(e); of(&mut e.cluster.nodes)[0].name = "minikube".into(); }, Fail);
        before_install(before_the_install, Pass);
        before_install_no_address(|e| { before_the_install(e); tried_in_vain(e); }, Fail);
        before_install_used_up(|e| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail);
        before_install_not_tested(|e| { before_the_install(e); not_tried(e); }, Skipped);
        before_install_test_failed(|e| { before_the_install(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged);
        node_port(|e| { node_port(e); not_tried(e); }, Skipped);
        services_unread(blind, Unjudged);
        services_unread_and_no_address(|e| { blind(e); tried_in_vain(e); }, Fail);
    }
}
