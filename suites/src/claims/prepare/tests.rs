//! What turns the claims of *prepare* red, what leaves them unjudged, and what does not matter.

use crate::evidence::{
    Evidence, IpPool, LoadBalancerProbe, Observation, Reply, Resources, Service,
};
use crate::testing::{demo_pod, gateway, installed, istiod, of, scale_to_zero};

/// Another service that holds an address, and the names that hints must quote.
fn kong(evidence: &mut Evidence) {
    let proxy = Service {
        namespace: "kong".into(),
        name: "kong-proxy".into(),
        kind: "LoadBalancer".into(),
        load_balancer_addresses: vec!["198.51.100.7".into()],
        ..Service::default()
    };
    of(&mut evidence.cluster.load_balancer_services).push(proxy);
}

fn gateway_services(evidence: &mut Evidence) -> impl Iterator<Item = &mut Service> {
    let name = evidence.expectations.gateway.clone();
    of(&mut evidence.cluster.load_balancer_services)
        .iter_mut()
        .chain(of(&mut evidence.install.services))
        .filter(move |service| service.name == name)
}

fn pending(evidence: &mut Evidence) {
    gateway_services(evidence).for_each(|service| service.load_balancer_addresses.clear());
}

/// A service of our own got an address.
fn tried(evidence: &mut Evidence) {
    evidence.cluster.load_balancer_probe = Observation::seen(LoadBalancerProbe {
        namespace: "probe".into(),
        address: Some("198.51.100.8".into()),
        waited_ms: 900,
        events: Vec::new(),
    });
}

fn before_the_install(evidence: &mut Evidence) {
    tried(evidence);
    of(&mut evidence.cluster.load_balancer_services).clear();
    evidence.install.services = Observation::absent("no namespace");
    evidence.install.deployments = Observation::absent("no namespace");
    evidence.install.pods = Observation::seen(Vec::new());
    evidence.demo.pods = Observation::seen(Vec::new());
}

fn node_port(evidence: &mut Evidence) {
    gateway_services(evidence).for_each(|service| {
        service.kind = "NodePort".into();
        service.load_balancer_addresses.clear();
    });
    of(&mut evidence.cluster.load_balancer_services).clear();
}

fn not_tried(evidence: &mut Evidence) {
    evidence.cluster.load_balancer_probe = Observation::not_asked("--active");
}

fn tried_in_vain(evidence: &mut Evidence) {
    tried(evidence);
    let probe = of(&mut evidence.cluster.load_balancer_probe);
    probe.address = None;
    probe.events = vec!["no available IPs".into()];
}

fn blind(evidence: &mut Evidence) {
    evidence.cluster.load_balancer_services = Observation::failed("forbidden");
    evidence.install.services = Observation::failed("forbidden");
}

pub(crate) mod an_address_is_free {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        not_tried(not_tried, Pass);
        own_list_failed(|e| e.cluster.load_balancer_services = Observation::failed("x"), Pass);
        others_hold_too(kong, Pass);
        another_service_of_istio_waits(|e| {
            let mut other = of(&mut e.cluster.load_balancer_services)[0].clone();
            other.name = "eastwest".into();
            other.load_balancer_addresses.clear();
            of(&mut e.cluster.load_balancer_services).insert(0, other);
        }, Pass);
        pending_without_holder(pending, Fail);
        pool_used_up(|e| { kong(e); pending(e); }, Fail);
        hint_frees(|e| { kong(e); pending(e); }, Fail);
        before(before_the_install, Pass);
        before_in_vain(|e| { before_the_install(e); tried_in_vain(e); }, Fail);
        before_used_up(|e| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail);
        before_not_tried(|e| { before_the_install(e); not_tried(e); }, Skipped);
        before_not_possible(|e| { before_the_install(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged);
        node_port(|e| { node_port(e); not_tried(e); }, Skipped);
        blind(blind, Unjudged);
        blind_in_vain(|e| { blind(e); tried_in_vain(e); }, Fail);
    }
}

pub(crate) mod nobody_competes {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        enough_for_all(kong, Pass);
        nobody_holds(pending, Pass);
        competitor(|e| { kong(e); pending(e); }, Fail);
        called_like_the_gateway(|e| {
            pending(e);
            kong(e);
            let name = e.expectations.gateway.clone();
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().name = name;
        }, Fail);
        hint_looks(|e| { kong(e); pending(e); }, Fail);
        nothing_there(|e| { before_the_install(e); not_tried(e); }, Pass);
        before_used_up(|e| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail);
        before_one_left(|e| { before_the_install(e); kong(e); }, Pass);
        before_not_tried(|e| { before_the_install(e); kong(e); not_tried(e); }, Skipped);
        before_not_possible(|e| { before_the_install(e); kong(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged);
        node_port(|e| { node_port(e); not_tried(e); }, Pass);
        blind(|e| e.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged);
        our_own_probe(|e| {
            kong(e);
            pending(e);
            tried(e);
            let ours = of(&mut e.cluster.load_balancer_probe).namespace.clone();
            of(&mut e.cluster.load_balancer_services).last_mut().unwrap().namespace = ours;
        }, Pass);
    }
}

/// The backend is asked by its name, and the name is not resolved.
fn no_names(evidence: &mut Evidence) {
    for reply in &mut of(&mut evidence.demo.asked).replies {
        *reply = Reply { error: "Could not resolve host: echo-service".into(), ..Reply::default() };
    }
}

/// Cluster DNS with one pod: what is changed is then all there is.
fn one_dns(evidence: &mut Evidence) -> &mut crate::evidence::Dns {
    let dns = of(&mut evidence.cluster.dns);
    dns.pods.truncate(1);
    dns
}

fn dns_at(evidence: &mut Evidence, address: &str) {
    one_dns(evidence).pods[0].ip = Some(address.into());
}

fn pool(cidr: &str, disabled: bool) -> IpPool {
    IpPool { name: "pool".into(), cidr: cidr.into(), disabled }
}

pub(crate) mod dns_is_on_the_pod_network {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        calico(|e| {
            dns_at(e, "192.168.7.1");
            e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", false)]);
        }, Pass);
        calico_without_pools(|e| e.cluster.calico_pools = Observation::seen(vec![]), Pass);
        other_ranges(|e| {
            dns_at(e, "172.31.5.9");
            of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["fd00::/64".into(), "172.31.4.0/22".into()];
        }, Pass);
        called_otherwise(|e| of(&mut e.cluster.dns).deployments[0].name = "kube-dns".into(), Pass);
        outside(|e| dns_at(e, "203.0.113.9"), Fail);
        hint_names_it(|e| {
            of(&mut e.cluster.dns).deployments[0].name = "rke2-dns".into();
            dns_at(e, "203.0.113.9");
        }, Fail);
        outside_calico(|e| {
            e.cluster.calico_pools = Observation::seen(vec![pool("203.0.113.0/24", false)]);
            demo_pod(e, "echo").ip = Some("203.0.113.8".into());
        }, Fail);
        outside_calico_and_nodes(|e| {
            dns_at(e, "198.51.100.7");
            e.cluster.calico_pools = Observation::seen(vec![pool("203.0.113.0/24", false)]);
        }, Fail);
        // Calico keeps the policies alone, and its pool is nobody's.
        canal(|e| e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", false)]), Pass);
        canal_before_the_install(|e| {
            before_the_install(e);
            e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", false)]);
        }, Unjudged);
        calico_before_the_install(|e| {
            before_the_install(e);
            dns_at(e, "203.0.113.9");
            e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", false)]);
        }, Fail);
        pool_disabled(|e| {
            dns_at(e, "192.168.7.1");
            e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", true)]);
        }, Fail);
        one_of_two_outside(|e| {
            let mut second = one_dns(e).pods[0].clone();
            second.ip = Some("203.0.113.9".into());
            of(&mut e.cluster.dns).pods.push(second);
        }, Fail);
        host_network(|e| one_dns(e).pods[0].host_network = true, Fail);
        scaled_to_zero(|e| {
            no_names(e);
            let dns = of(&mut e.cluster.dns);
            dns.pods.clear();
            scale_to_zero(&mut dns.deployments[0]);
        }, Fail);
        // Clusters whose DNS is their provider's, or in another namespace.
        scaled_to_zero_and_not_needed(|e| {
            let dns = of(&mut e.cluster.dns);
            dns.pods.clear();
            scale_to_zero(&mut dns.deployments[0]);
        }, Unjudged);
        nothing_there_and_not_needed(|e| *of(&mut e.cluster.dns) = crate::evidence::Dns::default(), Unjudged);
        nothing_there_and_not_asked(|e| {
            *of(&mut e.cluster.dns) = crate::evidence::Dns::default();
            e.demo.asked = Observation::failed("forbidden");
        }, Fail);
        on_its_way_out(|e| { no_names(e); one_dns(e).pods[0].terminating = true; }, Fail);
        pending(|e| one_dns(e).pods[0].phase = "Pending".into(), Fail);
        not_ready(|e| one_dns(e).pods[0].ready = false, Fail);
        nothing_there(|e| { no_names(e); *of(&mut e.cluster.dns) = crate::evidence::Dns::default(); }, Fail);
        no_address_yet(|e| one_dns(e).pods[0].ip = None, Unjudged);
        no_ranges(|e| of(&mut e.cluster.nodes)[0].pod_cidrs.clear(), Unjudged);
        ranges_mean_nothing(|e| of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["203.0.113.0/24".into()], Unjudged);
        no_range_at_all(|e| of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["pods".into()], Unjudged);
        dns_unseen(|e| e.cluster.dns = Observation::failed("forbidden"), Unjudged);
        pools_unseen(|e| e.cluster.calico_pools = Observation::failed("forbidden"), Unjudged);
        nodes_unseen(|e| e.cluster.nodes = Observation::failed("forbidden"), Unjudged);
        wrong_whatever_the_pools(|e| {
            one_dns(e).pods[0].host_network = true;
            e.cluster.calico_pools = Observation::failed("forbidden");
        }, Fail);
    }
}

fn server(evidence: &mut Evidence, version: &str) {
    evidence.cluster.server_version = Observation::seen(version.into());
}

pub(crate) mod the_server_is_supported {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        too_old(|e| server(e, "v1.9.0"), Fail);
        too_new(|e| server(e, "v1.99.0"), Fail);
        no_version(|e| server(e, "stable"), Unjudged);
        unknown_istio(|e| e.expectations.istio_version = "1.99.0".into(), Unjudged);
        unseen(|e| e.cluster.server_version = Observation::failed("forbidden"), Unjudged);
        nobody_told(|e| e.cluster.server_version = Observation::absent("no version"), Fail);
    }
}

fn condition(evidence: &mut Evidence, kind: &str, status: &str) {
    let node = &mut of(&mut evidence.cluster.nodes)[0];
    node.conditions.iter_mut().find(|one| one.kind == kind).unwrap().status = status.into();
}

/// What the pods take leaves the first node with so much.
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

pub(crate) mod nodes_have_room {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        full_of_the_mesh(|e| leave(e, 0, 0, 0), Pass);
        requests_unseen(|e| e.cluster.requested = Observation::failed("forbidden"), Pass);
        room_before(|e| { before_the_install(e); leave(e, 800, 2432, 4); }, Pass);
        gateway_scaled_to_zero(|e| {
            leave(e, 0, 0, 0);
            let name = e.expectations.gateway.clone();
            gateway(e).labels.clear();
            scale_to_zero(installed(e, &name));
        }, Pass);
        not_ready(|e| condition(e, "Ready", "False"), Fail);
        unknown(|e| condition(e, "Ready", "Unknown"), Fail);
        silent(|e| of(&mut e.cluster.nodes)[0].conditions.clear(), Fail);
        memory(|e| condition(e, "MemoryPressure", "True"), Fail);
        disk(|e| condition(e, "DiskPressure", "True"), Fail);
        second_not_ready(|e| {
            let mut second = of(&mut e.cluster.nodes)[0].clone();
            second.name = "worker".into();
            second.conditions.clear();
            of(&mut e.cluster.nodes).push(second);
        }, Fail);
        no_nodes(|e| of(&mut e.cluster.nodes).clear(), Fail);
        no_cpu_before(|e| { before_the_install(e); leave(e, 499, 9000, 9); }, Fail);
        no_memory_before(|e| { before_the_install(e); leave(e, 2000, 2047, 9); }, Fail);
        no_memory_for_the_gateway(|e| { before_the_install(e); leave(e, 2000, 2048 + 127, 9); }, Fail);
        no_memory_for_a_sidecar(|e| { before_the_install(e); leave(e, 2000, 2048 + 128 + 127, 9); }, Fail);
        no_cpu_for_all(|e| { before_the_install(e); leave(e, 599, 9000, 9); }, Fail);
        no_sidecar(|e| { before_the_install(e); leave(e, 799, 9000, 9); }, Fail);
        no_pods_before(|e| { before_the_install(e); leave(e, 2000, 9000, 1); }, Fail);
        cordoned_before(|e| {
            before_the_install(e);
            of(&mut e.cluster.nodes)[0].unschedulable = true;
        }, Fail);
        tainted_before(|e| {
            before_the_install(e);
            of(&mut e.cluster.nodes)[0].taints = vec!["node-role.kubernetes.io/control-plane:NoSchedule".into()];
        }, Fail);
        gateway_waits(|e| {
            let pod = gateway(e);
            pod.node = None;
            pod.phase = "Pending".into();
            pod.reason = Some("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.".into());
        }, Fail);
        demo_waits(|e| {
            let pod = demo_pod(e, "echo");
            pod.node = None;
            pod.phase = "Pending".into();
            pod.reason = Some("0/1 nodes are available: 1 Too many pods.".into());
        }, Fail);
        nodes_unseen(|e| e.cluster.nodes = Observation::failed("forbidden"), Unjudged);
        requests_unseen_before(|e| {
            before_the_install(e);
            e.cluster.requested = Observation::failed("forbidden");
        }, Unjudged);
        demo_unseen(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged);
        demo_not_there_yet(|e| e.demo.pods = Observation::absent("no namespace"), Pass);
        pending_for_another_reason(|e| {
            let pod = demo_pod(e, "echo");
            pod.node = None;
            pod.phase = "Pending".into();
            pod.reason = Some("0/1 nodes are available: 1 node(s) had untolerated taint {a: b}.".into());
        }, Pass);
        had_to_wait(|e| demo_pod(e, "echo").reason = Some("1 Insufficient cpu.".into()), Pass);
        leaves_before_it_has_a_place(|e| {
            let pod = demo_pod(e, "echo");
            pod.node = None;
            pod.phase = "Pending".into();
            pod.terminating = true;
            pod.reason = Some("1 Insufficient cpu.".into());
        }, Pass);
        mesh_unseen(|e| {
            leave(e, 100, 100, 1);
            e.install.pods = Observation::failed("forbidden");
        }, Unjudged);
        istiod_without_a_node(|e| { istiod(e).node = None; leave(e, 500, 2048, 1); }, Pass);
    }
}
