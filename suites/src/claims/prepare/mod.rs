//! The section *prepare*: the cluster before the install.

pub(in crate::claims) mod addresses;
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
