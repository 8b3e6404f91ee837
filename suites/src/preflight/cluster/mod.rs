//! The section *cluster*: what the tutorial needs of an existing cluster.

#[cfg(test)]
pub(crate) mod changes;
pub(crate) mod clock;
pub(crate) mod dns_on_pod_network;
pub(crate) mod images;
pub(crate) mod kubernetes_version_supported;
pub(crate) mod load_balancer;
pub(crate) mod load_balancer_address_free;
pub(crate) mod no_competing_load_balancer;
pub(crate) mod no_earlier_istio;
pub(crate) mod nodes_ready;
pub(crate) mod platforms;
pub(crate) mod rights;
pub(crate) mod server_answers;

use crate::preflight::Check;

/// The checks of this section, in the order in which failures are fixed.
pub(super) const CHECKS: &[&Check] = &[
    &server_answers::CHECK,
    &clock::CHECK,
    &kubernetes_version_supported::CHECK,
    &rights::CHECK,
    &nodes_ready::CHECK,
    &platforms::CHECK,
    &dns_on_pod_network::CHECK,
    &load_balancer::CHECK,
    &load_balancer_address_free::CHECK,
    &no_competing_load_balancer::CHECK,
    &no_earlier_istio::CHECK,
    &images::CHECK,
];
