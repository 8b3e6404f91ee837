//! All inbound traffic is redirected to the sidecar.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::inbound_redirected": "all inbound traffic is redirected to the sidecar",
    needs: Reading,
    stops: [InboundRules],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::no_node_answers,
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::mesh::two_containers_per_pod if causes::mesh::no_pod_is_injected,
        crate::claims::mesh::init_arguments if causes::mesh::no_container_redirects,
        crate::claims::mesh::init_arguments if causes::mesh::rules_are_as_told,
    ],
    judge: crate::claims::mesh::inbound_redirected,
}

#[cfg(test)]
use crate::claims::mesh::tests::inbound as cases;
