//! Two containers in every pod, both ready.

use std::collections::BTreeMap;

use serde_json::json;

use super::{SIDECAR, renew, staying};
use crate::combine::all_hold;
use crate::evidence::{Container, Evidence, Pod};
use crate::facts::demo::demo_container;
use crate::facts::workload::{is_in_restart_loop, owner_workload};
use crate::format::{
    MORE_CONTAINER, POD, count, format_container_state, format_pod_state, format_ready_containers,
    list,
};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps;

/// With which a pod, or its template, keeps the sidecar away.
pub(in super::super) const INJECT: &str = "sidecar.istio.io/inject";

pub(in super::super) fn two_containers_per_pod(evidence: &Evidence) -> Judged {
    // What has failed and stays listed (an evicted pod) runs nothing, with or without a sidecar.
    let pods: Vec<_> = staying(evidence)?.into_iter().filter(|pod| pod.phase != "Failed").collect();
    let parts: Vec<_> = pods.iter().map(|pod| two_containers(evidence, pod)).collect();
    all_hold(parts)?;
    // Containers that were only asked for are no containers yet.
    let number = pods.iter().filter(|pod| pod.is_running()).count();
    if number == 0 {
        return Err(none_runs(evidence, pods.first().copied()));
    }
    Ok(Judgement::pass(format!("{}, each with its application and {SIDECAR}", count(number, POD))))
}

fn none_runs(evidence: &Evidence, waiting: Option<&Pod>) -> Judgement {
    let namespace = &evidence.expectations.namespace;
    let fail = Judgement::fail(format!("no pod runs in namespace {namespace}"))
        .expected(format!("running pods, each with its application and {SIDECAR}"));
    if let Some(pod) = waiting {
        return fail
            .observed(format_pod_state(pod))
            .object(Object::pod(pod))
            .legacy_hint(steps::joined(steps::pods::diagnose(evidence, pod)));
    }
    let command = evidence.kubectl(&["-n", namespace, "get", "pods"]);
    fail.observed("only pods that have failed")
        .object(format!("namespace {namespace}"))
        .legacy_hint(format!("`{command}` shows how they ended"))
}

/// Whether an image is Istio's proxy, from whatever registry: also as vendors call theirs (`proxyv2-rhel8`).
fn is_proxy(image: &str) -> bool {
    let path = image.split('@').next().unwrap_or(image);
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(':').next().is_some_and(|name| name.contains("proxyv2"))
}

fn two_containers(evidence: &Evidence, pod: &Pod) -> Judged {
    let names: Vec<_> = pod.containers.iter().map(|container| container.name.as_str()).collect();
    let fail = |summary: String| {
        Judgement::fail(summary)
            .expected(format!("two containers: the application and {SIDECAR}"))
            .observed(list(&names))
            .object(Object::pod(pod))
    };
    let Some(sidecar) = pod.sidecar() else {
        let (why, hint) = without_sidecar(evidence, pod);
        return Err(fail(format!("{} has no sidecar{why}", pod.name)).legacy_hint(hint));
    };
    if !is_proxy(&sidecar.image) {
        return Err(fail(format!(
            "{}'s {SIDECAR} is not Istio's proxy: {}",
            pod.name, sidecar.image
        ))
        .legacy_hint(renew(evidence, pod)));
    }
    let applications = pod.containers.iter().filter(|container| container.name != SIDECAR);
    let mut applications: Vec<_> = applications.map(|it| it.name.as_str()).collect();
    let own = demo_container(evidence, pod);
    // The one that the demo deploys is the application, wherever it stands.
    applications.sort_by_key(|name| own.is_some_and(|own| own != *name));
    match (applications.as_slice(), sidecar.is_native_sidecar()) {
        ([_], false) => Ok(Judgement::pass(String::new())),
        ([_], true) => Err(Judgement::changed(format!(
            "{} runs two containers, but its sidecar is a native one: an init container with \
             restartPolicy Always, which READY counts and the list of containers does not",
            pod.name
        ))
        .expected(format!("two containers: the application and {SIDECAR}"))
        .observed(format!("{} and the init container {SIDECAR}", list(&names)))
        .object(Object::pod(pod))
        .legacy_hint(
            "the tutorial's text needs a new edition: the mesh works, it looks different",
        )),
        ([], _) => Err(fail(format!("{} has no application beside its sidecar", pod.name))
            .legacy_hint(describe(evidence, pod))),
        ([_, more @ ..], _) => Err(fail(format!(
            "{} has {} beside its application and the sidecar: {}",
            pod.name,
            count(more.len(), MORE_CONTAINER),
            list(more)
        ))
        .legacy_hint(match own.filter(|own| applications.contains(own)) {
            Some(_) => without(evidence, pod, more),
            // Which of them is meant, only their author knows.
            None => describe(evidence, pod),
        })),
    }
}

/// Takes containers out of the template that a pod was made from.
fn without(evidence: &Evidence, pod: &Pod, containers: &[&str]) -> String {
    let show = describe(evidence, pod);
    let Some(workload) = owner_workload(pod) else { return show };
    let containers: Vec<_> =
        containers.iter().map(|name| json!({ "name": name, "$patch": "delete" })).collect();
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let patch = patch.to_string();
    let command = evidence.kubectl(&["-n", &pod.namespace, "patch", &workload, "-p", &patch]);
    format!("{show}; `{command}` takes what is too many out of its template")
}

fn describe(evidence: &Evidence, pod: &Pod) -> String {
    let command = evidence.kubectl(&["-n", &pod.namespace, "describe", "pod", &pod.name]);
    format!("`{command}` shows its containers")
}

/// Whether a pod itself keeps the sidecar away, whatever its namespace says.
pub(in super::super) fn refuses_sidecar(pod: &Pod) -> bool {
    says_no(pod) || pod.host_network
}

fn says_no(pod: &Pod) -> bool {
    [&pod.annotations, &pod.labels]
        .into_iter()
        .any(|map| map.get(INJECT).is_some_and(|value| value == "false"))
}

/// Why a pod has no sidecar, as far as the pod tells, and what to type.
fn without_sidecar(evidence: &Evidence, pod: &Pod) -> (String, String) {
    if says_no(pod) {
        let hint = owner_workload(pod).map_or_else(
            || describe(evidence, pod),
            |workload| {
                let (labels, key) = (pod.labels.contains_key(INJECT), [INJECT]);
                let what = if labels { "labels" } else { "annotations" };
                let command = super::take_out(evidence, &workload, what, &key);
                format!("`{command}` takes {INJECT} out of its template")
            },
        );
        return (format!(": it says {INJECT}=false"), hint);
    }
    if pod.host_network {
        return (": it is on the node's network".into(), describe(evidence, pod));
    }
    let why = match evidence.install.namespaces.value().and_then(|all| all.get(&pod.namespace)) {
        Some(labels) if labels.get("istio-injection").is_some_and(|it| it == "enabled") => {
            ": the namespace is labelled, but the pod was made without (before the label, or while \
             injection did not work)"
        }
        Some(_) => ": the namespace is not labelled for injection",
        None => "",
    };
    (why.to_owned(), renew(evidence, pod))
}

pub(in super::super) fn pods_ready(evidence: &Evidence) -> Judged {
    let all = staying(evidence)?;
    // What has failed and stays listed (an evicted pod) has been replaced, where others are there.
    let replaced = all.iter().any(|pod| pod.phase != "Failed");
    let pods: Vec<_> = all.into_iter().filter(|pod| !replaced || pod.phase != "Failed").collect();
    let number = pods.len();
    let parts: Vec<_> = pods.iter().map(|pod| ready(evidence, pod)).collect();
    all_hold(parts.into_iter().chain([stayed(evidence, &pods)]))?;
    Ok(Judgement::pass(format!("{} READY 2/2 and Running", count(number, POD))))
}

fn ready(evidence: &Evidence, pod: &Pod) -> Judged {
    let fail = |summary: String, observed: String| {
        Judgement::fail(summary)
            .expected("READY 2/2, Running, no restarts")
            .observed(observed)
            .object(Object::pod(pod))
    };
    let looping = pod.all_containers().find(|it| is_in_restart_loop(it, evidence.moment()));
    if let Some(container) = looping {
        return Err(fail(
            format!("{}: container {} is restarted over and over", pod.name, container.name),
            format_container_state(container),
        )
        .legacy_hint(steps::joined(steps::pods::diagnose(evidence, pod))));
    }
    let all: Vec<&Container> = pod.counted_containers().collect();
    if pod.phase != "Running" || !pod.ready || all.iter().any(|container| !container.ready) {
        let state = format_pod_state(pod);
        return Err(fail(format!("{} is not ready: {state}", pod.name), state)
            .legacy_hint(steps::joined(steps::pods::diagnose(evidence, pod))));
    }
    if all.len() != 2 {
        let shown = format_ready_containers(pod);
        let because = if pod.sidecar().is_none() { ", because it has no sidecar" } else { "" };
        return Err(fail(format!("{} is READY {shown}, not 2/2{because}", pod.name), shown)
            .legacy_hint(renew(evidence, pod)));
    }
    Ok(Judgement::pass(String::new()))
}

/// Whether the pods stayed as they were while the evidence was collected: not restarted, and ready.
/// One that another has replaced is no fault.
fn stayed(evidence: &Evidence, pods: &[&Pod]) -> Judged {
    let namespace = &evidence.expectations.namespace;
    let object = format!("namespace {namespace}");
    let at_end =
        require(&evidence.demo.pods_at_end, "the pods, looked at a second time", &object, || {
            let command = evidence.kubectl(&["-n", namespace, "get", "pods"]);
            format!("`{command}` shows what is there now")
        })?;
    if !at_end.iter().any(|pod| !pod.terminating) {
        let command = evidence.kubectl(&["-n", namespace, "get", "deployments"]);
        return Err(Judgement::fail("no pod was left when they were looked at a second time")
            .expected("READY 2/2 and Running from the beginning of the look to its end")
            .observed("no pod")
            .object(object)
            .legacy_hint(format!("`{command}` shows what should run there")));
    }
    let later: BTreeMap<_, _> = at_end.iter().map(|pod| (pod.name.as_str(), pod)).collect();
    for pod in pods {
        let Some(later) = later.get(pod.name.as_str()) else { continue };
        let before = pod.all_containers();
        let after: BTreeMap<_, _> =
            later.all_containers().map(|container| (container.name.as_str(), container)).collect();
        for container in before {
            let Some(now) = after.get(container.name.as_str()) else { continue };
            if now.restarts > container.restarts {
                return Err(Judgement::fail(format!(
                    "{}: container {} was restarted during the look",
                    pod.name, container.name
                ))
                .expected("READY 2/2, Running, no restarts")
                .observed(format_container_state(now))
                .object(Object::pod(pod))
                .legacy_hint(steps::joined(steps::pods::diagnose(evidence, later))));
            }
        }
        let unready = later.phase != "Running" || !later.ready;
        if (unready || later.counted_containers().any(|container| !container.ready))
            && !later.terminating
            && later.phase != "Succeeded"
        {
            let state = format_pod_state(later);
            return Err(Judgement::fail(format!(
                "{} did not stay ready during the look: {state}",
                pod.name
            ))
            .expected("READY 2/2 and Running from the beginning of the look to its end")
            .observed(state)
            .object(Object::pod(pod))
            .legacy_hint(steps::joined(steps::pods::diagnose(evidence, later))));
        }
    }
    Ok(Judgement::pass(String::new()))
}
