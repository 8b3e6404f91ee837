//! All pods of the control plane's namespace are Running.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "install::control_plane_running": "all pods of the control plane's namespace are Running",
    needs: Reading,
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::control_plane_waits_for_nodes,
        crate::claims::install::default_profile if causes::install::istiod_is_not_installed,
        crate::claims::kiali::running if causes::outside::only_kiali_is_ill,
    ],
    judge: crate::claims::install::control_plane_running,
}

#[cfg(test)]
use crate::claims::install::tests::its_pods_run as cases;
