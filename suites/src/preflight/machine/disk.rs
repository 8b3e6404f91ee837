//! The disks have room for the software and for a node.

use crate::entry::check;

check! {
    /// TODO
    "machine::disk": "the disks have room for the software and for a node",
    needs: Provisioning,
    after: crate::preflight::machine::docker_usable,
    judge: crate::preflight::machine::disk,
}

#[cfg(test)]
use crate::preflight::tests::machine::disks as cases;
