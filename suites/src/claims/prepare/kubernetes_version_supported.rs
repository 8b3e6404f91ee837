//! The version of Kubernetes is one that this Istio supports.

use crate::entry::claim;

claim! {
    /// TODO
    "prepare::kubernetes_version_supported": "the version of Kubernetes is one that this Istio supports",
    beyond: true,
    needs: Reading,
    judge: crate::claims::prepare::kubernetes_version_supported,
}

#[cfg(test)]
use crate::claims::prepare::tests::the_server_is_supported as cases;
