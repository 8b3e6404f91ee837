//! Judges of the section *cluster*: what the tutorial needs of a cluster that is there.

mod images;
mod istio;
mod load_balancer;
mod platforms;
mod rights;
mod server;

pub(super) use images::images;
pub(super) use istio::no_earlier_istio;
pub(super) use load_balancer::load_balancer;
pub(super) use platforms::platforms;
pub(super) use rights::rights;
pub(super) use server::{clock, node_stands_still, server_answers};

use super::evidence::PreflightEvidence;
use crate::claims::CLAIMS;
use crate::judgement::{Judged, Judgement};

/// What the claim of this id says of the cluster: before the install the same must hold.
pub(super) fn as_claimed(id: &str, evidence: &PreflightEvidence) -> Judged {
    let claim = CLAIMS.iter().find(|claim| claim.id == id);
    claim
        .map(|claim| claim.judge(&evidence.cluster.seen))
        .ok_or_else(|| Judgement::unjudged(format!("there is no claim {id}")))
}
