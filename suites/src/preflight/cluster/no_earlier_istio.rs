//! No earlier Istio has left anything that is in the way.

use crate::entry::check;

check! {
    /// TODO
    "cluster::no_earlier_istio": "no earlier Istio has left anything that is in the way",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: crate::preflight::cluster::no_earlier_istio,
}

#[cfg(test)]
use crate::preflight::tests::cluster::earlier as cases;
