//! What a sidecar explains that does not run: the rules of its pod lead everything to a port where nobody
//! listens.

use super::super::mesh::INIT;
use super::Case;
use super::demo::{found, running};
use crate::evidence::{ContainerState, Evidence, Pod};
use crate::facts::workload::is_in_restart_loop;
use crate::judgement::Verdict;
use crate::object::Object;

/// What curl says where nobody listens.
const NOT_CONNECTED: [&str; 4] =
    ["Failed to connect", "Could not connect", "Couldn't connect", "Connection refused"];

/// No client pod has a proxy that runs: what its application asks goes to that proxy, and istiod does not
/// hear of it.
pub(crate) fn no_client_proxy_runs(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let client = &evidence.expectations.client_deployment;
    let pods: Vec<_> = running(evidence, client).into_iter().flatten().collect();
    let told = match case.id {
        "mesh::proxies_in_sync" => {
            case.judgement.verdict == Verdict::Fail
                && pods.iter().any(|pod| case.is_about(&Object::pod(pod)))
        }
        _ => found(case).is_some_and(|found| found.says(&NOT_CONNECTED)),
    };
    told && !pods.is_empty() && pods.iter().all(|pod| redirects_to_nobody(evidence, pod))
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
