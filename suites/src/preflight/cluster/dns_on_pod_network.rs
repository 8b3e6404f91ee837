//! The cluster's DNS pods run, with addresses of the pod network.

use crate::entry::check;

check! {
    /// TODO
    "cluster::dns_on_pod_network": "the cluster's DNS pods run, with addresses of the pod network",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: |evidence| Ok(crate::claims::prepare::dns_on_pod_network::CLAIM.judge(&evidence.cluster.seen)),
}

#[cfg(test)]
use crate::preflight::tests::cluster::dns as cases;
