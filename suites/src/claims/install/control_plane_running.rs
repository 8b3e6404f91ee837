//! All pods of the control plane's namespace are Running.

use crate::claims::by_name::default_profile::{self, istiod_is_not_installed};
use crate::claims::by_name::{dns_on_pod_network, nodes_ready, running};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Deployment, Evidence, Pod};
use crate::facts::dns::all_wait_for_dns;
use crate::facts::gateway::is_ingress_gateway;
use crate::facts::istiod::is_istiod;
use crate::facts::kiali::find_kiali;
use crate::facts::scheduling::all_wait_for_nodes;
use crate::facts::workload::is_in_restart_loop;
use crate::format::rollout::{format_availability, format_rollout_trouble};
use crate::format::{POD, count, format_container_state, format_pod_state, list};
use crate::judgement::{Judged, Judgement, require};
use crate::object::Object;
use crate::steps::Step;
use crate::steps::istio::install_default;
use crate::steps::{pods, workloads};

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
    /// - A pod is Pending, Failed or not ready, or a container is restarted over and over.
    /// - istiod or the gateway is scaled to 0, or its pods are refused.
    /// - istiod is not installed: then `default_profile` is the cause.
    /// - No node is ready or has room: then `nodes_ready` is the cause.
    /// - Cluster DNS is down, and proxies do not find istiod: then `dns_on_pod_network` is the cause.
    /// - Only Kiali's pods are not well: then `running` is the cause.
    ///
    /// ## How to fix it
    /// - Read the last log lines of the container that crashes, or describe the pod and read its events.
    /// - Scale the deployment to 1 replica, or delete a pod that has failed and stays listed.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get pods
    ///     kubectl -n istio-system describe pod POD
    install::control_plane_running: "all pods of the control plane's namespace are Running",
    needs: Reading,
    caused_by: [
        nodes_ready if waits_for_nodes,
        dns_on_pod_network if waits_for_dns,
        default_profile if istiod_is_not_installed,
        running if only_kiali_is_unwell,
    ],
    judge: judge,
}

const EXPECTED: &str = "every pod Running with all containers ready, or Completed";

fn judge(evidence: &Evidence) -> Judged {
    // A pod that is ill says more than the number of those that are not there.
    let parts =
        [deployments_have_pods(evidence), pods_are_well(evidence), none_is_missing(evidence)];
    Ok(Judgement::pass(all_hold(parts)?.concat()))
}

/// The pods that are not well, each with its trouble. One that is being deleted is not judged: others take
/// its place, or are missed.
fn unwell_pods(evidence: &Evidence) -> Vec<(&Pod, String)> {
    let pods = evidence.install.pods.value().into_iter().flatten().filter(|pod| !pod.terminating);
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
    let current = || pods.iter().filter(|pod| !pod.terminating);
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
        let observed = format_rollout_trouble(deployment).unwrap_or_else(|| "no pod".to_owned());
        return Err(Judgement::fail(format!("{name} has no pods"))
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
mod cases {
    use jiff::SignedDuration;

    use crate::entry::cases;
    use crate::evidence::{Container, ContainerState, Evidence, Observation, Termination};
    use crate::testing::{gateway, installed, istiod, of, scale_to_zero};

    /// Ends the first container of a pod some time before the look.
    fn crashed(evidence: &mut Evidence, minutes_ago: i64, restarts: u32) -> &mut Container {
        let finished_at = Some(evidence.recorded_at - SignedDuration::from_mins(minutes_ago));
        let container = &mut istiod(evidence).containers[0];
        container.restarts = restarts;
        let end = Termination { exit_code: 137, reason: "OOMKilled".into(), finished_at };
        container.last_termination = Some(end);
        container
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        completed(|e| {
            let mut job = istiod(e).clone();
            job.name = "job".into();
            job.phase = "Succeeded".into();
            job.ready = false;
            job.containers[0].ready = false;
            of(&mut e.install.pods).push(job);
        }, Pass);
        two_completed(|e| {
            for name in ["job", "another-job"] {
                let mut job = istiod(e).clone();
                job.name = name.into();
                job.phase = "Succeeded".into();
                of(&mut e.install.pods).push(job);
            }
        }, Pass);
        istiod_known_by_app(|e| { installed(e, "istiod").template_labels.remove("istio"); }, Pass);
        istiod_known_by_istio(|e| { installed(e, "istiod").template_labels.remove("app"); }, Pass);
        restarted_once(|e| { crashed(e, 1, 1); }, Pass);
        restarted_long_ago(|e| { crashed(e, 11, 9); }, Pass);
        old_pod_leaves(|e| {
            let mut old = istiod(e).clone();
            old.name = "old".into();
            old.terminating = true;
            old.ready = false;
            of(&mut e.install.pods).push(old);
        }, Pass);
        kiali_scaled_to_zero(|e| {
            scale_to_zero(installed(e, "kiali"));
            of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("kiali"));
        }, Pass);
        restart_loop(|e| { crashed(e, 9, 3); }, Fail);
        crash_loop(|e| {
            let container = crashed(e, 60, 7);
            container.ready = false;
            container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() };
        }, Fail);
        crash_hint(|e| {
            let container = crashed(e, 60, 7);
            container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
        }, Fail);
        init_crash_loop(|e| {
            let mut init = istiod(e).containers[0].clone();
            init.name = "init".into();
            init.ready = false;
            init.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
            istiod(e).init_containers.push(init);
        }, Fail);
        pending(|e| {
            let pod = istiod(e);
            pod.phase = "Pending".into();
            pod.ready = false;
            pod.containers.iter_mut().for_each(|container| {
                container.ready = false;
                container.state = ContainerState::Unknown;
            });
            pod.reason = Some("0/1 nodes are available: 1 Insufficient cpu.".into());
        }, Fail);
        image_missing(|e| {
            let pod = gateway(e);
            pod.phase = "Pending".into();
            pod.containers[0].ready = false;
            pod.containers[0].state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: "no such image".into() };
        }, Fail);
        not_ready(|e| { let pod = gateway(e); pod.ready = false; pod.containers[0].ready = false; }, Fail);
        container_not_ready(|e| gateway(e).containers[0].ready = false, Fail);
        pod_not_ready(|e| gateway(e).ready = false, Fail);
        failed(|e| { let pod = gateway(e); pod.phase = "Failed".into(); pod.reason = Some("Evicted".into()); }, Fail);
        kiali_ill(|e| of(&mut e.install.pods).iter_mut().find(|pod| pod.name.starts_with("kiali")).unwrap().ready = false, Fail);
        istiod_scaled_to_zero(|e| {
            scale_to_zero(installed(e, "istiod"));
            of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
        }, Fail);
        istiod_gets_no_pod(|e| of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod")), Fail);
        gateway_scaled_to_zero(|e| {
            let name = e.expectations.gateway.clone();
            scale_to_zero(installed(e, &name));
            of(&mut e.install.pods).retain(|pod| !pod.name.starts_with(&name));
        }, Fail);
        a_replica_was_refused(|e| installed(e, "istiod").replicas = 2, Fail);
        two_replicas(|e| { let istiod = installed(e, "istiod"); istiod.replicas = 2; istiod.current_replicas = 2; istiod.updated_replicas = 2; istiod.available_replicas = 2; }, Pass);
        all_leave(|e| of(&mut e.install.pods).iter_mut().for_each(|pod| pod.terminating = true), Fail);
        nothing(|e| { of(&mut e.install.pods).clear(); of(&mut e.install.deployments).clear(); }, Fail);
        no_namespace(|e| e.install.pods = Observation::absent("no namespace"), Fail);
        pods_unseen(|e| e.install.pods = Observation::failed("forbidden"), Unjudged);
        deployments_unseen(|e| e.install.deployments = Observation::failed("forbidden"), Unjudged);
        proven_wrong_anyhow(|e| {
            e.install.deployments = Observation::failed("forbidden");
            gateway(e).ready = false;
        }, Fail);
    }
}
