//! A load balancer address is free for the ingress gateway.

use crate::claims::by_name;
use crate::entry::Effect;
use crate::entry::check;
use crate::judgement::Judged;
use crate::judgement::Verdict;
use crate::preflight::cluster::load_balancer;
use crate::preflight::cluster::server_answers;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial says: make sure that a load balancer address is free.
    ///
    /// ## Why it matters
    /// The gateway needs one.
    ///
    /// ## How it is checked
    /// As the claim `load_balancer_address_free`, before the install.
    ///
    /// ## What makes it fail
    /// A service of meshcheck's own gets no address. Where nothing gives addresses, `cluster::load_balancer` is the cause.
    ///
    /// ## How to fix it
    /// See `cluster::load_balancer`.
    ///
    /// ## Check by hand
    ///     kubectl get services --all-namespaces
    cluster::load_balancer_address_free: "a load balancer address is free for the ingress gateway",
    needs: ClusterNamed,
    after: server_answers,
    caused_by: [load_balancer if fails],
    judge: judge,
}

/// Before the install the same must hold as after it.
fn judge(evidence: &PreflightEvidence) -> Judged {
    Ok(by_name::load_balancer_address_free::CLAIM.judge(&evidence.cluster.seen))
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
        got(|_| {}, Pass);
        none(in_vain, Fail);
        not_asked(not_tried, Skipped);
        not_possible(|e| e.cluster.seen.cluster.load_balancer_probe = Observation::failed("time-out"), Unjudged);
    }
}
