//! Tests of the page's text. How it looks and behaves is tested in a browser: `tests/browser`.

use super::evidence::{EXCERPT, format_observation};
use super::*;
use crate::report::human::tests::sample;
use meshcheck_suites::Step;
use meshcheck_suites::evidence::Observation;
use meshcheck_suites::steps::{Impact, Purpose};
use rstest::rstest;

const CAUSE: &str = "mesh::two_containers_per_pod";

/// The text between two others.
fn between<'p>(page: &'p str, start: &str, end: &str) -> &'p str {
    let (_, rest) = page.split_once(start).unwrap_or_else(|| panic!("no {start} in {page}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} in {rest}")).0
}

/// The sample with a step for its cause.
fn sample_with(step: Step) -> Report {
    let mut report = sample();
    report.claims[1].commands = step.command.iter().cloned().collect();
    report.claims[1].steps = vec![step];
    report.causes[0].steps.clone_from(&report.claims[1].steps);
    report
}

fn restart(command: &str) -> Step {
    Step {
        purpose: Purpose::Fix,
        impact: Impact::RestartsPods,
        text: "restart deployment `echo-deployment`".into(),
        command: Some(command.into()),
    }
}

#[test]
fn hostile_text_is_escaped_and_nothing_is_fetched() {
    let page = html(&sample(), None).unwrap();
    assert!(!page.contains("<script>") && page.contains("script"), "{page}");
    assert!(!page.contains('\u{1b}'));
    for loading in [" src=", "@import", "url(", "<link", "<script", "<iframe", " style="] {
        assert!(!page.contains(loading), "{loading}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn failing_claim_is_linked_from_the_bar_and_shown_first() {
    let page = html(&sample(), None).unwrap();
    let bar = between(&page, "<nav class=\"bar\"", "</nav>");
    assert!(bar.contains("href=\"#card-1\"") && bar.contains("href=\"#section-mesh\""), "{bar}");
    assert!(!bar.contains("href=\"#prepare::nodes_ready\""), "it holds: {bar}");
    assert!(page.contains("class=\"claims start-not-passed\""), "{page}");
    let mut report = sample();
    report.claims.retain(|claim| claim.verdict == Verdict::Pass);
    report.causes.clear();
    report.totals = meshcheck_suites::report::Totals::of(&report.claims);
    assert!(html(&report, None).unwrap().contains("class=\"claims start-all\""));
}

#[test]
fn cause_has_expected_and_observed_its_steps_and_its_consequences() {
    let step =
        restart("kubectl --context kind-x -n client rollout restart deployment/echo-deployment");
    let page = html(&sample_with(step), None).unwrap();
    let (before, _) = page.split_once(">Fix first").unwrap();
    assert_eq!(before.matches("<h2").count(), 1, "no other heading stands before it");
    assert!(before.contains("Type this once in your shell:"), "{before}");
    let card = between(&page, "id=\"card-1\"", "</article>");
    assert!(card.contains("<dt>expected</dt>") && card.contains("<dt>observed</dt>"), "{card}");
    assert!(
        card.contains("<b>Fix</b> <span class=\"tag restarts\">restarts pods</span> Restart"),
        "{card}"
    );
    assert!(card.contains("<code><span class=\"u\">echo-deployment</span></code>"), "{card}");
    assert!(card.contains(">kubectl <span") || card.contains("kubectl</span>"), "{card}");
    assert!(!card.contains("--context"), "the setup has the context: {card}");
    let consequences = between(card, "Not judged because of this: 1 claim", "</details>");
    assert!(consequences.contains("href=\"#mesh::proxies_in_sync\""), "{consequences}");
    assert!(!consequences.contains("<pre"), "a consequence has no commands: {consequences}");
    let line = between(&page, "<details id=\"mesh::proxies_in_sync\"", "</details>");
    assert!(line.contains(&format!("Caused by <a href=\"#card-1\">{CAUSE}</a>")), "{line}");
    assert!(!line.contains("<pre"), "{line}");
}

#[test]
fn changed_claim_is_an_update_of_the_tutorial() {
    let page = html(&sample(), None).unwrap();
    let update =
        between(&page, ">Update the tutorial (nothing to do on the cluster)", "</section>");
    assert!(
        update.contains("the tutorial says") && update.contains("the cluster shows"),
        "{update}"
    );
    assert!(update.contains("mesh::init_arguments"), "{update}");
}

#[test]
fn claims_with_one_reason_share_a_card_and_tell_it_once() {
    let mut report = sample();
    report.causes.clear();
    for claim in &mut report.claims {
        claim.verdict = Verdict::Unjudged;
        claim.because = None;
        claim.steps.clear();
        claim.summary = "no cluster".into();
    }
    let page = html(&report, None).unwrap();
    let group = between(&page, ">Not judged</h2>", "</section>");
    assert_eq!(group.matches("<article").count(), 1, "{group}");
    assert_eq!(page.matches("no cluster").count(), 1, "{page}");
    assert!(!page.contains("Request path"), "nothing was judged: {page}");
}

#[test]
fn allowed_failure_has_its_own_group() {
    let mut report = sample();
    report.causes.clear();
    report.claims[1].may_fail = Some("meshcheck.toml: no sidecars here".into());
    let page = html(&report, None).unwrap();
    assert!(between(&page, ">Allowed to fail</h2>", "</section>").contains(CAUSE), "{page}");
    assert!(!page.contains(">Fails</h2>"), "{page}");
}

#[rstest]
#[case::invisible("kubectl delete\u{202e} pods")]
#[case::too_long(&format!("kubectl {}", "x".repeat(5000)))]
fn truncated_command_cannot_be_copied(#[case] command: &str) {
    let page = html(&sample_with(restart(command)), None).unwrap();
    let card = between(&page, "id=\"card-1\"", "</article>");
    assert!(card.contains("Do not copy this line") && !card.contains("<pre"), "{card}");
}

/// A cause may be none of the selected claims: its card is on the page nevertheless.
#[test]
fn every_link_has_a_target() {
    let mut report = sample();
    report.claims.remove(1);
    report.causes[0].summary = "<b>bold</b>".into();
    let page = html(&report, None).unwrap();
    assert!(!page.contains("<b>bold"), "{page}");
    assert!(page.contains(&format!("Caused by <a href=\"#card-1\">{CAUSE}</a>")), "{page}");
    let mut without_causes = report.clone();
    without_causes.causes.clear();
    let plain = html(&without_causes, None).unwrap();
    assert!(
        plain.contains(&format!("Caused by {CAUSE}")) && !plain.contains("Fix first"),
        "{plain}"
    );
    for page in [page, plain, html(&sample(), None).unwrap()] {
        for link in page.split("href=\"#").skip(1) {
            let (target, _) = link.split_once('"').unwrap();
            assert_eq!(page.matches(&format!("id=\"{target}\"")).count(), 1, "{target}");
        }
    }
}

#[test]
fn characters_that_turn_or_hide_text_do_not_reach_the_page() {
    let mut report = sample();
    report.claims[1].observed = Some("a\u{202e}b\u{1b}[31mc\u{200b}\u{0}".into());
    report.cluster.context = "<img onerror=x>\u{202e}".into();
    let page = html(&report, None).unwrap();
    assert!(page.contains("abc") && !page.contains("<img"), "{page}");
    assert!(!page.contains(['\u{202e}', '\u{200b}', '\u{1b}', '\u{0}']));
}

#[rstest]
#[case("port 80 `http` is open", "port 80 <code>http</code> is open")]
#[case("`<b>` and ` alone", "<code>&#60;b&#62;</code> and ` alone")]
#[case("pod echo-1-x is new", "pod <span class=\"u\">echo-1-x</span> is new")]
fn text_in_backquotes_is_code_and_names_are_not_broken(#[case] text: &str, #[case] expected: &str) {
    let mut report = sample();
    report.causes[0].expected = Some(text.into());
    let page = html(&report, None).unwrap();
    assert_eq!(between(&page, "<dt>expected</dt><dd>", "</dd>"), expected);
}

#[test]
fn cut_text_says_so_and_unreadable_text_says_why() {
    let text = format_observation(&Observation::seen("é".repeat(EXCERPT))).unwrap();
    let end = format!("[cut here, {EXCERPT} bytes more: the evidence has all of it]");
    assert!(text.ends_with(&end), "{text}");
    let text = format_observation(&Observation::failed("pods/exec is forbidden")).unwrap();
    assert_eq!(text, "cannot read it: pods/exec is forbidden");
    assert_eq!(format_observation(&Observation::not_asked("no")), None);
}

/// The picture as text: it begins with its title.
fn picture(page: &str, title: &str) -> String {
    between(page, &format!("aria-label=\"{title}: "), "\"").replace("&#39;", "'")
}

#[test]
fn request_path_breaks_at_one_place() {
    let mut report = sample();
    report.claims[1].object = Some("pod client/client-deployment-5b9-abcde".into());
    let page = html(&report, None).unwrap();
    assert_eq!(page.matches("✗ breaks here<").count(), 1, "{page}");
    let path = picture(&page, "Request path");
    assert!(path.contains("client's sidecar fails, network, DNS not reached"), "{path}");
    assert!(path.contains("backend not reached"), "{path}");
    // One that names no workload may be on either side: the first of them is marked.
    report.claims[1].object = Some("namespace client".into());
    assert_eq!(html(&report, None).unwrap().matches("✗ breaks here<").count(), 1);
    // A consequence is no place where it breaks.
    report.claims[1].because = Some("install::namespace_labelled".into());
    let page = html(&report, None).unwrap();
    assert!(!page.contains("breaks here"), "{page}");
    assert!(picture(&page, "Request path").contains("client's sidecar affected"), "{page}");
}

#[rstest]
#[case::istiod("install::control_plane_running", "deployment istio-system/istiod", "istiod fails")]
#[case::namespace("install::namespace_labelled", "namespace client", "namespace client fails")]
fn failing_control_plane_or_namespace_leaves_the_path_open(
    #[case] id: &str,
    #[case] object: &str,
    #[case] words: &str,
) {
    let evidence = recorded();
    let mut report = meshcheck_suites::judge(&evidence, &[]);
    let claim = report.claims.iter_mut().find(|claim| claim.id == id).unwrap();
    claim.verdict = Verdict::Fail;
    claim.object = Some(object.into());
    let page = html(&report, Some(&evidence)).unwrap();
    let path = picture(&page, "Request path");
    assert!(path.contains(words) && path.matches("fails").count() == 1, "{path}");
    assert!(path.ends_with("port 5678 works, backend works"), "{path}");
    assert!(!page.contains("breaks here") && page.contains("Requests of this check: "), "{page}");
}

#[rstest]
#[case::denied(403, "RBAC: access denied", "backend's sidecar fails, port 5678 not reached")]
#[case::certificate(
    503,
    "TLS_error:|268436501:CERTIFICATE_EXPIRED",
    "service works, mTLS fails, backend's sidecar not reached"
)]
#[case::fault(503, "fault filter abort", "client's sidecar fails, network, DNS not reached")]
#[case::dns(
    0,
    "Could not resolve host: echo",
    "client's sidecar works, network, DNS fails, service"
)]
#[case::unknown(503, "no", "backend's sidecar works, port 5678 fails, backend not reached")]
fn request_path_breaks_where_the_reply_comes_from(
    #[case] status: u16,
    #[case] text: &str,
    #[case] words: &str,
) {
    let mut evidence = recorded();
    let reply = &mut evidence.demo.asked.value_mut().unwrap().replies[0];
    (reply.status, reply.body, reply.error) = (status, text.into(), text.into());
    let mut report = meshcheck_suites::judge(&recorded(), &[]);
    let claim = report.claims.iter_mut().find(|it| it.id == "demo::backend_replies").unwrap();
    claim.verdict = Verdict::Fail;
    claim.object = Some("pod client/client-deployment-5b9-abcde".into());
    let path = picture(&html(&report, Some(&evidence)).unwrap(), "Request path");
    assert!(path.contains(words) && path.matches("fails").count() == 1, "{path}");
}

#[test]
fn missing_sidecar_is_drawn_as_missing() {
    let mut evidence = recorded();
    let mut pods = evidence.demo.pods.value().unwrap().clone();
    for pod in pods.iter_mut().filter(|pod| pod.name.starts_with("client-")) {
        pod.containers.retain(|it| it.name != "istio-proxy");
        pod.init_containers.clear();
    }
    evidence.demo.pods = Observation::seen(pods);
    let page = html(&meshcheck_suites::judge(&evidence, &[]), Some(&evidence)).unwrap();
    let path = picture(&page, "Request path");
    assert!(path.contains("iptables 15001 missing, client's sidecar missing, network"), "{path}");
    assert!(path.contains("iptables 15006 works"), "{path}");
    assert!(page.contains("<small>no sidecar</small>"), "{page}");
    assert!(page.contains("Dashed: fails because of card 1."), "{page}");
    assert!(!page.contains("breaks here"), "requests arrive: {path}");
}

#[test]
fn unproven_claim_is_marked_in_chip_bar_card_and_path() {
    let evidence = recorded();
    let mut report = meshcheck_suites::judge(&evidence, &[]);
    let claim = report.claims.iter_mut().find(|it| it.id == "ingress::address_answers").unwrap();
    claim.caveat = Some("the gateway is not proven".into());
    let page = html(&report, Some(&evidence)).unwrap();
    assert!(page.contains("<span class=\"unproven\">(1 not proven)</span>"), "{page}");
    let bar = between(&page, "<nav class=\"bar\"", "</nav>");
    assert!(bar.contains("<a class=\"unproven\" href=\"#section-ingress\""), "{bar}");
    assert!(bar.contains("<a class=\"unproven\" href=\"#card-1\""), "{bar}");
    assert!(page.contains("<article class=\"card unproven\" id=\"card-1\""), "{page}");
    assert!(picture(&page, "Ingress path").contains("gateway not checked, route"), "{page}");
    assert!(page.contains("Dotted: not proven."), "{page}");
}

#[test]
fn card_begins_with_the_fault() {
    let page = html(&sample(), None).unwrap();
    let card = between(&page, "id=\"card-1\"", "</article>");
    assert!(between(card, "<h3>", "</h3>").contains("echo-1"), "{card}");
    let claim = between(card, "<p class=\"seen\">", "</p>");
    assert!(claim.starts_with("Claim: the statement of "), "{claim}");
}

#[test]
fn evidence_is_grouped_by_pod() {
    let evidence = recorded();
    let page = html(&meshcheck_suites::judge(&evidence, &[]), Some(&evidence)).unwrap();
    let list = between(&page, "aria-labelledby=\"evidence\"", "</section>");
    let heading = "<h3><span class=\"u\">echo-deployment-";
    assert_eq!(list.matches(heading).count(), 1, "{list}");
    let of_backend = list.split_once(heading).unwrap().1;
    assert!(of_backend.contains("rules in force in "), "{of_backend}");
}

#[test]
fn phases_are_a_timeline() {
    let page = html(&sample(), None).unwrap();
    let timeline = between(&page, "id=\"timeline\"", "</section>");
    assert!(timeline.contains("<dt>cluster</dt>") && timeline.contains("14.2 s"), "{timeline}");
    let mut report = sample();
    report.phases.clear();
    assert!(!html(&report, None).unwrap().contains("Timeline"));
}

fn recorded() -> Evidence {
    serde_json::from_str(include_str!("../../../../fixtures/evidence/lab.json")).unwrap()
}

#[test]
fn packet_trace_is_marked_from_rule_to_rule_to_its_end() {
    let evidence = recorded();
    let page = html(&meshcheck_suites::judge(&evidence, &[]), Some(&evidence)).unwrap();
    let way = between(&page, "<summary>inbound rules of", "</details>");
    let hits: Vec<_> = way.split("<li ").filter(|line| line.starts_with("class=\"hit\"")).collect();
    assert_eq!(hits.len(), 3, "{way}");
    assert!(hits[0].contains("→ 1<") && hits[0].contains("continue in ISTIO_INBOUND"), "{way}");
    assert!(hits[1].contains("→ 2<") && hits[1].contains("continue in ISTIO_IN_REDIRECT"), "{way}");
    assert!(hits[2].contains("→ 3<") && hits[2].contains("redirected to port 15006"), "{way}");
    assert!(way.contains("no match: ") && way.contains("Result: redirected to port 15006"));
}

#[test]
fn style_has_the_digest_of_the_content_policy() {
    let page = html(&sample(), None).unwrap();
    let (_, style) = page.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    assert!(
        page.contains(&format!("style-src &#39;sha256-{hash}&#39;"))
            || page.contains(&format!("style-src 'sha256-{hash}'")),
        "{page}"
    );
}
