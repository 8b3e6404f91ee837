//! Whether the pods of the control plane's namespace run.

use super::is_istiod;
use crate::combine::all_hold;
use crate::evidence::{Deployment, Evidence, Observation, Pod};
use crate::facts::gateway::is_ingress_gateway;
use crate::facts::workload::is_in_restart_loop;
use crate::format::rollout::{format_availability, format_rollout_trouble};
use crate::format::{POD, count, format_container_state, format_pod_state, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps;

const EXPECTED: &str = "every pod Running with all containers ready, or Completed";

pub(in super::super) fn control_plane_running(evidence: &Evidence) -> Judged {
    // A pod that is ill says more than the number of those that are not there.
    let parts =
        [deployments_have_pods(evidence), pods_are_well(evidence), none_is_missing(evidence)];
    let words = all_hold(parts)?;
    Ok(Judgement::pass(words.concat()))
}

fn pods(evidence: &Evidence) -> Result<&Vec<Pod>, Judgement> {
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the pods of namespace {namespace}");
    require(&evidence.install.pods, &what, &format!("namespace {namespace}"), || {
        format!("`{}` installs Istio", evidence.install_default())
    })
}

/// The pods that keep the claim from holding.
pub(in super::super) fn ill_pods(evidence: &Evidence) -> Vec<&Pod> {
    let staying = evidence.install.pods.value().into_iter().flatten().filter(|it| !it.terminating);
    staying.filter(|pod| trouble(evidence, pod).is_some()).collect()
}

fn pods_are_well(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let pods = pods(evidence)?;
    // A pod that is being deleted is on its way out: others take its place, or are missed.
    let staying: Vec<_> = pods.iter().filter(|pod| !pod.terminating).collect();
    let ill: Vec<_> = staying
        .iter()
        .filter_map(|pod| trouble(evidence, pod).map(|trouble| (*pod, trouble)))
        .collect();
    if let Some((pod, trouble)) = ill.first() {
        let more = match ill.len() {
            1 => String::new(),
            number => format!(", and {} more", count(number - 1, POD)),
        };
        let observed: Vec<_> =
            ill.iter().map(|(pod, trouble)| format!("{} is {trouble}", pod.name)).collect();
        return Err(Judgement::fail(format!("{} is {trouble}{more}", pod.name))
            .expected(EXPECTED)
            .observed(list(&observed))
            .object(Object::pod(pod))
            .legacy_hint(hint(evidence, pod)));
    }
    let running = staying.iter().filter(|pod| pod.phase == "Running").count();
    if running == 0 {
        let install = evidence.install_default();
        return Err(Judgement::fail(format!("no pod runs in namespace {namespace}"))
            .expected(EXPECTED)
            .observed(if pods.is_empty() { "no pod" } else { "only pods that have ended" })
            .object(format!("namespace {namespace}"))
            .legacy_hint(format!("`{install}` installs Istio")));
    }
    let completed = match staying.len() - running {
        0 => String::new(),
        number => format!(", {number} Completed"),
    };
    Ok(Judgement::pass(format!(
        "{} in {namespace} Running and ready{completed}",
        count(running, POD)
    )))
}

/// A pod that has failed never runs again: its owner makes another, and it only stays in the list.
fn hint(evidence: &Evidence, pod: &Pod) -> String {
    if pod.phase == "Failed" {
        let delete = evidence.kubectl(&["-n", &pod.namespace, "delete", "pod", &pod.name]);
        return format!("`{delete}` clears it away: it has ended and never starts again");
    }
    steps::joined(steps::pods::diagnose(evidence, pod))
}

/// What is wrong with a pod, in words that follow "is".
fn trouble(evidence: &Evidence, pod: &Pod) -> Option<String> {
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
pub(in super::super) fn deployments_have_pods(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the deployments of namespace {namespace}");
    let install = || format!("`{}` installs Istio", evidence.install_default());
    let object = format!("namespace {namespace}");
    let deployments = require(&evidence.install.deployments, &what, &object, install)?;
    let pods = match &evidence.install.pods {
        Observation::Seen { value } => Some(value),
        _ => None,
    };
    let parts = control_plane(evidence, deployments);
    let istiods = || parts.iter().filter(|one| is_istiod(&one.template_labels));
    if istiods().next().is_none() {
        return Err(Judgement::fail("istiod is not installed")
            .expected("a deployment of istiod with running pods")
            .observed("no such deployment")
            .object(object)
            .legacy_hint(install()));
    }
    for deployment in parts {
        let name = format!("deployment/{}", deployment.name);
        let lost = pods.is_some_and(|pods| {
            !pods.iter().any(|pod| !pod.terminating && deployment.selects(pod))
        });
        let hint = if deployment.replicas == 0 {
            let command = evidence.kubectl(&["-n", namespace, "scale", &name, "--replicas=1"]);
            format!("`{command}` starts it again")
        } else if lost {
            let command = evidence.kubectl(&["-n", namespace, "describe", &name]);
            format!("`{command}` shows why it gets no pods")
        } else {
            continue;
        };
        let observed = format_rollout_trouble(deployment).unwrap_or_else(|| "no pod".to_owned());
        return Err(Judgement::fail(format!("{} has no pods", deployment.name))
            .expected(format!("at least one running pod of {}", deployment.name))
            .observed(observed)
            .object(Object::deployment(deployment))
            .legacy_hint(hint));
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
    let name = format!("deployment/{}", deployment.name);
    let command = evidence.kubectl(&["-n", namespace, "describe", &name]);
    let words = format_availability(deployment);
    Err(Judgement::fail(format!("{}: {words}", deployment.name))
        .expected("every replica that is asked for is available")
        .observed(format_rollout_trouble(deployment).unwrap_or(words))
        .object(Object::deployment(deployment))
        .legacy_hint(format!("`{command}` shows what it waits for")))
}
