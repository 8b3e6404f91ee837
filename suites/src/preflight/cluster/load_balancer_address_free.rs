//! A load balancer address is free for the ingress gateway.

use crate::entry::check;

check! {
    /// TODO
    "cluster::load_balancer_address_free": "a load balancer address is free for the ingress gateway",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    caused_by: [crate::preflight::cluster::load_balancer if |effect| effect.judgement.verdict == crate::Verdict::Fail],
    judge: |evidence| Ok(crate::claims::prepare::load_balancer_address_free::CLAIM.judge(&evidence.cluster.seen)),
}

#[cfg(test)]
use crate::preflight::tests::cluster::free_address as cases;
