//! What nodes explain.

use super::Case;
use crate::facts::scheduling::{self, no_node_is_ready};
use crate::judgement::Verdict;

pub(crate) fn deployment_waits_for_nodes(case: &Case<'_>) -> bool {
    let deployment = super::demo::deployment_of(case);
    super::demo::is_only_unavailable(case)
        && scheduling::deployment_waits_for_nodes(
            case.evidence,
            deployment,
            &case.evidence.demo.pods,
        )
}

/// Logs and commands go through the node's kubelet.
pub(crate) fn no_node_answers(case: &Case<'_>) -> bool {
    case.judgement.verdict == Verdict::Unjudged
        && !case.judgement.summary.contains("forbidden")
        && no_node_is_ready(case.evidence)
}
