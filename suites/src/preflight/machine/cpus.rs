//! There are processors enough for the cluster and the mesh.

use crate::entry::check;

check! {
    /// TODO
    "machine::cpus": "there are processors enough for the cluster and the mesh",
    needs: Provisioning,
    after: crate::preflight::machine::docker_usable,
    judge: crate::preflight::machine::cpus,
}

#[cfg(test)]
use crate::preflight::tests::machine::processors as cases;
