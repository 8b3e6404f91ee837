//! Each pod is READY 2/2 and Running.

use crate::claims::by_name::two_containers_per_pod;
use crate::claims::mesh::demo_pods::{current_pods, deployment_explains_pods, is_unready};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Pod};
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::sidecar::{INIT, SIDECAR, find_ended_application, init_runs_again};
use crate::facts::workload::is_in_restart_loop;
use crate::format::{
    POD, count, format_container_state, format_pod_state, format_ready_containers,
};
use crate::judgement::{Judged, Judgement, require};
use crate::object::Object;
use crate::steps::{pods, workloads};

claim! {
    /// The tutorial shows each pod of the namespace `client` with READY `2/2`, STATUS `Running` and RESTARTS `0`.
    ///
    /// ## Why it matters
    /// READY 2/2 means that the application and the sidecar both take traffic. A pod that is READY 1/2 or restarts
    /// is removed from its service, and requests fail.
    ///
    /// ## How it is checked
    /// Lists the pods of the demo's namespace twice, at the beginning and at the end of the check. Both times each pod
    /// is `Running` and ready, with two ready containers, and no container restarts in between. Earlier restarts are no
    /// failure, except a loop: three restarts, the last one within ten minutes. Pods that have ended or are terminating
    /// do not count. It needs `list` on `pods`.
    ///
    /// ## What makes it fail
    /// - A pod is `Pending`, or a container does not start or is not ready.
    /// - A container restarts in a loop, or restarts during the check.
    /// - The pod has another number of containers than two.
    /// - A job's application has ended, and its sidecar still runs.
    ///
    /// ## How to fix it
    /// - A deployment is not available (`backend_deployment`, `client_deployment`): fix it first.
    /// - The number of containers is wrong (`two_containers_per_pod`): fix it, then restart the deployment.
    /// - A job has ended: end its sidecar with `pilot-agent request POST quitquitquit`, or delete the job.
    /// - `istio-init` runs again beside running containers, because its container was removed: restart the deployment.
    /// - A container crashes: read its last log, then fix the template or roll back with `kubectl rollout undo`.
    ///
    /// ## Check by hand
    ///     kubectl -n client get pods
    ///     kubectl -n client describe pod NAME
    ///     kubectl -n client logs NAME -c istio-proxy --previous
    mesh::pods_ready: "each pod is READY 2/2 and Running",
    needs: Reading,
    stops: [ClientSidecar, BackendSidecar],
    caused_by: [
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        backend_deployment if deployment_is_unready,
        client_deployment if deployment_is_unready,
        two_containers_per_pod if only_number_of_containers_differs,
    ],
}

const READY: &str = "Running, READY 2/2, no restart loop";
const STAYS_READY: &str = "Running, READY 2/2 during the whole check";

fn judge(evidence: &Evidence) -> Judged {
    let mut pods = current_pods(evidence)?;
    // A failed pod stays listed, for example an evicted one. Where other pods exist, one of them replaced it.
    if pods.iter().any(|pod| pod.phase != "Failed") {
        pods.retain(|pod| pod.phase != "Failed");
    }
    let ready = pods.iter().map(|pod| judge_pod(evidence, pod));
    all_hold(ready.chain([judge_second_list(evidence, &pods)]))?;
    pods.retain(|pod| !pod.is_gateway());
    Ok(Judgement::pass(format!("{} READY 2/2 and Running", count(pods.len(), POD))))
}

/// Returns a failure of a pod, with the steps that show its reason.
fn fail(evidence: &Evidence, pod: &Pod, summary: String, observed: String) -> Judgement {
    Judgement::fail(summary)
        .expected(READY)
        .observed(observed)
        .object(Object::pod(pod))
        .steps(pods::diagnose(evidence, pod))
}

/// Judges a job's pod whose application has ended while its sidecar runs: it never ends.
fn judge_ended_application(evidence: &Evidence, pod: &Pod) -> Judged {
    let Some(ended) = find_ended_application(pod) else {
        return Ok(Judgement::pass(String::new()));
    };
    let (name, state) = (&pod.name, format_container_state(ended));
    let summary =
        format!("pod {name}: container {} has ended, but {SIDECAR} still runs", ended.name);
    Err(Judgement::fail(summary)
        .expected(format!("{SIDECAR} ended"))
        .observed(format!("{SIDECAR} running, {} {state}", ended.name))
        .object(Object::pod(pod))
        .steps(pods::end_sidecar(evidence, pod)))
}

/// Whether a pod is not in phase Running, or it or a container of it is not ready.
fn has_unready_container(pod: &Pod) -> bool {
    pod.phase != "Running" || !pod.ready || pod.counted_containers().any(|it| !it.ready)
}

fn judge_pod(evidence: &Evidence, pod: &Pod) -> Judged {
    let name = &pod.name;
    if let Some(container) =
        pod.all_containers().find(|it| is_in_restart_loop(it, evidence.moment()))
    {
        let summary = if init_runs_again(pod) {
            format!("pod {name}: {INIT} runs again and fails, because its rules exist already")
        } else {
            format!("pod {name}: container {} restarts in a loop", container.name)
        };
        return Err(fail(evidence, pod, summary, format_container_state(container)));
    }
    judge_ended_application(evidence, pod)?;
    if has_unready_container(pod) {
        let state = format_pod_state(pod);
        return Err(fail(evidence, pod, format!("pod {name} is not ready: {state}"), state));
    }
    // A gateway has one container: `two_containers_per_pod` fails for it.
    if pod.counted_containers().count() != 2 && !pod.is_gateway() {
        let shown = format_ready_containers(pod);
        let because = if pod.sidecar().is_none() { ": it has no sidecar" } else { "" };
        return Err(Judgement::fail(format!("pod {name} is READY {shown}, not 2/2{because}"))
            .expected(READY)
            .observed(format!("Running, READY {shown}"))
            .object(Object::pod(pod))
            .step(pods::replace(evidence, pod)));
    }
    Ok(Judgement::pass(String::new()))
}

/// Judges the second list: the pods are still ready and have not restarted. A pod that another one has replaced is no
/// failure.
fn judge_second_list(evidence: &Evidence, pods: &[&Pod]) -> Judged {
    let namespace = &evidence.expectations.namespace;
    let object = Object::demo_namespace(evidence);
    let show = || pods::list(evidence, namespace, &[], "List the pods");
    if evidence.demo.pods_at_end.is_absent() {
        return Err(Judgement::fail(format!("namespace {namespace} was deleted during the check"))
            .expected(STAYS_READY)
            .observed(format!("no namespace {namespace}"))
            .object(object)
            .step(show()));
    }
    let what = "the pods at the end of the check";
    let at_end = require(&evidence.demo.pods_at_end, what, &object, show)?;
    if at_end.iter().all(|pod| pod.terminating) {
        return Err(Judgement::fail("all pods were deleted during the check")
            .expected(STAYS_READY)
            .observed("no pod")
            .object(object)
            .step(workloads::list_deployments(evidence, "List the deployments")));
    }
    for pod in pods {
        let Some(later) = at_end.iter().find(|later| later.name == pod.name) else { continue };
        for before in pod.all_containers() {
            let restarted = later
                .all_containers()
                .find(|it| it.name == before.name && it.restarts > before.restarts);
            if let Some(now) = restarted {
                let summary =
                    format!("pod {}: container {} restarted during the check", pod.name, now.name);
                return Err(fail(evidence, later, summary, format_container_state(now)));
            }
        }
        judge_ended_application(evidence, later)?;
        if has_unready_container(later) && !later.terminating && later.phase != "Succeeded" {
            let state = format_pod_state(later);
            let summary = format!("pod {} became unready during the check", pod.name);
            return Err(fail(evidence, later, summary, state).expected(STAYS_READY));
        }
    }
    Ok(Judgement::pass(String::new()))
}

/// Whether the number of containers is the only reason for which pods are not READY 2/2.
fn only_number_of_containers_differs(effect: &Effect<'_, Evidence>) -> bool {
    let pods = current_pods(effect.evidence).unwrap_or_default();
    pods.iter().any(|pod| pod.counted_containers().count() != 2)
        && pods.iter().all(|pod| !is_unready(effect.evidence, pod))
}

fn deployment_is_unready(effect: &Effect<'_, Evidence>) -> bool {
    let sidecars_are_claimed = effect.fails(&two_containers_per_pod::CLAIM);
    deployment_explains_pods(effect, |_| true, sidecars_are_claimed)
}

#[cfg(test)]
mod cases {
    use crate::claims::mesh::changes::{make_native, remove_sidecar};
    use crate::entry::cases;
    use crate::evidence::{ContainerState, Evidence, Observation, Pod, Termination};
    use crate::testing::{demo_pod, of};
    use jiff::SignedDuration;

    fn crash(e: &mut Evidence, minutes_ago: i64) {
        let at = e.recorded_at - SignedDuration::from_mins(minutes_ago);
        for pods in [&mut e.demo.pods, &mut e.demo.pods_at_end] {
            let containers = &mut of(pods)[0].containers;
            let sidecar = containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap();
            sidecar.restarts = 5;
            let reason = "Error".into();
            sidecar.last_termination =
                Some(Termination { exit_code: 137, reason, finished_at: Some(at) });
        }
    }

    /// Ends the application of a pod, whose sidecar still runs.
    fn end_application(pod: &mut Pod, owner: &str, exit_code: i32) {
        pod.owner = Some(owner.into());
        pod.ready = false;
        let application = pod.containers.iter_mut().find(|it| it.name != "istio-proxy").unwrap();
        let end = Termination { exit_code, reason: "Completed".into(), finished_at: None };
        (application.ready, application.state) = (false, ContainerState::Terminated(end));
    }

    /// Adds an evicted pod to the list, with its replacement or alone.
    fn evict(e: &mut Evidence, alone: bool) {
        for pods in [&mut e.demo.pods, &mut e.demo.pods_at_end] {
            let pods = of(pods);
            let mut old = pods[0].clone();
            old.name = "old-1".into();
            old.phase = "Failed".into();
            old.ready = false;
            old.reason = Some("Evicted: the node was low on memory".into());
            for it in old.containers.iter_mut().chain(&mut old.init_containers) {
                it.ready = false;
                it.state = ContainerState::Unknown;
            }
            if alone {
                pods.clear();
            }
            pods.push(old);
        }
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        native(make_native, Pass);
        one_container_not_ready(|e| { let pod = demo_pod(e, "echo"); pod.ready = false; pod.containers[0].ready = false; }, Fail);
        pending(|e| { let pod = demo_pod(e, "echo"); pod.phase = "Pending".into(); pod.ready = false; pod.reason = Some("Unschedulable: no room".into()); for it in &mut pod.containers { it.ready = false; it.state = ContainerState::Unknown; } for it in &mut pod.init_containers { it.state = ContainerState::Unknown; } }, Fail);
        readiness_gate(|e| demo_pod(e, "echo").ready = false, Fail);
        no_sidecar(|e| remove_sidecar(demo_pod(e, "echo")), Fail);
        restart_loop(|e| crash(e, 1), Fail);
        restarted_long_ago(|e| crash(e, 600), Pass);
        // The checking machine may have a wrong clock: the cluster's clock decides.
        restart_loop_by_a_clock_ahead(|e| { crash(e, 1); e.recorded_at += SignedDuration::from_hours(1); }, Fail);
        restarted_long_ago_by_a_clock_behind(|e| { crash(e, 600); e.recorded_at -= SignedDuration::from_mins(599); }, Pass);
        // A reboot ends every container of its node, and no container crashes.
        rebooted(|e| { crash(e, 1); for pod in of(&mut e.demo.pods) { for it in &mut pod.containers { if let Some(end) = &mut it.last_termination { end.reason = "Unknown".into(); } } } }, Pass);
        evicted(|e| evict(e, false), Pass);
        job_ended_beside_its_sidecar(|e| end_application(demo_pod(e, "echo"), "Job/load-test", 0), Fail);
        pod_without_owner_ended_beside_its_sidecar(|e| { let pod = demo_pod(e, "echo"); end_application(pod, "", 0); pod.owner = None; }, Fail);
        job_failed_beside_its_sidecar(|e| end_application(demo_pod(e, "echo"), "Job/load-test", 1), Fail);
        job_ended_meanwhile(|e| { let name = demo_pod(e, "echo").name.clone(); let pods = of(&mut e.demo.pods_at_end); end_application(pods.iter_mut().find(|it| it.name == name).unwrap(), "Job/load-test", 0); }, Fail);
        application_ended_without_a_job(|e| end_application(demo_pod(e, "echo"), "ReplicaSet/echo-1", 0), Fail);
        only_evicted(|e| evict(e, true), Fail);
        init_runs_again(|e| { let it = &mut demo_pod(e, "echo").init_containers[0]; it.ready = false; it.restarts = 12; it.last_termination = Some(Termination { exit_code: 1, reason: "Error".into(), finished_at: None }); it.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }; }, Fail);
        gateway(|e| { let it = demo_pod(e, "echo"); it.containers.retain(|it| it.name == "istio-proxy"); it.containers[0].args = vec!["proxy".into(), "router".into()]; }, Pass);
        backing_off(|e| { let it = &mut demo_pod(e, "client").containers[0]; it.ready = false; it.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }; }, Fail);
        restarted_meanwhile(|e| of(&mut e.demo.pods_at_end)[0].containers[0].restarts += 1, Fail);
        not_ready_meanwhile(|e| { let pod = &mut of(&mut e.demo.pods_at_end)[0]; pod.ready = false; pod.containers[1].ready = false; }, Fail);
        failed_meanwhile(|e| of(&mut e.demo.pods_at_end)[1].phase = "Failed".into(), Fail);
        all_gone_meanwhile(|e| of(&mut e.demo.pods_at_end).clear(), Fail);
        leaves_meanwhile(|e| { let pod = &mut of(&mut e.demo.pods_at_end)[0]; pod.terminating = true; pod.ready = false; }, Pass);
        replaced_meanwhile(|e| of(&mut e.demo.pods_at_end)[0].name = "new".into(), Pass);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        no_second_look(|e| e.demo.pods_at_end = Observation::failed("no answer"), Unjudged);
        no_second_look_and_a_fault(|e| { e.demo.pods_at_end = Observation::failed("no answer"); demo_pod(e, "echo").containers[0].ready = false; }, Fail);
        gone_meanwhile(|e| e.demo.pods_at_end = Observation::absent("there is no namespace"), Fail);
        second_look_not_asked(|e| e.demo.pods_at_end = Observation::not_asked("--only"), Skipped);
    }
}
