//! All pods of the control plane's namespace are Running.

use crate::claims::by_name::default_profile::{istiod_is_not_installed, looks_in_wrong_place};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Deployment, Evidence, Pod};
use crate::facts::dns::all_wait_for_dns;
use crate::facts::gateway::is_ingress_gateway;
use crate::facts::injection::find_deletion;
use crate::facts::istiod::{find_unacknowledged, is_istiod};
use crate::facts::kiali::find_kiali;
use crate::facts::refusal::{classify_refusal, find_refusal};
use crate::facts::scheduling::all_wait_for_nodes;
use crate::facts::sidecar::SIDECAR;
use crate::facts::workload::{find_stuck_container, is_in_restart_loop, is_replaced};
use crate::format::refusal::{excerpt_refusal, format_refusal};
use crate::format::rollout::{format_availability, format_known_pull, format_rollout_trouble};
use crate::format::{Noun, POD, count, excerpt, format_container_state, format_pod_state, list};
use crate::judgement::{Judged, Judgement, TextChange, require};
use crate::object::Object;
use crate::steps::Step;
use crate::steps::istio::install_default;
use crate::steps::{injection, namespaces, pods, workloads};

claim! {
    /// The tutorial says: "And verify that the corresponding Istio control plane pods are all in a RUNNING state:
    /// `kubectl get pods -n istio-system`".
    ///
    /// ## Why it matters
    /// Without istiod no pod gets a sidecar, and no proxy gets its configuration. Without the gateway no request from
    /// outside reaches the mesh.
    ///
    /// ## How it is checked
    /// - Lists the pods and deployments of the control plane's namespace (`list` on `pods` and on `deployments`).
    /// - Every pod is Running with all containers ready, or Completed.
    /// - istiod and the ingress gateway have pods, and all their replicas are available.
    ///
    /// ## What makes it fail
    /// - A pod is Pending, Failed or not ready.
    /// - A container restarts again and again: three times with the last restart within ten minutes, or ten times because
    ///   of its memory (`OOMKilled`).
    /// - istiod or the gateway is scaled to 0, or its pods are refused, for example by a quota.
    /// - The namespace, istiod or the gateway is being deleted.
    /// - istiod is not installed. Then `default_profile` is the cause.
    /// - No node is ready, has room or accepts the pod. Then `nodes_ready` is the cause.
    /// - Cluster DNS is down, and proxies do not find istiod. Then `dns_on_pod_network` is the cause.
    /// - Only Kiali's pods are not ready. Then `running` is the cause.
    ///
    /// A Failed pod that another pod has replaced, such as an evicted one, makes the claim *changed*.
    ///
    /// ## How to fix it
    /// - A container crashes: read its last log lines. Another pod is not ready: describe it and read its events.
    /// - The gateway's image is `auto`: allow injection in its namespace, then restart its deployment.
    /// - A deployment has 0 replicas: scale it to 1. A Failed pod is still listed: delete it.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get pods
    ///     kubectl -n istio-system describe pod POD
    install::control_plane_running: "all pods of the control plane's namespace are Running",
    needs: Reading,
    caused_by: [
        nodes_ready if waits_for_nodes,
        default_profile if looks_in_wrong_place,
        dns_on_pod_network if waits_for_dns,
        default_profile if istiod_is_not_installed,
        running if only_kiali_is_unready,
    ],
}

const EXPECTED: &str = "every pod Running with all containers ready, or Completed";
/// The tutorial's words on the pods.
const SENTENCE: &str =
    "And verify that the corresponding Istio control plane pods are all in a RUNNING state:";
const INSTALL: &str = "Install Istio";

fn judge(evidence: &Evidence) -> Judged {
    // An unready pod shows more than the number of missing replicas.
    let parts = [
        check_deletion(evidence),
        check_deployments_have_pods(evidence),
        check_pods(evidence),
        check_replicas(evidence),
        check_replaced_pods(evidence),
    ];
    Ok(Judgement::pass(all_hold(parts)?.concat()))
}

/// Fails where the namespace, istiod or the gateway is being deleted: it does not run again after that.
fn check_deletion(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let fail = |object: Object, observed: &str, step| {
        Err(Judgement::fail(format!("{object} is being deleted"))
            .expected(EXPECTED)
            .observed(excerpt(observed))
            .object(object)
            .step(step)
            .step(install_default(evidence, "Install Istio again after the deletion")))
    };
    if let Some(message) = find_deletion(evidence, namespace) {
        let step = namespaces::wait_deleted(evidence, namespace);
        return fail(Object::global("namespace", namespace), message, step);
    }
    let deployments = evidence.install.deployments.value().map(Vec::as_slice).unwrap_or_default();
    let deleted = control_plane(evidence, deployments).into_iter().find(|it| it.terminating);
    let Some(deployment) = deleted else { return Ok(Judgement::pass(String::new())) };
    let target = format!("deployment/{}", deployment.name);
    let step = workloads::show_finalizers(evidence, namespace, &target);
    fail(Object::deployment(deployment), "deletionTimestamp is set", step)
}

/// Finds the pods that are not ready, each with its state. A pod that is being deleted does not count: another one
/// replaces it, or a replica is missing.
fn unready_pods(evidence: &Evidence) -> Vec<(&Pod, Trouble)> {
    let all = evidence.install.pods.value().map(Vec::as_slice).unwrap_or_default();
    let pods = all.iter().filter(|pod| !pod.terminating && !is_replaced(pod, all));
    pods.filter_map(|pod| Some((pod, find_trouble(evidence, pod)?))).collect()
}

/// Fails where a pod is not ready, or none runs.
fn check_pods(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let object = Object::global("namespace", namespace);
    let what = format!("the pods of namespace {namespace}");
    let install = || install_default(evidence, INSTALL);
    let pods = require(&evidence.install.pods, &what, &object, install)?;
    let unready = unready_pods(evidence);
    if let Some((pod, Trouble { summary, .. })) = unready.first() {
        let more = match unready.len() {
            1 => String::new(),
            number => format!(" (and {})", count(number - 1, MORE_POD)),
        };
        let observed: Vec<_> = unready
            .iter()
            .map(|(pod, Trouble { state, .. })| format!("{} is {state}", pod.name))
            .collect();
        return Err(Judgement::fail(format!("pod {} {summary}{more}", pod.name))
            .expected(EXPECTED)
            .observed(list(&observed))
            .object(Object::pod(pod))
            .steps(steps(evidence, pod)));
    }
    let current = || pods.iter().filter(|pod| !pod.terminating && !is_replaced(pod, pods));
    let running = current().filter(|pod| pod.phase == "Running").count();
    if running == 0 {
        return Err(Judgement::fail(format!("namespace {namespace} has no running pod"))
            .expected(EXPECTED)
            .observed(if pods.is_empty() { "no pod" } else { "only pods that have ended" })
            .object(object)
            .step(install()));
    }
    let completed = match current().count() - running {
        0 => String::new(),
        number => format!(", {number} Completed"),
    };
    Ok(Judgement::pass(format!(
        "{} in namespace {namespace} Running and ready{completed}",
        count(running, POD)
    )))
}

fn steps(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    if pod.phase == "Failed" {
        return vec![pods::delete_failed(evidence, pod)];
    }
    // Injection replaces this image by the proxy's.
    if pod.containers.iter().any(|it| it.name == SIDECAR && it.image == "auto") {
        return injection::inject_gateway(evidence, pod);
    }
    pods::diagnose(evidence, pod)
}

const MORE_POD: Noun = Noun("more pod", "more pods");

/// Why a pod is not ready.
struct Trouble {
    /// A clause, to follow the pod's name.
    summary: String,
    /// The whole state, to follow "is".
    state: String,
}

/// Finds out why a pod is not ready.
fn find_trouble(evidence: &Evidence, pod: &Pod) -> Option<Trouble> {
    if pod.phase == "Succeeded" {
        return None;
    }
    let looping =
        pod.all_containers().find(|container| is_in_restart_loop(container, evidence.moment()));
    if let Some(container) = looping {
        let (name, phase) = (&container.name, &pod.phase);
        return Some(Trouble {
            summary: format!("restarts again and again: container {name}"),
            state: format!("{phase}: container {name} {}", format_container_state(container)),
        });
    }
    let well = pod.phase == "Running"
        && pod.ready
        && !pod.containers.is_empty()
        && pod.containers.iter().all(|container| container.ready);
    let state = format_pod_state(pod);
    // The words of the container runtime are long, and stand in the state.
    let pull = find_stuck_container(pod).and_then(|(container, _)| format_known_pull(container));
    let summary =
        pull.map_or_else(|| format!("is {state}"), |it| format!("is {}: {it}", pod.phase));
    let open = find_unacknowledged(evidence, pod).filter(|_| pod.is_gateway());
    let open = open.map(|it| format!("; its proxy has not acknowledged its {it}"));
    let summary = summary + &open.unwrap_or_default();
    (!well).then_some(Trouble { summary, state })
}

/// Fails where istiod or the gateway has no pods: where one is scaled to 0, all the other pods are still Running.
fn check_deployments_have_pods(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the deployments of namespace {namespace}");
    let install = || install_default(evidence, INSTALL);
    let object = Object::global("namespace", namespace);
    let deployments = require(&evidence.install.deployments, &what, &object, install)?;
    let parts = control_plane(evidence, deployments);
    if !parts.iter().any(|one| is_istiod(&one.template_labels)) {
        return Err(Judgement::fail(format!("istiod is not installed in namespace {namespace}"))
            .expected("a deployment of istiod")
            .observed("no deployment of istiod")
            .object(object)
            .step(install()));
    }
    for deployment in parts {
        let name = &deployment.name;
        let has_no_pod = evidence.install.pods.value().is_some_and(|pods| {
            !pods.iter().any(|pod| !pod.terminating && deployment.selects(pod))
        });
        let (mut summary, step) = if deployment.replicas == 0 {
            let text = "Scale the deployment to 1 replica";
            (
                format!("deployment {name} is scaled to 0"),
                workloads::scale_up(evidence, namespace, name, text),
            )
        } else if has_no_pod {
            let text = "Show why the deployment has no pods";
            (
                format!("deployment {name} has no pods"),
                workloads::describe(evidence, namespace, name, text),
            )
        } else {
            continue;
        };
        let mut observed =
            format_rollout_trouble(deployment).unwrap_or_else(|| "no pod".to_owned());
        if let Some(message) = find_refusal(deployment) {
            summary = format!("{summary}: {}", format_refusal(classify_refusal(message)));
            observed = format!("{observed}; no pod can be created: {}", excerpt_refusal(message));
        }
        return Err(Judgement::fail(summary)
            .expected("1 or more running pods")
            .observed(observed)
            .object(Object::deployment(deployment))
            .step(step));
    }
    Ok(Judgement::pass(String::new()))
}

/// Lists the deployments of istiod, then those of the ingress gateway.
fn control_plane<'e>(evidence: &Evidence, deployments: &'e [Deployment]) -> Vec<&'e Deployment> {
    let istiods = deployments.iter().filter(|one| is_istiod(&one.template_labels));
    istiods.chain(deployments.iter().filter(|one| is_ingress_gateway(one, evidence))).collect()
}

/// Fails where replicas are missing. A refused pod (by a quota, by a webhook) is in no list of pods.
fn check_replicas(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let deployments = evidence.install.deployments.value();
    let short = deployments
        .into_iter()
        .flat_map(|deployments| control_plane(evidence, deployments))
        .find(|deployment| deployment.available_replicas < deployment.replicas);
    let Some(deployment) = short else { return Ok(Judgement::pass(String::new())) };
    let Deployment { name, replicas, available_replicas, .. } = deployment;
    let available = format_availability(deployment);
    let summary =
        format!("deployment {name} has {available_replicas} of {replicas} replicas available");
    Err(Judgement::fail(summary)
        .expected(format!("{replicas} of {replicas} available"))
        .observed(format_rollout_trouble(deployment).unwrap_or(available))
        .object(Object::deployment(deployment))
        .step(workloads::describe(evidence, namespace, name, "Show why replicas are missing")))
}

/// Reports a Failed pod that another one has replaced: it does no harm, but `kubectl get pods` lists it.
fn check_replaced_pods(evidence: &Evidence) -> Judged {
    let pods = evidence.install.pods.value().map(Vec::as_slice).unwrap_or_default();
    let mut left = pods.iter().filter(|pod| !pod.terminating && is_replaced(pod, pods));
    let Some(pod) = left.next() else { return Ok(Judgement::pass(String::new())) };
    let reason = excerpt(pod.reason.as_deref().unwrap_or("without a reason"));
    let summary =
        format!("pod {} is Failed and still listed: another pod has replaced it", pod.name);
    let change = TextChange::new("failed-pod-listed", SENTENCE).now(&summary);
    Err(Judgement::changed(summary, change)
        .expected(EXPECTED)
        .observed(format!("Failed: {reason}"))
        .object(Object::pod(pod))
        .step(pods::delete_failed(evidence, pod)))
}

fn waits_for_nodes(effect: &Effect<'_, Evidence>) -> bool {
    let unready = unready_pods(effect.evidence);
    check_deployments_have_pods(effect.evidence).is_ok()
        && all_wait_for_nodes(effect.evidence, unready.into_iter().map(|(pod, _)| pod))
}

fn waits_for_dns(effect: &Effect<'_, Evidence>) -> bool {
    let unready = unready_pods(effect.evidence);
    check_deployments_have_pods(effect.evidence).is_ok()
        && all_wait_for_dns(effect.evidence, unready.into_iter().map(|(pod, _)| pod))
}

/// Whether all unready pods are Kiali's, which runs in the same namespace.
fn only_kiali_is_unready(effect: &Effect<'_, Evidence>) -> bool {
    let unready = unready_pods(effect.evidence);
    find_kiali(effect.evidence).is_some_and(|kiali| {
        check_deployments_have_pods(effect.evidence).is_ok()
            && !unready.is_empty()
            && unready.iter().all(|(pod, _)| kiali.selects(pod))
    })
}

#[cfg(test)]
mod cases;
