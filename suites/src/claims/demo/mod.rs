//! The section *demo*: the echo backend and its client.

pub(crate) mod backend_deployment;
pub(crate) mod backend_replies;
pub(crate) mod backend_service;
pub(crate) mod client_deployment;
pub(crate) mod client_logs_show_reply;
mod deployments;
pub(crate) mod outcome;
#[cfg(test)]
mod testing;

use crate::claims::Claim;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &backend_service::CLAIM,
    &backend_deployment::CLAIM,
    &client_deployment::CLAIM,
    &client_logs_show_reply::CLAIM,
    &backend_replies::CLAIM,
];
