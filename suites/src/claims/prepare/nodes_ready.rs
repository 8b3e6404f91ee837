//! The nodes are ready and have room for the mesh.

use crate::entry::claim;

claim! {
    /// TODO
    "prepare::nodes_ready": "the nodes are ready and have room for the mesh",
    beyond: true,
    needs: Reading,
    holds_without: [
        ("/demo/pods", "before the demo no pod of it waits for room"),
    ],
    judge: crate::claims::prepare::nodes_ready,
}

#[cfg(test)]
use crate::claims::prepare::tests::nodes_have_room as cases;
