//! What the judges' tests start from.

use crate::claims::CLAIMS;
use crate::evidence::Evidence;
use crate::judgement::Judgement;

/// Evidence of a healthy mesh, to be broken by a test.
pub(crate) fn healthy() -> Evidence {
    serde_json::from_str(include_str!("../../fixtures/evidence/lab.json"))
        .expect("the recorded evidence parses")
}

/// The verdict of one claim.
pub(crate) fn judgement(evidence: &Evidence, id: &str) -> Judgement {
    CLAIMS.iter().find(|claim| claim.id == id).expect("the claim is in the table").judge(evidence)
}
