//! What a control plane explains that is not installed, or down.

use super::super::mesh;
use super::Case;
use crate::evidence::{ContainerState, Pod};
use crate::facts::workload::find_troubled_container;

pub(crate) use crate::claims::install::default_profile::istiod_is_not_installed;
pub(crate) use crate::facts::injection::is_webhook_failure as says_that_the_webhook_fails;
pub(crate) use crate::facts::istiod::is_istiod_down as istiod_is_down;

/// A sidecar is not ready before istiod has told it what to do.
pub(crate) fn sidecars_wait_for_istiod(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let Some(deployment) = super::demo::deployment_of(case) else { return false };
    let waits = |pod: &Pod| {
        find_troubled_container(pod).is_some_and(|it| {
            it.name == mesh::SIDECAR && matches!(it.state, ContainerState::Running { .. })
        })
    };
    let pods = evidence.demo.pods.value().into_iter().flatten();
    let mut ill = pods
        .filter(|pod| deployment.selects(pod) && !pod.terminating)
        .filter(|pod| !pod.is_running_and_ready())
        .peekable();
    super::demo::is_only_unavailable(case)
        && istiod_is_down(evidence)
        && ill.peek().is_some()
        && ill.all(waits)
}

pub(crate) fn pods_cannot_be_made(case: &Case<'_>) -> bool {
    super::demo::is_only_unavailable(case)
        && super::demo::deployment_of(case).is_some_and(|deployment| {
            deployment.replicas > 0
                && deployment.conditions.iter().any(|condition| {
                    condition.kind == "ReplicaFailure"
                        && condition.status == "True"
                        && says_that_the_webhook_fails(&condition.message)
                })
        })
}
