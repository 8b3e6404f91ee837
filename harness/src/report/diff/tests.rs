//! Whole comparisons as people, scripts and browsers get them.

use std::fs::File;
use std::path::Path;

use flate2::read::GzDecoder;
use meshcheck_suites::Evidence;
use meshcheck_suites::diff::{Diff, Difference, Reason, View, Witness, diff};
use rstest::rstest;
use serde_json::Value;

use super::{below, diff_human, diff_markdown, json, without_records};
use crate::report::Style;
use crate::report::html::diff_page;

fn record(name: &str) -> Evidence {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    let file = File::open(path).unwrap();
    if Path::new(name).extension().unwrap() == "gz" {
        serde_json::from_reader(GzDecoder::new(file)).unwrap()
    } else {
        serde_json::from_reader(file).unwrap()
    }
}

fn between_versions(view: View) -> Diff {
    let old = record("evidence/istio-1.20.3.json.gz");
    let new = record("evidence/istio-1.31-alpha-kubernetes-1.34.json.gz");
    diff(&old, &new, view)
}

fn of_fault(name: &str, view: View) -> Diff {
    let fault = record(&format!("faults/{name}/evidence.json.gz"));
    diff(&record("evidence/lab.json"), &fault, view)
}

#[rstest]
#[case::tutorial("tutorial", View::Tutorial)]
#[case::verdicts("verdicts", View::Verdicts)]
#[case::all("all", View::All)]
fn new_istio_for_people(#[case] name: &str, #[case] view: View) {
    let text = diff_human(&between_versions(view), Style::plain());
    insta::assert_snapshot!(format!("human_{name}"), text);
}

#[rstest]
#[case("outbound-port-excluded")]
#[case("istiod-service-selects-nothing")]
fn fault_for_people_who_ask_for_details(#[case] name: &str) {
    let style = Style { verbose: true, ..Style::plain() };
    let text = diff_human(&of_fault(name, View::Tutorial), style);
    insta::assert_snapshot!(format!("verbose_{name}"), text);
}

#[test]
fn new_istio_as_markdown() {
    insta::assert_snapshot!("markdown", diff_markdown(&between_versions(View::Tutorial)));
}

#[test]
fn difference_has_at_most_three_lines_below_it() {
    for diff in [between_versions(View::All), of_fault("pods-from-before-the-label", View::All)] {
        for difference in &diff.differences {
            assert!(below(difference, false).len() <= 3, "{difference:#?}");
        }
    }
}

/// What others script against.
#[test]
fn json_keeps_its_contract() {
    let diff = between_versions(View::All);
    let text = json(&diff).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["view"], "all");
    for side in ["old", "new"] {
        for field in ["context", "istio_version", "kubernetes_version", "recorded_at", "recorder"] {
            assert!(document[side][field].is_string(), "{side} {field}");
        }
    }
    for field in ["claims", "observations", "not_compared"] {
        assert!(document["compared"][field].is_u64(), "{field}");
    }
    for difference in document["differences"].as_array().unwrap() {
        for field in ["id", "class", "fingerprint", "object", "summary"] {
            assert!(difference[field].is_string(), "{field}");
        }
        assert_eq!(difference["fingerprint"].as_str().unwrap().len(), 12);
    }
    for noise in document["noise"].as_array().unwrap() {
        assert_eq!(noise["class"], "noise");
        assert!(noise["count"].as_u64().unwrap() > 0);
    }
    assert_eq!(serde_json::from_str::<Diff>(&text).unwrap(), diff);
}

/// What no cluster should be able to do to a report.
const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>\n| [x](javascript:alert(1)) \u{1b}[31m\u{202e}@all `</code>`";

fn hostile() -> Diff {
    let mut diff = between_versions(View::All);
    for side in [&mut diff.old, &mut diff.new] {
        side.context = EVIL.into();
        side.istio_version = EVIL.into();
    }
    for item in &mut diff.not_compared {
        item.old = Some(EVIL.into());
    }
    let evil = || EVIL.to_owned();
    let reason = Reason { since: None, why: evil(), source: evil(), restore: Some(evil()) };
    diff.differences = diff
        .differences
        .into_iter()
        .map(|difference| Difference {
            object: evil(),
            summary: evil(),
            was: Some(evil()),
            now: Some(evil()),
            facts: vec![evil()],
            also: vec![evil()],
            witness: Some(Witness { packet: evil(), was: evil(), now: evil() }),
            searched: Some(evil()),
            reason: Some(reason.clone()),
            ..difference
        })
        .collect();
    diff
}

#[test]
fn hostile_text_stays_text_on_the_page() {
    let page = diff_page(&hostile()).unwrap();
    for markup in ["<script", "<img", "javascript:alert(1)\"", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"));
}

#[test]
fn hostile_text_stays_text_in_markdown() {
    let diff = hostile();
    let markdown = diff_markdown(&diff);
    for markup in ["<script", "<img", "](javascript", "@all", "\u{1b}", "\u{202e}"] {
        assert!(!markdown.contains(markup), "{markup}");
    }
    // A row stays one row.
    let rows = markdown.lines().filter(|line| line.ends_with(" |") && !line.starts_with("| class"));
    assert_eq!(rows.count(), diff.differences.len());
}

#[test]
fn hostile_text_stays_text_on_a_terminal() {
    for ascii in [false, true] {
        let text = diff_human(&hostile(), Style { ascii, ..Style::plain() });
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(!ascii || text.is_ascii() || text.contains('✗'), "{text}");
    }
}

#[test]
fn report_without_records_shows_no_equality() {
    let diff = without_records("cannot read x.json: token=s3cret-s3cret", View::Tutorial);
    assert_eq!(diff.exit_code(), 3);
    for text in [
        diff_human(&diff, Style::plain()),
        diff_markdown(&diff),
        diff_page(&diff).unwrap(),
        json(&diff).unwrap(),
    ] {
        assert!(!text.contains("No difference") && !text.contains("s3cret-s3cret"), "{text}");
        assert!(text.contains("cannot read x.json"), "{text}");
    }
}
