//! What the cases of checks start from.

use super::super::evidence::PreflightEvidence;
use super::super::{CHECKS, When};
use super::ready::{cluster_ready, machine_ready};
use crate::judgement::Judgement;

/// Evidence on which a check has a meaning, and holds.
pub(crate) fn ready_for(when: When) -> PreflightEvidence {
    if when == When::ClusterNamed { cluster_ready() } else { machine_ready() }
}

pub(super) fn judgement(id: &str, evidence: &PreflightEvidence) -> Judgement {
    CHECKS.iter().find(|check| check.id == id).expect("the check is in the table").judge(evidence)
}
