//! Kind and istioctl of the software run on this machine.

use crate::entry::check;

check! {
    /// TODO
    "software::programs_run": "kind and istioctl of the software run on this machine",
    needs: Software,
    after: crate::preflight::software::available,
    judge: crate::preflight::software::programs_run,
}

#[cfg(test)]
use crate::preflight::tests::software::programs as cases;
