//! The kernel takes the rules with which istio-init redirects traffic.

use crate::entry::check;

check! {
    /// TODO
    "machine::kernel_redirects": "the kernel takes the rules with which istio-init redirects traffic",
    needs: NodesHere,
    judge: crate::preflight::machine::kernel_redirects,
}

#[cfg(test)]
use crate::preflight::tests::machine::redirection as cases;
