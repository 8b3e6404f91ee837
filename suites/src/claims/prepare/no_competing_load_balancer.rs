//! No other service holds the only load balancer address.

use super::addresses::{
    Gateway, LIST_ADDRESSES, NO_TEST_SERVICE, OBJECTS, Shortage, check_address_is_not_shared,
    find_failure, find_free_address, find_gateway, find_other_refusal, find_owners, format_owners,
};
use crate::entry::claim;
use crate::evidence::{Evidence, Expectations, Observation};
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, require};
use crate::object::Object;
use crate::steps::services;

claim! {
    /// The tutorial says: remove a LoadBalancer service that holds the only address. It names `kong-proxy` in `kong`.
    ///
    /// ## Why it matters
    /// A cluster of the class has one address. The gateway gets it only if no other service has it.
    ///
    /// ## How it is checked
    /// Lists services of type LoadBalancer (`list` on services): their addresses, and whether the gateway is `<pending>`.
    /// Before the install, a test service shows whether another address is free (`--active`).
    ///
    /// ## What makes it fail
    /// - Another service has an IP address while the gateway's service is `<pending>`.
    /// - Another service has an IP address, and meshcheck's test service gets none.
    /// - Services get the nodes' addresses (k3s), and another service uses the gateway's ports there.
    /// - Another service has the gateway's address, with the same ports.
    ///
    /// A host name does not count: a cloud creates one for each service. If the test service got an address, one is free.
    ///
    /// ## How to fix it
    /// Read the events of the gateway's service. If the pool is used up, add an address to it, or remove a load balancer
    /// service that is not needed. On k3s, start it with `--disable traefik`.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    prepare::no_competing_load_balancer: "no other service holds the only load balancer address",
    needs: Reading,
    stops: [LoadBalancer],
}

fn judge(evidence: &Evidence) -> Judged {
    let Expectations { gateway, .. } = &evidence.expectations;
    require(&evidence.cluster.load_balancer_services, OBJECTS, OBJECTS, || {
        services::list_all(evidence, LIST_ADDRESSES)
    })?;
    let owners = find_owners(evidence);
    let others = format_owners(&owners);
    let state = find_gateway(evidence)?;
    if let Gateway::Holds(addresses) = state {
        let own = list(&addresses);
        check_address_is_not_shared(evidence)?;
        return Ok(Judgement::pass(if owners.is_empty() {
            format!("service {gateway} has external IP {own}, no other service has one")
        } else {
            format!("service {gateway} has external IP {own}; {others}")
        }));
    }
    let is_pending = matches!(state, Gateway::Pending(_));
    if let Some(event) = find_other_refusal(evidence).filter(|_| !owners.is_empty()) {
        return Ok(Judgement::pass(format!(
            "service {gateway} is <pending> for another reason; event: {}",
            excerpt(event)
        )));
    }
    let Some(shortage) = Shortage::find(evidence) else {
        return Ok(Judgement::pass(match (is_pending, owners.is_empty()) {
            (_, false) => format!("{others}: a cloud creates a host name for each service"),
            (true, true) => format!(
                "no other service has an external IP; {gateway} is <pending> for another reason"
            ),
            (false, true) => "no service has an external IP".to_owned(),
        }));
    };
    if let Some(address) = find_free_address(evidence) {
        return Ok(Judgement::pass(format!(
            "an address is free, a test service got {address}; {others}"
        )));
    }
    let who = match (is_pending, &evidence.cluster.load_balancer_probe) {
        (true, _) => gateway,
        (false, Observation::Seen { .. }) => "a test service",
        (false, Observation::NotAsked { .. }) => {
            return Err(Judgement::skipped(format!("{others}; {NO_TEST_SERVICE}")));
        }
        (false, Observation::Failed { reason } | Observation::Absent { reason }) => {
            return Err(Judgement::unjudged(format!(
                "{others}; the test for another address failed: {reason}"
            )));
        }
    };
    if is_pending {
        shortage.require_events(evidence)?;
    }
    let event = find_failure(evidence).map(|event| format!("; event: {}", excerpt(event)));
    let owner = shortage.owner();
    Err(Judgement::fail(format!("{who} is <pending>: {}", shortage.describe()))
        .expected(format!("{who} has an external IP"))
        .observed(format!("{who} is <pending>; {others}{}", event.unwrap_or_default()))
        .object(Object::new("service", &owner.namespace, &owner.name))
        .steps(shortage.steps(evidence)))
}

#[cfg(test)]
mod cases {
    use crate::claims::prepare::addresses::changes::*;
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation, Pod};
    use crate::testing::of;

    cases! { Evidence:
        healthy(|_| {}, Pass);
        enough_for_all(kong, Pass);
        no_service_has_an_address(pending, Pass);
        competitor(|e| { kong(e); pending(e); }, Fail);
        named_like_the_gateway(|e| {
            pending(e);
            kong(e);
            let name = e.expectations.gateway.clone();
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().name = name;
        }, Fail);
        refused_for_another_reason(|e| {
            kong(e);
            refused(e, "AllocationFailed: [\"10.9.9.9\"] is not allowed in config");
        }, Pass);
        pool_used_up(used_up, Fail);
        address_free(|e| { pending(e); kong(e); tried(e); }, Pass);
        cloud_gives_names(|e| { cloud(e); pending(e); }, Pass);
        name_and_address(|e| { cloud(e); kong(e); pending(e); }, Fail);
        traefik_has_the_ports(|e| on_nodes(e, "traefik", &[80, 443]), Fail);
        traefik_of_k3s(|e| { on_nodes(e, "traefik", &[80, 443]); let nodes = of(&mut e.cluster.nodes); nodes[0].addresses.clear(); nodes[0].kubelet_version = "v1.29.15+k3s1".into(); }, Fail);
        metallb_on_k3s(|e| { pending(e); other(e, "traefik", "198.51.100.9", &[80]); of(&mut e.cluster.nodes)[0].kubelet_version = "v1.29.15+k3s1".into(); let speaker = Pod { labels: [("app".into(), "metallb".into())].into(), ..Pod::default() }; e.cluster.network_pods = Observation::seen(vec![speaker]); }, Fail);
        another_has_a_port(|e| on_nodes(e, "nginx", &[443, 8443]), Fail);
        traefik_has_the_port_before_install(|e| { on_nodes(e, "traefik", &[80, 443]); let mut services = e.cluster.load_balancer_services.clone(); before_the_install(e); of(&mut services).remove(0); e.cluster.load_balancer_services = services; tried_in_vain(e); of(&mut e.cluster.load_balancer_probe).events.clear(); }, Fail);
        other_ports_of_nodes(|e| on_nodes(e, "nginx", &[8443]), Fail);
        same_address_and_ports(|e| sharer(e, &[80, 443]), Fail);
        same_address_and_one_port(|e| sharer(e, &[443]), Fail);
        same_address_other_ports(|e| sharer(e, &[8000]), Pass);
        same_address_other_protocol(|e| {
            sharer(e, &[443]);
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().ports[0].protocol = "UDP".into();
        }, Pass);
        before_install_no_service(|e| { before_the_install(e); not_tried(e); }, Pass);
        before_install_used_up(|e| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail);
        before_install_one_free(|e| { before_the_install(e); kong(e); }, Pass);
        before_install_not_tested(|e| { before_the_install(e); kong(e); not_tried(e); }, Skipped);
        before_install_test_failed(|e| { before_the_install(e); kong(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged);
        node_port(|e| { node_port(e); not_tried(e); }, Pass);
        services_unread(|e| e.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged);
        only_the_test_service(|e| {
            kong(e);
            pending(e);
            tried(e);
            let ours = of(&mut e.cluster.load_balancer_probe).namespace.clone();
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().namespace = ours;
        }, Pass);
    }
}
