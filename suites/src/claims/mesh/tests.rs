//! What turns the claims of *mesh* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Case, cases, demo_pod, installed, of, prove, scale_to_zero};
use crate::evidence::{Container, ContainerState, Evidence, Observation, Pod, Termination};
use crate::judgement::Verdict::{Fail, Pass};
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
    prove(id, busy_namespace, Pass, "");
}

cases! { two_containers proves "mesh::two_containers_per_pod":
    healthy(|_| {}, Pass, "2 pods");
    before_the_label(|e| without_sidecar(demo_pod(e, "echo")), Fail, "made without");
    not_labelled(|e| { without_sidecar(demo_pod(e, "echo")); of(&mut e.install.namespaces).get_mut("client").unwrap().clear(); }, Fail, "not labelled");
    refuses(|e| { let pod = demo_pod(e, "echo"); without_sidecar(pod); pod.annotations.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "says sidecar.istio.io/inject=false");
    third(|e| add_container(demo_pod(e, "client"), "debug"), Fail, "debug");
    third_is_taken_out(|e| add_container(demo_pod(e, "client"), "debug"), Fail, r#"[{\"$patch\":\"delete\",\"name\":\"debug\"}]"#);
    third_stands_first(|e| {
        let pod = demo_pod(e, "client");
        add_container(pod, "debug");
        pod.containers.reverse();
    }, Fail, r#"[{\"$patch\":\"delete\",\"name\":\"debug\"}]"#);
    third_beside_another_application(|e| {
        let pod = demo_pod(e, "client");
        pod.containers.iter_mut().for_each(|it| if it.name == "client" { it.name = "mine".into(); });
        add_container(pod, "debug");
    }, Fail, "shows its containers");
    no_application(|e| demo_pod(e, "client").containers.retain(|it| it.name == "istio-proxy"), Fail, "no application");
    an_impostor(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "nginx".into(); } }, Fail, "not Istio's proxy");
    native(make_native, Changed, "native");
    one_native_one_missing(|e| { make_native(e); without_sidecar(demo_pod(e, "echo")); }, Fail, "no sidecar");
    no_pods(|e| of(&mut e.demo.pods).clear(), Fail, "no pod runs");
    no_namespace(|e| e.demo.pods = Observation::absent("there is no namespace client"), Fail, "no namespace client");
    forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
    named_like_it(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "example.com/proxyv2/nginx:1".into(); } }, Fail, "not Istio's proxy");
    tagged_like_it(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "nginx:proxyv2".into(); } }, Fail, "not Istio's proxy");
    vendors_name(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "registry.example/mesh/istio-proxyv2-rhel8:2.5".into(); } }, Pass, "2 pods");
    mirror(|e| { for it in &mut demo_pod(e, "echo").containers { it.image = "localhost:5000/mesh/proxyv2@sha256:00".into(); } }, Pass, "2 pods");
    none_started(|e| { for pod in of(&mut e.demo.pods) { pod.phase = "Pending".into(); pod.ready = false; } }, Fail, "no pod runs");
    all_failed(|e| { for pod in of(&mut e.demo.pods) { pod.phase = "Failed".into(); } }, Fail, "only pods that have failed");
    evicted(|e| { let mut old = demo_pod(e, "echo").clone(); old.name = "evicted".into(); old.phase = "Failed".into(); without_sidecar(&mut old); of(&mut e.demo.pods).push(old); }, Pass, "2 pods");
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

cases! { pods_ready proves "mesh::pods_ready":
    healthy(|_| {}, Pass, "2/2");
    native(make_native, Pass, "2/2");
    one_of_two(|e| { let pod = demo_pod(e, "echo"); pod.ready = false; pod.containers[0].ready = false; }, Fail, "1/2");
    pending(|e| { let pod = demo_pod(e, "echo"); pod.phase = "Pending".into(); pod.ready = false; pod.reason = Some("Unschedulable: no room".into()); for it in &mut pod.containers { it.ready = false; it.state = ContainerState::Unknown; } for it in &mut pod.init_containers { it.state = ContainerState::Unknown; } }, Fail, "no room");
    readiness_gate(|e| demo_pod(e, "echo").ready = false, Fail, "not ready");
    no_sidecar(|e| without_sidecar(demo_pod(e, "echo")), Fail, "because it has no sidecar");
    loops(|e| crash(e, 5, 1), Fail, "over and over");
    restarted_long_ago(|e| crash(e, 5, 600), Pass, "2/2");
    // The machine that looks may have a wrong clock; the cluster's decides.
    loops_by_a_clock_ahead(|e| { crash(e, 5, 1); e.recorded_at += jiff::SignedDuration::from_hours(1); }, Fail, "over and over");
    restarted_long_ago_by_a_clock_behind(|e| { crash(e, 5, 600); e.recorded_at -= jiff::SignedDuration::from_mins(599); }, Pass, "2/2");
    // A node that was started anew ends every container, and nothing crashes.
    rebooted(|e| { crash(e, 5, 1); for pod in of(&mut e.demo.pods) { for it in &mut pod.containers { if let Some(end) = &mut it.last_termination { end.reason = "Unknown".into(); } } } }, Pass, "2/2");
    evicted(|e| evicted(e, false), Pass, "2 pods READY 2/2");
    only_evicted(|e| evicted(e, true), Fail, "Evicted");
    backing_off(|e| { let it = &mut demo_pod(e, "client").containers[0]; it.ready = false; it.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }; }, Fail, "CrashLoopBackOff");
    restarted_meanwhile(|e| of(&mut e.demo.pods_at_end)[0].containers[0].restarts += 1, Fail, "during the look");
    not_ready_meanwhile(|e| { let pod = &mut of(&mut e.demo.pods_at_end)[0]; pod.ready = false; pod.containers[1].ready = false; }, Fail, "did not stay ready");
    failed_meanwhile(|e| of(&mut e.demo.pods_at_end)[1].phase = "Failed".into(), Fail, "did not stay ready");
    all_gone_meanwhile(|e| of(&mut e.demo.pods_at_end).clear(), Fail, "no pod was left");
    leaves_meanwhile(|e| { let pod = &mut of(&mut e.demo.pods_at_end)[0]; pod.terminating = true; pod.ready = false; }, Pass, "2/2");
    replaced_meanwhile(|e| of(&mut e.demo.pods_at_end)[0].name = "new".into(), Pass, "2/2");
    forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
    no_second_look(|e| e.demo.pods_at_end = Observation::failed("no answer"), Unjudged, "second time");
    no_second_look_and_a_fault(|e| { e.demo.pods_at_end = Observation::failed("no answer"); demo_pod(e, "echo").containers[0].ready = false; }, Fail, "1/2");
    gone_meanwhile(|e| e.demo.pods_at_end = Observation::absent("there is no namespace"), Fail, "second time");
    second_look_not_asked(|e| e.demo.pods_at_end = Observation::not_asked("--only"), Skipped, "--only");
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

cases! { unlabelled proves "mesh::unlabelled_namespace_left_alone":
    healthy(|_| {}, Pass, "a sidecar in client");
    everywhere(|e| { let inside = of(&mut e.mesh.dry_run_labelled).clone(); let outside = of(&mut e.mesh.dry_run_unlabelled); outside.containers = inside.containers; outside.init_containers = inside.init_containers; }, Fail, "not labelled, would get");
    everywhere_by_name(|e| { let outside = of(&mut e.mesh.dry_run_unlabelled); outside.containers[0].name = "istio-proxy".into(); }, Fail, "observed: Some(\"istio-proxy");
    nowhere(|e| { let run = of(&mut e.mesh.dry_run_labelled); run.containers.retain(|it| it.name != "istio-proxy"); run.init_containers.clear(); }, Fail, "would get no sidecar");
    no_namespace(|e| e.mesh.dry_run_labelled = Observation::absent("there is no namespace client"), Fail, "no namespace");
    forbidden(|e| e.mesh.dry_run_labelled = Observation::failed("cannot create resource"), Unjudged, "cannot create");
    forbidden_outside(|e| e.mesh.dry_run_unlabelled = Observation::failed("cannot create resource"), Unjudged, "cannot create");
    nowhere_though_labelled(|e| { label(e, true); of(&mut e.mesh.dry_run_labelled).containers.retain(|it| it.name != "istio-proxy"); of(&mut e.mesh.dry_run_labelled).init_containers.clear(); }, Fail, "mutatingwebhookconfigurations");
    nowhere_and_not_labelled(|e| { label(e, false); of(&mut e.mesh.dry_run_labelled).containers.retain(|it| it.name != "istio-proxy"); of(&mut e.mesh.dry_run_labelled).init_containers.clear(); }, Fail, "istio-injection=enabled");
    one_wrong_one_unseen(|e| { e.mesh.dry_run_labelled = Observation::failed("no answer"); let inside = e.mesh.dry_run_unlabelled.value_mut().unwrap(); inside.containers[0].name = "istio-proxy".into(); }, Fail, "not labelled, would get");
    not_asked(|e| { e.mesh.dry_run_labelled = Observation::not_asked("--only"); e.mesh.dry_run_unlabelled = Observation::not_asked("--only"); }, Skipped, "--only");
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

cases! { init_arguments proves "mesh::init_arguments":
    healthy(|_| {}, Pass, "2 pods");
    other_order(|e| option(e, "-d", "15020,15021,15090"), Pass, "2 pods");
    outbound_port(|e| option(e, "-p", "15002"), Fail, "outbound port is 15002");
    expected_in_words(|e| option(e, "-p", "15002"), Fail, "-p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d ");
    inbound_port(|e| option(e, "-z", "15001"), Fail, "inbound port is 15001");
    user(|e| option(e, "-u", "0"), Fail, "user is 0");
    mode(|e| option(e, "-m", "TPROXY"), Fail, "mode is TPROXY");
    ranges(|e| option(e, "-i", "10.0.0.0/8"), Fail, "outbound ranges");
    ranges_left_out(|e| option(e, "-x", "10.96.0.0/12"), Fail, "10.96.0.0/12");
    inbound_ports(|e| option(e, "-b", "80"), Fail, "inbound ports are 80");
    inbound_left_out(|e| option(e, "-d", "15090,15021,15020,5678"), Fail, "leaves out inbound port 5678");
    own_port_not_left_out(|e| option(e, "-d", "15090,15021"), Fail, "15020");
    outbound_left_out(|e| { option(e, "-o", "80"); demo_pod(e, "echo").annotations.insert("traffic.sidecar.istio.io/excludeOutboundPorts".into(), "80".into()); }, Fail, "excludeOutboundPorts");
    interface_left_out(|e| option(e, "-c", "eth1"), Fail, "eth1");
    cni(|e| init(e, "echo").name = "istio-validation".into(), Changed, "CNI");
    no_init(|e| demo_pod(e, "echo").init_containers.clear(), Fail, "no istio-init");
    no_sidecars(|e| { for pod in of(&mut e.demo.pods) { without_sidecar(pod); } }, Fail, "has a sidecar");
    forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
    unknown_exclusion(|e| option(e, "--exclude-everything", "yes"), Fail, "--exclude-everything");
    other_system_namespace(|e| { e.expectations.istio_namespace = "mesh-system".into(); option(e, "-m", "TPROXY"); }, Fail, "-n mesh-system get configmap");
    one_wrong_one_by_cni(|e| { option(e, "-o", "80"); init(e, "client").name = "istio-validation".into(); }, Fail, "outbound port 80");
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

cases! { inbound proves "mesh::inbound_redirected":
    healthy(|_| {}, Pass, "ISTIO_IN_REDIRECT");
    port_left_out(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j RETURN"), Fail, "5678");
    version_6(|e| demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()), Unjudged, "rules for IPv6");
    port_range_left_out(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 9000:9010 -j RETURN"), Fail, "9000-9010");
    one_port_by_itself(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j REDIRECT --to-ports 15006"), Pass, "port 5678: PREROUTING → ISTIO_INBOUND → redirected");
    the_way_of_the_port_that_is_wrong(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j RETURN"), Fail, "observed: Some(\"PREROUTING → ISTIO_INBOUND → let through");
    own_address_left_out(|e| {
        let ip = own_ip(e);
        insert(e, "ISTIO_INBOUND", &format!("-d {ip}/32 -p tcp -j RETURN"));
    }, Fail, "is let through");
    no_init_container(|e| { e.mesh.init_logs.clear(); for pod in of(&mut e.demo.pods) { pod.init_containers.clear(); } }, Unjudged, "has no istio-init whose log");
    jump_missing(|e| drop_lines(e, "-A PREROUTING"), Fail, "let through");
    other_target(|e| log(e, |text| text.replace("--to-ports 15006", "--to-ports 15001")), Fail, "15001");
    own_port_redirected(|e| drop_lines(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15090"), Fail, "15090");
    reordered(|e| insert(e, "ISTIO_INBOUND", "-p tcp -j ISTIO_IN_REDIRECT"), Fail, "is redirected");
    dropped(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 15021 -j DROP"), Fail, "15021 is dropped");
    no_tunnel_rule(|e| drop_lines(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15008"), Pass, "ISTIO_IN_REDIRECT");
    too_many_to_follow(|e| log(e, |text| {
        let more = |port: u16| format!("-A ISTIO_INBOUND -s 10.0.{}.0/24 -p tcp -m tcp --dport {port} -j ISTIO_IN_REDIRECT\n", port % 256);
        let more: String = (1..400).map(more).collect();
        let at = text.rfind("-A ISTIO_INBOUND").unwrap();
        format!("{}{more}{}", &text[..at], &text[at..])
    }), Unjudged, "more packets apart");
    unknown_match(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m set --match-set good src -j RETURN"), Unjudged, "--match-set good src");
    irrelevant_unknown(|e| insert(e, "ISTIO_INBOUND", "-p udp -m set --match-set good src -j RETURN"), Pass, "ISTIO_IN_REDIRECT");
    no_rules(|e| log(e, |_| "nothing".into()), Unjudged, "no iptables rules");
    only_asked_for(|e| log(e, |text| text[..text.find("# Generated").unwrap()].into()), Unjudged, "asked for");
    cut_off(|e| log(e, |text| text[..text.rfind("-A ISTIO_OUTPUT").unwrap()].into()), Unjudged, "cut off");
    no_log(|e| { *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"); }, Unjudged, "pods/log");
    not_read(|e| e.mesh.init_logs.clear(), Unjudged, "not read");
    forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
    a_source_port_left_out(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --sport 1000 -j RETURN"), Fail, "from source port 1000");
    another_interface_left_out(|e| insert(e, "ISTIO_INBOUND", "-i net1 -j RETURN"), Fail, "by interface net1");
    another_protocol_left_out(|e| insert(e, "ISTIO_INBOUND", "-p udp -j RETURN"), Pass, "ISTIO_IN_REDIRECT");
    some_sources_left_out(|e| insert(e, "ISTIO_INBOUND", "-s 192.0.2.0/24 -p tcp -j RETURN"), Fail, "from 192.0.2.0");
    wrong_beside_the_unknown(|e| { insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 9000 -j RETURN"); insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 7 -m set --match-set good src -j RETURN"); }, Fail, "port 9000");
    tunnel_unknown(|e| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 15008 -m set --match-set good src -j RETURN"), Pass, "ISTIO_IN_REDIRECT");
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

cases! { outbound proves "mesh::outbound_redirected":
    healthy(|_| {}, Pass, "ISTIO_REDIRECT");
    port_left_out(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 80 -j RETURN"), Fail, "port 80 ");
    range_left_out(|e| insert(e, "ISTIO_OUTPUT", "-d 10.96.0.0/12 -j RETURN"), Fail, "10.96.0.0");
    one_address_left_out(|e| insert(e, "ISTIO_OUTPUT", "-d 192.0.2.9/32 -j RETURN"), Fail, "192.0.2.9");
    a_user_left_out(|e| insert(e, "ISTIO_OUTPUT", "-m owner --uid-owner 2000 -j RETURN"), Fail, "let through");
    a_group_left_out(|e| insert(e, "ISTIO_OUTPUT", "-m owner --gid-owner 2000 -j RETURN"), Fail, "let through");
    own_source_left_out(|e| { let ip = own_ip(e); insert(e, "ISTIO_OUTPUT", &format!("-s {ip}/32 -o eth0 -p tcp -j RETURN")); }, Fail, "let through");
    the_proxy_is_kept_from_one_address(|e| insert(e, "ISTIO_OUTPUT", "-d 192.0.2.9/32 -p tcp -j ISTIO_REDIRECT"), Fail, "the proxy's own traffic");
    a_user_of_another_group_left_out(|e| insert(e, "ISTIO_OUTPUT", "-m owner --uid-owner 2000 ! --gid-owner 2000 -j RETURN"), Fail, "let through");
    a_source_port_left_out(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --sport 1000 -j RETURN"), Fail, "from source port 1000");
    another_interface_left_out(|e| insert(e, "ISTIO_OUTPUT", "-o net1 -j RETURN"), Fail, "by interface net1");
    another_host_over_loopback(|e| insert(e, "ISTIO_OUTPUT", "-o lo -m addrtype ! --dst-type LOCAL -p tcp -j ISTIO_REDIRECT"), Pass, "ISTIO_REDIRECT");
    past_itself_by_its_group(|e| { let ip = own_ip(e); insert(e, "ISTIO_OUTPUT", &format!("-o lo -d {ip}/32 -m owner --uid-owner 1337 --gid-owner 1337 ! -s 127.0.0.6/32 -j RETURN")); }, Fail, "of its own pod is let through");
    past_itself(|e| drop_lines(e, "-m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT"), Fail, "of its own pod is let through");
    dropped_to_itself(|e| insert(e, "ISTIO_OUTPUT", "-o lo -p tcp -m tcp --dport 5678 -m owner --uid-owner 1337 ! -s 127.0.0.6/32 -j DROP"), Fail, "port 5678 of its own pod is dropped");
    interface_left_out(|e| insert(e, "ISTIO_OUTPUT", "-o eth0 -j RETURN"), Fail, "let through");
    no_user_rule(|e| drop_lines(e, "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN"), Fail, "user 1337");
    no_group_rule(|e| drop_lines(e, "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN"), Fail, "group 1337");
    loopback(|e| insert(e, "ISTIO_OUTPUT", "-o lo -p tcp -j ISTIO_REDIRECT"), Fail, "127.0.0.1");
    other_target(|e| log(e, |text| text.replace("--to-ports 15001", "--to-ports 15006")), Fail, "15006");
    unknown_target(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -j SYNPROXY"), Unjudged, "SYNPROXY");
    no_log(|e| { *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"); }, Unjudged, "pods/log");
    version_6(|e| demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()), Unjudged, "rules for IPv6");
    dns_captured_by_istio(|e| log(e, capture_dns), Pass, "ISTIO_REDIRECT");
    more_than_dns_over_loopback(|e| log(e, |text| capture_dns(text).replace("! --dport 53 -m", "! --dport 53:54 -m")), Fail, "to port 53-54 of");
    one_pod_wrong_one_unseen(|e| { insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 80 -j RETURN"); *e.mesh.init_logs.values_mut().last().unwrap() = Observation::failed("no answer"); }, Fail, "port 80 ");
    dns_captured(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 53 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Pass, "ISTIO_REDIRECT");
    more_than_dns_captured(|e| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 53:54 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Fail, "53-54");
    own_address(|e| drop_lines(e, "-o lo -m owner !"), Fail, "over loopback is");
    loop_to_the_application(|e| drop_lines(e, "-s 127.0.0.6/32"), Fail, "a loop");
    wrong_beside_the_unknown(|e| { insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 9000 -j RETURN"); insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 7 -m set --match-set good dst -j RETURN"); }, Fail, "port 9000");
    forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
}

/// What is said of a packet is what is unusual about it.
#[rstest]
#[case("mesh::inbound_redirected", |e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j RETURN"))]
#[case("mesh::outbound_redirected", |e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-o lo -p tcp -j ISTIO_REDIRECT"))]
fn a_usual_interface_is_not_told(#[case] id: &str, #[case] mutation: fn(&mut Evidence)) {
    let judgement = prove(id, mutation, Fail, "");
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

cases! { live_rules proves "mesh::live_rules":
    healthy(|_| {}, Pass, "in force");
    version_6(|e| demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()), Unjudged, "rules for IPv6");
    counters(|e| live(e, |text| text.replace("[0:0]", "[7:420]")), Pass, "in force");
    flushed(|e| live(e, |text| text.lines().filter(|line| !line.starts_with("-A")).collect::<Vec<_>>().join("\n")), Fail, "lacks");
    nothing_at_all(|e| live(e, |_| String::new()), Fail, "lacks");
    reordered(|e| live(e, |text| {
        let mut lines: Vec<_> = text.lines().collect();
        let first = lines.iter().position(|line| line.starts_with("-A ISTIO_OUTPUT")).unwrap();
        lines.swap(first, first + 1);
        lines.join("\n")
    }), Fail, "another order");
    one_more(|e| live(e, |text| text.replace("-A OUTPUT", "-A OUTPUT -p tcp --dport 80 -j RETURN\n-A OUTPUT")), Fail, "also has");
    garbage(|e| live(e, |_| "Segmentation fault".into()), Unjudged, "line 1");
    no_log(|e| { for log in e.mesh.init_logs.values_mut() { *log = Observation::failed("pods/log is forbidden"); } }, Unjudged, "pods/log");
    failed(|e| { *e.mesh.live_rules.values_mut().next().unwrap() = Observation::failed("no docker"); }, Unjudged, "no docker");
    not_kind(|e| { for live in e.mesh.live_rules.values_mut() { *live = Observation::not_asked("not kind"); } }, Skipped, "not kind");
    not_read(|e| e.mesh.live_rules.clear(), Unjudged, "not read");
    entered_by_the_node(|e| live(e, |_| String::new()), Fail, "docker exec");
    not_entered_elsewhere(|e| { e.subject.provider = crate::evidence::Provider::Existing; e.subject.context = "room-7".into(); live(e, |_| String::new()); }, Fail, "--context room-7");
    forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
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

cases! { traffic proves "mesh::traffic_through_proxies":
    healthy(|_| {}, Pass, "Envoy's headers");
    the_demo_counts_too(|e| { of(&mut of(&mut e.mesh.traffic).outbound.after).clone_from(&1000); }, Pass, "for 5 requests");
    client_leads_another_way(|e| { let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Unjudged, "its configuration leads them another way");
    client_stands_still(|e| { past_the_client(e); let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Fail, "the client's proxy saw none");
    backend_stands_still(|e| { let pair = &mut of(&mut e.mesh.traffic).inbound; pair.after = pair.before.clone(); }, Fail, "the backend's proxy saw none");
    too_few(|e| { let pair = &mut of(&mut e.mesh.traffic).inbound; let before = *of(&mut pair.before); pair.after = Observation::seen(before + 4); }, Fail, "4 of 5");
    no_header(|e| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = String::new(); reply.envoy_upstream_time = false; }, Fail, "without Envoy's headers");
    another_server_behind_envoy(|e| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = "nginx".into(); reply.envoy_upstream_time = true; }, Pass, "Envoy's headers");
    envoy_answers_by_itself(|e| {
        for reply in &mut of(&mut e.demo.asked).replies { reply.status = 503; reply.server = "envoy".into(); reply.envoy_upstream_time = false; reply.body = "no healthy upstream".into(); }
        let pair = &mut of(&mut e.mesh.traffic).inbound;
        pair.after = pair.before.clone();
    }, Fail, "Envoy answered by itself, 503 no healthy upstream");
    the_backend_answers_503(|e| {
        for reply in &mut of(&mut e.demo.asked).replies { reply.status = 503; reply.server = "envoy".into(); reply.envoy_upstream_time = true; }
        let pair = &mut of(&mut e.mesh.traffic).inbound;
        pair.after = pair.before.clone();
    }, Fail, "traffic bypasses it");
    another_proxy_answers_503(|e| {
        for reply in &mut of(&mut e.demo.asked).replies { reply.status = 503; reply.server = "istio-envoy".into(); reply.envoy_upstream_time = true; }
        let pair = &mut of(&mut e.mesh.traffic).inbound;
        pair.after = pair.before.clone();
    }, Fail, "traffic bypasses it");
    no_answer(|e| { for reply in &mut of(&mut e.demo.asked).replies { reply.status = 0; reply.error = "timed out".into(); } }, Fail, "timed out");
    no_counter(|e| of(&mut e.mesh.traffic).outbound.after = Observation::absent("no cluster"), Fail, "no counter");
    restarted(|e| of(&mut e.mesh.traffic).inbound.after = Observation::seen(0), Unjudged, "counted from new");
    unread(|e| of(&mut e.mesh.traffic).outbound.before = Observation::failed("pods/portforward is forbidden"), Unjudged, "portforward");
    not_asked_in_time(|e| e.demo.asked = Observation::failed("pods/exec is forbidden"), Unjudged, "pods/exec");
    no_traffic(|e| e.mesh.traffic = Observation::failed("no answer"), Unjudged, "no answer");
    bypass_and_restarted(|e| { of(&mut e.mesh.traffic).inbound.after = Observation::seen(0); for reply in &mut of(&mut e.demo.asked).replies { reply.server = String::new(); reply.envoy_upstream_time = false; } }, Fail, "bypasses the sidecar");
    bypass_and_unread(|e| { e.demo.asked = Observation::failed("no answer"); let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Fail, "the client's proxy saw none");
    denied(|e| envoy_says(e, 403, "RBAC: access denied", true), Fail, "led 0 of 5 requests on: Envoy answered by itself, 403 RBAC: access denied");
    denied_by_the_backend(|e| envoy_says(e, 403, "go away", true), Fail, "traffic bypasses it");
    nobody_to_lead_to(|e| envoy_says(e, 503, "no healthy upstream", false), Fail, "Envoy answered by itself, 503 no healthy upstream");
    failed_by_the_backend(|e| envoy_says(e, 503, "broken", true), Fail, "traffic bypasses it");
    nothing_asked(|e| of(&mut e.mesh.traffic).requests = 0, Unjudged, "no request");
    not_asked(|e| { e.demo.asked = Observation::not_asked("--only"); e.mesh.traffic = Observation::not_asked("--only"); }, Skipped, "--only");
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

cases! { in_sync proves "mesh::proxies_in_sync":
    healthy(|_| {}, Pass, "3 proxies");
    stale(|e| row(e, false).listeners.acked = "older".into(), Fail, "listeners (LDS) are STALE");
    never_acknowledged(|e| row(e, false).clusters.acked = String::new(), Fail, "clusters (CDS) are STALE");
    not_sent(|e| { let row = row(e, false); row.routes.sent = String::new(); row.routes.acked = String::new(); }, Fail, "routes (RDS) are NOT SENT");
    who_only_answers(|e| { let echo = format!("{}.client", demo_pod(e, "echo").name); let row = row_of(e, &echo); for state in [&mut row.routes, &mut row.endpoints] { *state = crate::evidence::SyncState::default(); } }, Pass, "3 proxies");
    who_asks(|e| { let client = format!("{}.client", demo_pod(e, "client").name); row_of(e, &client).endpoints = crate::evidence::SyncState::default(); }, Fail, "endpoints (EDS) are NOT SENT");
    a_gateway_without_endpoints(|e| row(e, true).endpoints = crate::evidence::SyncState::default(), Fail, "endpoints (EDS) are NOT SENT");
    a_gateway_without_routes(|e| { let row = row(e, true); row.routes.sent = String::new(); row.routes.acked = String::new(); }, Pass, "3 proxies");
    a_gateway_without_clusters(|e| { let row = row(e, true); row.clusters.sent = String::new(); row.clusters.acked = String::new(); }, Fail, "NOT SENT");
    unknown_proxy(|e| row(e, false).proxy = "gone.client".into(), Fail, "does not know");
    a_row_too_many(|e| { let mut more = row(e, false).clone(); more.proxy = "gone.client".into(); more.clusters.acked = "older".into(); let istiod = of(&mut e.install.istiod).values_mut().next().unwrap(); of(&mut istiod.proxies).push(more); }, Pass, "3 proxies");
    no_istiod(|e| e.install.istiod = Observation::absent("no istiod pod is ready"), Fail, "shows istiod's pods");
    unread(|e| { for istiod in of(&mut e.install.istiod).values_mut() { istiod.proxies = Observation::failed("pods/portforward is forbidden"); } }, Unjudged, "portforward");
    forbidden(|e| e.install.istiod = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
    no_pods_seen(|e| e.install.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
    no_istiod_pod(|e| of(&mut e.install.istiod).clear(), Fail, "no istiod runs");
    istiod_asleep(|e| { e.install.istiod = Observation::absent("no istiod pod is ready"); scale_to_zero(installed(e, "istiod")); }, Fail, "scale deployment/istiod");
    stale_and_pods_unseen(|e| { e.install.pods = Observation::failed("pods is forbidden"); row(e, false).listeners.acked = "older".into(); }, Fail, "STALE");
    gateway_stale_and_demo_unseen(|e| { e.demo.pods = Observation::failed("pods is forbidden"); row(e, true).listeners.acked = "older".into(); }, Fail, "STALE");
    stale_and_one_istiod_unread(|e| { row(e, false).endpoints.acked = "older".into(); second_istiod(e, Observation::failed("no answer")); }, Fail, "endpoints (EDS) are STALE");
    one_istiod_unread(|e| second_istiod(e, Observation::failed("no answer")), Unjudged, "no answer");
    changed_istiod(|e| { let mut old = row(e, false).clone(); old.clusters.acked = "older".into(); second_istiod(e, Observation::seen(vec![old])); }, Pass, "3 proxies");
    demo_unseen(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden");
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
    prove("mesh::proxies_in_sync", split, Pass, "3 proxies");
}

/// What `completeness` reads: that no claim is without its cases.
pub(in super::super) const TABLES: &[&[Case]] = &[
    two_containers::table::CASES,
    pods_ready::table::CASES,
    unlabelled::table::CASES,
    init_arguments::table::CASES,
    inbound::table::CASES,
    outbound::table::CASES,
    live_rules::table::CASES,
    traffic::table::CASES,
    in_sync::table::CASES,
];
