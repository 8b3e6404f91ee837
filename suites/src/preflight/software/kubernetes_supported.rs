//! The Istio of the software supports the Kubernetes of its nodes.

use crate::entry::check;

check! {
    /// TODO
    "software::kubernetes_supported": "the Istio of the software supports the Kubernetes of its nodes",
    needs: Software,
    after: crate::preflight::software::available,
    judge: crate::preflight::software::kubernetes_supported,
}

#[cfg(test)]
use crate::preflight::tests::software::its_kubernetes as cases;
