//! No cluster of kind on this machine has a node that stands still.

use crate::entry::check;

check! {
    /// TODO
    "machine::kind_nodes_run": "no cluster of kind on this machine has a node that stands still",
    needs: Engine,
    after: crate::preflight::machine::docker_usable,
    judge: crate::preflight::machine::kind_nodes_run,
}

#[cfg(test)]
use crate::preflight::tests::machine::kind_nodes as cases;
