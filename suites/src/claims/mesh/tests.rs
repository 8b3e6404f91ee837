//! What turns the claims of *mesh* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Mutation, demo_pod, installed, of, prove, scale_to_zero};
use crate::evidence::{Container, ContainerState, Evidence, Observation, Pod, Termination};
use crate::judgement::Verdict::{self, Changed, Fail, Pass, Skipped, Unjudged};
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "2 pods")]
#[case::before_the_label(|e: &mut Evidence| without_sidecar(demo_pod(e, "echo")), Fail, "made without")]
#[case::not_labelled(|e: &mut Evidence| { without_sidecar(demo_pod(e, "echo")); of(&mut e.install.namespaces).get_mut("client").unwrap().clear(); }, Fail, "not labelled")]
#[case::refuses(|e: &mut Evidence| { let pod = demo_pod(e, "echo"); without_sidecar(pod); pod.annotations.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "says sidecar.istio.io/inject=false")]
#[case::third(|e: &mut Evidence| add_container(demo_pod(e, "client"), "debug"), Fail, "debug")]
#[case::no_application(|e: &mut Evidence| demo_pod(e, "client").containers.retain(|it| it.name == "istio-proxy"), Fail, "no application")]
#[case::an_impostor(|e: &mut Evidence| { for it in &mut demo_pod(e, "echo").containers { it.image = "nginx".into(); } }, Fail, "not Istio's proxy")]
#[case::native(make_native, Changed, "native")]
#[case::one_native_one_missing(|e: &mut Evidence| { make_native(e); without_sidecar(demo_pod(e, "echo")); }, Fail, "no sidecar")]
#[case::no_pods(|e: &mut Evidence| of(&mut e.demo.pods).clear(), Fail, "no pod runs")]
#[case::no_namespace(|e: &mut Evidence| e.demo.pods = Observation::absent("there is no namespace client"), Fail, "no namespace client")]
#[case::forbidden(|e: &mut Evidence| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
#[case::named_like_it(|e: &mut Evidence| { for it in &mut demo_pod(e, "echo").containers { it.image = "example.com/proxyv2/nginx:1".into(); } }, Fail, "not Istio's proxy")]
#[case::tagged_like_it(|e: &mut Evidence| { for it in &mut demo_pod(e, "echo").containers { it.image = "nginx:proxyv2".into(); } }, Fail, "not Istio's proxy")]
#[case::mirror(|e: &mut Evidence| { for it in &mut demo_pod(e, "echo").containers { it.image = "localhost:5000/mesh/proxyv2@sha256:00".into(); } }, Pass, "2 pods")]
#[case::none_started(|e: &mut Evidence| { for pod in of(&mut e.demo.pods) { pod.phase = "Pending".into(); pod.ready = false; } }, Fail, "no pod runs")]
#[case::all_failed(|e: &mut Evidence| { for pod in of(&mut e.demo.pods) { pod.phase = "Failed".into(); } }, Fail, "only pods that have failed")]
#[case::evicted(|e: &mut Evidence| { let mut old = demo_pod(e, "echo").clone(); old.name = "evicted".into(); old.phase = "Failed".into(); without_sidecar(&mut old); of(&mut e.demo.pods).push(old); }, Pass, "2 pods")]
fn two_containers(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::two_containers_per_pod", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "2/2")]
#[case::native(make_native, Pass, "2/2")]
#[case::one_of_two(|e: &mut Evidence| { let pod = demo_pod(e, "echo"); pod.ready = false; pod.containers[0].ready = false; }, Fail, "1/2")]
#[case::pending(|e: &mut Evidence| { let pod = demo_pod(e, "echo"); pod.phase = "Pending".into(); pod.ready = false; pod.reason = Some("Unschedulable: no room".into()); for it in &mut pod.containers { it.ready = false; it.state = ContainerState::Unknown; } for it in &mut pod.init_containers { it.state = ContainerState::Unknown; } }, Fail, "no room")]
#[case::readiness_gate(|e: &mut Evidence| demo_pod(e, "echo").ready = false, Fail, "not ready")]
#[case::no_sidecar(|e: &mut Evidence| without_sidecar(demo_pod(e, "echo")), Fail, "because it has no sidecar")]
#[case::loops(|e: &mut Evidence| crash(e, 5, 1), Fail, "over and over")]
#[case::restarted_long_ago(|e: &mut Evidence| crash(e, 5, 600), Pass, "2/2")]
#[case::backing_off(|e: &mut Evidence| { let it = &mut demo_pod(e, "client").containers[0]; it.ready = false; it.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }; }, Fail, "CrashLoopBackOff")]
#[case::restarted_meanwhile(|e: &mut Evidence| of(&mut e.demo.pods_at_end)[0].containers[0].restarts += 1, Fail, "during the look")]
#[case::replaced_meanwhile(|e: &mut Evidence| of(&mut e.demo.pods_at_end)[0].name = "new".into(), Pass, "2/2")]
#[case::forbidden(|e: &mut Evidence| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
#[case::no_second_look(|e: &mut Evidence| e.demo.pods_at_end = Observation::failed("no answer"), Unjudged, "second time")]
#[case::no_second_look_and_a_fault(|e: &mut Evidence| { e.demo.pods_at_end = Observation::failed("no answer"); demo_pod(e, "echo").containers[0].ready = false; }, Fail, "1/2")]
#[case::gone_meanwhile(|e: &mut Evidence| e.demo.pods_at_end = Observation::absent("there is no namespace"), Fail, "second time")]
#[case::second_look_not_asked(|e: &mut Evidence| e.demo.pods_at_end = Observation::not_asked("--only"), Skipped, "--only")]
fn pods_ready(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::pods_ready", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "a sidecar in client")]
#[case::everywhere(|e: &mut Evidence| { let inside = of(&mut e.mesh.dry_run_labelled).clone(); let outside = of(&mut e.mesh.dry_run_unlabelled); outside.containers = inside.containers; outside.init_containers = inside.init_containers; }, Fail, "not labelled, would get")]
#[case::nowhere(|e: &mut Evidence| { let run = of(&mut e.mesh.dry_run_labelled); run.containers.retain(|it| it.name != "istio-proxy"); run.init_containers.clear(); }, Fail, "would get no sidecar")]
#[case::no_namespace(|e: &mut Evidence| e.mesh.dry_run_labelled = Observation::absent("there is no namespace client"), Fail, "no namespace")]
#[case::forbidden(|e: &mut Evidence| e.mesh.dry_run_labelled = Observation::failed("cannot create resource"), Unjudged, "cannot create")]
#[case::forbidden_outside(|e: &mut Evidence| e.mesh.dry_run_unlabelled = Observation::failed("cannot create resource"), Unjudged, "cannot create")]
#[case::nowhere_though_labelled(|e: &mut Evidence| { label(e, true); of(&mut e.mesh.dry_run_labelled).containers.retain(|it| it.name != "istio-proxy"); of(&mut e.mesh.dry_run_labelled).init_containers.clear(); }, Fail, "mutatingwebhookconfigurations")]
#[case::nowhere_and_not_labelled(|e: &mut Evidence| { label(e, false); of(&mut e.mesh.dry_run_labelled).containers.retain(|it| it.name != "istio-proxy"); of(&mut e.mesh.dry_run_labelled).init_containers.clear(); }, Fail, "istio-injection=enabled")]
#[case::one_wrong_one_unseen(|e: &mut Evidence| { e.mesh.dry_run_labelled = Observation::failed("no answer"); let inside = e.mesh.dry_run_unlabelled.value_mut().unwrap(); inside.containers[0].name = "istio-proxy".into(); }, Fail, "not labelled, would get")]
#[case::not_asked(|e: &mut Evidence| { e.mesh.dry_run_labelled = Observation::not_asked("--only"); e.mesh.dry_run_unlabelled = Observation::not_asked("--only"); }, Skipped, "--only")]
fn unlabelled(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::unlabelled_namespace_left_alone", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "2 pods")]
#[case::other_order(|e: &mut Evidence| option(e, "-d", "15020,15021,15090"), Pass, "2 pods")]
#[case::outbound_port(|e: &mut Evidence| option(e, "-p", "15002"), Fail, "outbound port is 15002")]
#[case::inbound_port(|e: &mut Evidence| option(e, "-z", "15001"), Fail, "inbound port is 15001")]
#[case::user(|e: &mut Evidence| option(e, "-u", "0"), Fail, "user is 0")]
#[case::mode(|e: &mut Evidence| option(e, "-m", "TPROXY"), Fail, "mode is TPROXY")]
#[case::ranges(|e: &mut Evidence| option(e, "-i", "10.0.0.0/8"), Fail, "outbound ranges")]
#[case::ranges_left_out(|e: &mut Evidence| option(e, "-x", "10.96.0.0/12"), Fail, "10.96.0.0/12")]
#[case::inbound_ports(|e: &mut Evidence| option(e, "-b", "80"), Fail, "inbound ports are 80")]
#[case::inbound_left_out(|e: &mut Evidence| option(e, "-d", "15090,15021,15020,5678"), Fail, "leaves out inbound port 5678")]
#[case::own_port_not_left_out(|e: &mut Evidence| option(e, "-d", "15090,15021"), Fail, "15020")]
#[case::outbound_left_out(|e: &mut Evidence| { option(e, "-o", "80"); demo_pod(e, "echo").annotations.insert("traffic.sidecar.istio.io/excludeOutboundPorts".into(), "80".into()); }, Fail, "excludeOutboundPorts")]
#[case::interface_left_out(|e: &mut Evidence| option(e, "-c", "eth1"), Fail, "eth1")]
#[case::cni(|e: &mut Evidence| init(e, "echo").name = "istio-validation".into(), Changed, "CNI")]
#[case::no_init(|e: &mut Evidence| demo_pod(e, "echo").init_containers.clear(), Fail, "no istio-init")]
#[case::no_sidecars(|e: &mut Evidence| { for pod in of(&mut e.demo.pods) { without_sidecar(pod); } }, Fail, "has a sidecar")]
#[case::forbidden(|e: &mut Evidence| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
#[case::unknown_exclusion(|e: &mut Evidence| option(e, "--exclude-everything", "yes"), Fail, "--exclude-everything")]
#[case::other_system_namespace(|e: &mut Evidence| { e.expectations.istio_namespace = "mesh-system".into(); option(e, "-m", "TPROXY"); }, Fail, "-n mesh-system get configmap")]
#[case::one_wrong_one_by_cni(|e: &mut Evidence| { option(e, "-o", "80"); init(e, "client").name = "istio-validation".into(); }, Fail, "outbound port 80")]
fn init_arguments(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::init_arguments", mutation, verdict, words);
}

/// Changes the log of one pod's init container.
fn log(e: &mut Evidence, change: impl Fn(&str) -> String) {
    let log = e.mesh.init_logs.values_mut().next().unwrap();
    *of(log) = change(of(log));
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "ISTIO_IN_REDIRECT")]
#[case::port_left_out(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 5678 -j RETURN"), Fail, "5678")]
#[case::port_range_left_out(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 9000:9010 -j RETURN"), Fail, "9000-9010")]
#[case::jump_missing(|e: &mut Evidence| drop_lines(e, "-A PREROUTING"), Fail, "let through")]
#[case::other_target(|e: &mut Evidence| log(e, |text| text.replace("--to-ports 15006", "--to-ports 15001")), Fail, "15001")]
#[case::own_port_redirected(|e: &mut Evidence| drop_lines(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15090"), Fail, "15090")]
#[case::reordered(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -j ISTIO_IN_REDIRECT"), Fail, "is redirected")]
#[case::dropped(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 15021 -j DROP"), Fail, "15021 is dropped")]
#[case::no_tunnel_rule(|e: &mut Evidence| drop_lines(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15008"), Pass, "ISTIO_IN_REDIRECT")]
#[case::unknown_match(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -m set --match-set good src -j RETURN"), Unjudged, "--match-set good src")]
#[case::irrelevant_unknown(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p udp -m set --match-set good src -j RETURN"), Pass, "ISTIO_IN_REDIRECT")]
#[case::no_rules(|e: &mut Evidence| log(e, |_| "nothing".into()), Unjudged, "no iptables rules")]
#[case::only_asked_for(|e: &mut Evidence| log(e, |text| text[..text.find("# Generated").unwrap()].into()), Unjudged, "asked for")]
#[case::cut_off(|e: &mut Evidence| log(e, |text| text[..text.rfind("-A ISTIO_OUTPUT").unwrap()].into()), Unjudged, "cut off")]
#[case::no_log(|e: &mut Evidence| { *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"); }, Unjudged, "pods/log")]
#[case::not_read(|e: &mut Evidence| e.mesh.init_logs.clear(), Unjudged, "not read")]
#[case::forbidden(|e: &mut Evidence| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
#[case::some_sources_left_out(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-s 192.0.2.0/24 -p tcp -j RETURN"), Fail, "from 192.0.2.0")]
#[case::wrong_beside_the_unknown(|e: &mut Evidence| { insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 9000 -j RETURN"); insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 7 -m set --match-set good src -j RETURN"); }, Fail, "port 9000")]
#[case::tunnel_unknown(|e: &mut Evidence| insert(e, "ISTIO_INBOUND", "-p tcp -m tcp --dport 15008 -m set --match-set good src -j RETURN"), Pass, "ISTIO_IN_REDIRECT")]
fn inbound(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::inbound_redirected", mutation, verdict, words);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "ISTIO_REDIRECT")]
#[case::port_left_out(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 80 -j RETURN"), Fail, "port 80 ")]
#[case::range_left_out(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-d 10.96.0.0/12 -j RETURN"), Fail, "10.96.0.0")]
#[case::one_address_left_out(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-d 192.0.2.9/32 -j RETURN"), Fail, "192.0.2.9")]
#[case::a_user_left_out(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-m owner --uid-owner 2000 -j RETURN"), Fail, "let through")]
#[case::interface_left_out(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-o eth0 -j RETURN"), Fail, "let through")]
#[case::no_user_rule(|e: &mut Evidence| drop_lines(e, "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN"), Fail, "user 1337")]
#[case::no_group_rule(|e: &mut Evidence| drop_lines(e, "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN"), Fail, "group 1337")]
#[case::loopback(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-o lo -p tcp -j ISTIO_REDIRECT"), Fail, "127.0.0.1")]
#[case::other_target(|e: &mut Evidence| log(e, |text| text.replace("--to-ports 15001", "--to-ports 15006")), Fail, "15006")]
#[case::unknown_target(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-p tcp -j SYNPROXY"), Unjudged, "SYNPROXY")]
#[case::no_log(|e: &mut Evidence| { *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"); }, Unjudged, "pods/log")]
#[case::one_pod_wrong_one_unseen(|e: &mut Evidence| { insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 80 -j RETURN"); *e.mesh.init_logs.values_mut().last().unwrap() = Observation::failed("no answer"); }, Fail, "port 80 ")]
#[case::dns_captured(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 53 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Pass, "ISTIO_REDIRECT")]
#[case::more_than_dns_captured(|e: &mut Evidence| insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 53:54 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Fail, "53-54")]
#[case::own_address(|e: &mut Evidence| drop_lines(e, "-o lo -m owner !"), Fail, "over loopback is")]
#[case::loop_to_the_application(|e: &mut Evidence| drop_lines(e, "-s 127.0.0.6/32"), Fail, "a loop")]
#[case::wrong_beside_the_unknown(|e: &mut Evidence| { insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 9000 -j RETURN"); insert(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 7 -m set --match-set good dst -j RETURN"); }, Fail, "port 9000")]
#[case::forbidden(|e: &mut Evidence| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
fn outbound(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::outbound_redirected", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "in force")]
#[case::counters(|e: &mut Evidence| live(e, |text| text.replace("[0:0]", "[7:420]")), Pass, "in force")]
#[case::flushed(|e: &mut Evidence| live(e, |text| text.lines().filter(|line| !line.starts_with("-A")).collect::<Vec<_>>().join("\n")), Fail, "lacks")]
#[case::nothing_at_all(|e: &mut Evidence| live(e, |_| String::new()), Fail, "lacks")]
#[case::one_more(|e: &mut Evidence| live(e, |text| text.replace("-A OUTPUT", "-A OUTPUT -p tcp --dport 80 -j RETURN\n-A OUTPUT")), Fail, "also has")]
#[case::garbage(|e: &mut Evidence| live(e, |_| "Segmentation fault".into()), Unjudged, "line 1")]
#[case::no_log(|e: &mut Evidence| { for log in e.mesh.init_logs.values_mut() { *log = Observation::failed("pods/log is forbidden"); } }, Unjudged, "pods/log")]
#[case::failed(|e: &mut Evidence| { *e.mesh.live_rules.values_mut().next().unwrap() = Observation::failed("no docker"); }, Unjudged, "no docker")]
#[case::not_kind(|e: &mut Evidence| { for live in e.mesh.live_rules.values_mut() { *live = Observation::not_asked("not kind"); } }, Skipped, "not kind")]
#[case::not_read(|e: &mut Evidence| e.mesh.live_rules.clear(), Unjudged, "not read")]
#[case::entered_by_the_node(|e: &mut Evidence| live(e, |_| String::new()), Fail, "docker exec")]
#[case::not_entered_elsewhere(|e: &mut Evidence| { e.subject.provider = crate::evidence::Provider::Existing; e.subject.context = "room-7".into(); live(e, |_| String::new()); }, Fail, "--context room-7")]
#[case::forbidden(|e: &mut Evidence| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
fn live_rules(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::live_rules", mutation, verdict, words);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "Envoy's headers")]
#[case::the_demo_counts_too(|e: &mut Evidence| { of(&mut of(&mut e.mesh.traffic).outbound.after).clone_from(&1000); }, Pass, "for 5 requests")]
#[case::client_stands_still(|e: &mut Evidence| { let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Fail, "the client's proxy saw none")]
#[case::backend_stands_still(|e: &mut Evidence| { let pair = &mut of(&mut e.mesh.traffic).inbound; pair.after = pair.before.clone(); }, Fail, "the backend's proxy saw none")]
#[case::too_few(|e: &mut Evidence| { let pair = &mut of(&mut e.mesh.traffic).inbound; let before = *of(&mut pair.before); pair.after = Observation::seen(before + 4); }, Fail, "4 of 5")]
#[case::no_header(|e: &mut Evidence| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = String::new(); reply.envoy_upstream_time = false; }, Fail, "without Envoy's headers")]
#[case::no_answer(|e: &mut Evidence| { for reply in &mut of(&mut e.demo.asked).replies { reply.status = 0; reply.error = "timed out".into(); } }, Fail, "timed out")]
#[case::no_counter(|e: &mut Evidence| of(&mut e.mesh.traffic).outbound.after = Observation::absent("no cluster"), Fail, "no counter")]
#[case::restarted(|e: &mut Evidence| of(&mut e.mesh.traffic).inbound.after = Observation::seen(0), Unjudged, "counted from new")]
#[case::unread(|e: &mut Evidence| of(&mut e.mesh.traffic).outbound.before = Observation::failed("pods/portforward is forbidden"), Unjudged, "portforward")]
#[case::not_asked_in_time(|e: &mut Evidence| e.demo.asked = Observation::failed("pods/exec is forbidden"), Unjudged, "pods/exec")]
#[case::no_traffic(|e: &mut Evidence| e.mesh.traffic = Observation::failed("no answer"), Unjudged, "no answer")]
#[case::bypass_and_restarted(|e: &mut Evidence| { of(&mut e.mesh.traffic).inbound.after = Observation::seen(0); for reply in &mut of(&mut e.demo.asked).replies { reply.server = String::new(); reply.envoy_upstream_time = false; } }, Fail, "bypasses the sidecar")]
#[case::bypass_and_unread(|e: &mut Evidence| { e.demo.asked = Observation::failed("no answer"); let pair = &mut of(&mut e.mesh.traffic).outbound; pair.after = pair.before.clone(); }, Fail, "the client's proxy saw none")]
#[case::nothing_asked(|e: &mut Evidence| of(&mut e.mesh.traffic).requests = 0, Unjudged, "no request")]
#[case::not_asked(|e: &mut Evidence| { e.demo.asked = Observation::not_asked("--only"); e.mesh.traffic = Observation::not_asked("--only"); }, Skipped, "--only")]
fn traffic(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::traffic_through_proxies", mutation, verdict, words);
}

/// The rows of the only istiod: of a sidecar, or of the gateway.
fn row(e: &mut Evidence, gateway: bool) -> &mut crate::evidence::ProxySync {
    let istiod = of(&mut e.install.istiod).values_mut().next().unwrap();
    let rows = of(&mut istiod.proxies).iter_mut();
    rows.into_iter().find(|row| row.proxy.contains("ingressgateway") == gateway).unwrap()
}

/// One more istiod, with its own word on the proxies.
fn second_istiod(e: &mut Evidence, proxies: Observation<Vec<crate::evidence::ProxySync>>) {
    let istiods = of(&mut e.install.istiod);
    let mut second = istiods.values().next().unwrap().clone();
    second.proxies = proxies;
    istiods.insert("z-second".into(), second);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "3 proxies")]
#[case::stale(|e: &mut Evidence| row(e, false).listeners.acked = "older".into(), Fail, "listeners (LDS) are STALE")]
#[case::never_acknowledged(|e: &mut Evidence| row(e, false).clusters.acked = String::new(), Fail, "clusters (CDS) are STALE")]
#[case::not_sent(|e: &mut Evidence| { let row = row(e, false); row.routes.sent = String::new(); row.routes.acked = String::new(); }, Fail, "routes (RDS) are NOT SENT")]
#[case::a_gateway_without_routes(|e: &mut Evidence| { let row = row(e, true); row.routes.sent = String::new(); row.routes.acked = String::new(); }, Pass, "3 proxies")]
#[case::a_gateway_without_clusters(|e: &mut Evidence| { let row = row(e, true); row.clusters.sent = String::new(); row.clusters.acked = String::new(); }, Fail, "NOT SENT")]
#[case::unknown_proxy(|e: &mut Evidence| row(e, false).proxy = "gone.client".into(), Fail, "does not know")]
#[case::a_row_too_many(|e: &mut Evidence| { let mut more = row(e, false).clone(); more.proxy = "gone.client".into(); more.clusters.acked = "older".into(); let istiod = of(&mut e.install.istiod).values_mut().next().unwrap(); of(&mut istiod.proxies).push(more); }, Pass, "3 proxies")]
#[case::no_istiod(|e: &mut Evidence| e.install.istiod = Observation::absent("no istiod pod is ready"), Fail, "no istiod pod")]
#[case::unread(|e: &mut Evidence| { for istiod in of(&mut e.install.istiod).values_mut() { istiod.proxies = Observation::failed("pods/portforward is forbidden"); } }, Unjudged, "portforward")]
#[case::forbidden(|e: &mut Evidence| e.install.istiod = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
#[case::no_pods_seen(|e: &mut Evidence| e.install.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
#[case::no_istiod_pod(|e: &mut Evidence| of(&mut e.install.istiod).clear(), Fail, "no istiod runs")]
#[case::istiod_asleep(|e: &mut Evidence| { e.install.istiod = Observation::absent("no istiod pod is ready"); scale_to_zero(installed(e, "istiod")); }, Fail, "scale deployment/istiod")]
#[case::stale_and_pods_unseen(|e: &mut Evidence| { e.install.pods = Observation::failed("pods is forbidden"); row(e, false).listeners.acked = "older".into(); }, Fail, "STALE")]
#[case::gateway_stale_and_demo_unseen(|e: &mut Evidence| { e.demo.pods = Observation::failed("pods is forbidden"); row(e, true).listeners.acked = "older".into(); }, Fail, "STALE")]
#[case::stale_and_one_istiod_unread(|e: &mut Evidence| { row(e, false).endpoints.acked = "older".into(); second_istiod(e, Observation::failed("no answer")); }, Fail, "endpoints (EDS) are STALE")]
#[case::one_istiod_unread(|e: &mut Evidence| second_istiod(e, Observation::failed("no answer")), Unjudged, "no answer")]
#[case::changed_istiod(|e: &mut Evidence| { let mut old = row(e, false).clone(); old.clusters.acked = "older".into(); second_istiod(e, Observation::seen(vec![old])); }, Pass, "3 proxies")]
#[case::demo_unseen(|e: &mut Evidence| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged, "forbidden")]
fn in_sync(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("mesh::proxies_in_sync", mutation, verdict, words);
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
