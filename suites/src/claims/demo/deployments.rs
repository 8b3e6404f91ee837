//! What the claims on the two deployments share: the container, the image, and whether pods are available.

use crate::evidence::{Condition, Container, Deployment, Evidence, Pod};
use crate::facts::dns::all_wait_for_dns;
use crate::facts::image::split_image;
use crate::facts::injection::is_webhook_failure;
use crate::facts::istiod::is_istiod_down;
use crate::facts::sidecar::waits_for_its_proxy;
use crate::facts::workload::find_unready_pod;
use crate::format::rollout::{format_headline, format_rollout_trouble};
use crate::format::{excerpt, format_pod_state, list};
use crate::judgement::{Judgement, require};
use crate::object::Object;
use crate::steps::demo::{apply_manifest, start};
use crate::steps::{Step, namespaces, pods, workloads};

/// A deployment of the demo and its container. `file` is the tutorial's manifest of it.
pub(super) fn require_container<'e>(
    evidence: &'e Evidence,
    name: &str,
    container: &str,
    file: &str,
) -> Result<(&'e Deployment, &'e Container), Judgement> {
    let namespace = &evidence.expectations.namespace;
    let what = format!("the deployments of namespace {namespace}");
    let object = Object::new("deployment", namespace, name);
    let apply = || apply_manifest(evidence, file);
    let deployments = require(&evidence.demo.deployments, &what, &object, apply)?;
    let Some(deployment) = deployments.iter().find(|deployment| deployment.name == name) else {
        let names: Vec<_> = deployments.iter().map(|one| one.name.as_str()).collect();
        return Err(Judgement::fail(format!("there is no deployment {name}"))
            .expected(format!("deployment {name}"))
            .observed(format!("deployments in {namespace}: {}", list(&names)))
            .object(object)
            .step(apply()));
    };
    let found = deployment.containers.iter().find(|one| one.name == container);
    let found = found.ok_or_else(|| {
        let names: Vec<_> = deployment.containers.iter().map(|one| one.name.as_str()).collect();
        Judgement::fail(format!("{name} has no container `{container}`"))
            .expected(format!("a container `{container}`"))
            .observed(format!("containers: {}", list(&names)))
            .object(object)
            .step(apply())
    })?;
    Ok((deployment, found))
}

/// Fails where a container has another image than the tutorial's.
pub(super) fn check_image(
    deployment: &Deployment,
    container: &Container,
    repository: &str,
    restore: impl FnOnce() -> Step,
) -> Result<(), Judgement> {
    if is_image(&container.image, repository) {
        return Ok(());
    }
    let name = &deployment.name;
    Err(Judgement::fail(format!("{name} runs another image than the tutorial's"))
        .expected(repository)
        .observed(&container.image)
        .object(Object::deployment(deployment))
        .step(restore()))
}

/// Whether an image is of this repository, of whatever tag, from whatever registry or mirror.
fn is_image(image: &str, repository: &str) -> bool {
    let (name, _) = split_image(image);
    name == repository || name.strip_suffix(repository).is_some_and(|mirror| mirror.ends_with('/'))
}

/// Fails where not all replicas are available, or a rollout is going on.
pub(super) fn check_available(
    evidence: &Evidence,
    deployment: &Deployment,
) -> Result<(), Judgement> {
    let Some(trouble) = format_rollout_trouble(deployment) else { return Ok(()) };
    let pods = evidence.demo.pods.value().map(Vec::as_slice).unwrap_or_default();
    let unready = find_unready_pod(deployment, pods);
    let refused = find_refusal(deployment);
    let mut observed = trouble.clone();
    if let Some(pod) = unready {
        observed = format!("{observed}; {} is {}", pod.name, format_pod_state(pod));
    }
    if let Some(reason) = refused {
        observed = format!("{observed}; no pod could be made: {}", excerpt(reason));
    }
    if let Some(settling) = evidence.demo.settling.value().filter(|settling| !settling.settled) {
        observed = format!("{observed}; waited {} s for it", settling.waited_ms / 1000);
    }
    let Deployment { name, namespace, replicas, .. } = deployment;
    let steps = match (unready, refused) {
        _ if *replicas == 0 => vec![start(evidence, name)],
        (Some(pod), _) => pods::diagnose(evidence, pod),
        (None, Some(reason)) => retry(evidence, deployment, reason),
        _ => vec![workloads::describe(evidence, namespace, name, "shows what it waits for")],
    };
    Err(Judgement::fail(format!("{name} is not available: {}", format_headline(&trouble, unready)))
        .expected("at least one replica, all of them available, no rollout going on")
        .observed(observed)
        .object(Object::deployment(deployment))
        .steps(steps))
}

/// Requests refused pods again, once what refused them is gone.
fn retry(evidence: &Evidence, deployment: &Deployment, reason: &str) -> Vec<Step> {
    let (namespace, target) = (&deployment.namespace, format!("deployment/{}", deployment.name));
    let text = "asks for its pods at once: Kubernetes waits longer after each refusal, also once \
                its reason is gone";
    let restart = workloads::restart(evidence, namespace, &target, text);
    if !reason.contains("violates PodSecurity") {
        return vec![restart];
    }
    vec![namespaces::label_privileged(evidence, namespace), restart]
}

/// Why the last pod that a deployment requested was refused, where it was: by a quota, or by a webhook that
/// does not answer.
fn find_refusal(deployment: &Deployment) -> Option<&str> {
    let failure = |it: &&Condition| it.kind == "ReplicaFailure" && it.status == "True";
    deployment.conditions.iter().find(failure).map(|condition| condition.message.as_str())
}

/// The pods of a deployment that are not ready.
fn unready_pods<'e>(
    evidence: &'e Evidence,
    deployment: &Deployment,
) -> impl Iterator<Item = &'e Pod> {
    let pods = evidence.demo.pods.value().into_iter().flatten();
    pods.filter(|pod| deployment.selects(pod) && !pod.terminating)
        .filter(|pod| !pod.is_running_and_ready())
}

/// Whether sidecars alone keep a deployment from being available, because istiod is down: a sidecar is not
/// ready before it has its configuration.
pub(super) fn waits_for_istiod(evidence: &Evidence, deployment: &Deployment) -> bool {
    let mut unready = unready_pods(evidence, deployment).peekable();
    is_istiod_down(evidence) && unready.peek().is_some() && unready.all(waits_for_its_proxy)
}

/// The same, because cluster DNS is down.
pub(super) fn waits_for_dns(evidence: &Evidence, deployment: &Deployment) -> bool {
    all_wait_for_dns(evidence, unready_pods(evidence, deployment))
}

/// Whether no pod can be created because Istio's webhook does not answer.
pub(super) fn webhook_refuses_pods(deployment: &Deployment) -> bool {
    let mut failures = deployment
        .conditions
        .iter()
        .filter(|condition| condition.kind == "ReplicaFailure" && condition.status == "True");
    deployment.replicas > 0 && failures.any(|condition| is_webhook_failure(&condition.message))
}

/// Changes that matter to both deployments in the same way.
#[cfg(test)]
pub(super) mod changes {
    use crate::evidence::{Condition, Deployment};

    /// A second container before the others.
    pub(crate) fn add_container(deployment: &mut Deployment) {
        let mut more = deployment.containers[0].clone();
        more.name = "more".into();
        deployment.containers.insert(0, more);
    }

    /// Its image from a mirror, with a digest.
    pub(crate) fn use_mirror(deployment: &mut Deployment) {
        let image = &mut deployment.containers[0].image;
        *image = format!("mirror.example:5000/hub/{image}@sha256:0");
    }

    /// So many replicas, all of them there and of the new template.
    pub(crate) fn scale(deployment: &mut Deployment, replicas: u32, available: u32) {
        deployment.replicas = replicas;
        deployment.current_replicas = replicas;
        deployment.updated_replicas = replicas;
        deployment.ready_replicas = available;
        deployment.available_replicas = available;
    }

    pub(crate) fn exceed_deadline(deployment: &mut Deployment) {
        deployment.available_replicas = 0;
        let (kind, status) = ("Progressing".into(), "False".into());
        let reason = "ProgressDeadlineExceeded".into();
        deployment.conditions = vec![Condition { kind, status, reason, ..Condition::default() }];
    }

    /// A pod was refused, and Kubernetes waits before it asks again.
    pub(crate) fn refuse(deployment: &mut Deployment, message: &str) {
        deployment.updated_replicas = 0;
        deployment.available_replicas = 0;
        deployment.conditions = vec![Condition {
            kind: "ReplicaFailure".into(),
            status: "True".into(),
            reason: "FailedCreate".into(),
            message: message.into(),
        }];
    }
}

#[cfg(test)]
mod tests {
    use super::is_image;
    use rstest::rstest;

    #[rstest]
    #[case("hashicorp/http-echo", true)]
    #[case("docker.io/hashicorp/http-echo:1.0-rc", true)]
    #[case("mirror.example:5000/hub/hashicorp/http-echo@sha256:0", true)]
    #[case("hashicorp-http-echo", false)]
    #[case("another-hashicorp/http-echo", false)]
    #[case("docker.io/library/busybox:1.36", false)]
    fn image_is_of_the_repository_whatever_its_registry(#[case] image: &str, #[case] same: bool) {
        assert_eq!(is_image(image, "hashicorp/http-echo"), same);
    }
}
