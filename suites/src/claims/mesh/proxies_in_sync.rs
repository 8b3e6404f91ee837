//! Every proxy has the configuration that istiod holds for it.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::proxies_in_sync": "every proxy has the configuration that istiod holds for it",
    beyond: true,
    needs: Request,
    stops: [ClientSidecar, BackendSidecar, Gateway],
    caused_by: [
        crate::claims::install::default_profile if causes::install::istiod_is_not_installed,
        crate::claims::install::control_plane_running if |case| causes::install::istiod_is_down(case.evidence),
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::demo::client_deployment if causes::sidecar::no_client_proxy_runs,
        crate::claims::mesh::two_containers_per_pod if causes::mesh::no_pod_runs,
    ],
    judge: crate::claims::mesh::proxies_in_sync,
}

#[cfg(test)]
use crate::claims::mesh::tests::in_sync as cases;
