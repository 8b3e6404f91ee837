//! This Istio supports the cluster's Kubernetes version.

use crate::claims::by_name;
use crate::entry::check;
use crate::judgement::Judged;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial implies that its Istio supports the Kubernetes of the cluster.
    ///
    /// ## Why it matters
    /// With another Kubernetes, parts of the install may fail.
    ///
    /// ## How it is checked
    /// Like the claim `prepare::kubernetes_version_supported`, before the install.
    ///
    /// ## What makes it fail
    /// The server is older or newer than the supported versions.
    ///
    /// ## How to fix it
    /// Create a cluster of a supported version, or use an Istio that supports this version.
    ///
    /// ## Check by hand
    ///     kubectl version
    cluster::kubernetes_version_supported: "this Istio supports the cluster's Kubernetes version",
    needs: ClusterNamed,
    after: server_answers,
}

/// Judges by the claim of the same name.
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
        version_unknown(|e| e.cluster.seen.cluster.server_version = Observation::failed("timed out"), Unjudged);
    }
}
