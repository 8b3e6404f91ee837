//! Each pod has two containers: the application and the injected sidecar.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::two_containers_per_pod": "each pod has two containers: the application and the injected sidecar",
    needs: Reading,
    stops: [ClientSidecar, BackendSidecar],
    caused_by: [
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::install::namespace_labelled if causes::mesh::pods_miss_the_label,
        crate::claims::install::injection_webhook if causes::mesh::pods_miss_the_webhook,
        crate::claims::install::injection_webhook if causes::mesh::template_refuses_the_sidecar,
        crate::claims::demo::backend_deployment if causes::mesh::backend_pods_are_ill,
        crate::claims::demo::client_deployment if causes::mesh::client_pods_are_ill,
    ],
    judge: crate::claims::mesh::two_containers_per_pod,
}

#[cfg(test)]
use crate::claims::mesh::tests::two_containers as cases;
