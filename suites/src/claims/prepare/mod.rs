//! The section *prepare*: the cluster before the install.

pub(in crate::claims) mod addresses;
pub(crate) mod dns_on_pod_network;
pub(crate) mod kubernetes_version_supported;
pub(crate) mod load_balancer_address_free;
pub(crate) mod no_competing_load_balancer;
pub(crate) mod nodes_ready;

use crate::claims::Claim;
use crate::evidence::Evidence;
use crate::judgement::{Judgement, Look as _};

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &load_balancer_address_free::CLAIM,
    &no_competing_load_balancer::CLAIM,
    &dns_on_pod_network::CLAIM,
    &kubernetes_version_supported::CLAIM,
    &nodes_ready::CLAIM,
];

/// Requires that the pods of the control plane and of the demo are known. Before the install they are absent.
fn require_pods(evidence: &Evidence) -> Result<(), Judgement> {
    evidence.install.pods.known("the pods of the control plane")?;
    evidence.demo.pods.known("the demo's pods")
}
