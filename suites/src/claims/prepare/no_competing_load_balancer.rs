//! No other service holds the only load balancer address.

use super::addresses::{Gateway, OBJECTS, find_gateway, find_holders, format_holder};
use crate::entry::claim;
use crate::evidence::{Evidence, Expectations, Observation};
use crate::format::list;
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
    /// Another service holds an address while the gateway's service is pending, or while a service of meshcheck's own
    /// gets none.
    ///
    /// ## How to fix it
    /// Look at the service that holds the address. Free the address only if nobody needs it.
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
    let held = list(&holders.iter().map(|&holder| format_holder(holder)).collect::<Vec<_>>());
    let state = find_gateway(evidence)?;
    if let Gateway::Holds(addresses) = state {
        let own = list(&addresses);
        return Ok(Judgement::pass(if holders.is_empty() {
            format!("{gateway} holds {own}, and no other service holds an address")
        } else {
            format!("{gateway} holds {own}; {held} do not keep it from that")
        }));
    }
    let Some(first) = holders.first() else {
        return Ok(Judgement::pass(match state {
            Gateway::Pending => format!(
                "no other service holds an address: that {gateway} has none either has another \
                 cause"
            ),
            _ => "no service holds a load balancer address".to_owned(),
        }));
    };
    let probe = &evidence.cluster.load_balancer_probe;
    let who = match (&state, probe) {
        (Gateway::Pending, _) => format!("{gateway} waits for an address"),
        (_, Observation::Seen { value }) => match &value.address {
            Some(address) => {
                return Ok(Judgement::pass(format!(
                    "{held} leave an address free: a service of our own got {address}"
                )));
            }
            None => "a service of our own got none".to_owned(),
        },
        (_, Observation::NotAsked { reason }) => {
            return Err(Judgement::skipped(format!(
                "{held}; whether that was the only address was not tried: {reason}"
            )));
        }
        (_, Observation::Failed { reason } | Observation::Absent { reason }) => {
            return Err(Judgement::unjudged(format!(
                "{held}; whether that was the only address could not be tried: {reason}"
            )));
        }
    };
    Err(Judgement::fail(format!("an address is held by {held}, and {who}"))
        .expected(format!("an address left for {namespace}/{gateway}"))
        .observed(held)
        .object(Object::new("service", &first.namespace, &first.name))
        .steps(services::free_address(evidence, first)))
}

#[cfg(test)]
mod cases {
    use crate::claims::prepare::addresses::changes::*;
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
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
        hint_looks(|e| { kong(e); pending(e); }, Fail);
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
