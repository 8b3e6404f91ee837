//! The rules in force are those that the init container's log shows.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::live_rules": "the rules in force are those that the init container's log shows",
    beyond: true,
    needs: Node,
    stops: [OutboundRules, InboundRules],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::no_node_answers,
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::mesh::two_containers_per_pod if causes::mesh::no_pod_is_injected,
        crate::claims::mesh::init_arguments if causes::mesh::no_container_redirects,
    ],
    judge: crate::claims::mesh::live_rules,
}

#[cfg(test)]
use crate::claims::mesh::tests::live_rules as cases;
