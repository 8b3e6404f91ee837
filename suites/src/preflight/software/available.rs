//! The software is here and whole, or can be downloaded.

use crate::entry::check;

check! {
    /// TODO
    "software::available": "the software is here and whole, or can be downloaded",
    needs: Software,
    judge: crate::preflight::software::available,
}

#[cfg(test)]
use crate::preflight::tests::software::is_available as cases;
