//! Letting rollouts come to an end before the look: what is about to be ready is not yet a fault.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use meshcheck_suites::evidence::{ContainerState, Deployment, Observation, Pod, Settling};
use tokio::time::Instant;

use super::api::list;
use super::api::observe::{Missing, within};
use super::context::CollectContext;
use crate::wait::{Look, Wait};

/// What is younger than this may still be on its way, in seconds.
const YOUNG: i64 = 120;

/// Waits until nothing in these namespaces is on its way, `ceiling` at the most. Where nothing is, it
/// costs one look.
pub(super) async fn settle(
    context: &CollectContext<'_>,
    namespaces: &[&str],
    ceiling: Duration,
) -> Observation<Settling> {
    let first = match under_way(&context.client, namespaces, context.limit).await {
        Ok(first) if first.is_empty() => {
            return Observation::absent("nothing was rolling out");
        }
        Ok(first) => first,
        Err(reason) => return Observation::failed(reason),
    };
    let start = Instant::now();
    let waiting =
        Wait::new("rollouts to come to an end", ceiling).every(Duration::from_millis(500));
    let waited = waiting.until(|| async {
        match under_way(&context.client, namespaces, context.limit).await {
            Ok(left) if left.is_empty() => Look::Ready(()),
            Ok(left) => Look::NotYet(left.join(", ")),
            Err(reason) => Look::NotYet(reason),
        }
    });
    let what = format!("what is rolling out: {}", first.join(", "));
    let outcome = context.awaited(&what, ceiling, waited).await;
    Observation::seen(Settling {
        awaited: first,
        waited_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        settled: outcome.is_ok(),
    })
}

async fn under_way(
    client: &Client,
    namespaces: &[&str],
    limit: Duration,
) -> Result<Vec<String>, String> {
    let looks = namespaces.iter().map(|namespace| async move {
        let both = async {
            tokio::try_join!(list::pods(client, namespace), list::deployments(client, namespace))
        };
        within(limit, both).await.map_err(Missing::reason)
    });
    let now = Timestamp::now();
    let mut names = Vec::new();
    for (pods, deployments) in futures::future::try_join_all(looks).await? {
        names.extend(
            deployments
                .iter()
                .filter(|it| rolling_out(it) && !pods.iter().any(|pod| holds_up(pod, it)))
                .map(|it| format!("deployment {}", it.name)),
        );
        names.extend(
            pods.iter().filter(|it| starting(it, now)).map(|it| format!("pod {}", it.name)),
        );
    }
    Ok(names)
}

/// Whether the controller is still about to bring a deployment to what it is to be. One that has given up
/// (`ProgressDeadlineExceeded`) is not, and neither is one whose pods are refused, as by a quota.
fn rolling_out(deployment: &Deployment) -> bool {
    let given_up = deployment.conditions.iter().any(|it| match it.kind.as_str() {
        "Progressing" => it.status == "False",
        "ReplicaFailure" => it.status == "True",
        _ => false,
    });
    let behind = deployment.observed_generation < deployment.generation
        || deployment.updated_replicas < deployment.replicas
        || deployment.current_replicas != deployment.updated_replicas;
    behind && !given_up
}

/// Whether a pod is young and on its way up. One on its way out is no concern any more: the
/// tutorial's client, a shell that hears no signal, takes half a minute for it.
fn starting(pod: &Pod, now: Timestamp) -> bool {
    if pod.terminating || stuck(pod) {
        return false;
    }
    let young = pod.created_at.is_some_and(|at| now.as_second() - at.as_second() < YOUNG);
    let calm = pod.all_containers().all(|it| it.restarts == 0);
    young && calm && !pod.ready && matches!(pod.phase.as_str(), "Pending" | "Running")
}

/// Whether a pod will not start until somebody repairs something: the scheduler finds no node for it, or a container of it
/// does not start.
fn stuck(pod: &Pod) -> bool {
    const REASONS: [&str; 10] = [
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "RunContainerError",
    ];
    let unschedulable =
        pod.node.is_none() && pod.reason.as_ref().is_some_and(|it| it.starts_with("Unschedulable"));
    unschedulable
        || pod.all_containers().any(|container| match &container.state {
            ContainerState::Waiting { reason, .. } => REASONS.contains(&reason.as_str()),
            // Before it waits for its next restart.
            ContainerState::Terminated(end) => container.restarts > 0 && end.exit_code != 0,
            ContainerState::Running { .. } | ContainerState::Unknown => false,
        })
}

/// Whether a rollout cannot come to its end because of this pod.
fn holds_up(pod: &Pod, deployment: &Deployment) -> bool {
    deployment.selects(pod) && !pod.terminating && stuck(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshcheck_suites::evidence::{Condition, Termination};

    #[test]
    fn finished_rollout_is_not_awaited() {
        let mut deployment = Deployment {
            replicas: 1,
            current_replicas: 1,
            updated_replicas: 1,
            generation: 2,
            observed_generation: 2,
            ..Deployment::default()
        };
        assert!(!rolling_out(&deployment), "unavailable and at rest is a verdict, not a wait");
        deployment.generation = 3;
        assert!(rolling_out(&deployment));
        let mut condition = |kind: &str, status: &str| {
            let (kind, status) = (kind.to_owned(), status.to_owned());
            deployment.conditions = vec![Condition { kind, status, ..Condition::default() }];
            rolling_out(&deployment)
        };
        assert!(!condition("ReplicaFailure", "True"), "its pods are refused");
        assert!(condition("ReplicaFailure", "False"));
        assert!(!condition("Progressing", "False"), "it has given up");
        assert!(condition("Available", "False"));
    }

    #[test]
    fn old_pod_that_is_not_ready_is_not_awaited() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let pod = |age: i64| Pod {
            phase: "Running".into(),
            created_at: Timestamp::from_second(1_000_000 - age).ok(),
            ..Pod::default()
        };
        assert!(starting(&pod(10), now));
        assert!(!starting(&pod(1000), now));
    }

    #[test]
    fn terminating_pod_is_not_awaited() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let pod = Pod {
            phase: "Running".into(),
            created_at: Some(now),
            terminating: true,
            ..Pod::default()
        };
        assert!(!starting(&pod, now));
    }

    #[test]
    fn rollout_that_cannot_end_is_not_awaited() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let waiting = |reason: &str| Pod {
            phase: "Pending".into(),
            labels: [("app".to_owned(), "echo".to_owned())].into(),
            created_at: Some(now),
            containers: vec![meshcheck_suites::evidence::Container {
                state: ContainerState::Waiting { reason: reason.into(), message: String::new() },
                ..Default::default()
            }],
            ..Pod::default()
        };
        assert!(starting(&waiting("ContainerCreating"), now));
        assert!(!starting(&waiting("ImagePullBackOff"), now));
        let ended = |exit_code, restarts| {
            let mut pod = waiting("");
            let end = Termination { exit_code, reason: "Error".into(), finished_at: None };
            (pod.containers[0].state, pod.containers[0].restarts) =
                (ContainerState::Terminated(end), restarts);
            pod
        };
        assert!(stuck(&ended(2, 1)), "it has restarted and ended again");
        assert!(!stuck(&ended(2, 0)), "it may well start the next time");
        assert!(!stuck(&ended(0, 1)), "an init container that is done");
        let deployment = |app: &str| Deployment {
            selector: [("app".into(), app.into())].into(),
            ..Default::default()
        };
        assert!(holds_up(&waiting("ImagePullBackOff"), &deployment("echo")));
        assert!(!holds_up(&waiting("ImagePullBackOff"), &deployment("client")));
        assert!(!holds_up(&waiting("ContainerCreating"), &deployment("echo")));
        let unscheduled =
            |reason: &str| Pod { reason: Some(reason.into()), ..waiting("ContainerCreating") };
        let no_room = "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.";
        assert!(!starting(&unscheduled(no_room), now));
        assert!(holds_up(&unscheduled(no_room), &deployment("echo")));
        let placed = Pod { node: Some("node-1".into()), ..unscheduled(no_room) };
        assert!(starting(&placed, now));
    }
}
