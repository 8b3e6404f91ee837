//! Facts about pods, containers and deployments that need more than one field.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::evidence::{Container, ContainerState, Deployment, Evidence, Observation, Pod};

/// How many restarts make a loop, and how long ago the last one may be.
const LOOP_RESTARTS: u32 = 3;
const LOOP_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// How many restarts make a loop where memory ends each of them, however slow it is.
const OUT_OF_MEMORY_RESTARTS: u32 = 10;

/// The reason that containerd reports for a container that ended with its node, by a reboot.
const WITH_ITS_NODE: &str = "Unknown";

/// Whether a container waits for other containers or its own creation.
pub(crate) fn waits_for_others(container: &Container) -> bool {
    matches!(&container.state, ContainerState::Waiting { reason, .. }
        if reason == "PodInitializing" || reason == "ContainerCreating")
}

/// Returns the first container that is not ready: one that has failed before one that waits for others.
pub(crate) fn find_troubled_container(pod: &Pod) -> Option<&Container> {
    let is_known = |container: &&Container| container.state != ContainerState::Unknown;
    let unready = || {
        let init = pod.init_containers.iter().filter(|container| {
            let over =
                matches!(&container.state, ContainerState::Terminated(end) if end.exit_code == 0);
            !(over || container.is_native_sidecar() && container.ready)
        });
        let main = pod.containers.iter().filter(|container| !container.ready);
        init.chain(main).filter(is_known)
    };
    // `Waiting: PodInitializing` of a main container is normal while an init container runs.
    unready().find(|container| !waits_for_others(container)).or_else(|| unready().next())
}

/// Whether a container restarts in a loop; `now` is the time of the observation.
pub(crate) fn is_in_restart_loop(container: &Container, now: Timestamp) -> bool {
    let backing_off = matches!(&container.state, ContainerState::Waiting { reason, .. }
        if reason == "CrashLoopBackOff");
    let lately = container.last_termination.as_ref().and_then(|end| end.finished_at).is_some_and(
        // The node's clock may be ahead of the checking machine's: a negative duration counts too.
        |finished| now.duration_since(finished) < LOOP_WINDOW,
    );
    let by_itself =
        container.last_termination.as_ref().is_some_and(|end| end.reason != WITH_ITS_NODE);
    let starved = is_out_of_memory(container) && container.restarts >= OUT_OF_MEMORY_RESTARTS;
    backing_off || starved || (container.restarts >= LOOP_RESTARTS && lately && by_itself)
}

/// Whether a container ended the last time because it exceeded its memory limit.
pub(crate) fn is_out_of_memory(container: &Container) -> bool {
    let now = match &container.state {
        ContainerState::Terminated(end) => Some(end),
        _ => None,
    };
    now.into_iter().chain(&container.last_termination).any(|end| end.reason == "OOMKilled")
}

/// Whether a pod has ended, and never runs again.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    ["Failed", "Succeeded"].contains(&pod.phase.as_str())
}

/// Whether a pod has failed and its owner has another pod: an evicted pod stays listed.
pub(crate) fn is_replaced(pod: &Pod, pods: &[Pod]) -> bool {
    let succeeds = |other: &Pod| {
        other.namespace == pod.namespace
            && owner_workload(other) == owner_workload(pod)
            && !other.terminating
            && !has_ended(other)
    };
    pod.phase == "Failed" && owner_workload(pod).is_some() && pods.iter().any(succeeds)
}

/// Returns the workload of a pod, as `kubectl rollout restart` takes it: `deployment/echo-deployment`.
pub(crate) fn owner_workload(pod: &Pod) -> Option<String> {
    let (kind, name) = pod.owner.as_deref()?.split_once('/')?;
    match kind {
        "ReplicaSet" => Some(format!("deployment/{}", name.rsplit_once('-')?.0)),
        "StatefulSet" | "DaemonSet" => Some(format!("{}/{name}", kind.to_lowercase())),
        _ => None,
    }
}

/// Returns the names of the deployments that own these pods, in order.
pub(crate) fn owner_deployments<'e>(pods: impl IntoIterator<Item = &'e Pod>) -> Vec<String> {
    let name = |pod| Some(owner_workload(pod)?.strip_prefix("deployment/")?.to_owned());
    pods.into_iter().filter_map(name).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The deployment that a pod belongs to, where a pod of its previous revision is still ready. In the namespace of the
/// control plane both have the same images: a roll-back must not undo an upgrade of one part of Istio.
pub(crate) fn deployment_with_ready_revision(evidence: &Evidence, pod: &Pod) -> Option<String> {
    let deployment = owner_workload(pod).filter(|it| it.starts_with("deployment/"))?;
    let pods = [&evidence.install.pods, &evidence.demo.pods];
    let images = |pod: &Pod| pod.containers.iter().map(|it| it.image.clone()).collect::<Vec<_>>();
    let elder = pods.into_iter().filter_map(Observation::value).flatten().any(|other| {
        other.namespace == pod.namespace
            && other.owner != pod.owner
            && owner_workload(other).as_ref() == Some(&deployment)
            && other.created_at < pod.created_at
            && (pod.namespace != evidence.expectations.istio_namespace
                || images(other) == images(pod))
            && other.is_running()
            && other.ready
    });
    elder.then_some(deployment)
}

/// Returns an unready pod of a deployment: one that cannot start before one that is only not ready. Terminating and ended
/// pods do not count, and a deployment without replicas has none.
pub(crate) fn find_unready_pod<'e>(deployment: &Deployment, pods: &'e [Pod]) -> Option<&'e Pod> {
    let stays = |pod: &&Pod| !pod.terminating && !has_ended(pod);
    let ill = || pods.iter().filter(|pod| deployment.selects(pod) && !pod.ready).filter(stays);
    if deployment.replicas == 0 {
        return None;
    }
    ill().find(|pod| find_stuck_container(pod).is_some()).or_else(|| ill().next())
}

/// Returns the container of a pod that waits for its image or its next restart, with the reason as `kubectl get pods` shows it.
/// A container that has restarted and ended again is `Error` for a moment, before it is `CrashLoopBackOff` again.
pub(crate) fn find_stuck_container(pod: &Pod) -> Option<(&Container, &str)> {
    let container = find_troubled_container(pod).filter(|it| !waits_for_others(it))?;
    match &container.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some((container, reason)),
        ContainerState::Terminated(end) if has_failed_again(container) => {
            Some((container, if end.reason.is_empty() { "Error" } else { &end.reason }))
        }
        _ => None,
    }
}

/// Returns the container of a pod that runs, has restarted and is not ready: its startup or readiness probe has not
/// succeeded. Without such a probe, a running container is ready.
pub(crate) fn find_restarted_container(pod: &Pod) -> Option<&Container> {
    let runs = |it: &&Container| matches!(it.state, ContainerState::Running { .. });
    find_troubled_container(pod).filter(|it| it.restarts > 0 && !it.ready).filter(runs)
}

/// Returns the kubelet's error on a container that it cannot create or start.
pub(crate) fn start_error(container: &Container) -> Option<&str> {
    match &container.state {
        ContainerState::Waiting { reason, message }
            if START_ERRORS.contains(&reason.as_str()) && !message.is_empty() =>
        {
            Some(message)
        }
        _ => None,
    }
}

/// The kubelet's reasons for a container that it cannot create or start; its message has the error.
/// Source: `pkg/kubelet/container/sync_result.go` and `pkg/kubelet/kuberuntime/kuberuntime_container.go` of Kubernetes.
const START_ERRORS: [&str; 6] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "RunContainerError",
];

/// Whether a container has restarted, and ended with an error again.
pub(crate) fn has_failed_again(container: &Container) -> bool {
    container.restarts > 0
        && matches!(&container.state, ContainerState::Terminated(end) if end.exit_code != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Termination;

    fn ended(reason: &str, exit_code: i32) -> Container {
        let end = Termination { reason: reason.into(), exit_code, ..Termination::default() };
        Container { state: ContainerState::Terminated(end), ..Container::default() }
    }

    #[test]
    fn container_that_ends_now_or_ended_before_can_be_out_of_memory() {
        let now = ended("OOMKilled", 137);
        assert!(is_out_of_memory(&now) && !is_out_of_memory(&ended("Error", 1)));
        let ContainerState::Terminated(end) = now.state else { unreachable!("it has ended") };
        let before = Container { last_termination: Some(end), ..Container::default() };
        assert!(is_out_of_memory(&before));
    }

    #[test]
    fn container_failed_again_where_it_restarted_and_ended_with_an_error() {
        let restarted = |restarts, end: Container| Container { restarts, ..end };
        assert!(has_failed_again(&restarted(1, ended("Error", 1))));
        assert!(!has_failed_again(&restarted(0, ended("Error", 1))));
        assert!(!has_failed_again(&restarted(1, ended("Completed", 0))));
    }
}
