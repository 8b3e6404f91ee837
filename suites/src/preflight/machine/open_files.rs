//! Enough files can be opened.

use crate::entry::check;

check! {
    /// TODO
    "machine::open_files": "enough files can be opened",
    needs: NodesHere,
    judge: crate::preflight::machine::open_files,
}

#[cfg(test)]
use crate::preflight::tests::machine::files as cases;
