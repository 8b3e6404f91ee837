//! The clocks of the server and of this machine agree.

use crate::entry::check;

check! {
    /// TODO
    "cluster::clock": "the clocks of the server and of this machine agree",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: crate::preflight::cluster::clock,
}

#[cfg(test)]
use crate::preflight::tests::cluster::clocks as cases;
