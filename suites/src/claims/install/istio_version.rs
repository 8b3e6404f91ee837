//! The Istio that runs is the one that was asked for.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "install::istio_version": "the Istio that runs is the one that was asked for",
    needs: Request,
    caused_by: [
        crate::claims::install::default_profile if causes::install::istiod_is_not_installed,
        crate::claims::install::control_plane_running if causes::install::no_istiod_tells_its_version,
        crate::claims::mesh::proxies_in_sync if causes::install::istiod_does_not_know_the_proxy,
    ],
    holds_without: [
        ("/install/istioctl_version", "a mesh can be installed without istioctl"),
        ("/demo/pods", "where no pod is, no proxy is of another version: that pods are there is claimed elsewhere"),
    ],
    holds_unasked: [
        ("/install/istioctl_version", "a mesh can be installed without istioctl"),
    ],
    judge: crate::claims::install::istio_version,
}

#[cfg(test)]
use crate::claims::install::tests::all_parts_are_of_one_version as cases;
