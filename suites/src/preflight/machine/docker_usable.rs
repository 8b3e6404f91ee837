//! The docker engine answers, and this user may use it.

use crate::entry::check;

check! {
    /// TODO
    "machine::docker_usable": "the docker engine answers, and this user may use it",
    needs: Engine,
    judge: crate::preflight::machine::docker_usable,
}

#[cfg(test)]
use crate::preflight::tests::machine::docker as cases;
