//! The text of a deployment that is not available or whose rollout is not complete.

use super::{Noun, OLD_REPLICA, count, excerpt};
use crate::evidence::{Container, ContainerState, Deployment, Pod};
use crate::facts::pull::{PullFailure, classify_pull_error, pull_error};
use crate::facts::scheduling::find_unmet_requirement;
use crate::facts::workload::{find_restarted_container, find_stuck_container, start_error};

/// Formats why a deployment is not available or its rollout not complete; none where both are fine.
pub(crate) fn format_rollout_trouble(deployment: &Deployment) -> Option<String> {
    let Deployment { replicas, current_replicas, updated_replicas, available_replicas, .. } =
        *deployment;
    if replicas == 0 {
        return Some("it is scaled to 0".to_owned());
    }
    if deployment.observed_generation < deployment.generation {
        return Some("its controller has not observed the latest change yet".to_owned());
    }
    let stuck = deployment
        .conditions
        .iter()
        .find(|condition| condition.kind == "Progressing" && condition.status == "False")
        .map(|condition| format!(", and the rollout does not progress: {}", condition.reason))
        .unwrap_or_default();
    if updated_replicas < replicas {
        return Some(format!(
            "rollout in progress: {updated_replicas} of {replicas} replicas updated{stuck}"
        ));
    }
    if current_replicas > updated_replicas {
        let old = usize::try_from(current_replicas - updated_replicas).unwrap_or(usize::MAX);
        let old = count(old, OLD_REPLICA);
        return Some(format!("rollout in progress: {old} pending termination{stuck}"));
    }
    (available_replicas < replicas)
        .then(|| format!("{available_replicas} of {replicas} replicas available{stuck}"))
}

/// Formats the availability of a deployment: `1 of 1 replicas available`.
pub(crate) fn format_availability(deployment: &Deployment) -> String {
    format!("{} of {} replicas available", deployment.available_replicas, deployment.replicas)
}

/// Formats the trouble of a deployment for a headline: the container that cannot start or is not ready after restarts, or
/// the requirement of a pod that no node meets, because the rollout waits for it.
pub(crate) fn format_headline(trouble: &str, pod: Option<&Pod>) -> String {
    let Some(pod) = pod else { return trouble.to_owned() };
    if let Some((container, reason)) = find_stuck_container(pod) {
        return format_known_pull(container).unwrap_or_else(|| {
            let message = start_error(container).map(|it| format!(": {}", excerpt(it)));
            format!("container {} is in {reason}{}", container.name, message.unwrap_or_default())
        });
    }
    if let Some(container) = find_restarted_container(pod) {
        return format!(
            "container {} is not ready, restarted {}",
            container.name,
            count(usize::try_from(container.restarts).unwrap_or(usize::MAX), TIME)
        );
    }
    let unmet = find_unmet_requirement(pod);
    unmet.map_or_else(|| trouble.to_owned(), |it| format!("unschedulable: {}", excerpt(it)))
}

const TIME: Noun = Noun("time", "times");

/// Formats the state of a container whose image is not on its node, with the reason; none where the reason is not known.
pub(crate) fn format_known_pull(container: &Container) -> Option<String> {
    let ContainerState::Waiting { reason, .. } = &container.state else { return None };
    let why = pull_error(container).map(classify_pull_error).and_then(format_pull_failure)?;
    Some(format!("container {} is in {reason}: {why}", container.name))
}

/// Formats why an image is not on its node; none where the container runtime's message shows no known reason.
fn format_pull_failure(failure: PullFailure) -> Option<&'static str> {
    Some(match failure {
        PullFailure::Time => "the registry's certificate is not valid at the node's time",
        PullFailure::Certificate => "the node does not trust the registry's certificate",
        PullFailure::Disk => "the node's disk is full",
        PullFailure::RateLimit => "the registry limits the rate of pulls",
        PullFailure::Proxy => "the container runtime's HTTP proxy does not forward the pull",
        PullFailure::Name => "the node does not resolve the registry's name",
        PullFailure::Access => "the registry refuses access, or has no such repository",
        PullFailure::ShortName => {
            "the image's name has no registry, and the node does not choose one"
        }
        PullFailure::Platform => "the image has no build for the node's platform",
        PullFailure::Never => "the image is not on the node, and imagePullPolicy is Never",
        PullFailure::Unreachable => "the node does not reach the registry",
        PullFailure::Other => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Condition, Container, ContainerState, Termination};
    use crate::facts::workload::find_unready_pod;
    use rstest::rstest;

    /// Replicas: desired, current, updated, available.
    #[rstest]
    #[case((2, 2, 2, 2), "True", None)]
    #[case((2, 2, 2, 1), "True", Some("1 of 2 replicas available"))]
    #[case((2, 2, 2, 1), "False", Some("1 of 2 replicas available, and the rollout does not progress: Deadline"))]
    #[case((2, 2, 1, 2), "True", Some("rollout in progress: 1 of 2 replicas updated"))]
    #[case((2, 3, 2, 2), "True", Some("rollout in progress: 1 old replica pending termination"))]
    #[case((2, 4, 2, 2), "True", Some("rollout in progress: 2 old replicas pending termination"))]
    fn rollout_trouble_names_the_incomplete_step(
        #[case] (replicas, current, updated, available): (u32, u32, u32, u32),
        #[case] progressing: &str,
        #[case] expected: Option<&str>,
    ) {
        let condition = |kind: &str, status: &str| Condition {
            kind: kind.into(),
            status: status.into(),
            reason: "Deadline".into(),
            ..Default::default()
        };
        let deployment = Deployment {
            replicas,
            current_replicas: current,
            updated_replicas: updated,
            available_replicas: available,
            conditions: vec![condition("Progressing", progressing), condition("Other", "False")],
            ..Deployment::default()
        };
        assert_eq!(format_rollout_trouble(&deployment).as_deref(), expected);
    }

    fn pod(name: &str, reason: &str) -> Pod {
        let end = |exit_code| {
            ContainerState::Terminated(Termination {
                exit_code,
                reason: reason.into(),
                finished_at: None,
            })
        };
        let state = match reason {
            "Error" => end(2),
            "Completed" => end(0),
            "Running" => ContainerState::Running { since: None },
            "Unschedulable" => ContainerState::Unknown,
            "CreateContainerConfigError" => {
                ContainerState::Waiting { reason: reason.into(), message: "no user".into() }
            }
            _ => ContainerState::Waiting { reason: reason.into(), message: String::new() },
        };
        let container =
            Container { name: "echo".into(), restarts: 2, state, ..Container::default() };
        let unmet =
            "Unschedulable: 0/1 nodes are available: 1 node(s) had volume node affinity conflict.";
        Pod {
            name: name.into(),
            phase: "Pending".into(),
            reason: (reason == "Unschedulable").then(|| unmet.to_owned()),
            labels: [("app".to_owned(), "echo".to_owned())].into(),
            containers: vec![container],
            ..Pod::default()
        }
    }

    #[rstest]
    #[case(&["ContainerCreating", "ImagePullBackOff"], "container echo is in ImagePullBackOff")]
    #[case(&["CrashLoopBackOff"], "container echo is in CrashLoopBackOff")]
    #[case(&["CreateContainerConfigError"], "container echo is in CreateContainerConfigError: no user")]
    #[case(&["Running"], "container echo is not ready, restarted 2 times")]
    #[case(&["Unschedulable"], "unschedulable: 1 node(s) had volume node affinity conflict")]
    #[case(&["Error"], "container echo is in Error")]
    #[case(&["Completed"], "a rollout")]
    #[case(&["ContainerCreating"], "a rollout")]
    #[case(&["PodInitializing"], "a rollout")]
    #[case(&[""], "a rollout")]
    #[case(&[], "a rollout")]
    fn headline_names_the_container_that_cannot_start(
        #[case] reasons: &[&str],
        #[case] expected: &str,
    ) {
        let selector = [("app".to_owned(), "echo".to_owned())].into();
        let mut deployment = Deployment { selector, replicas: 1, ..Deployment::default() };
        let mut pods: Vec<_> = reasons.iter().map(|reason| pod(reason, reason)).collect();
        let mut stranger = pod("stranger", "InvalidImageName");
        stranger.labels.clear();
        pods.push(stranger);
        assert_eq!(format_headline("a rollout", find_unready_pod(&deployment, &pods)), expected);
        // Pods that have ended stay listed, and a deployment without replicas has no unready pod.
        for pod in &mut pods {
            pod.phase = "Failed".into();
        }
        assert_eq!(find_unready_pod(&deployment, &pods), None);
        for pod in &mut pods {
            pod.phase = "Pending".into();
        }
        deployment.replicas = 0;
        assert_eq!(find_unready_pod(&deployment, &pods), None);
    }
}
