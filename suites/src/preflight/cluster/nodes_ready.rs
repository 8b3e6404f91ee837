//! The nodes are ready and have room for the mesh.

use crate::entry::check;

check! {
    /// TODO
    "cluster::nodes_ready": "the nodes are ready and have room for the mesh",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: |evidence| Ok(crate::claims::prepare::nodes_ready::CLAIM.judge(&evidence.cluster.seen)),
}

#[cfg(test)]
use crate::preflight::tests::cluster::nodes as cases;
