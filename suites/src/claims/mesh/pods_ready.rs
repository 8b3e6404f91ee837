//! Each pod is READY 2/2 and Running.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::pods_ready": "each pod is READY 2/2 and Running",
    needs: Reading,
    stops: [ClientSidecar, BackendSidecar],
    caused_by: [
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::demo::backend_deployment if causes::mesh::backend_pods_are_ill,
        crate::claims::demo::client_deployment if causes::mesh::client_pods_are_ill,
        crate::claims::mesh::two_containers_per_pod if causes::mesh::pods_have_only_another_number,
    ],
    judge: crate::claims::mesh::pods_ready,
}

#[cfg(test)]
use crate::claims::mesh::tests::pods_ready as cases;
