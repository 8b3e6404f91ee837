//! The cluster's DNS pods run, with addresses of the pod network.

use crate::claims::by_name;
use crate::entry::check;
use crate::judgement::Judged;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial says: the DNS pods have addresses of the pod network.
    ///
    /// ## Why it matters
    /// DNS pods on another network do not answer pods with a sidecar.
    ///
    /// ## How it is checked
    /// Like the claim `prepare::dns_on_pod_network`, before the install.
    ///
    /// ## What makes it fail
    /// No DNS pod runs, or its address is outside of the pod network.
    ///
    /// ## How to fix it
    /// Scale the DNS deployment up, or restart it.
    ///
    /// ## Check by hand
    ///     kubectl -n kube-system get pods -o wide -l k8s-app=kube-dns
    cluster::dns_on_pod_network: "the cluster's DNS pods run, with addresses of the pod network",
    needs: ClusterNamed,
    after: server_answers,
}

/// Judges by the claim of the same name.
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
        on_the_pod_network(|_| {}, Pass);
        on_the_node_network(|e| {
            for pod in &mut of(&mut e.cluster.seen.cluster.dns).pods {
                pod.host_network = true;
            }
        }, Fail);
        dns_unknown(|e| e.cluster.seen.cluster.dns = Observation::failed("forbidden"), Unjudged);
    }
}
