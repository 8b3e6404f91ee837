//! Kiali from the release's own addon manifest runs.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "kiali::running": "Kiali from the release's own addon manifest runs",
    needs: Reading,
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::kiali_waits_for_nodes,
        crate::claims::install::default_profile if causes::install::istio_namespace_is_missing,
    ],
    judge: crate::claims::kiali::running,
}

#[cfg(test)]
use crate::claims::kiali::tests::running as cases;
