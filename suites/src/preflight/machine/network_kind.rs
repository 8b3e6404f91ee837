//! The network of kind has free addresses for a node and its load balancer.

use crate::entry::check;

check! {
    /// TODO
    "machine::network_kind": "the network of kind has free addresses for a node and its load balancer",
    needs: Provisioning,
    after: crate::preflight::machine::docker_usable,
    judge: crate::preflight::machine::network_kind,
}

#[cfg(test)]
use crate::preflight::tests::machine::network as cases;
