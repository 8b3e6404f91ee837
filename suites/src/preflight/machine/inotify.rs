//! The kernel lets a node watch its files.

use crate::entry::check;

check! {
    /// TODO
    "machine::inotify": "the kernel lets a node watch its files",
    needs: Engine,
    judge: crate::preflight::machine::inotify,
}

#[cfg(test)]
use crate::preflight::tests::machine::watching as cases;
