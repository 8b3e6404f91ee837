//! Judges of the section *prepare*: the cluster before the install.

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
