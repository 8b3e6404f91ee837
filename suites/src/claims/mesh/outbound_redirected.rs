//! All outbound traffic is redirected to the sidecar, the sidecar's own is not.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::outbound_redirected": "all outbound traffic is redirected to the sidecar, the sidecar's own is not",
    needs: Reading,
    stops: [OutboundRules],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::no_node_answers,
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::mesh::two_containers_per_pod if causes::mesh::no_pod_is_injected,
        crate::claims::mesh::init_arguments if causes::mesh::no_container_redirects,
        crate::claims::mesh::init_arguments if causes::mesh::rules_are_as_told,
    ],
    judge: crate::claims::mesh::outbound_redirected,
}

#[cfg(test)]
use crate::claims::mesh::tests::outbound as cases;
