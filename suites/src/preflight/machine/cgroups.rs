//! The control groups are such as a node needs.

use crate::entry::check;

check! {
    /// TODO
    "machine::cgroups": "the control groups are such as a node needs",
    needs: Engine,
    after: crate::preflight::machine::docker_usable,
    judge: crate::preflight::machine::cgroups,
}

#[cfg(test)]
use crate::preflight::tests::machine::control_groups as cases;
