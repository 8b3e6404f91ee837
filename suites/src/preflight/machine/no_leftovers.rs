//! No run of meshcheck that was killed has left a cluster.

use crate::entry::check;

check! {
    /// TODO
    "machine::no_leftovers": "no run of meshcheck that was killed has left a cluster",
    needs: Provisioning,
    after: crate::preflight::machine::docker_usable,
    judge: crate::preflight::machine::no_leftovers,
}

#[cfg(test)]
use crate::preflight::tests::machine::leftovers as cases;
