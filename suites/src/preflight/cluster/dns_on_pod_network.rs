//! The cluster's DNS pods run, with addresses of the pod network.

use crate::claims::by_name;
use crate::entry::check;
use crate::judgement::Judged;
use crate::preflight::cluster::server_answers;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial says: the pods of the cluster's DNS have addresses of the pod network.
    ///
    /// ## Why it matters
    /// A DNS on another network does not answer pods with a sidecar.
    ///
    /// ## How it is checked
    /// As the claim `dns_on_pod_network`, before the install.
    ///
    /// ## What makes it fail
    /// No DNS pod runs, or its address is outside of the pod network.
    ///
    /// ## How to fix it
    /// Scale DNS up or restart it.
    ///
    /// ## Check by hand
    ///     kubectl -n kube-system get pods -o wide -l k8s-app=kube-dns
    cluster::dns_on_pod_network: "the cluster's DNS pods run, with addresses of the pod network",
    needs: ClusterNamed,
    after: server_answers,
    judge: judge,
}

/// Before the install the same must hold as after it.
fn judge(evidence: &PreflightEvidence) -> Judged {
    Ok(by_name::dns_on_pod_network::CLAIM.judge(&evidence.cluster.seen))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;

    use crate::testing::of;

    cases! { PreflightEvidence:
        runs(|_| {}, Pass);
        on_the_node(|e| {
            for pod in &mut of(&mut e.cluster.seen.cluster.dns).pods {
                pod.host_network = true;
            }
        }, Fail);
        not_seen(|e| e.cluster.seen.cluster.dns = Observation::failed("forbidden"), Unjudged);
    }
}
