//! What the demo's own objects explain, for the claims on the mesh.

use super::super::mesh::answered_itself;
use super::Case;
use crate::claims::demo::backend_service::leads_to_the_backend;
use crate::claims::demo::client_deployment::no_client_can_ask;
use crate::evidence::{Evidence, Observation};
use crate::facts::demo::find_deployment;
use crate::format::rollout::format_rollout_trouble;
use crate::judgement::Verdict;

pub(crate) fn there_is_no_client(case: &Case<'_>) -> bool {
    no_client_can_ask(case.evidence)
}

/// The backend was asked, and never answered: nothing can be seen in its answers.
pub(crate) fn nothing_was_answered(case: &Case<'_>) -> bool {
    let asked = case.evidence.demo.asked.value();
    asked.is_some_and(|asked| asked.replies.iter().all(|reply| reply.status == 0))
}

/// The client's requests cannot arrive at the backend's proxy.
pub(crate) fn requests_do_not_arrive(case: &Case<'_>) -> bool {
    case.judgement.verdict == Verdict::Fail
        && leads_to_the_backend(case.evidence) == Some(false)
        && case.evidence.mesh.traffic.value().is_some_and(|traffic| {
            let (before, after) = (&traffic.inbound.before, &traffic.inbound.after);
            match (before, after) {
                (Observation::Seen { value: before }, Observation::Seen { value: after }) => {
                    before == after
                }
                (Observation::Absent { .. }, _) | (_, Observation::Absent { .. }) => true,
                _ => false,
            }
        })
}

/// Whether a deployment of the demo is in trouble by its pods.
pub(crate) fn is_in_trouble(evidence: &Evidence, name: &str) -> bool {
    find_deployment(evidence, name)
        .is_none_or(|deployment| format_rollout_trouble(deployment).is_some())
}

/// A proxy answers in the backend's place, whoever of the client's pod asks.
pub(crate) fn a_proxy_answers_instead(case: &Case<'_>) -> bool {
    case.judgement.verdict == Verdict::Fail && answered_itself(case.evidence).is_some()
}
