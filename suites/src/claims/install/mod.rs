//! The section *install*: Istio, its webhooks, and the demo's namespace.

pub(crate) mod control_plane_running;
pub(crate) mod default_profile;
pub(crate) mod injection_webhook;
pub(crate) mod istio_version;
pub(crate) mod namespace_labelled;
#[cfg(test)]
mod testing;

use crate::claims::Claim;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &istio_version::CLAIM,
    &default_profile::CLAIM,
    &control_plane_running::CLAIM,
    &namespace_labelled::CLAIM,
    &injection_webhook::CLAIM,
];
