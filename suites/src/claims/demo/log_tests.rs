//! What turns the claim on the client's log red, what leaves it unjudged, and what does not matter.

use jiff::SignedDuration;

use super::super::mutations::{Mutation, backend, demo_pod, of, prove, scale_to_zero};
use crate::evidence::{ClientLog, Clock, ContainerState, Evidence, LogLine, Observation};
use crate::judgement::Verdict::{self, Fail, Pass, Unjudged};
use rstest::rstest;

const HEAD: &str =
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current";
const ROW: &str =
    "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";
const REPLY: &str = "Hello from backend service";

fn log(evidence: &mut Evidence) -> &mut ClientLog {
    &mut of(&mut evidence.demo.client_logs)[0]
}

/// Replaces the log by these lines, each so many seconds before it was read.
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

/// The client has been running for so many seconds.
fn since(evidence: &mut Evidence, seconds: i64) {
    let now = log(evidence).read_at;
    let since = Some(now - SignedDuration::from_secs(seconds));
    demo_pod(evidence, "client").containers[0].state = ContainerState::Running { since };
}

/// A second client pod, with the first one's log.
fn second(evidence: &mut Evidence) -> &mut ClientLog {
    let mut pod = demo_pod(evidence, "client").clone();
    pod.name = "second".into();
    of(&mut evidence.demo.pods).push(pod);
    let log = ClientLog { pod: "second".into(), ..log(evidence).clone() };
    of(&mut evidence.demo.client_logs).push(log);
    of(&mut evidence.demo.client_logs).last_mut().unwrap()
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "`Hello from backend service`")]
#[case::quiet_curl(|e: &mut Evidence| write(e, &[(12, REPLY), (2, REPLY)]), Pass, "2 s ago")]
#[case::three_turns_old(|e: &mut Evidence| write(e, &[(35, REPLY)]), Pass, "35 s ago")]
#[case::meter_between(|e: &mut Evidence| write(e, &[(2, HEAD), (2, ROW), (2, REPLY), (1, ROW)]), Pass, "s ago")]
#[case::one_terminal(|e: &mut Evidence| write(e, &[(2, &format!("{ROW}{REPLY}"))]), Pass, "s ago")]
#[case::request_on_its_way(|e: &mut Evidence| write(e, &[(10, HEAD), (10, REPLY), (0, HEAD)]), Pass, "s ago")]
#[case::streams_out_of_step(|e: &mut Evidence| write(e, &[(10, REPLY), (10, HEAD), (0, HEAD)]), Pass, "s ago")]
#[case::earlier_errors(|e: &mut Evidence| write(e, &[(30, "curl: (7) Failed to connect"), (2, REPLY)]), Pass, "s ago")]
#[case::just_mended(|e: &mut Evidence| write(e, &[(2, "no healthy upstreamno healthy upstreamHello from backend service")]), Pass, "s ago")]
#[case::api_servers_clock(|e: &mut Evidence| { write(e, &[(-3, REPLY)]); clock(e, Clock::ApiServer); }, Pass, "0 s ago")]
#[case::two_clients(|e: &mut Evidence| { second(e); }, Pass, "second: ")]
#[case::another_pod_has_no_log(|e: &mut Evidence| { second(e).pod = "third".into(); of(&mut e.demo.pods).last_mut().unwrap().terminating = true; }, Pass, "s ago")]
#[case::others_with_its_label_elsewhere(|e: &mut Evidence| { second(e); of(&mut e.demo.pods).last_mut().unwrap().phase = "Succeeded".into(); }, Pass, "s ago")]
#[case::by_owner(|e: &mut Evidence| e.demo.deployments = Observation::failed("forbidden"), Pass, "s ago")]
#[case::old(|e: &mut Evidence| write(e, &[(36, REPLY)]), Fail, "old replies only")]
#[case::old_by_the_api_servers_clock(|e: &mut Evidence| { write(e, &[(90, REPLY)]); clock(e, Clock::ApiServer); }, Fail, "90 s old")]
#[case::backend_gone(|e: &mut Evidence| { scale_to_zero(backend(e)); write(e, &[(90, REPLY)]); }, Fail, "scale deployment/echo-deployment")]
#[case::backend_gone_whatever_the_clock(|e: &mut Evidence| { scale_to_zero(backend(e)); write(e, &[(90, REPLY)]); clock(e, Clock::Collector); }, Fail, "scaled to zero")]
#[case::requests_without_reply(|e: &mut Evidence| write(e, &[(22, REPLY), (12, HEAD), (2, HEAD)]), Fail, "2 requests without a reply")]
#[case::without_reply_whatever_the_clock(|e: &mut Evidence| { write(e, &[(900, REPLY), (890, HEAD), (880, HEAD)]); clock(e, Clock::Collector); }, Fail, "without a reply")]
#[case::similar(|e: &mut Evidence| write(e, &[(12, "Hello from backend service v2"), (2, "Hello from backend service v2")]), Fail, "something else than the reply")]
#[case::similar_since(|e: &mut Evidence| add(e, "Hello from backend service v2"), Fail, "came last")]
#[case::prefixed(|e: &mut Evidence| write(e, &[(2, "xHello from backend service")]), Fail, "xHello")]
#[case::cannot_resolve(|e: &mut Evidence| add(e, &format!("{ROW}curl: (6) Could not resolve host: echo")), Fail, "`curl: (6) Could not resolve host: echo`")]
#[case::cannot_connect(|e: &mut Evidence| add(e, "curl: (7) Failed to connect"), Fail, "curl: (7)")]
#[case::denied(|e: &mut Evidence| add(e, "RBAC: access denied"), Fail, "RBAC: access denied")]
#[case::reset(|e: &mut Evidence| add(e, "upstream connect error or disconnect/reset before headers"), Fail, "upstream connect error")]
#[case::no_curl(|e: &mut Evidence| write(e, &[(12, "sh: curl: not found"), (2, "sh: curl: not found")]), Fail, "there is no curl in the client's image")]
#[case::never(|e: &mut Evidence| { since(e, 600); write(e, &[]); }, Fail, "shows no reply")]
#[case::never_answered(|e: &mut Evidence| { since(e, 600); write(e, &[(12, HEAD), (2, HEAD)]); }, Fail, "2 requests without a reply")]
#[case::one_of_two(|e: &mut Evidence| second(e).lines.clear(), Fail, "second")]
#[case::no_client(|e: &mut Evidence| of(&mut e.demo.pods).retain(|pod| pod.labels.get("app").is_none_or(|app| app != "client")), Fail, "no client pod runs")]
#[case::client_pending(|e: &mut Evidence| demo_pod(e, "client").phase = "Pending".into(), Fail, "Pending")]
#[case::no_log(|e: &mut Evidence| e.demo.client_logs = Observation::absent("no container"), Fail, "no container")]
#[case::too_early(|e: &mut Evidence| { since(e, 12); write(e, &[(2, HEAD)]); }, Unjudged, "too early")]
#[case::future_of_the_collector(|e: &mut Evidence| { write(e, &[(-60, REPLY)]); clock(e, Clock::Collector); }, Unjudged, "60 s in the future")]
#[case::future_of_the_api_server(|e: &mut Evidence| { write(e, &[(-60, REPLY)]); clock(e, Clock::ApiServer); }, Unjudged, "in the future")]
#[case::old_by_the_collectors_clock(|e: &mut Evidence| { write(e, &[(600, REPLY)]); clock(e, Clock::Collector); }, Unjudged, "may be wrong")]
#[case::log_unread(|e: &mut Evidence| of(&mut e.demo.client_logs).clear(), Unjudged, "was not read")]
#[case::other_container(|e: &mut Evidence| log(e).container = "istio-proxy".into(), Unjudged, "was not read")]
#[case::logs_unseen(|e: &mut Evidence| e.demo.client_logs = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::pods_unseen(|e: &mut Evidence| e.demo.pods = Observation::failed("forbidden"), Unjudged, "forbidden")]
fn the_log_shows_the_reply(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("demo::client_logs_show_reply", mutation, verdict, words);
}

#[test]
fn quotations_are_short_and_clean() {
    let judgement = prove(
        "demo::client_logs_show_reply",
        |evidence| add(evidence, &format!("\u{1b}[31m{}", "no ".repeat(5000))),
        Fail,
        "no no no",
    );
    let observed = judgement.observed.unwrap();
    assert!(observed.chars().count() < 210 && !observed.contains('\u{1b}'), "{observed}");
}
