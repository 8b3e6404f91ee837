//! What a sidecar explains that does not run: the rules of its pod lead everything to a port where nobody
//! listens.

use super::super::mesh::INIT;
use super::Case;
use crate::evidence::{ContainerState, Evidence, Pod};
use crate::facts::demo::running_pods;
use crate::facts::workload::is_in_restart_loop;
use crate::judgement::Verdict;
use crate::object::Object;

/// No client pod has a proxy that runs: istiod does not hear of it.
pub(crate) fn no_client_proxy_runs(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let pods = running_pods(evidence, &evidence.expectations.client_deployment).unwrap_or_default();
    case.judgement.verdict == Verdict::Fail
        && pods.iter().any(|pod| case.is_about(Object::pod(pod)))
        && pods.iter().all(|pod| redirects_to_nobody(evidence, pod))
}

fn redirects_to_nobody(evidence: &Evidence, pod: &Pod) -> bool {
    let proxy = pod.sidecar().filter(|proxy| !proxy.ready);
    pod.init_containers.iter().any(|it| it.name == INIT)
        && proxy.is_some_and(|proxy| {
            let ended = matches!(
                proxy.state,
                ContainerState::Waiting { .. } | ContainerState::Terminated(_)
            );
            ended || is_in_restart_loop(proxy, evidence.moment())
        })
}
