//! The pods of the demo's namespace that are judged, and the failures that their state explains.

use std::collections::BTreeSet;

use crate::claims::Claim;
use crate::claims::by_name::{backend_deployment, client_deployment};
use crate::combine::all_hold;
use crate::entry::Effect;
use crate::evidence::{Evidence, Pod};
use crate::facts::demo::{find_deployment, is_pod_of};
use crate::facts::sidecar::runs_native_sidecar;
use crate::facts::workload::{is_in_restart_loop, owner_workload};
use crate::format::rollout::format_rollout_trouble;
use crate::format::{format_pod_state, list};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, injection, namespaces, pods, workloads};

/// Returns the pods of the demo's namespace that have not ended and are not terminating.
pub(super) fn current_pods(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let namespace = &evidence.expectations.namespace;
    let object = Object::demo_namespace(evidence);
    let what = format!("the pods of namespace {namespace}");
    let all = require(&evidence.demo.pods, &what, &object, || {
        namespaces::create(evidence, "Create the namespace")
    })?;
    let ended = |pod: &&Pod| pod.terminating || pod.phase == "Succeeded";
    let current: Vec<_> = all.iter().filter(|pod| !ended(pod)).collect();
    if current.is_empty() {
        return Err(Judgement::fail(format!("no pod runs in namespace {namespace}"))
            .expected("running pods of the backend and of the client")
            .observed(if all.is_empty() { "no pod" } else { "no running pod, only ended ones" })
            .object(object)
            .step(workloads::list_deployments(evidence, "List the deployments")));
    }
    Ok(current)
}

/// Returns the running pods with a sidecar, whose redirection is judged.
pub(super) fn injected_pods(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let mut pods = current_pods(evidence)?;
    let namespace = &evidence.expectations.namespace;
    let stopped = pods.iter().copied().find(|pod| !pod.is_running() && pod.sidecar().is_some());
    pods.retain(|pod| pod.is_running() && pod.sidecar().is_some());
    if let (true, Some(pod)) = (pods.is_empty(), stopped) {
        return Err(Judgement::fail(format!(
            "no pod with a sidecar is Running in namespace {namespace}"
        ))
        .expected("running pods with a sidecar")
        .observed(format!("pod {}: {}", pod.name, format_pod_state(pod)))
        .object(Object::demo_namespace(evidence))
        .steps(pods::diagnose(evidence, pod)));
    }
    if pods.is_empty() {
        return Err(Judgement::fail(format!("no pod in namespace {namespace} has a sidecar"))
            .expected("running pods with a sidecar")
            .observed("pods without a sidecar")
            .object(Object::demo_namespace(evidence))
            .step(restart_after_label(evidence)));
    }
    Ok(pods)
}

/// Combines the judgements of pods as `all_hold` does. Where pods of several workloads fail in the same way, the headline
/// names these workloads in place of the first pod.
pub(super) fn all_pods_hold<'e>(
    judged: impl IntoIterator<Item = (&'e Pod, Judged)>,
) -> Result<Vec<String>, Judgement> {
    let judged: Vec<_> = judged.into_iter().collect();
    all_hold(judged.iter().map(|(_, it)| it.clone())).map_err(|worst| {
        let trouble = |pod: &Pod, summary: &str| {
            summary.strip_prefix(&format!("pod {}: ", pod.name)).map(str::to_owned)
        };
        let Some(common) = judged.iter().find_map(|(pod, _)| trouble(pod, &worst.summary)) else {
            return worst;
        };
        let is_alike = |(pod, it): &&(&Pod, Judged)| {
            let early = it.as_ref().err().filter(|it| it.verdict == worst.verdict);
            early.and_then(|it| trouble(pod, &it.summary)).as_ref() == Some(&common)
        };
        let owners = judged.iter().filter(is_alike).filter_map(|(pod, _)| owner_workload(pod));
        let owners: BTreeSet<_> = owners.collect();
        if owners.len() < 2 {
            return worst;
        }
        let names: Vec<_> = owners.iter().filter_map(|it| it.split('/').nth(1)).collect();
        Judgement { summary: format!("pods of {}: {common}", list(&names)), ..worst }
    })
}

/// Restarts the deployments of the demo, so that their pods get a sidecar.
pub(super) fn restart_after_label(evidence: &Evidence) -> Step {
    let text = "Restart the deployments, once the namespace is labelled and istiod runs";
    injection::restart_all(evidence, text)
}

/// Whether the namespace exists and no pod is left in it.
pub(super) fn has_no_pods(effect: &Effect<'_, Evidence>) -> bool {
    effect.evidence.demo.pods.value().is_some() && current_pods(effect.evidence).is_err()
}

/// Whether the namespace exists and no pod runs with a sidecar.
pub(super) fn has_no_injected_pods(effect: &Effect<'_, Evidence>) -> bool {
    effect.evidence.demo.pods.value().is_some() && injected_pods(effect.evidence).is_err()
}

/// Whether a pod is not Running, not ready or in a restart loop, whatever the number of its containers.
pub(super) fn is_unready(evidence: &Evidence, pod: &Pod) -> bool {
    pod.phase != "Running"
        || !pod.ready
        || pod.counted_containers().any(|container| !container.ready)
        || pod.all_containers().any(|it| is_in_restart_loop(it, evidence.moment()))
}

/// Whether a deployment of the demo is not available or does not exist.
fn is_unavailable(evidence: &Evidence, name: &str) -> bool {
    find_deployment(evidence, name).is_none_or(|it| format_rollout_trouble(it).is_some())
}

/// Returns the names of the demo's deployments, each with the claim on it.
fn demo_deployments(evidence: &Evidence) -> [(&str, &'static Claim); 2] {
    [
        (&evidence.expectations.backend_deployment, &backend_deployment::CLAIM),
        (&evidence.expectations.client_deployment, &client_deployment::CLAIM),
    ]
}

/// Returns the name of the demo's deployment that the cause is about.
pub(super) fn deployment_of_cause<'e>(effect: &Effect<'e, Evidence>) -> Option<&'e str> {
    let mut all = demo_deployments(effect.evidence).into_iter();
    all.find(|(_, claim)| claim.id == effect.cause.id).map(|(name, _)| name)
}

/// Returns the pod with a running proxy that the failure names, if it is a pod of the cause's deployment.
pub(super) fn named_pod_of_cause<'e>(effect: &Effect<'e, Evidence>) -> Option<&'e Pod> {
    let Effect { evidence, .. } = effect;
    let deployment = deployment_of_cause(effect)?;
    let mut pods = evidence.demo.pods.value()?.iter();
    pods.find(|pod| {
        (pod.is_running() || runs_native_sidecar(pod))
            && is_pod_of(evidence, pod, deployment)
            && effect.is_about(Object::pod(pod))
    })
}

/// Whether the named pod is not ready and the cause's deployment not available, and no other pod is a reason of its own;
/// or there is no pod at all. `counts` selects the named pods that are explained. `sidecars_are_claimed` is true where
/// another claim fails because of missing sidecars.
pub(super) fn deployment_explains_pods(
    effect: &Effect<'_, Evidence>,
    counts: impl Fn(&Pod) -> bool,
    sidecars_are_claimed: bool,
) -> bool {
    let evidence = effect.evidence;
    let Some(deployment) = deployment_of_cause(effect) else { return false };
    if effect.judgement.verdict != Verdict::Fail || !is_unavailable(evidence, deployment) {
        return false;
    }
    let Ok(pods) = current_pods(evidence) else { return has_no_pods(effect) };
    let is_explained = |pod: &Pod| {
        if !is_unready(evidence, pod) {
            return pod.counted_containers().count() == 2
                || pod.is_gateway()
                || pod.sidecar().is_none() && sidecars_are_claimed;
        }
        demo_deployments(evidence).into_iter().any(|(owner, claim)| {
            is_pod_of(evidence, pod, owner)
                && is_unavailable(evidence, owner)
                && effect.fails(claim)
        })
    };
    let named = pods.iter().find(|pod| effect.is_about(Object::pod(pod)));
    named.is_some_and(|pod| {
        is_unready(evidence, pod) && counts(pod) && is_pod_of(evidence, pod, deployment)
    }) && pods.iter().all(|pod| is_explained(pod))
}
