//! There is memory enough for the cluster and the mesh.

use crate::entry::check;

check! {
    /// TODO
    "machine::memory": "there is memory enough for the cluster and the mesh",
    needs: Provisioning,
    after: crate::preflight::machine::docker_usable,
    judge: crate::preflight::machine::memory,
}

#[cfg(test)]
use crate::preflight::tests::machine::memory as cases;
