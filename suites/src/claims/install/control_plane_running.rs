//! All pods of the control plane's namespace are Running.

use crate::claims::by_name::default_profile::{
    self, istiod_is_not_installed, looks_in_wrong_place,
};
use crate::claims::by_name::{dns_on_pod_network, nodes_ready, running};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Deployment, Evidence, Pod};
use crate::facts::dns::all_wait_for_dns;
use crate::facts::gateway::is_ingress_gateway;
use crate::facts::injection::find_deletion;
use crate::facts::istiod::is_istiod;
use crate::facts::kiali::find_kiali;
use crate::facts::refusal::{classify_refusal, find_refusal};
use crate::facts::scheduling::all_wait_for_nodes;
use crate::facts::sidecar::SIDECAR;
use crate::facts::workload::{is_in_restart_loop, is_replaced};
use crate::format::refusal::format_refusal;
use crate::format::rollout::{format_availability, format_rollout_trouble};
use crate::format::{POD, count, excerpt, format_container_state, format_pod_state, list};
use crate::judgement::{Judged, Judgement, require};
use crate::object::Object;
use crate::steps::Step;
use crate::steps::istio::install_default;
use crate::steps::{injection, namespaces, pods, workloads};

claim! {
    /// The tutorial says: "Verify that the corresponding Istio control plane pods are all in a RUNNING state:
    /// `kubectl get pods -n istio-system`".
    ///
    /// ## Why it matters
    /// Without istiod no pod gets a sidecar, and no proxy gets its configuration. Without the gateway no request
    /// reaches the mesh from outside.
    ///
    /// ## How it is checked
    /// Lists the pods and the deployments of the control plane's namespace. Every pod is Running with all containers
    /// ready, or Completed. istiod and the ingress gateway have pods, and all replicas are available. It needs `list`
    /// on `pods` and on `deployments`.
    ///
    /// ## What makes it fail
    /// - A pod is Pending, Failed or not ready, or a container is restarted over and over: three times with the last
    ///   one within ten minutes, or ten times because of its memory (`OOMKilled`).
    /// - istiod or the gateway is scaled to 0, or its pods are refused, as by a quota.
    /// - The namespace, istiod or the gateway is being deleted.
    /// - istiod is not installed: then `default_profile` is the cause.
    /// - No node is ready or has room, or none takes the pod because of a taint: then `nodes_ready` is the cause.
    /// - Cluster DNS is down, and proxies do not find istiod: then `dns_on_pod_network` is the cause.
    /// - Only Kiali's pods are not well: then `running` is the cause.
    ///
    /// A pod that has failed and is still listed beside its successor, as an evicted one is, makes the claim *changed*.
    ///
    /// ## How to fix it
    /// - Read the last log lines of the container that crashes, or describe the pod and read its events.
    /// - The gateway's image is `auto`: let the webhook inject its pods, then restart its deployment.
    /// - Scale the deployment to 1 replica, or delete a pod that has failed and stays listed.
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
        running if only_kiali_is_unwell,
    ],
    judge: judge,
}

const EXPECTED: &str = "every pod Running with all containers ready, or Completed";

fn judge(evidence: &Evidence) -> Judged {
    // A pod that is ill says more than the number of those that are not there.
    let parts = [
        nothing_is_deleted(evidence),
        deployments_have_pods(evidence),
        pods_are_well(evidence),
        none_is_missing(evidence),
        none_is_left(evidence),
    ];
    Ok(Judgement::pass(all_hold(parts)?.concat()))
}

/// What is being deleted runs for the last time.
fn nothing_is_deleted(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let fail = |object: Object, observed: &str, step| {
        Err(Judgement::fail(format!("{object} is being deleted"))
            .expected(EXPECTED)
            .observed(excerpt(observed))
            .object(object)
            .step(step)
            .step(install_default(evidence, "installs Istio again, once it is gone")))
    };
    if let Some(words) = find_deletion(evidence, namespace) {
        let step = namespaces::wait_deleted(evidence, namespace);
        return fail(Object::global("namespace", namespace), words, step);
    }
    let deployments = evidence.install.deployments.value().map(Vec::as_slice).unwrap_or_default();
    let deleted = control_plane(evidence, deployments).into_iter().find(|it| it.terminating);
    let Some(deployment) = deleted else { return Ok(Judgement::pass(String::new())) };
    let target = format!("deployment/{}", deployment.name);
    let step = workloads::show_finalizers(evidence, namespace, &target);
    fail(Object::deployment(deployment), "a deletion timestamp", step)
}

/// The pods that are not well, each with its trouble. One that is being deleted is not judged: others take
/// its place, or are missed.
fn unwell_pods(evidence: &Evidence) -> Vec<(&Pod, String)> {
    let all = evidence.install.pods.value().map(Vec::as_slice).unwrap_or_default();
    let pods = all.iter().filter(|pod| !pod.terminating && !is_replaced(pod, all));
    pods.filter_map(|pod| Some((pod, find_trouble(evidence, pod)?))).collect()
}

fn pods_are_well(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let object = Object::global("namespace", namespace);
    let what = format!("the pods of namespace {namespace}");
    let install = || install_default(evidence, "installs Istio");
    let pods = require(&evidence.install.pods, &what, &object, install)?;
    let unwell = unwell_pods(evidence);
    if let Some((pod, trouble)) = unwell.first() {
        let more = match unwell.len() {
            1 => String::new(),
            number => format!(", and {} more", count(number - 1, POD)),
        };
        let observed: Vec<_> =
            unwell.iter().map(|(pod, trouble)| format!("{} is {trouble}", pod.name)).collect();
        return Err(Judgement::fail(format!("{} is {trouble}{more}", pod.name))
            .expected(EXPECTED)
            .observed(list(&observed))
            .object(Object::pod(pod))
            .steps(steps(evidence, pod)));
    }
    let current = || pods.iter().filter(|pod| !pod.terminating && !is_replaced(pod, pods));
    let running = current().filter(|pod| pod.phase == "Running").count();
    if running == 0 {
        return Err(Judgement::fail(format!("no pod runs in namespace {namespace}"))
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
        "{} in {namespace} Running and ready{completed}",
        count(running, POD)
    )))
}

fn steps(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    if pod.phase == "Failed" {
        return vec![pods::delete_failed(evidence, pod)];
    }
    // Injection puts the proxy's image in its place.
    if pod.containers.iter().any(|it| it.name == SIDECAR && it.image == "auto") {
        return injection::inject_gateway(evidence, pod);
    }
    pods::diagnose(evidence, pod)
}

/// What is wrong with a pod, to follow "is".
fn find_trouble(evidence: &Evidence, pod: &Pod) -> Option<String> {
    if pod.phase == "Succeeded" {
        return None;
    }
    let looping =
        pod.all_containers().find(|container| is_in_restart_loop(container, evidence.moment()));
    if let Some(container) = looping {
        let state = format_container_state(container);
        return Some(format!("restarted over and over: {} {state}", container.name));
    }
    let well = pod.phase == "Running"
        && pod.ready
        && !pod.containers.is_empty()
        && pod.containers.iter().all(|container| container.ready);
    (!well).then(|| format_pod_state(pod))
}

/// istiod and the gateway must have pods: a namespace in which one is scaled to zero has nothing
/// but running pods, and no control plane.
fn deployments_have_pods(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the deployments of namespace {namespace}");
    let install = || install_default(evidence, "installs Istio");
    let object = Object::global("namespace", namespace);
    let deployments = require(&evidence.install.deployments, &what, &object, install)?;
    let parts = control_plane(evidence, deployments);
    if !parts.iter().any(|one| is_istiod(&one.template_labels)) {
        return Err(Judgement::fail("istiod is not installed")
            .expected("a deployment of istiod with running pods")
            .observed("no such deployment")
            .object(object)
            .step(install()));
    }
    for deployment in parts {
        let name = &deployment.name;
        let has_no_pod = evidence.install.pods.value().is_some_and(|pods| {
            !pods.iter().any(|pod| !pod.terminating && deployment.selects(pod))
        });
        let step = if deployment.replicas == 0 {
            workloads::scale_up(evidence, namespace, name, "starts it again")
        } else if has_no_pod {
            workloads::describe(evidence, namespace, name, "shows why it gets no pods")
        } else {
            continue;
        };
        let mut observed =
            format_rollout_trouble(deployment).unwrap_or_else(|| "no pod".to_owned());
        let mut summary = format!("{name} has no pods");
        if let Some(words) = find_refusal(deployment) {
            summary = format!("{summary}: {}", format_refusal(classify_refusal(words)));
            observed = format!("{observed}; no pod can be created: {}", excerpt(words));
        }
        return Err(Judgement::fail(summary)
            .expected(format!("at least one running pod of {name}"))
            .observed(observed)
            .object(Object::deployment(deployment))
            .step(step));
    }
    Ok(Judgement::pass(String::new()))
}

/// The deployments of istiod, then those of the ingress gateway.
fn control_plane<'e>(evidence: &Evidence, deployments: &'e [Deployment]) -> Vec<&'e Deployment> {
    let istiods = deployments.iter().filter(|one| is_istiod(&one.template_labels));
    istiods.chain(deployments.iter().filter(|one| is_ingress_gateway(one, evidence))).collect()
}

/// A pod that was refused (by a quota, by a webhook) is in no list of pods.
fn none_is_missing(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let deployments = evidence.install.deployments.value();
    let short = deployments
        .into_iter()
        .flat_map(|deployments| control_plane(evidence, deployments))
        .find(|deployment| deployment.available_replicas < deployment.replicas);
    let Some(deployment) = short else { return Ok(Judgement::pass(String::new())) };
    let (name, available) = (&deployment.name, format_availability(deployment));
    Err(Judgement::fail(format!("{name}: {available}"))
        .expected("every replica that is asked for is available")
        .observed(format_rollout_trouble(deployment).unwrap_or(available))
        .object(Object::deployment(deployment))
        .step(workloads::describe(evidence, namespace, name, "shows what it waits for")))
}

/// A pod that has failed and whose successor runs does no harm, but `kubectl get pods` lists it.
fn none_is_left(evidence: &Evidence) -> Judged {
    let pods = evidence.install.pods.value().map(Vec::as_slice).unwrap_or_default();
    let mut left = pods.iter().filter(|pod| !pod.terminating && is_replaced(pod, pods));
    let Some(pod) = left.next() else { return Ok(Judgement::pass(String::new())) };
    let reason = excerpt(pod.reason.as_deref().unwrap_or("without a reason"));
    let summary =
        format!("{} has failed and is still listed: another pod has replaced it", pod.name);
    Err(Judgement::changed(summary)
        .expected(EXPECTED)
        .observed(format!("Failed: {reason}"))
        .object(Object::pod(pod))
        .step(pods::delete_failed(evidence, pod)))
}

fn waits_for_nodes(effect: &Effect<'_, Evidence>) -> bool {
    let unwell = unwell_pods(effect.evidence);
    deployments_have_pods(effect.evidence).is_ok()
        && all_wait_for_nodes(effect.evidence, unwell.into_iter().map(|(pod, _)| pod))
}

fn waits_for_dns(effect: &Effect<'_, Evidence>) -> bool {
    let unwell = unwell_pods(effect.evidence);
    deployments_have_pods(effect.evidence).is_ok()
        && all_wait_for_dns(effect.evidence, unwell.into_iter().map(|(pod, _)| pod))
}

/// The pods that are not well are all Kiali's, which stands in the same namespace.
fn only_kiali_is_unwell(effect: &Effect<'_, Evidence>) -> bool {
    let unwell = unwell_pods(effect.evidence);
    find_kiali(effect.evidence).is_some_and(|kiali| {
        deployments_have_pods(effect.evidence).is_ok()
            && !unwell.is_empty()
            && unwell.iter().all(|(pod, _)| kiali.selects(pod))
    })
}

#[cfg(test)]
mod cases;
