//! Checks that the claims on the two deployments share: the container, the image, and available replicas.

use crate::evidence::{Container, Deployment, Evidence, Pod};
use crate::facts::dns::all_wait_for_dns;
use crate::facts::image::{flat_mirror, split_image};
use crate::facts::injection::{INTERCEPTION_MODE, is_webhook_failure};
use crate::facts::istiod::{is_istiod_down, lacks_listeners_by_mode_none};
use crate::facts::refusal::{Refusal, classify_refusal, find_refusal, injection_error};
use crate::facts::scheduling::deployment_waits_for_nodes;
use crate::facts::sidecar::{
    INIT, SIDECAR, VALIDATION, find_init_error, is_cut_off, lacks_kernel_module,
    lacks_rules_of_plug_in, only_probe_fails, waits_for_its_proxy,
};
use crate::facts::workload::{find_stuck_container, find_unready_pod, has_failed_again};
use crate::format::refusal::{excerpt_refusal, format_refusal};
use crate::format::rollout::{format_headline, format_rollout_trouble};
use crate::format::{excerpt, format_pod_state, list};
use crate::judgement::{Judgement, TextChange, require};
use crate::object::Object;
use crate::steps::demo::{apply_manifest, start};
use crate::steps::{Purpose, Step, injection, namespaces, nodes, pods, workloads};

/// Returns a deployment of the demo and its container. `file` is its manifest in the tutorial.
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
        return Err(Judgement::fail(format!("deployment {name} does not exist"))
            .expected(format!("deployment {name}"))
            .observed(format!("deployments in {namespace}: {}", list(&names)))
            .object(object)
            .step(apply()));
    };
    if deployment.terminating {
        return Err(Judgement::fail(format!("deployment {name} is being deleted"))
            .expected("no deletionTimestamp")
            .observed("deletionTimestamp is set")
            .object(object)
            .step(workloads::show_finalizers(evidence, namespace, &format!("deployment/{name}")))
            .step(apply()));
    }
    let found = deployment.containers.iter().find(|one| one.name == container);
    let found = found.ok_or_else(|| {
        let names: Vec<_> = deployment.containers.iter().map(|one| one.name.as_str()).collect();
        Judgement::fail(format!("deployment {name} has no container {container}"))
            .expected(format!("container {container}"))
            .observed(format!("container {}", list(&names)))
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
    if is_image(&container.image, repository) || flat_mirror(&container.image, repository).is_some()
    {
        return Ok(());
    }
    let name = &deployment.name;
    Err(Judgement::fail(format!("deployment {name} does not run the image {repository}"))
        .expected(repository)
        .observed(&container.image)
        .object(Object::deployment(deployment))
        .step(restore()))
}

/// Returns *changed* where an image of this repository comes from a mirror that keeps only the last part of its name.
/// `key` is the setting for another image.
pub(super) fn check_mirror(
    deployment: &Deployment,
    container: &Container,
    repository: &str,
    key: &str,
) -> Result<(), Judgement> {
    let image = &container.image;
    let Some(mirror) = flat_mirror(image, repository).filter(|_| !is_image(image, repository))
    else {
        return Ok(());
    };
    let text = format!("Set {key} in meshcheck.toml if the tutorial uses this mirror");
    let summary = format!("image of deployment {} comes from a mirror, {mirror}", deployment.name);
    let change = TextChange::new("image-mirror", format!("image: {repository}"))
        .now(format!("image: {image}"));
    Err(Judgement::changed(summary, change)
        .expected(repository)
        .observed(image)
        .object(Object::deployment(deployment))
        .step(Step::advice(Purpose::Fix, text)))
}

/// Whether an image is of this repository, whatever its tag, registry or mirror.
fn is_image(image: &str, repository: &str) -> bool {
    let (name, _) = split_image(image);
    name == repository || name.strip_suffix(repository).is_some_and(|mirror| mirror.ends_with('/'))
}

/// Fails where not all replicas are available, or a rollout is in progress.
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
        observed = format!("{observed}; pod {} is {}", pod.name, format_pod_state(pod));
    }
    if let Some(message) = refused {
        observed = format!("no pod can be created: {}; {observed}", excerpt_refusal(message));
    }
    if let Some(settling) = evidence.demo.settling.value().filter(|settling| !settling.settled) {
        observed = format!("{observed}; waited {} s", settling.waited_ms / 1000);
    }
    let Deployment { name, namespace, replicas, available_replicas, .. } = deployment;
    let counts = format!("{available_replicas} of {replicas} ");
    // A refusal explains more than the rollout that waits for the pods.
    let reason = match (unready, refused) {
        (None, Some(message)) => {
            Some(format!("no pod can be created: {}", format_refusal(classify_refusal(message))))
        }
        // The headline has the counts already.
        _ => Some(format_headline(&trouble, unready)).filter(|it| !it.starts_with(&counts)),
    };
    let lacks_rules = unready.is_some_and(lacks_rules_of_plug_in);
    let lacks_listeners = unready.is_some_and(|it| lacks_listeners_by_mode_none(evidence, it));
    let init = unready.and_then(|pod| find_init_failure(evidence, pod)).map(excerpt);
    let init = if lacks_rules { Some(NO_RULES.to_owned()) } else { init };
    let no_listeners = format!("{SIDECAR} has no listeners, annotation {INTERCEPTION_MODE}=NONE");
    let reason = if lacks_listeners { Some(no_listeners) } else { reason };
    let by_probe = unready.is_some_and(|pod| only_probe_fails(evidence, pod)) && !lacks_listeners;
    let reason = if by_probe { Some(NOT_READY.to_owned()) } else { reason };
    let cut_off = unready.is_some_and(waits_for_its_proxy) && is_cut_off(evidence, name);
    let reason = if cut_off { Some(CUT_OFF.to_owned()) } else { reason };
    let summary = if *replicas == 0 {
        format!("deployment {name} is scaled to 0")
    } else {
        let headline = match reason.as_deref().map(|it| it.strip_prefix("rollout in progress: ")) {
            // Enough old replicas are available: only the rollout is in trouble.
            Some(Some(_)) if available_replicas >= replicas => {
                format!("rollout of deployment {name} is in progress")
            }
            Some(None) if available_replicas >= replicas && unready.is_some() => {
                format!("rollout of deployment {name} does not finish")
            }
            _ => format!("deployment {name} has {counts}replicas available"),
        };
        let reason = reason.map(|it| it.trim_start_matches("rollout in progress: ").to_owned());
        [Some(headline), reason, init.clone()].into_iter().flatten().collect::<Vec<_>>().join(": ")
    };
    let steps = match (unready, refused) {
        _ if *replicas == 0 => vec![start(evidence, name)],
        (Some(pod), _) if lacks_rules => {
            let text = "Restart the CNI plug-in's pod on the node, or install the plug-in again";
            let show_log = "Show the log of istio-validation";
            vec![
                Step::advice(Purpose::Fix, text),
                injection::show_plug_in(evidence),
                pods::show_log(evidence, pod, VALIDATION, &[], show_log),
            ]
        }
        (Some(pod), _) if lacks_listeners => {
            let show = "Show which port the proxy may not bind";
            let log = pods::show_log(evidence, pod, SIDECAR, &["--tail=50"], show);
            [injection::restore_redirection(evidence, pod), vec![log]].concat()
        }
        (Some(pod), _) => {
            let lacks_module = init.is_some_and(|error| lacks_kernel_module(&error));
            let node = pod.node.as_deref().filter(|_| lacks_module);
            let load = node.map(|node| nodes::load_modules(evidence, node));
            load.into_iter().flatten().chain(pods::diagnose(evidence, pod)).collect()
        }
        (None, Some(message)) => admit(evidence, deployment, message),
        _ => vec![workloads::describe(evidence, namespace, name, "Show why replicas are missing")],
    };
    Err(Judgement::fail(summary)
        .expected(format!("{0} of {0} available, no rollout in progress", replicas.max(&1)))
        .observed(observed)
        .object(Object::deployment(deployment))
        .steps(steps))
}

/// The reason why a sidecar is not ready that no istiod knows.
const CUT_OFF: &str = "istiod has no connection to its sidecar";
/// The reason why a pod is not ready although istiod and its proxy are in order.
const NOT_READY: &str = "its sidecar is in sync with istiod, but not ready by the kubelet's probe";
/// The reason why `istio-validation` prevents a pod from starting.
const NO_RULES: &str = "the CNI plug-in has set no rules in the pod's network";

/// Finds the error with which istio-init ended, where it prevents a pod from starting.
fn find_init_failure<'e>(evidence: &'e Evidence, pod: &Pod) -> Option<&'e str> {
    find_stuck_container(pod).filter(|(container, _)| container.name == INIT)?;
    find_init_error(evidence.mesh.init_logs.get(&pod.name)?.value()?)
}

/// Removes the reason why the pods of a deployment are refused, then restarts it.
fn admit(evidence: &Evidence, deployment: &Deployment, message: &str) -> Vec<Step> {
    let mut steps = namespaces::admit_pods(evidence, &deployment.namespace, message);
    // A changed pod template starts a rollout by itself.
    let rolls_out = |step: &Step| {
        step.command.as_ref().is_some_and(|command| command.contains(" patch deployment/"))
    };
    if !steps.iter().any(rolls_out) {
        let refused = namespaces::find_refused_deployments(evidence, message);
        let noun = if refused.len() == 1 { "deployment" } else { "deployments" };
        let text =
            format!("Restart the {noun} after the fix: Kubernetes waits longer after each refusal");
        steps.push(injection::restart(evidence, &refused, &text));
    }
    steps
}

/// Whether two deployments lack their pods for the same reason: the same rule refuses them, or the same container of
/// Istio's is stuck in the same way.
pub(super) fn share_trouble(evidence: &Evidence, one: &Deployment, other: &Deployment) -> bool {
    if let (Some(one), Some(other)) = (find_refusal(one), find_refusal(other)) {
        return classify_refusal(one) == classify_refusal(other);
    }
    let pods = evidence.demo.pods.value().map(Vec::as_slice).unwrap_or_default();
    let stuck = |deployment| {
        let (container, reason) = find_stuck_container(find_unready_pod(deployment, pods)?)?;
        // One may have just ended while the other one waits for its next restart.
        let reason = if has_failed_again(container) { "CrashLoopBackOff" } else { reason };
        [INIT, SIDECAR].contains(&container.name.as_str()).then_some((&container.name, reason))
    };
    stuck(one).is_some() && stuck(one) == stuck(other)
}

/// Returns the pods of a deployment that are not ready.
fn unready_pods<'e>(
    evidence: &'e Evidence,
    deployment: &Deployment,
) -> impl Iterator<Item = &'e Pod> {
    let pods = evidence.demo.pods.value().into_iter().flatten();
    pods.filter(|pod| deployment.selects(pod) && !pod.terminating)
        .filter(|pod| !pod.is_running_and_ready())
}

/// Whether a deployment is unavailable only because its pods wait for a node.
pub(super) fn waits_for_nodes(evidence: &Evidence, deployment: &Deployment) -> bool {
    deployment_waits_for_nodes(evidence, Some(deployment), &evidence.demo.pods)
}

/// Whether a deployment is unavailable only because its sidecars wait for istiod, which is down. A sidecar is ready when
/// it has its configuration.
pub(super) fn waits_for_istiod(evidence: &Evidence, deployment: &Deployment) -> bool {
    let mut unready = unready_pods(evidence, deployment).peekable();
    is_istiod_down(evidence) && unready.peek().is_some() && unready.all(waits_for_its_proxy)
}

/// Whether a deployment is unavailable only because its sidecars wait for cluster DNS, which is down.
pub(super) fn waits_for_dns(evidence: &Evidence, deployment: &Deployment) -> bool {
    all_wait_for_dns(evidence, unready_pods(evidence, deployment))
}

/// Whether no pod can be created because Istio's webhook does not answer, or cannot inject a sidecar into any pod.
pub(super) fn webhook_refuses_pods(evidence: &Evidence, deployment: &Deployment) -> bool {
    let Some(message) = find_refusal(deployment) else { return false };
    let error = injection_error(&evidence.mesh.dry_run_labelled).map(|(_, error)| error);
    is_webhook_failure(message)
        || error.is_some_and(|it| classify_refusal(message) == Refusal::Injection(it))
}

/// Changes that matter to both deployments in the same way.
#[cfg(test)]
pub(super) mod changes {
    use crate::evidence::{Condition, Deployment};

    /// Adds a second container before the others.
    pub(crate) fn add_container(deployment: &mut Deployment) {
        let mut more = deployment.containers[0].clone();
        more.name = "more".into();
        deployment.containers.insert(0, more);
    }

    /// Takes its image from a mirror, with a digest.
    pub(crate) fn use_mirror(deployment: &mut Deployment) {
        let image = &mut deployment.containers[0].image;
        *image = format!("mirror.example:5000/hub/{image}@sha256:0");
    }

    /// Takes its image from a mirror that keeps only the last part of its name.
    pub(crate) fn use_flat_mirror(deployment: &mut Deployment) {
        let image = &mut deployment.containers[0].image;
        *image = format!("registry.example.com/train/{}", image.rsplit('/').next().unwrap());
    }

    /// Sets the number of replicas, all of them of the new template.
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
