//! No other service holds the only load balancer address.

use crate::claims::by_name;
use crate::entry::Effect;
use crate::entry::check;
use crate::judgement::Judged;
use crate::judgement::Verdict;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial says: remove a LoadBalancer service that holds the only address, such as `kong-proxy`.
    ///
    /// ## Why it matters
    /// The gateway gets the address only if no other service has it.
    ///
    /// ## How it is checked
    /// Like the claim `prepare::no_competing_load_balancer`, before the install.
    ///
    /// ## What makes it fail
    /// Another service has an address, and a test service gets none.
    ///
    /// ## How to fix it
    /// Add addresses to the pool. Free an address only if its service is not needed.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    cluster::no_competing_load_balancer: "no other service holds the only load balancer address",
    needs: ClusterNamed,
    after: server_answers,
    caused_by: [load_balancer if fails],
}

/// Judges by the claim of the same name.
fn judge(evidence: &PreflightEvidence) -> Judged {
    Ok(by_name::no_competing_load_balancer::CLAIM.judge(&evidence.cluster.seen))
}

/// Whether no address is free: no load balancer runs, or its pool is used up.
fn fails(effect: &Effect<'_, PreflightEvidence>) -> bool {
    effect.judgement.verdict == Verdict::Fail
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::cluster::changes::*;
    use crate::preflight::evidence::*;

    cases! { PreflightEvidence:
        none(|_| {}, Pass);
        one(|e| { in_vain(e); services(e).push(service("kong", Some("172.18.255.251"))); }, Fail);
        services_unknown(|e| e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged);
    }
}
