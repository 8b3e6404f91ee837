//! The cases of the claim.

use crate::claims::prepare::addresses::changes::before_the_install;
use crate::entry::cases;
use crate::evidence::{Evidence, Observation, Resources};
use crate::testing::{demo_pod, gateway, installed, istiod, move_gateway, of, scale_to_zero};

fn condition(evidence: &mut Evidence, kind: &str, status: &str) {
    let node = &mut of(&mut evidence.cluster.nodes)[0];
    node.conditions.iter_mut().find(|one| one.kind == kind).unwrap().status = status.into();
}

/// Leaves this much free on the first node.
fn leave(evidence: &mut Evidence, cpu_millis: u64, mebibytes: u64, pods: u64) {
    let all = Resources { cpu_millis: 4000, memory_bytes: 1 << 34, pods: 110 };
    of(&mut evidence.cluster.nodes)[0].allocatable = all;
    let name = of(&mut evidence.cluster.nodes)[0].name.clone();
    let taken = Resources {
        cpu_millis: all.cpu_millis - cpu_millis,
        memory_bytes: all.memory_bytes - mebibytes * 1024 * 1024,
        pods: all.pods - pods,
    };
    of(&mut evidence.cluster.requested).insert(name, taken);
}

/// Makes the backend's pod unschedulable, with this message of the scheduler.
fn wait(evidence: &mut Evidence, words: &str) {
    let pod = demo_pod(evidence, "echo");
    pod.node = None;
    pod.phase = "Pending".into();
    pod.reason = Some(format!("Unschedulable: 0/1 nodes are available: {words}"));
}

fn istiod_waits(evidence: &mut Evidence) {
    let pod = istiod(evidence);
    pod.node = None;
    pod.phase = "Pending".into();
    pod.reason = Some("Unschedulable: 0/1 nodes are available: 1 Insufficient memory.".into());
}

cases! { Evidence:
    healthy(|_| {}, Pass);
    full_with_the_mesh(|e| leave(e, 0, 0, 0), Pass);
    requests_unread(|e| e.cluster.requested = Observation::failed("forbidden"), Pass);
    room_before_install(|e| { before_the_install(e); leave(e, 800, 2432, 4); }, Pass);
    gateway_scaled_to_zero(|e| {
        leave(e, 0, 0, 0);
        let name = e.expectations.gateway.clone();
        gateway(e).labels.clear();
        scale_to_zero(installed(e, &name));
    }, Pass);
    not_ready(|e| condition(e, "Ready", "False"), Fail);
    ready_unknown(|e| condition(e, "Ready", "Unknown"), Fail);
    no_conditions(|e| of(&mut e.cluster.nodes)[0].conditions.clear(), Fail);
    memory_pressure(|e| condition(e, "MemoryPressure", "True"), Fail);
    disk_pressure(|e| condition(e, "DiskPressure", "True"), Fail);
    second_not_ready(|e| {
        let mut second = of(&mut e.cluster.nodes)[0].clone();
        second.name = "worker".into();
        second.conditions.clear();
        of(&mut e.cluster.nodes).push(second);
    }, Fail);
    no_nodes(|e| of(&mut e.cluster.nodes).clear(), Fail);
    no_cpu_for_istiod(|e| { before_the_install(e); leave(e, 499, 9000, 9); }, Fail);
    no_memory_for_istiod(|e| { before_the_install(e); leave(e, 2000, 2047, 9); }, Fail);
    no_memory_for_the_gateway(|e| { before_the_install(e); leave(e, 2000, 2048 + 127, 9); }, Fail);
    no_memory_for_the_demo(|e| { before_the_install(e); leave(e, 2000, 2048 + 128 + 127, 9); }, Fail);
    no_cpu_for_the_gateway(|e| { before_the_install(e); leave(e, 599, 9000, 9); }, Fail);
    no_cpu_for_the_demo(|e| { before_the_install(e); leave(e, 799, 9000, 9); }, Fail);
    no_pod_slots(|e| { before_the_install(e); leave(e, 2000, 9000, 1); }, Fail);
    cordoned(|e| {
        before_the_install(e);
        of(&mut e.cluster.nodes)[0].unschedulable = true;
    }, Fail);
    tainted_before_install(|e| {
        before_the_install(e);
        of(&mut e.cluster.nodes)[0].taints = vec!["node-role.kubernetes.io/control-plane:NoSchedule".into()];
    }, Fail);
    gateway_waits(|e| {
        let pod = gateway(e);
        pod.node = None;
        pod.phase = "Pending".into();
        pod.reason = Some("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.".into());
    }, Fail);
    istiod_waits(istiod_waits, Fail);
    istiod_waits_in_an_unfinished_install(|e| {
        istiod_waits(e);
        let gateway = e.expectations.gateway.clone();
        of(&mut e.install.deployments).retain(|it| it.name != gateway);
    }, Fail);
    demo_waits(|e| {
        let pod = demo_pod(e, "echo");
        pod.node = None;
        pod.phase = "Pending".into();
        pod.reason = Some("0/1 nodes are available: 1 Too many pods.".into());
    }, Fail);
    nodes_unread(|e| e.cluster.nodes = Observation::failed("forbidden"), Unjudged);
    requests_unread_before_install(|e| {
        before_the_install(e);
        e.cluster.requested = Observation::failed("forbidden");
    }, Unjudged);
    demo_unread(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged);
    no_demo_yet(|e| e.demo.pods = Observation::absent("no namespace"), Pass);
    pending_for_another_reason(|e| wait(e, "1 node(s) didn't match Pod's node affinity/selector."), Pass);
    tainted(|e| {
        of(&mut e.cluster.nodes)[0].taints = vec!["a=b:NoSchedule".into(), "c=:NoExecute".into()];
        wait(e, "1 node(s) had untolerated taint {c: }.");
    }, Fail);
    tainted_by_the_cloud(|e| wait(e, "1 node(s) had untolerated taint {node.cloudprovider.kubernetes.io/uninitialized: true}."), Fail);
    tainted_by_the_network(|e| wait(e, "1 node(s) had untolerated taint {node.cilium.io/agent-not-ready: }."), Fail);
    tainted_by_a_condition(|e| wait(e, "1 node(s) had untolerated taint {node.kubernetes.io/pid-pressure: }."), Fail);
    no_longer_tainted(|e| wait(e, "1 node(s) had untolerated taint {a: b}."), Fail);
    ports_in_use(|e| wait(e, "1 node(s) didn't have free ports for the requested pod ports."), Fail);
    istiod_of_another_namespace(|e| {
        before_the_install(e);
        leave(e, 0, 0, 0);
        e.install.webhooks = crate::testing::healthy().install.webhooks;
        for webhook in of(&mut e.install.webhooks) {
            webhook.service.as_mut().unwrap().namespace = "aks-istio-system".into();
        }
    }, Pass);
    full_with_the_gateway_elsewhere(|e| { move_gateway(e); leave(e, 0, 0, 0); }, Pass);
    full_with_the_gateway_perhaps_elsewhere(|e| {
        move_gateway(e);
        leave(e, 0, 0, 0);
        e.cluster.load_balancer_services = Observation::failed("services is forbidden");
    }, Unjudged);
    scheduled_after_a_wait(|e| demo_pod(e, "echo").reason = Some("1 Insufficient cpu.".into()), Pass);
    unscheduled_and_terminating(|e| {
        let pod = demo_pod(e, "echo");
        pod.node = None;
        pod.phase = "Pending".into();
        pod.terminating = true;
        pod.reason = Some("1 Insufficient cpu.".into());
    }, Pass);
    mesh_unread(|e| {
        leave(e, 100, 100, 1);
        e.install.pods = Observation::failed("forbidden");
    }, Unjudged);
    no_slot_before_install(|e| { before_the_install(e); leave(e, 4000, 8192, 0); }, Fail);
    istiod_without_a_node(|e| { istiod(e).node = None; leave(e, 500, 2048, 1); }, Pass);
}
