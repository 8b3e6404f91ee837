//! What keeps a deployment from being at rest and available, in words, for all judges.

use super::{OLD_POD, count};
use crate::evidence::{Deployment, Pod};
use crate::facts::workload::find_stuck_container;

/// What keeps a deployment from being at rest and available; nothing where all is well.
pub(crate) fn format_rollout_trouble(deployment: &Deployment) -> Option<String> {
    let Deployment { replicas, current_replicas, updated_replicas, available_replicas, .. } =
        *deployment;
    if replicas == 0 {
        return Some("it is scaled to zero: 0 replicas are asked for".to_owned());
    }
    if deployment.observed_generation < deployment.generation {
        return Some("its controller has not seen the latest change yet".to_owned());
    }
    let stuck = deployment
        .conditions
        .iter()
        .find(|condition| condition.kind == "Progressing" && condition.status == "False")
        .map(|condition| format!(", and the rollout is stuck: {}", condition.reason))
        .unwrap_or_default();
    if updated_replicas < replicas {
        return Some(format!(
            "a rollout is going on: {updated_replicas} of {replicas} pods are of the new template{stuck}"
        ));
    }
    if current_replicas > updated_replicas {
        let old = usize::try_from(current_replicas - updated_replicas).unwrap_or(usize::MAX);
        let old = count(old, OLD_POD);
        return Some(format!("a rollout is going on: {old} not gone yet{stuck}"));
    }
    (available_replicas < replicas)
        .then(|| format!("{available_replicas} of {replicas} are available{stuck}"))
}

/// `1 of 1 available`
pub(crate) fn format_availability(deployment: &Deployment) -> String {
    format!("{} of {} available", deployment.available_replicas, deployment.replicas)
}

/// The trouble of a deployment in a headline: what a pod cannot get over by itself says more than the
/// rollout that waits for it.
pub(crate) fn format_headline(trouble: &str, ill: Option<&Pod>) -> String {
    match ill.and_then(find_stuck_container) {
        Some((container, reason)) => format!("its container {} is in {reason}", container.name),
        None => trouble.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Condition, Container, ContainerState};
    use crate::facts::workload::find_unready_pod;
    use rstest::rstest;

    /// Asked for, there, of the new template, available.
    #[rstest]
    #[case((2, 2, 2, 2), "True", None)]
    #[case((2, 2, 2, 1), "True", Some("1 of 2 are available"))]
    #[case((2, 2, 2, 1), "False", Some("1 of 2 are available, and the rollout is stuck: Deadline"))]
    #[case((2, 2, 1, 2), "True", Some("a rollout is going on: 1 of 2 pods are of the new template"))]
    #[case((2, 3, 2, 2), "True", Some("a rollout is going on: 1 old pod not gone yet"))]
    #[case((2, 4, 2, 2), "True", Some("a rollout is going on: 2 old pods not gone yet"))]
    fn rollouts_in_words(
        #[case] (replicas, current, updated, available): (u32, u32, u32, u32),
        #[case] progressing: &str,
        #[case] words: Option<&str>,
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
        assert_eq!(format_rollout_trouble(&deployment).as_deref(), words);
    }

    fn pod(name: &str, reason: &str) -> Pod {
        let state = ContainerState::Waiting { reason: reason.into(), message: String::new() };
        Pod {
            name: name.into(),
            labels: [("app".to_owned(), "echo".to_owned())].into(),
            containers: vec![Container { name: "echo".into(), state, ..Container::default() }],
            ..Pod::default()
        }
    }

    #[rstest]
    // What a pod cannot get over says more than that it is waited for.
    #[case(&["ContainerCreating", "ImagePullBackOff"], "its container echo is in ImagePullBackOff")]
    #[case(&["CrashLoopBackOff"], "its container echo is in CrashLoopBackOff")]
    #[case(&["ContainerCreating"], "a rollout")]
    #[case(&["PodInitializing"], "a rollout")]
    #[case(&[""], "a rollout")]
    #[case(&[], "a rollout")]
    fn a_headline_names_what_keeps_a_pod(#[case] reasons: &[&str], #[case] words: &str) {
        let selector = [("app".to_owned(), "echo".to_owned())].into();
        let mut deployment = Deployment { selector, replicas: 1, ..Deployment::default() };
        let mut pods: Vec<_> = reasons.iter().map(|reason| pod(reason, reason)).collect();
        let mut stranger = pod("stranger", "InvalidImageName");
        stranger.labels.clear();
        pods.push(stranger);
        assert_eq!(format_headline("a rollout", find_unready_pod(&deployment, &pods)), words);
        // What has ended stays listed, and where nothing is asked for nothing is ill.
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
