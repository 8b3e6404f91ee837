//! The backend's service leads from port 80 to the backend's port 5678.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "demo::backend_service": "the backend's service leads from port 80 to the backend's port 5678",
    statement_for: |expectations| format!(
        "the backend's service leads from port {} to the backend's port {}",
        expectations.backend.service_port, expectations.backend.port
    ),
    needs: Reading,
    stops: [Service],
    caused_by: [
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::demo::backend_deployment if causes::demo::nobody_is_behind_the_service,
    ],
    judge: crate::claims::demo::backend_service,
}

#[cfg(test)]
use crate::claims::demo::tests::the_service_leads_to_the_backend as cases;
