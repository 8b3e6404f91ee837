//! The echo backend is deployed and available.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "demo::backend_deployment": "the echo backend is deployed and available",
    needs: Reading,
    stops: [Backend],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::deployment_waits_for_nodes,
        crate::claims::install::control_plane_running if causes::install::sidecars_wait_for_istiod,
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::install::injection_webhook if causes::install::pods_cannot_be_made,
    ],
    judge: crate::claims::demo::backend_deployment,
}

#[cfg(test)]
use crate::claims::demo::tests::the_backend_is_deployed as cases;
