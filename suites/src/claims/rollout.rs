//! What keeps a deployment from being at rest and available, in words, for all judges.

use super::words::{count, troubled_container, waits_for_others};
use crate::evidence::{ContainerState, Deployment, Pod};

/// What keeps a deployment from being at rest and available; nothing where all is well.
pub(super) fn rollout_trouble(deployment: &Deployment) -> Option<String> {
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
        let old = count(old, "old pod");
        return Some(format!("a rollout is going on: {old} not gone yet{stuck}"));
    }
    (available_replicas < replicas)
        .then(|| format!("{available_replicas} of {replicas} are available{stuck}"))
}

/// `1 of 1 available`
pub(super) fn availability(deployment: &Deployment) -> String {
    format!("{} of {} available", deployment.available_replicas, deployment.replicas)
}

/// The pod of a deployment that keeps it from being available: one that cannot start before one that is
/// only not ready. One that leaves, or has ended, is nobody's business, and where none is asked for none is ill.
pub(super) fn ill_pod<'e>(deployment: &Deployment, pods: &'e [Pod]) -> Option<&'e Pod> {
    let stays =
        |pod: &&Pod| !pod.terminating && !["Failed", "Succeeded"].contains(&pod.phase.as_str());
    let ill = || pods.iter().filter(|pod| deployment.selects(pod) && !pod.ready).filter(stays);
    if deployment.replicas == 0 {
        return None;
    }
    ill().find(|pod| cannot_start(pod).is_some()).or_else(|| ill().next())
}

/// The trouble of a deployment in a headline: what a pod cannot get over by itself says more than the
/// rollout that waits for it.
pub(super) fn headline(trouble: &str, ill: Option<&Pod>) -> String {
    ill.and_then(cannot_start).unwrap_or_else(|| trouble.to_owned())
}

/// The container of a pod that waits for something else than its turn: for its image, or for a crash to be
/// forgotten.
fn cannot_start(pod: &Pod) -> Option<String> {
    let container = troubled_container(pod).filter(|it| !waits_for_others(it))?;
    match &container.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => {
            Some(format!("its container {} is in {reason}", container.name))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Condition, Container};
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
        assert_eq!(rollout_trouble(&deployment).as_deref(), words);
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
        assert_eq!(headline("a rollout", ill_pod(&deployment, &pods)), words);
        // What has ended stays listed, and where nothing is asked for nothing is ill.
        for pod in &mut pods {
            pod.phase = "Failed".into();
        }
        assert_eq!(ill_pod(&deployment, &pods), None);
        for pod in &mut pods {
            pod.phase = "Pending".into();
        }
        deployment.replicas = 0;
        assert_eq!(ill_pod(&deployment, &pods), None);
    }
}
