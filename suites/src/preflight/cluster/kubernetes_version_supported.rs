//! The version of Kubernetes is one that this Istio supports.

use crate::entry::check;

check! {
    /// TODO
    "cluster::kubernetes_version_supported": "the version of Kubernetes is one that this Istio supports",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: |evidence| Ok(crate::claims::prepare::kubernetes_version_supported::CLAIM.judge(&evidence.cluster.seen)),
}

#[cfg(test)]
use crate::preflight::tests::cluster::version as cases;
