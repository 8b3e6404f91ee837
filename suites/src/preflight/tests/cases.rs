//! Evidence with which the cases of checks begin.

use super::super::evidence::PreflightEvidence;
use super::super::{CHECKS, When};
use super::ready::{cluster_ready, machine_ready};
use crate::judgement::Judgement;

/// Returns evidence on which a check applies and passes.
pub(crate) fn ready_for(when: When) -> PreflightEvidence {
    if when == When::ClusterNamed { cluster_ready() } else { machine_ready() }
}

pub(super) fn judgement(id: &str, evidence: &PreflightEvidence) -> Judgement {
    CHECKS.iter().find(|check| check.id == id).expect("the check is in the table").judge(evidence)
}
