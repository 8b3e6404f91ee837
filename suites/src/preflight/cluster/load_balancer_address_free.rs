//! A load balancer address is free for the ingress gateway.

use crate::claims::by_name;
use crate::entry::Effect;
use crate::entry::check;
use crate::judgement::Judged;
use crate::judgement::Verdict;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial says: make sure that a load balancer address is free.
    ///
    /// ## Why it matters
    /// The gateway needs an address of its own.
    ///
    /// ## How it is checked
    /// Like the claim `prepare::load_balancer_address_free`, before the install.
    ///
    /// ## What makes it fail
    /// A test service gets no address. Where no load balancer runs, `cluster::load_balancer` is the cause.
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
}

/// Judges by the claim of the same name.
fn judge(evidence: &PreflightEvidence) -> Judged {
    Ok(by_name::load_balancer_address_free::CLAIM.judge(&evidence.cluster.seen))
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
        address_assigned(|_| {}, Pass);
        no_address(in_vain, Fail);
        not_tested(not_tried, Skipped);
        test_failed(|e| e.cluster.seen.cluster.load_balancer_probe = Observation::failed("time-out"), Unjudged);
    }
}
