//! A mutating admission webhook injects the sidecar in labelled namespaces.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "install::injection_webhook": "a mutating admission webhook injects the sidecar in labelled namespaces",
    needs: Reading,
    caused_by: [
        crate::claims::install::default_profile if causes::install::webhook_is_not_installed,
        crate::claims::install::control_plane_running if causes::install::nobody_answers_the_webhook,
        crate::claims::install::namespace_labelled if causes::mesh::webhook_misses_the_label,
    ],
    holds_without: [
        ("/demo/deployments", "the tutorial installs Istio first: a plain pod stands for those that are not there yet"),
    ],
    judge: crate::claims::install::injection_webhook,
}

#[cfg(test)]
use crate::claims::install::tests::a_webhook_injects as cases;
