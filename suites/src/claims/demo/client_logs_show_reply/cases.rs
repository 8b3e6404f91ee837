//! The cases of the claim.

use jiff::SignedDuration;

use crate::entry::cases;
use crate::evidence::{ClientLog, Clock, ContainerState, Evidence, LogLine, Observation};
use crate::judgement::Verdict;
use crate::testing::{backend, client, demo_pod, of, prove, scale_to_zero};

const HEAD: &str =
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current";
const ROW: &str =
    "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";
const REPLY: &str = "Hello from backend service";

fn log(evidence: &mut Evidence) -> &mut ClientLog {
    &mut of(&mut evidence.demo.client_logs)[0]
}

/// Replaces the log by these lines, each with its age in seconds.
fn write(evidence: &mut Evidence, lines: &[(i64, &str)]) {
    let log = log(evidence);
    log.clock = Clock::Node;
    let at = |seconds: i64| log.read_at - SignedDuration::from_secs(seconds);
    log.lines =
        lines.iter().map(|&(ago, text)| LogLine { at: at(ago), text: text.into() }).collect();
}

fn add(evidence: &mut Evidence, text: &str) {
    let log = log(evidence);
    let line = LogLine { at: log.read_at, text: text.into() };
    log.lines.push(line);
}

fn clock(evidence: &mut Evidence, clock: Clock) {
    log(evidence).clock = clock;
}

/// Sets how many seconds the client has been running.
fn since(evidence: &mut Evidence, seconds: i64) {
    let now = log(evidence).read_at;
    let since = Some(now - SignedDuration::from_secs(seconds));
    demo_pod(evidence, "client").containers[0].state = ContainerState::Running { since };
}

/// Adds a second client pod with the first one's log.
fn second(evidence: &mut Evidence) -> &mut ClientLog {
    let mut pod = demo_pod(evidence, "client").clone();
    pod.name = "second".into();
    of(&mut evidence.demo.pods).push(pod);
    let log = ClientLog { pod: "second".into(), ..log(evidence).clone() };
    of(&mut evidence.demo.client_logs).push(log);
    of(&mut evidence.demo.client_logs).last_mut().unwrap()
}

/// Removes all client pods.
fn remove_client(evidence: &mut Evidence) {
    let is_client = |app: &String| app == "client";
    of(&mut evidence.demo.pods).retain(|pod| !pod.labels.get("app").is_some_and(is_client));
}

cases! { Evidence:
    healthy(|_| {}, Pass);
    quiet_curl(|e| write(e, &[(12, REPLY), (2, REPLY)]), Pass);
    three_turns_old(|e| write(e, &[(35, REPLY)]), Pass);
    meter_between(|e| write(e, &[(2, HEAD), (2, ROW), (2, REPLY), (1, ROW)]), Pass);
    one_terminal(|e| write(e, &[(2, &format!("{ROW}{REPLY}"))]), Pass);
    request_in_progress(|e| write(e, &[(10, HEAD), (10, REPLY), (0, HEAD)]), Pass);
    streams_out_of_step(|e| write(e, &[(10, REPLY), (10, HEAD), (0, HEAD)]), Pass);
    request_of_the_reply_itself(|e| write(e, &[(22, REPLY), (17, HEAD), (2, HEAD)]), Pass);
    clocks_differ_a_little(|e| { write(e, &[(-5, REPLY)]); clock(e, Clock::ApiServer); }, Pass);
    long_error(|e| write(e, &[(2, &format!("curl: (7) Failed to connect to echo-service {}", "and again ".repeat(9)))]), Fail);
    // With its quotes it has 80 characters.
    longest_line_that_is_not_cut(|e| add(e, "curl: (7) Failed to connect to echo-service.client.svc.cluster.local port 8080"), Fail);
    earlier_errors(|e| write(e, &[(30, "curl: (7) Failed to connect"), (2, REPLY)]), Pass);
    just_fixed(|e| write(e, &[(2, "no healthy upstreamno healthy upstreamHello from backend service")]), Pass);
    api_servers_clock(|e| { write(e, &[(-3, REPLY)]); clock(e, Clock::ApiServer); }, Pass);
    two_clients(|e| { second(e); }, Pass);
    another_pod_has_no_log(|e| { second(e).pod = "third".into(); of(&mut e.demo.pods).last_mut().unwrap().terminating = true; }, Pass);
    others_with_its_label_elsewhere(|e| { second(e); of(&mut e.demo.pods).last_mut().unwrap().phase = "Succeeded".into(); }, Pass);
    by_owner(|e| e.demo.deployments = Observation::failed("forbidden"), Pass);
    old(|e| write(e, &[(36, REPLY)]), Fail);
    old_by_the_api_servers_clock(|e| { write(e, &[(90, REPLY)]); clock(e, Clock::ApiServer); }, Fail);
    backend_scaled_to_zero(|e| { scale_to_zero(backend(e)); write(e, &[(90, REPLY)]); }, Fail);
    backend_scaled_to_zero_and_collector_clock(|e| { scale_to_zero(backend(e)); write(e, &[(90, REPLY)]); clock(e, Clock::Collector); }, Fail);
    requests_without_reply(|e| write(e, &[(22, REPLY), (12, HEAD), (2, HEAD)]), Fail);
    requests_without_reply_and_collector_clock(|e| { write(e, &[(900, REPLY), (890, HEAD), (880, HEAD)]); clock(e, Clock::Collector); }, Fail);
    other_text(|e| write(e, &[(12, "Hello from backend service v2"), (2, "Hello from backend service v2")]), Fail);
    other_text_last(|e| add(e, "Hello from backend service v2"), Fail);
    text_with_prefix(|e| write(e, &[(2, "xHello from backend service")]), Fail);
    cannot_resolve(|e| add(e, &format!("{ROW}curl: (6) Could not resolve host: echo")), Fail);
    cannot_connect(|e| add(e, "curl: (7) Failed to connect"), Fail);
    denied(|e| add(e, "RBAC: access denied"), Fail);
    reset(|e| add(e, "upstream connect error or disconnect/reset before headers"), Fail);
    no_curl(|e| write(e, &[(12, "sh: curl: not found"), (2, "sh: curl: not found")]), Fail);
    empty_log(|e| { since(e, 600); write(e, &[]); }, Fail);
    empty_log_after_two_turns(|e| { since(e, 25); write(e, &[]); }, Fail);
    client_scaled_to_zero(|e| { scale_to_zero(client(e)); remove_client(e); }, Fail);
    requests_and_no_reply(|e| { since(e, 600); write(e, &[(12, HEAD), (2, HEAD)]); }, Fail);
    one_of_two_logs_empty(|e| second(e).lines.clear(), Fail);
    no_client(remove_client, Fail);
    client_pending(|e| demo_pod(e, "client").phase = "Pending".into(), Fail);
    no_log(|e| e.demo.client_logs = Observation::absent("no container"), Fail);
    too_early(|e| { since(e, 12); write(e, &[(2, HEAD)]); }, Unjudged);
    early_by_a_second(|e| { since(e, 24); write(e, &[]); }, Unjudged);
    future_of_the_collector(|e| { write(e, &[(-60, REPLY)]); clock(e, Clock::Collector); }, Unjudged);
    future_of_the_api_server(|e| { write(e, &[(-60, REPLY)]); clock(e, Clock::ApiServer); }, Unjudged);
    old_by_the_collectors_clock(|e| { write(e, &[(600, REPLY)]); clock(e, Clock::Collector); }, Unjudged);
    log_not_in_evidence(|e| of(&mut e.demo.client_logs).clear(), Unjudged);
    other_container(|e| log(e).container = "istio-proxy".into(), Unjudged);
    logs_unread(|e| e.demo.client_logs = Observation::failed("forbidden"), Unjudged);
    pods_unread(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged);
}

#[test]
fn long_log_line_is_cut_and_has_no_control_characters() {
    let judgement = prove(
        "demo::client_logs_show_reply",
        |evidence| add(evidence, &format!("\u{1b}[31m{}", "no ".repeat(5000))),
        Verdict::Fail,
    );
    let observed = judgement.observed.unwrap();
    assert!(observed.contains("no no no"), "{observed}");
    assert!(observed.chars().count() < 610 && !observed.contains('\u{1b}'), "{observed}");
}
