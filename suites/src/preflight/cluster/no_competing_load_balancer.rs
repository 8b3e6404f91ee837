//! No other service holds the only load balancer address.

use crate::claims::by_name;
use crate::entry::Effect;
use crate::entry::check;
use crate::judgement::Judged;
use crate::judgement::Verdict;
use crate::preflight::cluster::load_balancer;
use crate::preflight::cluster::server_answers;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial says: remove a LoadBalancer service that holds the only address, such as `kong-proxy`.
    ///
    /// ## Why it matters
    /// The gateway gets the address only if nobody else holds it.
    ///
    /// ## How it is checked
    /// As the claim `no_competing_load_balancer`, before the install.
    ///
    /// ## What makes it fail
    /// Another service holds an address, and a service of meshcheck's own gets none.
    ///
    /// ## How to fix it
    /// Free the address only if nobody needs it.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    cluster::no_competing_load_balancer: "no other service holds the only load balancer address",
    needs: ClusterNamed,
    after: server_answers,
    caused_by: [load_balancer if fails],
    judge: judge,
}

/// Before the install the same must hold as after it.
fn judge(evidence: &PreflightEvidence) -> Judged {
    Ok(by_name::no_competing_load_balancer::CLAIM.judge(&evidence.cluster.seen))
}

/// Where nothing gives addresses, or all are held, none is free.
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
        not_seen(|e| e.cluster.seen.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged);
    }
}
