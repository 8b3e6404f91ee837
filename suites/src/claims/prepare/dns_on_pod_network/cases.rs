//! The cases of the claim.

use crate::claims::prepare::addresses::changes::before_the_install;
use crate::entry::cases;
use crate::evidence::{
    Container, ContainerState, Evidence, IpPool, Observation, Pod, Reply, Termination,
};
use crate::testing::{demo_pod, of, scale_to_zero};

/// Makes the client's requests fail because the backend's name does not resolve.
fn fail_resolution(evidence: &mut Evidence) {
    for reply in &mut of(&mut evidence.demo.asked).replies {
        *reply = Reply { error: "Could not resolve host: echo-service".into(), ..Reply::default() };
    }
}

/// Leaves one DNS pod, so that a change to it is a change to all.
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

cases! { Evidence:
    healthy(|_| {}, Pass);
    calico(|e| {
        dns_at(e, "192.168.7.1");
        e.cluster.calico_pools = Observation::seen(vec![pool("192.168.0.0/16", false)]);
    }, Pass);
    calico_without_pools(|e| e.cluster.calico_pools = Observation::seen(vec![]), Pass);
    other_ranges(|e| {
        dns_at(e, "172.31.5.9");
        demo_pod(e, "echo").ip = Some("172.31.5.10".into());
        of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["fd00::/64".into(), "172.31.4.0/22".into()];
    }, Pass);
    named_kube_dns(|e| of(&mut e.cluster.dns).deployments[0].name = "kube-dns".into(), Pass);
    outside(|e| dns_at(e, "203.0.113.9"), Fail);
    outside_and_named_rke2_dns(|e| {
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
    // Calico only enforces policies, and no pod uses its pool.
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
        fail_resolution(e);
        let dns = of(&mut e.cluster.dns);
        dns.pods.clear();
        scale_to_zero(&mut dns.deployments[0]);
    }, Fail);
    // Names resolve: DNS is the provider's, or in another namespace.
    scaled_to_zero_and_names_resolve(|e| {
        let dns = of(&mut e.cluster.dns);
        dns.pods.clear();
        scale_to_zero(&mut dns.deployments[0]);
    }, Unjudged);
    no_dns_and_names_resolve(|e| *of(&mut e.cluster.dns) = crate::evidence::Dns::default(), Unjudged);
    no_dns_and_proxies_find_istiod(|e| {
        *of(&mut e.cluster.dns) = crate::evidence::Dns::default();
        e.demo.asked = Observation::failed("forbidden");
    }, Unjudged);
    no_dns_and_replies_unread(|e| {
        *of(&mut e.cluster.dns) = crate::evidence::Dns::default();
        e.demo.asked = Observation::failed("pods/exec is forbidden");
        of(&mut e.install.istiod).clear();
    }, Unjudged);
    no_dns_and_no_client(|e| {
        *of(&mut e.cluster.dns) = crate::evidence::Dns::default();
        e.demo.asked = Observation::absent("no client pod runs");
    }, Unjudged);
    no_dns_and_no_request_asked(|e| {
        *of(&mut e.cluster.dns) = crate::evidence::Dns::default();
        e.demo.asked = Observation::not_asked("a preflight does not look at the mesh");
        of(&mut e.install.istiod).clear();
    }, Fail);
    terminating(|e| { fail_resolution(e); one_dns(e).pods[0].terminating = true; }, Fail);
    pending(|e| one_dns(e).pods[0].phase = "Pending".into(), Fail);
    not_ready(|e| one_dns(e).pods[0].ready = false, Fail);
    not_ready_and_other_pods_unread(|e| {
        one_dns(e).pods[0].ready = false;
        e.cluster.network_pods = Observation::default();
    }, Fail);
    kube_proxy_crashes(|e| {
        let dns = &mut one_dns(e).pods[0];
        dns.ready = false;
        let mut proxy = Pod { name: "kube-proxy-x7k2p".into(), ..dns.clone() };
        proxy.containers[0] = Container {
            name: "kube-proxy".into(),
            restarts: 5,
            state: ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() },
            last_termination: Some(Termination { exit_code: 1, reason: "Error".into(), finished_at: None }),
            ..Container::default()
        };
        e.cluster.network_pods = Observation::seen(vec![proxy]);
    }, Fail);
    not_ready_and_kube_proxy_crashes_on_another_node(|e| {
        let dns = &mut one_dns(e).pods[0];
        dns.ready = false;
        let here = Pod { name: "kube-proxy-x7k2p".into(), ready: true, ..dns.clone() };
        let there = Pod { name: "kube-proxy-9h4mz".into(), node: Some("worker".into()), ready: false, ..dns.clone() };
        e.cluster.network_pods = Observation::seen(vec![there, here]);
    }, Fail);
    no_dns(|e| { fail_resolution(e); *of(&mut e.cluster.dns) = crate::evidence::Dns::default(); }, Fail);
    no_address_yet(|e| one_dns(e).pods[0].ip = None, Unjudged);
    no_ranges(|e| of(&mut e.cluster.nodes)[0].pod_cidrs.clear(), Pass);
    no_ranges_and_another_network(|e| {
        of(&mut e.cluster.nodes)[0].pod_cidrs.clear();
        dns_at(e, "172.17.0.2");
    }, Unjudged);
    no_ranges_before_the_install(|e| {
        before_the_install(e);
        of(&mut e.cluster.nodes)[0].pod_cidrs.clear();
    }, Unjudged);
    ranges_not_used(|e| of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["203.0.113.0/24".into()], Pass);
    ranges_not_used_and_another_network(|e| {
        of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["203.0.113.0/24".into()];
        dns_at(e, "172.17.0.2");
    }, Unjudged);
    // Cilium was installed after DNS, and DNS was not restarted.
    address_of_network_before(|e| {
        of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["203.0.113.0/24".into()];
        dns_at(e, "203.0.113.9");
    }, Fail);
    version_6(|e| {
        of(&mut e.cluster.nodes)[0].pod_cidrs.clear();
        for pod in of(&mut e.install.pods).iter_mut().chain(of(&mut e.demo.pods)) {
            pod.ip = Some("2001:db8:1::5".into());
        }
        dns_at(e, "2001:db8:1:1::9");
    }, Pass);
    range_is_no_network(|e| of(&mut e.cluster.nodes)[0].pod_cidrs = vec!["pods".into()], Unjudged);
    dns_unread(|e| e.cluster.dns = Observation::failed("forbidden"), Unjudged);
    pools_unread(|e| e.cluster.calico_pools = Observation::failed("forbidden"), Unjudged);
    nodes_unread(|e| e.cluster.nodes = Observation::failed("forbidden"), Unjudged);
    host_network_and_pools_unread(|e| {
        one_dns(e).pods[0].host_network = true;
        e.cluster.calico_pools = Observation::failed("forbidden");
    }, Fail);
}
