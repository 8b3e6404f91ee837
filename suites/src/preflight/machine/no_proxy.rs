//! No proxy stands between this machine and the cluster's addresses.

use crate::entry::check;

check! {
    /// TODO
    "machine::no_proxy": "no proxy stands between this machine and the cluster's addresses",
    needs: Always,
    judge: crate::preflight::machine::no_proxy,
}

#[cfg(test)]
use crate::preflight::tests::machine::proxies as cases;
