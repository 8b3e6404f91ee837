//! The cases of the claim.

use jiff::SignedDuration;

use crate::entry::cases;
use crate::evidence::{Condition, Container, ContainerState, Evidence, Observation, Termination};
use crate::testing::{gateway, installed, istiod, of, scale_to_zero, terminate_namespace};

/// Makes istiod's container end and restart, some minutes before the evidence was recorded.
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
    namespace_is_deleted(|e| { terminate_namespace(e, "istio-system", "") }, Fail);
    gateway_is_deleted(|e| { let name = e.expectations.gateway.clone(); installed(e, &name).terminating = true; }, Fail);
    kiali_is_deleted(|e| installed(e, "kiali").terminating = true, Pass);
    refused_by_a_quota(|e| {
        let istiod = installed(e, "istiod");
        istiod.conditions = vec![Condition { kind: "ReplicaFailure".into(), status: "True".into(), message: "pods \"istiod-1\" is forbidden: exceeded quota: team, requested: pods=1".into(), ..Condition::default() }];
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
    }, Fail);
    restarted_once(|e| { crashed(e, 1, 1); }, Pass);
    restarted_long_ago(|e| { crashed(e, 11, 9); }, Pass);
    old_pod_terminating(|e| {
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
    out_of_memory_ten_times(|e| { crashed(e, 900, 10); }, Fail);
    evicted_and_replaced(|e| {
        let mut old = istiod(e).clone();
        old.name = "istiod-old".into();
        old.phase = "Failed".into();
        old.ready = false;
        old.reason = Some("Evicted: The node was low on resource: ephemeral-storage.".into());
        of(&mut e.install.pods).push(old);
    }, Changed);
    restart_loop(|e| { crashed(e, 9, 3); }, Fail);
    crash_loop(|e| {
        let container = crashed(e, 60, 7);
        container.ready = false;
        container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() };
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
    gateway_not_injected(|e| {
        let namespace = e.expectations.istio_namespace.clone();
        let labels = of(&mut e.install.namespaces).get_mut(&namespace).unwrap();
        labels.insert("istio-injection".into(), "disabled".into());
        let pod = gateway(e);
        (pod.phase, pod.ready) = ("Pending".into(), false);
        let container = &mut pod.containers[0];
        (container.image, container.ready) = ("auto".into(), false);
        container.state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: String::new() };
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
    kiali_not_ready(|e| of(&mut e.install.pods).iter_mut().find(|pod| pod.name.starts_with("kiali")).unwrap().ready = false, Fail);
    istiod_scaled_to_zero(|e| {
        scale_to_zero(installed(e, "istiod"));
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
    }, Fail);
    istiod_has_no_pod(|e| of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod")), Fail);
    gateway_scaled_to_zero(|e| {
        let name = e.expectations.gateway.clone();
        scale_to_zero(installed(e, &name));
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with(&name));
    }, Fail);
    replica_missing(|e| installed(e, "istiod").replicas = 2, Fail);
    two_replicas(|e| { let istiod = installed(e, "istiod"); istiod.replicas = 2; istiod.current_replicas = 2; istiod.updated_replicas = 2; istiod.available_replicas = 2; }, Pass);
    all_terminating(|e| of(&mut e.install.pods).iter_mut().for_each(|pod| pod.terminating = true), Fail);
    not_installed(|e| { of(&mut e.install.pods).clear(); of(&mut e.install.deployments).clear(); }, Fail);
    no_namespace(|e| e.install.pods = Observation::absent("no namespace"), Fail);
    pods_unread(|e| e.install.pods = Observation::failed("forbidden"), Unjudged);
    deployments_unread(|e| e.install.deployments = Observation::failed("forbidden"), Unjudged);
    not_ready_and_deployments_unread(|e| {
        e.install.deployments = Observation::failed("forbidden");
        gateway(e).ready = false;
    }, Fail);
}
