//! Judges of the section *prepare*: the cluster before the install.

pub(crate) mod dns_on_pod_network;
pub(crate) mod kubernetes_version_supported;
pub(crate) mod load_balancer_address_free;
pub(crate) mod no_competing_load_balancer;
pub(crate) mod nodes_ready;

use crate::claims::Claim;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &load_balancer_address_free::CLAIM,
    &no_competing_load_balancer::CLAIM,
    &dns_on_pod_network::CLAIM,
    &kubernetes_version_supported::CLAIM,
    &nodes_ready::CLAIM,
];

mod dns;
mod kubernetes;
mod load_balancer;
mod nodes;
#[cfg(test)]
pub(super) mod tests;

pub(super) use dns::dns_on_pod_network;
pub(super) use kubernetes::kubernetes_version_supported;
pub(super) use load_balancer::{load_balancer_address_free, no_competing_load_balancer};
pub(super) use nodes::nodes_ready;
