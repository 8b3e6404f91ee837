//! No other service holds the only load balancer address.

use crate::entry::check;

check! {
    /// TODO
    "cluster::no_competing_load_balancer": "no other service holds the only load balancer address",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    caused_by: [crate::preflight::cluster::load_balancer if |effect| effect.judgement.verdict == crate::Verdict::Fail],
    judge: |evidence| Ok(crate::claims::prepare::no_competing_load_balancer::CLAIM.judge(&evidence.cluster.seen)),
}

#[cfg(test)]
use crate::preflight::tests::cluster::competitor as cases;
