//! Each pod is READY 2/2 and Running.

use crate::claims::by_name::{
    backend_deployment, client_deployment, namespace_labelled, two_containers_per_pod,
};
use crate::claims::mesh::demo_pods::{current_pods, deployment_explains_pods, is_unwell};
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
    /// is `Running` and ready, with two ready containers, and no container restarts in between. Restarts in the past
    /// are no failure, except a loop: three restarts, the last one within ten minutes. Pods that have ended or are
    /// being deleted do not count. It needs `list` on `pods`.
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
    /// - `istio-init` runs again beside living containers, because its own was removed: restart the deployment.
    /// - A container crashes: read its last log, then fix the template or go back with `kubectl rollout undo`.
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
        backend_deployment if backend_is_unwell,
        client_deployment if client_is_unwell,
        two_containers_per_pod if only_number_of_containers_differs,
    ],
    judge: judge,
}

const NO_RESTARTS: &str = "READY 2/2, Running, no restarts";
const ALL_THE_TIME: &str = "READY 2/2 and Running from the beginning of the look to its end";

fn judge(evidence: &Evidence) -> Judged {
    let mut pods = current_pods(evidence)?;
    // What has failed and stays listed (an evicted pod) has been replaced, where others exist.
    if pods.iter().any(|pod| pod.phase != "Failed") {
        pods.retain(|pod| pod.phase != "Failed");
    }
    let ready = pods.iter().map(|pod| judge_pod(evidence, pod));
    all_hold(ready.chain([judge_second_list(evidence, &pods)]))?;
    pods.retain(|pod| !pod.is_gateway());
    Ok(Judgement::pass(format!("{} READY 2/2 and Running", count(pods.len(), POD))))
}

/// A failure of a pod, with the steps that show why.
fn fail(evidence: &Evidence, pod: &Pod, summary: String, observed: String) -> Judgement {
    Judgement::fail(summary)
        .expected(NO_RESTARTS)
        .observed(observed)
        .object(Object::pod(pod))
        .steps(pods::diagnose(evidence, pod))
}

/// A job's pod whose application has ended while its sidecar runs: it never ends, and is never READY 2/2 again.
fn judge_ended_application(evidence: &Evidence, pod: &Pod) -> Judged {
    let Some(ended) = find_ended_application(pod) else {
        return Ok(Judgement::pass(String::new()));
    };
    let (name, state) = (&pod.name, format_container_state(ended));
    let summary = format!("{name}: container {} has ended, but {SIDECAR} still runs", ended.name);
    Err(Judgement::fail(summary)
        .expected("a job's pod ends together with its sidecar")
        .observed(format!("{} {state}, {SIDECAR} running", ended.name))
        .object(Object::pod(pod))
        .steps(pods::end_sidecar(evidence, pod)))
}

/// Whether a pod is not in phase Running, or it or a container of it is not ready.
fn is_unready(pod: &Pod) -> bool {
    pod.phase != "Running" || !pod.ready || pod.counted_containers().any(|it| !it.ready)
}

fn judge_pod(evidence: &Evidence, pod: &Pod) -> Judged {
    let name = &pod.name;
    if let Some(container) =
        pod.all_containers().find(|it| is_in_restart_loop(it, evidence.moment()))
    {
        let summary = if init_runs_again(pod) {
            format!(
                "{name}: {INIT} runs again beside its containers, whose rules it has set already"
            )
        } else {
            format!("{name}: container {} is restarted over and over", container.name)
        };
        return Err(fail(evidence, pod, summary, format_container_state(container)));
    }
    judge_ended_application(evidence, pod)?;
    if is_unready(pod) {
        let state = format_pod_state(pod);
        return Err(fail(evidence, pod, format!("{name} is not ready: {state}"), state));
    }
    // A gateway has one, which `two_containers_per_pod` tells.
    if pod.counted_containers().count() != 2 && !pod.is_gateway() {
        let shown = format_ready_containers(pod);
        let because = if pod.sidecar().is_none() { ", because it has no sidecar" } else { "" };
        return Err(Judgement::fail(format!("{name} is READY {shown}, not 2/2{because}"))
            .expected(NO_RESTARTS)
            .observed(shown)
            .object(Object::pod(pod))
            .step(pods::replace(evidence, pod)));
    }
    Ok(Judgement::pass(String::new()))
}

/// Whether the pods were still ready, and had not restarted, when they were listed a second time. A pod that
/// another has replaced is no failure.
fn judge_second_list(evidence: &Evidence, pods: &[&Pod]) -> Judged {
    let namespace = &evidence.expectations.namespace;
    let object = Object::demo_namespace(evidence);
    let what = "the pods, looked at a second time";
    let at_end = require(&evidence.demo.pods_at_end, what, &object, || {
        pods::list(evidence, namespace, &[], "shows what is there now")
    })?;
    if at_end.iter().all(|pod| pod.terminating) {
        return Err(Judgement::fail("no pod was left when they were looked at a second time")
            .expected(ALL_THE_TIME)
            .observed("no pod")
            .object(object)
            .step(workloads::list_deployments(evidence, "shows what should run there")));
    }
    for pod in pods {
        let Some(later) = at_end.iter().find(|later| later.name == pod.name) else { continue };
        for before in pod.all_containers() {
            let restarted = later
                .all_containers()
                .find(|it| it.name == before.name && it.restarts > before.restarts);
            if let Some(now) = restarted {
                let summary =
                    format!("{}: container {} was restarted during the look", pod.name, now.name);
                return Err(fail(evidence, later, summary, format_container_state(now)));
            }
        }
        judge_ended_application(evidence, later)?;
        if is_unready(later) && !later.terminating && later.phase != "Succeeded" {
            let state = format_pod_state(later);
            let summary = format!("{} did not stay ready during the look: {state}", pod.name);
            return Err(fail(evidence, later, summary, state).expected(ALL_THE_TIME));
        }
    }
    Ok(Judgement::pass(String::new()))
}

fn backend_is_unwell(effect: &Effect<'_, Evidence>) -> bool {
    explains(effect, &effect.evidence.expectations.backend_deployment)
}

fn client_is_unwell(effect: &Effect<'_, Evidence>) -> bool {
    explains(effect, &effect.evidence.expectations.client_deployment)
}

/// Nothing but the number of their containers keeps pods from being READY 2/2.
fn only_number_of_containers_differs(effect: &Effect<'_, Evidence>) -> bool {
    let pods = current_pods(effect.evidence).unwrap_or_default();
    pods.iter().any(|pod| pod.counted_containers().count() != 2)
        && pods.iter().all(|pod| !is_unwell(effect.evidence, pod))
}

fn explains(effect: &Effect<'_, Evidence>, deployment: &str) -> bool {
    let sidecars_are_claimed = effect.fails(&two_containers_per_pod::CLAIM);
    deployment_explains_pods(effect, deployment, |_| true, sidecars_are_claimed)
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

    /// The application of a pod has ended, and its sidecar runs on.
    fn end_application(pod: &mut Pod, owner: &str, exit_code: i32) {
        pod.owner = Some(owner.into());
        pod.ready = false;
        let application = pod.containers.iter_mut().find(|it| it.name != "istio-proxy").unwrap();
        let end = Termination { exit_code, reason: "Completed".into(), finished_at: None };
        (application.ready, application.state) = (false, ContainerState::Terminated(end));
    }

    /// A pod that was evicted stays listed, with its replacement or without.
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
        one_of_two(|e| { let pod = demo_pod(e, "echo"); pod.ready = false; pod.containers[0].ready = false; }, Fail);
        pending(|e| { let pod = demo_pod(e, "echo"); pod.phase = "Pending".into(); pod.ready = false; pod.reason = Some("Unschedulable: no room".into()); for it in &mut pod.containers { it.ready = false; it.state = ContainerState::Unknown; } for it in &mut pod.init_containers { it.state = ContainerState::Unknown; } }, Fail);
        readiness_gate(|e| demo_pod(e, "echo").ready = false, Fail);
        no_sidecar(|e| remove_sidecar(demo_pod(e, "echo")), Fail);
        loops(|e| crash(e, 1), Fail);
        restarted_long_ago(|e| crash(e, 600), Pass);
        // The machine that looks may have a wrong clock; the cluster's decides.
        loops_by_a_clock_ahead(|e| { crash(e, 1); e.recorded_at += SignedDuration::from_hours(1); }, Fail);
        restarted_long_ago_by_a_clock_behind(|e| { crash(e, 600); e.recorded_at -= SignedDuration::from_mins(599); }, Pass);
        // A node that was started anew ends every container, and nothing crashes.
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
