//! The cluster's DNS pods have addresses of the pod network.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "prepare::dns_on_pod_network": "the cluster's DNS pods have addresses of the pod network",
    needs: Reading,
    stops: [Network],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::dns_waits_for_nodes,
    ],
    holds_without: [
        ("/cluster/calico_pools", "without Calico the nodes say what the pod network is"),
    ],
    judge: crate::claims::prepare::dns_on_pod_network,
}

#[cfg(test)]
use crate::claims::prepare::tests::dns_is_on_the_pod_network as cases;
