//! No other service holds the only load balancer address.

use super::addresses::{
    Gateway, OBJECTS, Shortage, check_address_is_not_shared, find_free_address, find_gateway,
    find_holders, find_other_refusal, format_holders,
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
    /// A cluster of the class has one address. The gateway gets it only if nobody else holds it.
    ///
    /// ## How it is checked
    /// Lists services of type LoadBalancer (`list` on services): who holds an address, and whether the gateway waits for
    /// one. Before the install, a service of meshcheck's own shows whether another address is left (`--active`).
    ///
    /// ## What makes it fail
    /// - Another service holds an IP address while the gateway's service is pending, or while a service of meshcheck's
    ///   own gets none.
    /// - Another service has the ports of the gateway on the nodes, where a service gets the nodes' addresses (k3s).
    /// - Another service has the gateway's address, with the same ports.
    ///
    /// A host name is no such address: a cloud makes one for each service. A service of meshcheck's own that got an
    /// address shows that one is left.
    ///
    /// ## How to fix it
    /// Read what the load balancer says of the gateway's service. Where the pool is used up, look at the service that
    /// holds the address. Free the address only if nobody needs it. On k3s, start it with `--disable traefik`.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    prepare::no_competing_load_balancer: "no other service holds the only load balancer address",
    needs: Reading,
    stops: [LoadBalancer],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let Expectations { gateway, .. } = &evidence.expectations;
    let namespace = evidence.expectations.gateway_namespace();
    require(&evidence.cluster.load_balancer_services, OBJECTS, OBJECTS, || {
        services::list_all(evidence, "shows them")
    })?;
    let holders = find_holders(evidence);
    let held = format_holders(&holders);
    let state = find_gateway(evidence)?;
    if let Gateway::Holds(addresses) = state {
        let own = list(&addresses);
        check_address_is_not_shared(evidence)?;
        return Ok(Judgement::pass(if holders.is_empty() {
            format!("{gateway} holds {own}, and no other service holds an address")
        } else {
            format!("{gateway} holds {own}; {held} do not keep it from that")
        }));
    }
    let is_pending = matches!(state, Gateway::Pending(_));
    if let Some(words) = find_other_refusal(evidence).filter(|_| !holders.is_empty()) {
        return Ok(Judgement::pass(format!(
            "{held} do not keep it from {gateway}: the load balancer says: {}",
            excerpt(words)
        )));
    }
    let Some(shortage) = Shortage::of(evidence) else {
        return Ok(Judgement::pass(match (is_pending, holders.is_empty()) {
            (_, false) => {
                format!("{held}: such a name is made for each service, and keeps none from another")
            }
            (true, true) => format!(
                "no other service holds an address: that {gateway} has none either has another \
                 cause"
            ),
            (false, true) => "no service holds a load balancer address".to_owned(),
        }));
    };
    if let Some(address) = find_free_address(evidence) {
        return Ok(Judgement::pass(format!(
            "{held} leave an address free: a service of our own got {address}"
        )));
    }
    let who = match (is_pending, &evidence.cluster.load_balancer_probe) {
        (true, _) => format!("{gateway} waits for one"),
        (false, Observation::Seen { .. }) => "a service of our own got none".to_owned(),
        (false, Observation::NotAsked { reason }) => {
            return Err(Judgement::skipped(format!(
                "{held}; whether that was the only address was not tried: {reason}"
            )));
        }
        (false, Observation::Failed { reason } | Observation::Absent { reason }) => {
            return Err(Judgement::unjudged(format!(
                "{held}; whether that was the only address could not be tried: {reason}"
            )));
        }
    };
    let observed = shortage.words().map_or(held.clone(), |words| format!("{held}; {words}"));
    Err(Judgement::fail(format!("{}, and {who}", shortage.headline()))
        .expected(format!("an address left for {namespace}/{gateway}"))
        .observed(observed)
        .object(Object::new("service", &shortage.holder().namespace, &shortage.holder().name))
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
        nobody_holds(pending, Pass);
        competitor(|e| { kong(e); pending(e); }, Fail);
        called_like_the_gateway(|e| {
            pending(e);
            kong(e);
            let name = e.expectations.gateway.clone();
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().name = name;
        }, Fail);
        refused_for_another_reason(|e| {
            kong(e);
            refused(e, "AllocationFailed: [\"10.9.9.9\"] is not allowed in config");
        }, Pass);
        hint_looks(|e| { kong(e); pending(e); }, Fail);
        pool_used_up(used_up, Fail);
        address_left(|e| { pending(e); kong(e); tried(e); }, Pass);
        cloud_gives_names(|e| { cloud(e); pending(e); }, Pass);
        name_and_address(|e| { cloud(e); kong(e); pending(e); }, Fail);
        traefik_has_the_ports(|e| on_nodes(e, "traefik", &[80, 443]), Fail);
        traefik_of_k3s(|e| { on_nodes(e, "traefik", &[80, 443]); let nodes = of(&mut e.cluster.nodes); nodes[0].addresses.clear(); nodes[0].kubelet_version = "v1.29.15+k3s1".into(); }, Fail);
        metallb_on_k3s(|e| { pending(e); other(e, "traefik", "198.51.100.9", &[80]); of(&mut e.cluster.nodes)[0].kubelet_version = "v1.29.15+k3s1".into(); let speaker = Pod { labels: [("app".into(), "metallb".into())].into(), ..Pod::default() }; e.cluster.network_pods = Observation::seen(vec![speaker]); }, Fail);
        another_has_a_port(|e| on_nodes(e, "nginx", &[443, 8443]), Fail);
        traefik_has_the_port_before_the_install(|e| { on_nodes(e, "traefik", &[80, 443]); let mut services = e.cluster.load_balancer_services.clone(); before_the_install(e); of(&mut services).remove(0); e.cluster.load_balancer_services = services; tried_in_vain(e); of(&mut e.cluster.load_balancer_probe).events.clear(); }, Fail);
        other_ports_of_the_nodes(|e| on_nodes(e, "nginx", &[8443]), Fail);
        same_address_and_ports(|e| sharer(e, &[80, 443]), Fail);
        same_address_and_one_port(|e| sharer(e, &[443]), Fail);
        same_address_other_ports(|e| sharer(e, &[8000]), Pass);
        same_address_other_protocol(|e| {
            sharer(e, &[443]);
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().ports[0].protocol = "UDP".into();
        }, Pass);
        nothing_there(|e| { before_the_install(e); not_tried(e); }, Pass);
        before_used_up(|e| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail);
        before_one_left(|e| { before_the_install(e); kong(e); }, Pass);
        before_not_tried(|e| { before_the_install(e); kong(e); not_tried(e); }, Skipped);
        before_not_possible(|e| { before_the_install(e); kong(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged);
        node_port(|e| { node_port(e); not_tried(e); }, Pass);
        blind(|e| e.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged);
        our_own_probe(|e| {
            kong(e);
            pending(e);
            tried(e);
            let ours = of(&mut e.cluster.load_balancer_probe).namespace.clone();
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().namespace = ours;
        }, Pass);
    }
}
