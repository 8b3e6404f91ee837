//! Tests of the documents: valid, bounded, and such as servers show well.

use meshcheck_suites::evidence::Observation;
use meshcheck_suites::report::PhaseTime;
use meshcheck_suites::steps::{Purpose, Step};
use meshcheck_suites::{Evidence, Report, Verdict, preflight};
use rstest::rstest;

use super::schema::validate;
use super::*;
use crate::events::Phase;
use crate::report::died::tests::dead;
use crate::report::human::tests::sample;
use crate::report::{Selected, Style, html, human, junit as written};
use quick_junit::TestCaseStatus;

fn junit(report: &Report) -> String {
    written(report).unwrap()
}

fn recorded() -> Evidence {
    serde_json::from_str(include_str!("../../../../fixtures/evidence/lab.json")).unwrap()
}

/// Every claim has each verdict in turn, and may fail or not.
fn with(verdict: Verdict, may_fail: Option<&str>) -> Report {
    let mut report = sample();
    for claim in &mut report.claims {
        claim.verdict = verdict;
        claim.may_fail = may_fail.map(str::to_owned);
        claim.observed = Some("one\ntwo & <three>".into());
    }
    report
}

/// What a preflight says of a machine that tells nothing.
fn before_the_install() -> Report {
    let mut report = dead("", None, &Selected::Checks(Vec::new()));
    let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Unjudged, Verdict::Skipped];
    for (claim, verdict) in report.claims.iter_mut().zip(verdicts.into_iter().cycle()) {
        claim.verdict = verdict;
    }
    assert!(report.is_preflight() && report.claims.len() == preflight::CHECKS.len());
    report
}

fn healthy() -> Report {
    let report = meshcheck_suites::judge(&recorded(), &[]);
    assert_eq!(report.totals.pass, report.claims.len());
    report
}

fn unseen() -> Report {
    let mut evidence = recorded();
    evidence.demo.pods = Observation::failed("pods is forbidden: <b>needs</b> `list` on `pods`");
    evidence.install.pods = Observation::absent("no namespace istio-system");
    meshcheck_suites::judge(&evidence, &[])
}

#[rstest]
#[case::healthy(healthy())]
#[case::unseen(unseen())]
#[case::every_verdict(sample())]
#[case::failed(with(Verdict::Fail, None))]
#[case::changed(with(Verdict::Changed, None))]
#[case::skipped(with(Verdict::Skipped, None))]
#[case::may_fail(with(Verdict::Fail, Some("the room is slow")))]
#[case::may_be_unjudged(with(Verdict::Unjudged, Some("the room is slow")))]
#[case::preflight(before_the_install())]
#[case::died(dead("no docker", Some(Phase::Cluster), &Selected::Claims(Vec::new())))]
#[case::preflight_died(dead("no docker", None, &Selected::Checks(Vec::new())))]
fn every_document_is_valid_for_the_strictest_reader(#[case] report: Report) {
    let xml = junit(&report);
    assert_eq!(validate(&xml), Ok(()), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), report.claims.len());
    let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let suites = report.sections().len();
    assert_eq!((read.tests, read.test_suites.len()), (report.claims.len(), suites));
    for suite in &read.test_suites {
        assert!(suite.time.is_some() && suite.timestamp.is_some(), "{xml}");
        assert!(suite.test_cases.iter().all(|case| case.time.is_some()), "{xml}");
    }
}

/// The table is not one that lets everything through.
#[rstest]
#[case("<testsuites skipped=\"0\"></testsuites>", "no attribute skipped")]
#[case("<testsuites timestamp=\"x\"></testsuites>", "no attribute timestamp")]
#[case("<testsuites time=\"1.2345\"></testsuites>", "no time")]
#[case("<testsuites><testcase name=\"x\"/></testsuites>", "testcase in")]
#[case("<testsuites>words</testsuites>", "where nothing may")]
#[case("<testsuites><testsuite name=\"x\"/></testsuites>", "lacks tests")]
#[case("<testsuites>", "ends within")]
fn violation_of_the_schema_is_found(#[case] xml: &str, #[case] words: &str) {
    let wrong = validate(xml).unwrap_err();
    assert!(wrong.contains(words), "{wrong}");
}

#[test]
fn each_verdict_has_its_junit_element() {
    let xml = junit(&sample());
    assert!(xml.contains("<failure") && xml.contains("type=\"changed\""), "{xml}");
    assert!(xml.contains("<error") && xml.contains("<skipped"), "{xml}");
    assert!(xml.contains("&lt;script&gt;") && !xml.contains('\u{1b}'), "{xml}");
    assert!(xml.contains("  kubectl --context kind-x -n client rollout"), "{xml}");
}

#[test]
fn message_of_a_consequence_names_its_cause() {
    let xml = junit(&sample());
    let message = "forbidden (caused by mesh::two_containers_per_pod)\"";
    assert_eq!(xml.matches(message).count(), 1, "{xml}");
}

/// Some servers show the message of what was skipped, some the text.
#[test]
fn why_a_claim_is_skipped_stands_in_the_message_and_in_the_text() {
    let xml = junit(&sample());
    assert!(xml.contains("<skipped message=\"needs --active\">needs --active</skipped>"), "{xml}");
    let xml = junit(&with(Verdict::Fail, Some("the room is slow")));
    let start = "<skipped message=\"fail, 1 node is ready\">fail, 1 node is ready\nobserved: one\n";
    assert!(xml.contains(start), "{xml}");
    assert!(!xml.contains("<failure"), "{xml}");
}

fn seconds(time: Option<std::time::Duration>) -> f64 {
    time.unwrap().as_secs_f64()
}

/// Servers add the times of cases, or those of suites: the sum is the look's time.
#[test]
fn times_of_cases_add_up_to_the_collection() {
    let mut report = sample();
    report.phases.clear();
    let read = |report: &Report| quick_junit::Report::deserialize_from_str(&junit(report)).unwrap();
    let document = read(&report);
    assert!((seconds(document.time) - 0.420).abs() < 1e-9, "{document:?}");
    let suites: f64 = document.test_suites.iter().map(|suite| seconds(suite.time)).sum();
    assert!((suites - 0.420).abs() < 1e-9, "{suites}");
    let cases = document.test_suites.iter().flat_map(|suite| &suite.test_cases);
    let times: Vec<_> = cases.map(|case| seconds(case.time)).collect();
    assert!((times.iter().sum::<f64>() - 0.420).abs() < 1e-9, "{times:?}");
    // What was skipped was not read.
    assert_eq!(times.iter().filter(|time| **time == 0.0).count(), 1, "{times:?}");
    // A run takes longer than its look.
    report.phases.push(PhaseTime { phase: "total".into(), seconds: 61.5 });
    let document = read(&report);
    assert!((seconds(document.time) - 61.5).abs() < 1e-9, "{document:?}");
    assert!((seconds(document.test_suites[0].time) - 0.105).abs() < 1e-9, "{document:?}");
    assert!(junit(&report).contains("timestamp=\"2026-01-01T00:00:00Z\""));
}

/// What stands in a file need not be true.
#[test]
fn impossible_times_give_a_valid_document() {
    let mut report = sample();
    report.cluster.collection_ms = u64::MAX;
    report.cluster.recorded_at = "yesterday".into();
    for seconds in [-1.0, f64::NAN, f64::INFINITY] {
        report.phases = vec![PhaseTime { phase: "total".into(), seconds }];
        let xml = junit(&report);
        assert_eq!(validate(&xml), Ok(()), "{xml}");
        assert!(!xml.contains("timestamp="), "{xml}");
    }
}

/// Servers cut, or refuse, what is too long; and what to do is not what is cut.
#[test]
fn endless_text_is_cut_and_the_steps_stay() {
    let mut report = with(Verdict::Fail, None);
    let lines = "a line\n".repeat(100_000);
    for claim in &mut report.claims {
        claim.summary = "s".repeat(1 << 20);
        claim.expected = Some(lines.clone());
        claim.observed = Some(lines.clone());
        claim.object = Some("ö".repeat(1 << 20));
        claim.because = None;
        claim.steps = vec![Step::advice(Purpose::Fix, "`kubectl get pods`")];
    }
    report.cluster.context = "c".repeat(1 << 20);
    let xml = junit(&report);
    assert_eq!(validate(&xml), Ok(()));
    let document = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let mut number = 0;
    for case in document.test_suites.iter().flat_map(|suite| &suite.test_cases) {
        let TestCaseStatus::NonSuccess { message, description, .. } = &case.status else {
            panic!("{case:?}")
        };
        let (message, text) = (message.as_deref().unwrap(), description.as_deref().unwrap());
        assert!(message.len() <= MESSAGE && message.contains("bytes more]"), "{message}");
        assert!(text.len() <= 16 << 10, "{}", text.len());
        assert!(text.contains("\n  kubectl get pods"), "{text}");
        let end = text.rsplit('\n').next().unwrap();
        assert!(end.starts_with("More: https://"), "{text}");
        assert!(text.contains("lines left out; --report json=FILE has all of it]"), "{text}");
        number += 1;
    }
    assert_eq!(number, report.claims.len());
    assert!(xml.len() < 200_000, "{}", xml.len());
}

#[test]
fn random_text_of_the_cluster_gives_valid_xml() {
    let mut report = sample();
    let hostile: String = (0..0x300).filter_map(char::from_u32).collect();
    for claim in &mut report.claims {
        claim.summary = format!("]]> <![CDATA[ & {hostile}");
        claim.observed = Some(hostile.clone() + "\u{fffe}\u{ffff}\u{202e}");
    }
    report.cluster.context = hostile.clone();
    for xml in [junit(&report), junit(&dead(&hostile, None, &Selected::Claims(Vec::new())))] {
        assert_eq!(validate(&xml), Ok(()), "{xml}");
        let read = quick_junit::Report::deserialize_from_str(&xml);
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn notes_of_the_bundle_are_properties() {
    let xml = junit(&sample());
    assert!(xml.contains("name=\"note\" value=\"Istio is a commit"), "{xml}");
    assert!(xml.contains("name=\"istio_version\" value=\"1.20.3\""), "{xml}");
}

#[test]
fn every_file_is_a_suite_with_all_its_cases() {
    let text = include_str!("../../../../fixtures/evidence/lab.json");
    let mut evidence: Evidence = serde_json::from_str(text).unwrap();
    let good = meshcheck_suites::judge(&evidence, &[]);
    evidence.demo.services.value_mut().unwrap().clear();
    let failing = meshcheck_suites::judge(&evidence, &[]);
    let text = junit_of_files([("vm1 & <2>.json", &good), ("vm2.json", &failing)]).unwrap();
    let all = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let names: Vec<_> = all.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(names, ["vm1 & <2>.json", "vm2.json"]);
    assert_eq!(all.tests, 2 * good.claims.len());
    assert_eq!(all.failures, failing.totals.fail);
    for suite in &all.test_suites {
        assert_eq!(suite.test_cases.len(), good.claims.len(), "{text}");
        assert_eq!(suite.tests, suite.test_cases.len());
    }
    // The text of a failure is whole.
    let alone = junit(&failing);
    let failure = alone.split("<failure").nth(1).unwrap().split("</failure>").next().unwrap();
    assert!(text.contains(failure), "{text}");
}

#[test]
fn every_report_says_once_what_limits_all_verdicts() {
    let mut report = sample();
    report.caveat = Some("Istio 1.40.0 is newer than meshcheck knows".into());
    let page = html(&report, None).unwrap();
    assert_eq!(page.matches("newer than meshcheck knows").count(), 1);
    for style in [Style::plain(), Style { quiet: true, ..Style::plain() }] {
        let text = human(&report, style);
        assert_eq!(
            text.matches("\nIstio 1.40.0 is newer than meshcheck knows\n").count(),
            1,
            "{text}"
        );
    }
    let xml = junit(&report);
    assert!(xml.contains(r#"<property name="caveat" value="Istio 1.40.0 is newer than"#), "{xml}");
}

#[test]
fn every_report_says_what_differs_from_the_text_and_why() {
    let report = sample();
    let page = html(&report, None).unwrap();
    let text = human(&report, Style::plain());
    let xml = junit(&report);
    for (name, words) in [
        ("tutorial says", "each pod has two containers"),
        ("rue instead", " is an init container"),
        ("ince", "Istio 1.27"),
        ("ource", "https://example.com/native-sidecar-default.yaml"),
        ("o restore", "install Istio with "),
    ] {
        for report in [&page, &text, &xml] {
            assert!(report.contains(name) && report.contains(words), "{name}: {report}");
        }
    }
    assert!(page.contains("&lt;by default&gt;") || page.contains("&#60;by default&#62;"), "{page}");
}
