//! Claims of the section *mesh*: sidecars, redirection, traffic.

pub(crate) mod bypass;
#[cfg(test)]
pub(super) mod changes;
mod demo_pods;
pub(crate) mod inbound_redirected;
pub(crate) mod init_arguments;
mod init_container;
pub(crate) mod live_rules;
mod missing_sidecar;
mod native_sidecar;
pub(crate) mod outbound_redirected;
pub(crate) mod packet_trace;
pub(crate) mod pod_rules;
pub(crate) mod pods_ready;
pub(crate) mod proxies_in_sync;
mod question;
pub(crate) mod traffic_through_proxies;
pub(crate) mod two_containers_per_pod;
pub(crate) mod unlabelled_namespace_left_alone;

use crate::claims::Claim;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &two_containers_per_pod::CLAIM,
    &pods_ready::CLAIM,
    &unlabelled_namespace_left_alone::CLAIM,
    &init_arguments::CLAIM,
    &inbound_redirected::CLAIM,
    &outbound_redirected::CLAIM,
    &live_rules::CLAIM,
    &traffic_through_proxies::CLAIM,
    &proxies_in_sync::CLAIM,
];

/// The port to which outbound traffic is redirected.
/// Source: <https://istio.io/latest/docs/ops/deployment/application-requirements/>, as the next ones.
const OUTBOUND_PORT: u16 = 15001;
/// The port to which inbound traffic is redirected.
const INBOUND_PORT: u16 = 15006;
/// The sidecar's own ports: Envoy's statistics, health, the merged statistics.
const OWN_PORTS: [u16; 3] = [15090, 15021, 15020];
/// The proxy's user and group.
const PROXY_ID: u32 = 1337;
