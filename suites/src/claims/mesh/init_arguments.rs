//! The init container is told to redirect all traffic to the sidecar.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::init_arguments": "the init container is told to redirect all traffic to the sidecar",
    needs: Reading,
    stops: [OutboundRules, InboundRules],
    caused_by: [
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::mesh::two_containers_per_pod if causes::mesh::no_pod_is_injected,
    ],
    judge: crate::claims::mesh::init_arguments,
}

#[cfg(test)]
use crate::claims::mesh::tests::init_arguments as cases;
