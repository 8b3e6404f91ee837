//! What turns the claims of *mesh* red, what leaves them unjudged, and what does not matter.

use crate::evidence::{Container, ContainerState, Evidence, Observation, Pod, Termination};
use crate::judgement::Verdict::{Fail, Pass};
use crate::testing::{demo_pod, installed, of, prove, scale_to_zero};
use rstest::rstest;

fn without_sidecar(pod: &mut Pod) {
    pod.containers.retain(|container| container.name != "istio-proxy");
    pod.init_containers.clear();
}

fn add_container(pod: &mut Pod, name: &str) {
    let more = Container { name: name.into(), ready: true, ..Container::default() };
    pod.containers.push(more);
}

/// The sidecar as newer versions have it.
fn make_native(e: &mut Evidence) {
    for pods in [&mut e.demo.pods, &mut e.demo.pods_at_end] {
        for pod in of(pods) {
            let at = pod.containers.iter().position(|it| it.name == "istio-proxy").unwrap();
            let mut sidecar = pod.containers.remove(at);
            sidecar.restart_policy = Some("Always".into());
            pod.init_containers.push(sidecar);
        }
    }
}

/// A job that has ended, and another workload with a sidecar: neither is a fault.
fn busy_namespace(e: &mut Evidence) {
    for pods in [&mut e.demo.pods, &mut e.demo.pods_at_end] {
        let mut other = of(pods)[0].clone();
        other.name = "other-1".into();
        other.labels.insert("app".into(), "other".into());
        let mut done = other.clone();
        done.name = "job-1".into();
        done.phase = "Succeeded".into();
        done.ready = false;
        without_sidecar(&mut done);
        let mut leaving = other.clone();
        leaving.name = "leaving-1".into();
        leaving.terminating = true;
        without_sidecar(&mut leaving);
        of(pods).extend([other, done, leaving]);
    }
    let log = e.mesh.init_logs.values().next().unwrap().clone();
    e.mesh.init_logs.insert("other-1".into(), log);
    let live = e.mesh.live_rules.values().next().unwrap().clone();
    e.mesh.live_rules.insert("other-1".into(), live);
    for istiod in of(&mut e.install.istiod).values_mut() {
        let mut proxy = of(&mut istiod.proxies)[0].clone();
        proxy.proxy = "other-1.client".into();
        of(&mut istiod.proxies).push(proxy);
    }
}

#[rstest]
#[case("mesh::two_containers_per_pod")]
#[case("mesh::pods_ready")]
#[case("mesh::init_arguments")]
#[case("mesh::inbound_redirected")]
#[case("mesh::outbound_redirected")]
#[case("mesh::live_rules")]
#[case("mesh::traffic_through_proxies")]
#[case("mesh::proxies_in_sync")]
#[case("mesh::unlabelled_namespace_left_alone")]
fn other_workloads_are_no_fault(#[case] id: &str) {
    prove(id, busy_namespace, Pass);
}

pub(crate) mod two_containers {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        before_the_label(|e| without_sidecar(demo_pod(e, "echo")), Fail);
        not_labelled(|e| { without_sidecar(demo_pod(e, "echo")); of(&mut e.install.namespaces).get_mut("client").unwrap().clear(); }, Fail);
        refuses(|e| { let pod = demo_pod(e, "echo"); without_sidecar(pod); pod.annotations.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail);
        third(|e| add_container(demo_pod(e, "client"), "debug"), Fail);
        third_is_taken_out(|e| add_container(demo_pod(e, "client"), "debug"), Fail);
        third_stands_first(|e| {
            let pod = demo_pod(e, "client");
            add_container(pod, "debug");
            pod.containers.reverse();
        }, Fail);
        third_beside_another_application(|e| {
            let pod = demo_pod(e, "client");
            pod.containers.iter_mut().for_each(|it| if it.name == "client" { it.name = "mine".into(); });
            add_container(pod, "debug");
        }, Fail);
        no_application(|e| demo_pod(e, "client").containers.retain(|it| it.name == "istio-proxy"), Fail);
        an_impostor(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "nginx".into(); } }, Fail);
        native(make_native, Changed);
        one_native_one_missing(|e| { make_native(e); without_sidecar(demo_pod(e, "echo")); }, Fail);
        no_pods(|e| of(&mut e.demo.pods).clear(), Fail);
        no_namespace(|e| e.demo.pods = Observation::absent("there is no namespace client"), Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        named_like_it(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "example.com/proxyv2/nginx:1".into(); } }, Fail);
        tagged_like_it(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "nginx:proxyv2".into(); } }, Fail);
        vendors_name(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "registry.example/mesh/istio-proxyv2-rhel8:2.5".into(); } }, Pass);
        mirror(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "localhost:5000/mesh/proxyv2@sha256:00".into(); } }, Pass);
        none_started(|e| { for pod in of(&mut e.demo.pods) { pod.phase = "Pending".into(); pod.ready = false; } }, Fail);
        all_failed(|e| { for pod in of(&mut e.demo.pods) { pod.phase = "Failed".into(); } }, Fail);
        evicted(|e| { let mut old = demo_pod(e, "echo").clone(); old.name = "evicted".into(); old.phase = "Failed".into(); without_sidecar(&mut old); of(&mut e.demo.pods).push(old); }, Pass);
    }
}

fn crash(e: &mut Evidence, restarts: u32, minutes_ago: i64) {
    let at = e.recorded_at - jiff::SignedDuration::from_mins(minutes_ago);
    for pods in [&mut e.demo.pods, &mut e.demo.pods_at_end] {
        let sidecar =
            of(pods)[0].containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap();
        sidecar.restarts = restarts;
        sidecar.last_termination =
            Some(Termination { exit_code: 137, reason: "Error".into(), finished_at: Some(at) });
    }
}

/// A pod that was evicted stays listed; its replacement is well, or is not there.
fn evicted(e: &mut Evidence, alone: bool) {
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

pub(crate) mod pods_ready {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        native(make_native, Pass);
        one_of_two(|e| { let pod = demo_pod(e, "echo"); pod.ready = false; pod.containers[0].ready = false; }, Fail);
        pending(|e| { let pod = demo_pod(e, "echo"); pod.phase = "Pending".into(); pod.ready = false; pod.reason = Some("Unschedulable: no room".into()); for it in &mut pod.containers { it.ready = false; it.state = ContainerState::Unknown; } for it in &mut pod.init_containers { it.state = ContainerState::Unknown; } }, Fail);
        readiness_gate(|e| demo_pod(e, "echo").ready = false, Fail);
        no_sidecar(|e| without_sidecar(demo_pod(e, "echo")), Fail);
        loops(|e| crash(e, 5, 1), Fail);
        restarted_long_ago(|e| crash(e, 5, 600), Pass);
        // The machine that looks may have a wrong clock; the cluster's decides.
        loops_by_a_clock_ahead(|e| { crash(e, 5, 1); e.recorded_at += jiff::SignedDuration::from_hours(1); }, Fail);
        restarted_long_ago_by_a_clock_behind(|e| { crash(e, 5, 600); e.recorded_at -= jiff::SignedDuration::from_mins(599); }, Pass);
        // A node that was started anew ends every container, and nothing crashes.
        rebooted(|e| { crash(e, 5, 1); for pod in of(&mut e.demo.pods) { for it in &mut pod.containers { if let Some(end) = &mut it.last_termination { end.reason = "Unknown".into(); } } } }, Pass);
        evicted(|e| evicted(e, false), Pass);
        only_evicted(|e| evicted(e, true), Fail);
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

/// Labels the demo's namespace, or takes its labels away.
fn label(e: &mut Evidence, labelled: bool) {
    let namespace = e.expectations.namespace.clone();
    let labels = of(&mut e.install.namespaces).get_mut(&namespace).unwrap();
    labels.clear();
    if labelled {
        labels.insert("istio-injection".into(), "enabled".into());
    }
}

pub(crate) mod unlabelled {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        everywhere(|e| { let inside = of(&mut e.mesh.dry_run_labelled).clone(); let outside = of(&mut e.mesh.dry_run_unlabelled); outside.containers = inside.containers; outside.init_containers = inside.init_containers; }, Fail);
        everywhere_by_name(|e| { let outside = of(&mut e.mesh.dry_run_unlabelled); outside.containers[0].name = "istio-proxy".into(); }, Fail);
        nowhere(|e| { let run = of(&mut e.mesh.dry_run_labelled); run.containers.retain(|it| it.name != "istio-proxy"); run.init_containers.clear(); }, Fail);
        no_namespace(|e| e.mesh.dry_run_labelled = Observation::absent("there is no namespace client"), Fail);
        forbidden(|e| e.mesh.dry_run_labelled = Observation::failed("cannot create resource"), Unjudged);
        forbidden_outside(|e| e.mesh.dry_run_unlabelled = Observation::failed("cannot create resource"), Unjudged);
        nowhere_though_labelled(|e| { label(e, true); of(&mut e.mesh.dry_run_labelled).containers.retain(|it| it.name != "istio-proxy"); of(&mut e.mesh.dry_run_labelled).init_containers.clear(); }, Fail);
        nowhere_and_not_labelled(|e| { label(e, false); of(&mut e.mesh.dry_run_labelled).containers.retain(|it| it.name != "istio-proxy"); of(&mut e.mesh.dry_run_labelled).init_containers.clear(); }, Fail);
        one_wrong_one_unseen(|e| { e.mesh.dry_run_labelled = Observation::failed("no answer"); let inside = e.mesh.dry_run_unlabelled.value_mut().unwrap(); inside.containers[0].name = "istio-proxy".into(); }, Fail);
        not_asked(|e| { e.mesh.dry_run_labelled = Observation::not_asked("--only"); e.mesh.dry_run_unlabelled = Observation::not_asked("--only"); }, Skipped);
    }
}

fn init<'e>(e: &'e mut Evidence, app: &str) -> &'e mut Container {
    let init = &mut demo_pod(e, app).init_containers;
    init.iter_mut().find(|container| container.name == "istio-init").unwrap()
}

/// Puts a value behind an option, in place of the one that is there.
fn option(e: &mut Evidence, option: &str, value: &str) {
    let arguments = &mut init(e, "echo").args;
    match arguments.iter().position(|word| word == option) {
        Some(at) => arguments[at + 1] = value.into(),
        None => arguments.extend([option.to_owned(), value.to_owned()]),
    }
}

pub(crate) mod init_arguments {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        other_order(|e| option(e, "-d", "15020,15021,15090"), Pass);
        outbound_port(|e| option(e, "-p", "15002"), Fail);
        expected_in_words(|e| option(e, "-p", "15002"), Fail);
        inbound_port(|e| option(e, "-z", "15001"), Fail);
        user(|e| option(e, "-u", "0"), Fail);
        mode(|e| option(e, "-m", "TPROXY"), Fail);
        ranges(|e| option(e, "-i", "10.0.0.0/8"), Fail);
        ranges_left_out(|e| option(e, "-x", "10.96.0.0/12"), Fail);
        inbound_ports(|e| option(e, "-b", "80"), Fail);
        inbound_left_out(|e| option(e, "-d", "15090,15021,15020,5678"), Fail);
        own_port_not_left_out(|e| option(e, "-d", "15090,15021"), Fail);
        outbound_left_out(|e| { option(e, "-o", "80"); demo_pod(e, "echo").annotations.insert("traffic.sidecar.istio.io/excludeOutboundPorts".into(), "80".into()); }, Fail);
        interface_left_out(|e| option(e, "-c", "eth1"), Fail);
        cni(|e| init(e, "echo").name = "istio-validation".into(), Changed);
        no_init(|e| demo_pod(e, "echo").init_containers.clear(), Fail);
        no_sidecars(|e| { for pod in of(&mut e.demo.pods) { without_sidecar(pod); } }, Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        unknown_exclusion(|e| option(e, "--exclude-everything", "yes"), Fail);
        other_system_namespace(|e| { e.expectations.istio_namespace = "mesh-system".into(); option(e, "-m", "TPROXY"); }, Fail);
        one_wrong_one_by_cni(|e| { option(e, "-o", "80"); init(e, "client").name = "istio-validation".into(); }, Fail);
    }
}

/// Changes the log of one pod's init container.
fn log(e: &mut Evidence, change: impl Fn(&str) -> String) {
    let log = e.mesh.init_logs.values_mut().next().unwrap();
    *of(log) = change(of(log));
}

/// The address of the pod whose log [`log`] changes.
fn own_ip(e: &mut Evidence) -> String {
    let name = e.mesh.init_logs.keys().next().unwrap().clone();
    of(&mut e.demo.pods).iter().find(|pod| pod.name == name).unwrap().ip.clone().unwrap()
}

/// Takes every line out that holds these words.
fn drop_lines(e: &mut Evidence, words: &str) {
    log(e, |text| {
        assert!(text.contains(words), "{words}");
        text.lines().filter(|line| !line.contains(words)).collect::<Vec<_>>().join("\n")
    });
}

/// Puts a rule in front of the first of its chain.
fn insert(e: &mut Evidence, chain: &str, rule: &str) {
    log(e, |text| {
        let first = format!("-A {chain} ");
        assert!(text.contains(&first), "{chain}");
        text.replace(&format!("\n{first}"), &format!("\n-A {chain} {rule}\n{first}"))
    });
}

pub(crate) mod inbound {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        port_left_out(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j RETURN"), Fail);
        version_6(|e| demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()), Unjudged);
        port_range_left_out(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 9000:9010 -j RETURN"), Fail);
        one_port_by_itself(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j REDIRECT --to-ports 15006"), Pass);
        the_way_of_the_port_that_is_wrong(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j RETURN"), Fail);
        own_address_left_out(|e| {
            let ip = own_ip(e);
            insert(e, "ISTIO_INBOUND", &format!("-d {ip}/32 -p tcp -j RETURN"));
        }, Fail);
        no_init_container(|e| { e.mesh.init_logs.clear(); for pod in of(&mut e.demo.pods) { pod.init_containers.clear(); } }, Unjudged);
        jump_missing(|e| drop_lines(e, "-A PREROUTING"), Fail);
        other_target(|e| log(e, |text| text.replace("--to-ports 15006", "--to-ports 15001")), Fail);
        own_port_redirected(|e| drop_lines(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15090"), Fail);
        reordered(|e| insert(e, "ISTIO_INBOUND", "-p tcp -j ISTIO_IN_REDIRECT"), Fail);
        dropped(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 15021 -j DROP"), Fail);
        no_tunnel_rule(|e| drop_lines(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15008"), Pass);
        too_many_to_follow(|e| log(e, |text| {
            let more = |port: u16| format!("-A ISTIO_INBOUND -s 10.0.{}.0/24 -p tcp -m tcp --dport {port} -j ISTIO_IN_REDIRECT\n", port % 256);
            let more: String = (1..400).map(more).collect();
            let at = text.rfind("-A ISTIO_INBOUND").unwrap();
            format!("{}{more}{}", &text[..at], &text[at..])
        }), Unjudged);
        unknown_match(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m set --match-set good src -j RETURN"), Unjudged);
        irrelevant_unknown(|e| insert(e, "ISTIO_INBOUND", "-p udp -m set --match-set good src -j RETURN"), Pass);
        no_rules(|e| log(e, |_| "nothing".into()), Unjudged);
        only_asked_for(|e| log(e, |text| text[..text.find("# Generated").unwrap()].into()), Unjudged);
        cut_off(|e| log(e, |text| text[..text.rfind("-A ISTIO_OUTPUT").unwrap()].into()), Unjudged);
        no_log(|e| { *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"); }, Unjudged);
        not_read(|e| e.mesh.init_logs.clear(), Unjudged);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        a_source_port_left_out(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --sport 1000 -j RETURN"), Fail);
        another_interface_left_out(|e| insert(e, "ISTIO_INBOUND", "-i net1 -j RETURN"), Fail);
        another_protocol_left_out(|e| insert(e, "ISTIO_INBOUND", "-p udp -j RETURN"), Pass);
        some_sources_left_out(|e| insert(e, "ISTIO_INBOUND", "-s 192.0.2.0/24 -p tcp -j RETURN"), Fail);
        wrong_beside_the_unknown(|e| { insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 9000 -j RETURN"); insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 7 -m set --match-set good src -j RETURN"); }, Fail);
        tunnel_unknown(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 15008 -m set --match-set good src -j RETURN"), Pass);
    }
}

/// The rules of `ISTIO_META_DNS_CAPTURE`, as far as they are for TCP.
/// Source: `tools/istio-iptables/pkg/capture/run.go` of Istio 1.20.
fn capture_dns(text: &str) -> String {
    let mut text = text.to_owned();
    for id in ["uid", "gid"] {
        let all = format!("-A ISTIO_OUTPUT -o lo -m owner ! --{id}-owner 1337 -j RETURN");
        let but_dns = format!(
            "-A ISTIO_OUTPUT -o lo -p tcp -m tcp ! --dport 53 -m owner ! --{id}-owner 1337 -j RETURN"
        );
        assert!(text.contains(&all), "{all}");
        text = text.replace(&all, &but_dns);
    }
    let last = "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN";
    let dns =
        "-A ISTIO_OUTPUT -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053";
    assert!(text.contains(last));
    text.replace(last, &format!("{dns}\n{last}"))
}

pub(crate) mod outbound {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        port_left_out(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 80 -j RETURN"), Fail);
        range_left_out(|e| insert(e, "ISTIO_OUTPUT", "-d 10.96.0.0/12 -j RETURN"), Fail);
        one_address_left_out(|e| insert(e, "ISTIO_OUTPUT", "-d 192.0.2.9/32 -j RETURN"), Fail);
        a_user_left_out(|e| insert(e, "ISTIO_OUTPUT", "-m owner --uid-owner 2000 -j RETURN"), Fail);
        a_group_left_out(|e| insert(e, "ISTIO_OUTPUT", "-m owner --gid-owner 2000 -j RETURN"), Fail);
        own_source_left_out(|e| { let ip = own_ip(e); insert(e, "ISTIO_OUTPUT", &format!("-s {ip}/32 -o eth0 -p tcp -j RETURN")); }, Fail);
        the_proxy_is_kept_from_one_address(|e| insert(e, "ISTIO_OUTPUT", "-d 192.0.2.9/32 -p tcp -j ISTIO_REDIRECT"), Fail);
        a_user_of_another_group_left_out(|e| insert(e, "ISTIO_OUTPUT", "-m owner --uid-owner 2000 ! --gid-owner 2000 -j RETURN"), Fail);
        a_source_port_left_out(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --sport 1000 -j RETURN"), Fail);
        another_interface_left_out(|e| insert(e, "ISTIO_OUTPUT", "-o net1 -j RETURN"), Fail);
        another_host_over_loopback(|e| insert(e, "ISTIO_OUTPUT", "-o lo -m addrtype ! --dst-type LOCAL -p tcp -j ISTIO_REDIRECT"), Pass);
        past_itself_by_its_group(|e| { let ip = own_ip(e); insert(e, "ISTIO_OUTPUT", &format!("-o lo -d {ip}/32 -m owner --uid-owner 1337 --gid-owner 1337 ! -s 127.0.0.6/32 -j RETURN")); }, Fail);
        past_itself(|e| drop_lines(e, "-m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT"), Fail);
        dropped_to_itself(|e| insert(e, "ISTIO_OUTPUT", "-o lo -p tcp -m tcp --dport 5678 -m owner --uid-owner 1337 ! -s 127.0.0.6/32 -j DROP"), Fail);
        interface_left_out(|e| insert(e, "ISTIO_OUTPUT", "-o eth0 -j RETURN"), Fail);
        no_user_rule(|e| drop_lines(e, "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN"), Fail);
        no_group_rule(|e| drop_lines(e, "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN"), Fail);
        loopback(|e| insert(e, "ISTIO_OUTPUT", "-o lo -p tcp -j ISTIO_REDIRECT"), Fail);
        other_target(|e| log(e, |text| text.replace("--to-ports 15001", "--to-ports 15006")), Fail);
        unknown_target(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -j SYNPROXY"), Unjudged);
        no_log(|e| { *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"); }, Unjudged);
        version_6(|e| demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()), Unjudged);
        dns_captured_by_istio(|e| log(e, capture_dns), Pass);
        more_than_dns_over_loopback(|e| log(e, |text| capture_dns(text).replace("! --dport 53 -m", "! --dport 53:54 -m")), Fail);
        one_pod_wrong_one_unseen(|e| { insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 80 -j RETURN"); *e.mesh.init_logs.values_mut().last().unwrap() = Observation::failed("no answer"); }, Fail);
        dns_captured(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 53 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Pass);
        more_than_dns_captured(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 53:54 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Fail);
        own_address(|e| drop_lines(e, "-o lo -m owner !"), Fail);
        loop_to_the_application(|e| drop_lines(e, "-s 127.0.0.6/32"), Fail);
        wrong_beside_the_unknown(|e| { insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 9000 -j RETURN"); insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 7 -m set --match-set good dst -j RETURN"); }, Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}

/// What is said of a packet is what is unusual about it.
#[rstest]
#[case("mesh::inbound_redirected", |e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j RETURN"))]
#[case("mesh::outbound_redirected", |e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-o lo -p tcp -j ISTIO_REDIRECT"))]
fn a_usual_interface_is_not_told(#[case] id: &str, #[case] mutation: fn(&mut Evidence)) {
    let judgement = prove(id, mutation, Fail);
    assert!(!judgement.summary.contains("by interface"), "{judgement:#?}");
}

/// What real versions of Istio log, with the tutorial's among them, is right.
#[rstest]
#[case(include_str!("../../../../fixtures/observed/istio-1.20.3/istio-init-echo.log"))]
#[case(include_str!("../../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log"))]
fn real_logs_are_right(#[case] real: &str) {
    for id in ["mesh::inbound_redirected", "mesh::outbound_redirected"] {
        let mut evidence = crate::testing::healthy();
        for log in evidence.mesh.init_logs.values_mut() {
            *log = Observation::seen(real.to_owned());
        }
        let judgement = crate::testing::judgement(&evidence, id);
        assert_eq!(judgement.verdict, Pass, "{judgement:#?}");
    }
}

fn live(e: &mut Evidence, change: impl Fn(&str) -> String) {
    let live = e.mesh.live_rules.values_mut().next().unwrap();
    *of(live) = change(of(live));
}

pub(crate) mod live_rules {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        version_6(|e| demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()), Unjudged);
        counters(|e| live(e, |text| text.replace("[0:0]", "[7:420]")), Pass);
        flushed(|e| live(e, |text| text.lines().filter(|line| !line.starts_with("-A")).collect::<Vec<_>>().join("\n")), Fail);
        nothing_at_all(|e| live(e, |_| String::new()), Fail);
        reordered(|e| live(e, |text| {
            let mut lines: Vec<_> = text.lines().collect();
            let first = lines.iter().position(|line| line.starts_with("-A ISTIO_OUTPUT")).unwrap();
            lines.swap(first, first + 1);
            lines.join("\n")
        }), Fail);
        one_more(|e| live(e, |text| text.replace("-A OUTPUT", "-A OUTPUT -p tcp --dport 80 -j RETURN\n-A OUTPUT")), Fail);
        garbage(|e| live(e, |_| "Segmentation fault".into()), Unjudged);
        no_log(|e| { for log in e.mesh.init_logs.values_mut() { *log = Observation::failed("pods/log is forbidden"); } }, Unjudged);
        failed(|e| { *e.mesh.live_rules.values_mut().next().unwrap() = Observation::failed("no docker"); }, Unjudged);
        not_kind(|e| { for live in e.mesh.live_rules.values_mut() { *live = Observation::not_asked("not kind"); } }, Skipped);
        not_read(|e| e.mesh.live_rules.clear(), Unjudged);
        entered_by_the_node(|e| live(e, |_| String::new()), Fail);
        not_entered_elsewhere(|e| { e.subject.provider = crate::evidence::Provider::Existing; e.subject.context = "room-7".into(); live(e, |_| String::new()); }, Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}

/// Envoy's answer to every request, and no counter that moves.
fn envoy_says(e: &mut Evidence, status: u16, body: &str, upstream: bool) {
    for reply in &mut of(&mut e.demo.asked).replies {
        reply.status = status;
        reply.body = body.into();
        reply.envoy_upstream_time = upstream;
    }
    let traffic = of(&mut e.mesh.traffic);
    for pair in [&mut traffic.outbound, &mut traffic.inbound] {
        pair.after = pair.before.clone();
    }
}

/// The answers are those of the backend's proxy: nobody's stands before it.
fn past_the_client(evidence: &mut Evidence) {
    for reply in &mut of(&mut evidence.demo.asked).replies {
        reply.server = "istio-envoy".into();
    }
}

pub(crate) mod traffic {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        the_demo_counts_too(|e| { of(&mut of(&mut e.mesh.traffic).outbound.after).clone_from(&1000); }, Pass);
        client_leads_another_way(|e| { let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Unjudged);
        client_stands_still(|e| { past_the_client(e); let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Fail);
        backend_stands_still(|e| { let pair = &mut of(&mut e.mesh.traffic).inbound; pair.after = pair.before.clone(); }, Fail);
        too_few(|e| { let pair = &mut of(&mut e.mesh.traffic).inbound; let before = *of(&mut pair.before); pair.after = Observation::seen(before + 4); }, Fail);
        no_header(|e| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = String::new(); reply.envoy_upstream_time = false; }, Fail);
        another_server_behind_envoy(|e| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = "nginx".into(); reply.envoy_upstream_time = true; }, Pass);
        envoy_answers_by_itself(|e| {
            for reply in &mut of(&mut e.demo.asked).replies { reply.status = 503; reply.server = "envoy".into(); reply.envoy_upstream_time = false; reply.body = "no healthy upstream".into(); }
            let pair = &mut of(&mut e.mesh.traffic).inbound;
            pair.after = pair.before.clone();
        }, Fail);
        the_backend_answers_503(|e| {
            for reply in &mut of(&mut e.demo.asked).replies { reply.status = 503; reply.server = "envoy".into(); reply.envoy_upstream_time = true; }
            let pair = &mut of(&mut e.mesh.traffic).inbound;
            pair.after = pair.before.clone();
        }, Fail);
        another_proxy_answers_503(|e| {
            for reply in &mut of(&mut e.demo.asked).replies { reply.status = 503; reply.server = "istio-envoy".into(); reply.envoy_upstream_time = true; }
            let pair = &mut of(&mut e.mesh.traffic).inbound;
            pair.after = pair.before.clone();
        }, Fail);
        no_answer(|e| { for reply in &mut of(&mut e.demo.asked).replies { reply.status = 0; reply.error = "timed out".into(); } }, Fail);
        no_counter(|e| of(&mut e.mesh.traffic).outbound.after = Observation::absent("no cluster"), Fail);
        restarted(|e| of(&mut e.mesh.traffic).inbound.after = Observation::seen(0), Unjudged);
        unread(|e| of(&mut e.mesh.traffic).outbound.before = Observation::failed("pods/portforward is forbidden"), Unjudged);
        not_asked_in_time(|e| e.demo.asked = Observation::failed("pods/exec is forbidden"), Unjudged);
        no_traffic(|e| e.mesh.traffic = Observation::failed("no answer"), Unjudged);
        bypass_and_restarted(|e| { of(&mut e.mesh.traffic).inbound.after = Observation::seen(0); for reply in &mut of(&mut e.demo.asked).replies { reply.server = String::new(); reply.envoy_upstream_time = false; } }, Fail);
        bypass_and_unread(|e| { e.demo.asked = Observation::failed("no answer"); let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Fail);
        denied(|e| envoy_says(e, 403, "RBAC: access denied", true), Fail);
        denied_by_the_backend(|e| envoy_says(e, 403, "go away", true), Fail);
        nobody_to_lead_to(|e| envoy_says(e, 503, "no healthy upstream", false), Fail);
        failed_by_the_backend(|e| envoy_says(e, 503, "broken", true), Fail);
        nothing_asked(|e| of(&mut e.mesh.traffic).requests = 0, Unjudged);
        not_asked(|e| { e.demo.asked = Observation::not_asked("--only"); e.mesh.traffic = Observation::not_asked("--only"); }, Skipped);
    }
}

/// The rows of the only istiod: of a sidecar, or of the gateway.
fn row(e: &mut Evidence, gateway: bool) -> &mut crate::evidence::ProxySync {
    let istiod = of(&mut e.install.istiod).values_mut().next().unwrap();
    let rows = of(&mut istiod.proxies).iter_mut();
    rows.into_iter().find(|row| row.proxy.contains("ingressgateway") == gateway).unwrap()
}

/// The row of this proxy.
fn row_of<'e>(e: &'e mut Evidence, proxy: &str) -> &'e mut crate::evidence::ProxySync {
    let istiod = of(&mut e.install.istiod).values_mut().next().unwrap();
    of(&mut istiod.proxies).iter_mut().find(|row| row.proxy == proxy).unwrap()
}

/// One more istiod, with its own word on the proxies.
fn second_istiod(e: &mut Evidence, proxies: Observation<Vec<crate::evidence::ProxySync>>) {
    let istiods = of(&mut e.install.istiod);
    let mut second = istiods.values().next().unwrap().clone();
    second.proxies = proxies;
    istiods.insert("z-second".into(), second);
}

pub(crate) mod in_sync {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        stale(|e| row(e, false).listeners.acked = "older".into(), Fail);
        never_acknowledged(|e| row(e, false).clusters.acked = String::new(), Fail);
        not_sent(|e| { let row = row(e, false); row.routes.sent = String::new(); row.routes.acked = String::new(); }, Fail);
        who_only_answers(|e| { let echo = format!("{}.client", demo_pod(e, "echo").name); let row = row_of(e, &echo); for state in [&mut row.routes, &mut row.endpoints] { *state = crate::evidence::SyncState::default(); } }, Pass);
        who_asks(|e| { let client = format!("{}.client", demo_pod(e, "client").name); row_of(e, &client).endpoints = crate::evidence::SyncState::default(); }, Fail);
        a_gateway_without_endpoints(|e| row(e, true).endpoints = crate::evidence::SyncState::default(), Fail);
        a_gateway_without_routes(|e| { let row = row(e, true); row.routes.sent = String::new(); row.routes.acked = String::new(); }, Pass);
        a_gateway_without_clusters(|e| { let row = row(e, true); row.clusters.sent = String::new(); row.clusters.acked = String::new(); }, Fail);
        unknown_proxy(|e| row(e, false).proxy = "gone.client".into(), Fail);
        a_row_too_many(|e| { let mut more = row(e, false).clone(); more.proxy = "gone.client".into(); more.clusters.acked = "older".into(); let istiod = of(&mut e.install.istiod).values_mut().next().unwrap(); of(&mut istiod.proxies).push(more); }, Pass);
        no_istiod(|e| e.install.istiod = Observation::absent("no istiod pod is ready"), Fail);
        unread(|e| { for istiod in of(&mut e.install.istiod).values_mut() { istiod.proxies = Observation::failed("pods/portforward is forbidden"); } }, Unjudged);
        forbidden(|e| e.install.istiod = Observation::failed("pods is forbidden"), Unjudged);
        no_pods_seen(|e| e.install.pods = Observation::failed("pods is forbidden"), Unjudged);
        no_istiod_pod(|e| of(&mut e.install.istiod).clear(), Fail);
        istiod_asleep(|e| { e.install.istiod = Observation::absent("no istiod pod is ready"); scale_to_zero(installed(e, "istiod")); }, Fail);
        stale_and_pods_unseen(|e| { e.install.pods = Observation::failed("pods is forbidden"); row(e, false).listeners.acked = "older".into(); }, Fail);
        gateway_stale_and_demo_unseen(|e| { e.demo.pods = Observation::failed("pods is forbidden"); row(e, true).listeners.acked = "older".into(); }, Fail);
        stale_and_one_istiod_unread(|e| { row(e, false).endpoints.acked = "older".into(); second_istiod(e, Observation::failed("no answer")); }, Fail);
        one_istiod_unread(|e| second_istiod(e, Observation::failed("no answer")), Unjudged);
        changed_istiod(|e| { let mut old = row(e, false).clone(); old.clusters.acked = "older".into(); second_istiod(e, Observation::seen(vec![old])); }, Pass);
        demo_unseen(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}

/// Which istiod knows a proxy does not matter: with several, each knows its own.
#[test]
fn two_istiods_share_the_proxies() {
    let split = |e: &mut Evidence| {
        let istiods = of(&mut e.install.istiod);
        let mut second = istiods.values().next().unwrap().clone();
        let first = istiods.values_mut().next().unwrap();
        let moved = of(&mut first.proxies).split_off(1);
        *of(&mut second.proxies) = moved;
        istiods.insert("istiod-second".into(), second);
    };
    let judgement = prove("mesh::proxies_in_sync", split, Pass);
    assert!(judgement.summary.contains("3 proxies"), "{judgement:#?}");
}
