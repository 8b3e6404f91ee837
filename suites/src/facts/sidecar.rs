//! The containers that injection adds to a pod.

use jiff::Timestamp;

use super::workload::{find_troubled_container, is_in_restart_loop};
use crate::evidence::{Container, ContainerState, Pod};

/// The container of the sidecar.
pub(crate) const SIDECAR: &str = "istio-proxy";
/// The init container that programs the redirection.
pub(crate) const INIT: &str = "istio-init";

/// The init container that programs a pod's redirection.
pub(crate) fn init_container(pod: &Pod) -> Option<&Container> {
    pod.init_containers.iter().find(|container| container.name == INIT)
}

/// The container of a job's pod that has ended while the sidecar still runs, which keeps the pod from ending.
pub(crate) fn find_ended_application(pod: &Pod) -> Option<&Container> {
    let has_ended = |it: &Container| matches!(it.state, ContainerState::Terminated(_));
    let is_job = pod.owner.as_deref().is_some_and(|owner| owner.starts_with("Job/"));
    let mut sidecars = pod.containers.iter().filter(|it| it.name == SIDECAR);
    let mut applications = pod.containers.iter().filter(|it| it.name != SIDECAR);
    let runs = |it: &Container| matches!(it.state, ContainerState::Running { .. });
    (is_job && sidecars.any(runs) && applications.clone().all(has_ended))
        .then(|| applications.next())
        .flatten()
}

/// Whether a pod's traffic is redirected to a sidecar that does not run.
pub(crate) fn redirects_to_stopped_sidecar(pod: &Pod, now: Timestamp) -> bool {
    init_container(pod).is_some()
        && pod.sidecar().filter(|sidecar| !sidecar.ready).is_some_and(|sidecar| {
            let ended = matches!(
                sidecar.state,
                ContainerState::Waiting { .. } | ContainerState::Terminated(_)
            );
            ended || is_in_restart_loop(sidecar, now)
        })
}

/// Whether a pod is not ready because its proxy is not, which runs: it has no configuration yet.
pub(crate) fn waits_for_its_proxy(pod: &Pod) -> bool {
    find_troubled_container(pod)
        .is_some_and(|it| it.name == SIDECAR && matches!(it.state, ContainerState::Running { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Termination;
    use crate::testing::{demo_pod, healthy};
    use rstest::rstest;

    fn waiting() -> ContainerState {
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }
    }

    #[rstest]
    #[case::runs(ContainerState::Running { since: None }, true, true, false)]
    #[case::starts(ContainerState::Running { since: None }, false, true, false)]
    #[case::waits(waiting(), false, true, true)]
    #[case::ended(ContainerState::Terminated(Termination::default()), false, true, true)]
    #[case::waits_without_rules(waiting(), false, false, false)]
    fn sidecar_stopped_behind_the_rules_takes_the_traffic(
        #[case] state: ContainerState,
        #[case] ready: bool,
        #[case] redirects: bool,
        #[case] stopped: bool,
    ) {
        let mut evidence = healthy();
        let now = evidence.moment();
        let pod = demo_pod(&mut evidence, "client");
        assert!(init_container(pod).is_some());
        if !redirects {
            pod.init_containers.clear();
            assert!(init_container(pod).is_none());
        }
        let sidecar = pod.containers.iter_mut().find(|it| it.name == SIDECAR).unwrap();
        (sidecar.state, sidecar.ready) = (state, ready);
        assert_eq!(redirects_to_stopped_sidecar(pod, now), stopped);
        pod.containers.retain(|it| it.name != SIDECAR);
        assert!(!redirects_to_stopped_sidecar(pod, now), "there is no sidecar");
    }
}
