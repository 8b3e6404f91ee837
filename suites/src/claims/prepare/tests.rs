//! What turns the claims of *prepare* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{
    Mutation, demo_pod, gateway, installed, istiod, of, prove, scale_to_zero,
};
use crate::evidence::{Evidence, IpPool, LoadBalancerProbe, Observation, Resources, Service};
use crate::judgement::Verdict::{self, Fail, Pass, Skipped, Unjudged};
use rstest::rstest;

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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "holds")]
#[case::not_tried(not_tried, Pass, "holds")]
#[case::own_list_failed(|e: &mut Evidence| e.cluster.load_balancer_services = Observation::failed("x"), Pass, "holds")]
#[case::others_hold_too(kong, Pass, "holds")]
#[case::pending_without_holder(pending, Fail, "no load balancer controller answers")]
#[case::pool_used_up(|e: &mut Evidence| { kong(e); pending(e); }, Fail, "used up by kong/kong-proxy (holds 198.51.100.7)")]
#[case::hint_frees(|e: &mut Evidence| { kong(e); pending(e); }, Fail, "-n kong patch svc kong-proxy")]
#[case::before(before_the_install, Pass, "a service of our own")]
#[case::before_in_vain(|e: &mut Evidence| { before_the_install(e); tried_in_vain(e); }, Fail, "no available IPs")]
#[case::before_used_up(|e: &mut Evidence| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail, "kong/kong-proxy")]
#[case::before_not_tried(|e: &mut Evidence| { before_the_install(e); not_tried(e); }, Skipped, "--active")]
#[case::before_not_possible(|e: &mut Evidence| { before_the_install(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged, "time-out")]
#[case::node_port(|e: &mut Evidence| { node_port(e); not_tried(e); }, Skipped, "NodePort")]
#[case::blind(blind, Unjudged, "forbidden")]
#[case::blind_in_vain(|e: &mut Evidence| { blind(e); tried_in_vain(e); }, Fail, "gets no load balancer address")]
fn an_address_is_free(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("prepare::load_balancer_address_free", mutation, verdict, words);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "no other service holds an address")]
#[case::enough_for_all(kong, Pass, "kong/kong-proxy")]
#[case::nobody_holds(pending, Pass, "another cause")]
#[case::competitor(|e: &mut Evidence| { kong(e); pending(e); }, Fail, "kong/kong-proxy")]
#[case::hint_looks(|e: &mut Evidence| { kong(e); pending(e); }, Fail, "-n kong get svc kong-proxy")]
#[case::nothing_there(|e: &mut Evidence| { before_the_install(e); not_tried(e); }, Pass, "no service holds")]
#[case::before_used_up(|e: &mut Evidence| { before_the_install(e); kong(e); tried_in_vain(e); }, Fail, "kong/kong-proxy")]
#[case::before_one_left(|e: &mut Evidence| { before_the_install(e); kong(e); }, Pass, "leave an address free")]
#[case::before_not_tried(|e: &mut Evidence| { before_the_install(e); kong(e); not_tried(e); }, Skipped, "--active")]
#[case::before_not_possible(|e: &mut Evidence| { before_the_install(e); kong(e); e.cluster.load_balancer_probe = Observation::failed("time-out"); }, Unjudged, "time-out")]
#[case::node_port(|e: &mut Evidence| { node_port(e); not_tried(e); }, Pass, "no service holds")]
#[case::blind(|e: &mut Evidence| e.cluster.load_balancer_services = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::our_own_probe(|e: &mut Evidence| {
    kong(e);
    pending(e);
    tried(e);
    let ours = of(&mut e.cluster.load_balancer_probe).namespace.clone();
    of(&mut e.cluster.load_balancer_services).last_mut().unwrap().namespace = ours;
}, Pass, "no other service")]
fn nobody_competes(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("prepare::no_competing_load_balancer", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "the nodes' pod ranges")]
#[case::calico(|e: &mut Evidence| {
    dns_at(e, "192.168.7.1");
    e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", false)]);
}, Pass, "192.168.0.0/16")]
#[case::calico_without_pools(|e: &mut Evidence| e.cluster.calico_pools = Observation::seen(vec![]), Pass, "the nodes' pod ranges")]
#[case::other_ranges(|e: &mut Evidence| {
    dns_at(e, "172.31.5.9");
    of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["fd00::/64".into(), "172.31.4.0/22".into()];
}, Pass, "172.31.4.0/22")]
#[case::called_otherwise(|e: &mut Evidence| of(&mut e.cluster.dns).deployments[0].name = "kube-dns".into(), Pass, "kube-dns")]
#[case::outside(|e: &mut Evidence| dns_at(e, "203.0.113.9"), Fail, "203.0.113.9")]
#[case::hint_names_it(|e: &mut Evidence| {
    of(&mut e.cluster.dns).deployments[0].name = "rke2-dns".into();
    dns_at(e, "203.0.113.9");
}, Fail, "rollout restart deployment/rke2-dns")]
#[case::outside_calico(|e: &mut Evidence| e.cluster.calico_pools = Observation::seen(vec![pool("203.0.113.0/24", false)]), Fail, "Calico")]
#[case::pool_disabled(|e: &mut Evidence| {
    dns_at(e, "192.168.7.1");
    e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", true)]);
}, Fail, "Calico")]
#[case::one_of_two_outside(|e: &mut Evidence| {
    let mut second = one_dns(e).pods[0].clone();
    second.ip = Some("203.0.113.9".into());
    of(&mut e.cluster.dns).pods.push(second);
}, Fail, "203.0.113.9")]
#[case::host_network(|e: &mut Evidence| one_dns(e).pods[0].host_network = true, Fail, "node's network")]
#[case::scaled_to_zero(|e: &mut Evidence| {
    let dns = of(&mut e.cluster.dns);
    dns.pods.clear();
    scale_to_zero(&mut dns.deployments[0]);
}, Fail, "--replicas=2")]
#[case::on_its_way_out(|e: &mut Evidence| one_dns(e).pods[0].terminating = true, Fail, "no DNS pod runs")]
#[case::pending(|e: &mut Evidence| one_dns(e).pods[0].phase = "Pending".into(), Fail, "Pending")]
#[case::not_ready(|e: &mut Evidence| one_dns(e).pods[0].ready = false, Fail, "no DNS pod is ready")]
#[case::nothing_there(|e: &mut Evidence| *of(&mut e.cluster.dns) = crate::evidence::Dns::default(), Fail, "no cluster DNS")]
#[case::no_address_yet(|e: &mut Evidence| one_dns(e).pods[0].ip = None, Unjudged, "no address yet")]
#[case::no_ranges(|e: &mut Evidence| of(&mut e.cluster.nodes)[0].pod_cidrs.clear(), Unjudged, "no node says")]
#[case::ranges_mean_nothing(|e: &mut Evidence| of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["203.0.113.0/24".into()], Unjudged, "other pods")]
#[case::no_range_at_all(|e: &mut Evidence| of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["pods".into()], Unjudged, "`pods`")]
#[case::dns_unseen(|e: &mut Evidence| e.cluster.dns = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::pools_unseen(|e: &mut Evidence| e.cluster.calico_pools = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::nodes_unseen(|e: &mut Evidence| e.cluster.nodes = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::wrong_whatever_the_pools(|e: &mut Evidence| {
    one_dns(e).pods[0].host_network = true;
    e.cluster.calico_pools = Observation::failed("forbidden");
}, Fail, "node's network")]
fn dns_is_on_the_pod_network(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("prepare::dns_on_pod_network", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "has its place")]
#[case::full_of_the_mesh(|e: &mut Evidence| leave(e, 0, 0, 0), Pass, "has its place")]
#[case::requests_unseen(|e: &mut Evidence| e.cluster.requested = Observation::failed("forbidden"), Pass, "has its place")]
#[case::room_before(|e: &mut Evidence| { before_the_install(e); leave(e, 800, 2432, 4); }, Pass, "room for istiod")]
#[case::gateway_scaled_to_zero(|e: &mut Evidence| {
    leave(e, 0, 0, 0);
    let name = e.expectations.gateway.clone();
    gateway(e).labels.clear();
    scale_to_zero(installed(e, &name));
}, Pass, "has its place")]
#[case::not_ready(|e: &mut Evidence| condition(e, "Ready", "False"), Fail, "Ready is False")]
#[case::unknown(|e: &mut Evidence| condition(e, "Ready", "Unknown"), Fail, "Ready is Unknown")]
#[case::silent(|e: &mut Evidence| of(&mut e.cluster.nodes)[0].conditions.clear(), Fail, "no condition Ready")]
#[case::memory(|e: &mut Evidence| condition(e, "MemoryPressure", "True"), Fail, "MemoryPressure")]
#[case::disk(|e: &mut Evidence| condition(e, "DiskPressure", "True"), Fail, "DiskPressure")]
#[case::second_not_ready(|e: &mut Evidence| {
    let mut second = of(&mut e.cluster.nodes)[0].clone();
    second.name = "worker".into();
    second.conditions.clear();
    of(&mut e.cluster.nodes).push(second);
}, Fail, "describe node worker")]
#[case::no_nodes(|e: &mut Evidence| of(&mut e.cluster.nodes).clear(), Fail, "no node")]
#[case::no_cpu_before(|e: &mut Evidence| { before_the_install(e); leave(e, 499, 9000, 9); }, Fail, "no room for istiod")]
#[case::no_memory_before(|e: &mut Evidence| { before_the_install(e); leave(e, 2000, 2047, 9); }, Fail, "no room for istiod")]
#[case::no_cpu_for_all(|e: &mut Evidence| { before_the_install(e); leave(e, 599, 9000, 9); }, Fail, "no room for the ingress gateway")]
#[case::no_sidecar(|e: &mut Evidence| { before_the_install(e); leave(e, 799, 9000, 9); }, Fail, "no room for a pod of the demo")]
#[case::no_pods_before(|e: &mut Evidence| { before_the_install(e); leave(e, 2000, 9000, 1); }, Fail, "no room for the ingress gateway")]
#[case::cordoned_before(|e: &mut Evidence| {
    before_the_install(e);
    of(&mut e.cluster.nodes)[0].unschedulable = true;
}, Fail, "no node takes pods")]
#[case::tainted_before(|e: &mut Evidence| {
    before_the_install(e);
    of(&mut e.cluster.nodes)[0].taints = vec!["node-role.kubernetes.io/control-plane:NoSchedule".into()];
}, Fail, "no node takes pods")]
#[case::gateway_waits(|e: &mut Evidence| {
    let pod = gateway(e);
    pod.node = None;
    pod.phase = "Pending".into();
    pod.reason = Some("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.".into());
}, Fail, "Insufficient cpu")]
#[case::demo_waits(|e: &mut Evidence| {
    let pod = demo_pod(e, "echo");
    pod.node = None;
    pod.phase = "Pending".into();
    pod.reason = Some("0/1 nodes are available: 1 Too many pods.".into());
}, Fail, "Too many pods")]
#[case::nodes_unseen(|e: &mut Evidence| e.cluster.nodes = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::requests_unseen_before(|e: &mut Evidence| {
    before_the_install(e);
    e.cluster.requested = Observation::failed("forbidden");
}, Unjudged, "forbidden")]
#[case::mesh_unseen(|e: &mut Evidence| {
    leave(e, 100, 100, 1);
    e.install.pods = Observation::failed("forbidden");
}, Unjudged, "forbidden")]
#[case::istiod_without_a_node(|e: &mut Evidence| { istiod(e).node = None; leave(e, 500, 2048, 1); }, Pass, "room for istiod")]
fn nodes_have_room(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("prepare::nodes_ready", mutation, verdict, words);
}
