//! The version of Kubernetes is one that this Istio supports.

use crate::claims::by_name;
use crate::entry::check;
use crate::judgement::Judged;
use crate::preflight::cluster::server_answers;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial implies that its Istio supports the Kubernetes of the cluster.
    ///
    /// ## Why it matters
    /// Outside of the window an install may fail in parts.
    ///
    /// ## How it is checked
    /// As the claim `kubernetes_version_supported`, before the install.
    ///
    /// ## What makes it fail
    /// The server is older or newer than the window.
    ///
    /// ## How to fix it
    /// Make a cluster of a version in the window, or take an Istio that supports this one.
    ///
    /// ## Check by hand
    ///     kubectl version
    cluster::kubernetes_version_supported: "the version of Kubernetes is one that this Istio supports",
    needs: ClusterNamed,
    after: server_answers,
    judge: judge,
}

/// Before the install the same must hold as after it.
fn judge(evidence: &PreflightEvidence) -> Judged {
    Ok(by_name::kubernetes_version_supported::CLAIM.judge(&evidence.cluster.seen))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;

    cases! { PreflightEvidence:
        supported(|_| {}, Pass);
        too_old(|e| e.cluster.seen.cluster.server_version = Observation::seen("v1.9.0".into()), Fail);
        not_seen(|e| e.cluster.seen.cluster.server_version = Observation::failed("timed out"), Unjudged);
    }
}
