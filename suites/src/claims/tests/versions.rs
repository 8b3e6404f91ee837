//! What differs between versions of Istio: *changed* claims say it, and the wording of a version makes no claim fail.

use std::io::Read as _;

use flate2::read::GzDecoder;
use rstest::rstest;

use crate::claims::CLAIMS;
use crate::claims::mesh::changes::{
    LOG_1_22, LOG_1_31, log_in_json, native_nftables, replace_logs,
};
use crate::evidence::Evidence;
use crate::judge;
use crate::judgement::Verdict;
use crate::profile::{self, InitLog};
use crate::report::Report;
use crate::testing::healthy;

/// The record of a real mesh of Istio 1.31 on Kubernetes 1.34.
const RECORD: &[u8] =
    include_bytes!("../../../../fixtures/evidence/istio-1.31-alpha-kubernetes-1.34.json.gz");

/// The version in that record.
const RECORDED: &str = "1.31.0-alpha.eed52ebb66ad";

/// Returns the record with another version of Istio in every place.
fn record_of(version: &str) -> Evidence {
    let mut text = String::new();
    GzDecoder::new(RECORD).read_to_string(&mut text).unwrap();
    assert!(text.contains(RECORDED));
    serde_json::from_str(&text.replace(RECORDED, version)).unwrap()
}

fn ids_with(report: &Report, verdict: Verdict) -> Vec<&str> {
    let claims = report.claims.iter().filter(|claim| claim.verdict == verdict);
    claims.map(|claim| claim.id.as_str()).collect()
}

/// Joins lines, and leaves out the marks of code.
fn plain(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn changed_claim_quotes_words_of_the_tutorial_that_its_page_quotes() {
    let mut ids = Vec::new();
    for claim in CLAIMS {
        let page = plain(&claim.explain());
        for case in claim.cases.iter().filter(|case| case.verdict == Verdict::Changed) {
            let change = claim.judge(&case.evidence(claim)).change.unwrap();
            assert!(page.contains(&plain(&change.sentence)), "{}: {change:?}", claim.id);
            assert_ne!(change.now, change.sentence, "{}", case.name);
            ids.push(change.id);
        }
    }
    for id in ["istio-cni", "native-nftables", "native-sidecars-by-option", "gateway-elsewhere"] {
        assert!(ids.iter().any(|it| it == id), "{id}: {ids:?}");
    }
}

#[rstest]
#[case(RECORDED)]
#[case("1.32.0")]
#[case("1.40.2")]
fn healthy_mesh_of_a_new_version_differs_in_its_sidecars_only(#[case] version: &str) {
    let report = judge(&record_of(version), &[]);
    assert_eq!(ids_with(&report, Verdict::Fail), Vec::<&str>::new());
    assert_eq!(ids_with(&report, Verdict::Unjudged), Vec::<&str>::new());
    assert_eq!(ids_with(&report, Verdict::Changed), ["mesh::two_containers_per_pod"]);
    assert_eq!(report.exit_code(), 1);
    assert_eq!(report.exit_code_for(&[Verdict::Fail, Verdict::Unjudged]), 0);
    let mut changed = report.claims.iter().filter_map(|claim| claim.change.as_ref());
    let change = changed.next().unwrap();
    assert_eq!((change.id.as_str(), change.since.as_deref()), ("native-sidecars", Some("1.27")));
    assert!(change.why.contains("istio#48794") && change.restore.is_some(), "{change:?}");
    assert_eq!(changed.next(), None);
}

#[rstest]
#[case::known(RECORDED, None)]
#[case::newest("1.31.1", None)]
#[case::newer(
    "1.32.0",
    Some("Istio 1.32.0 is newer than meshcheck knows: it is judged as Istio 1.31")
)]
#[case::older("1.17.0", None)]
fn report_says_once_that_istio_is_newer_than_all_profiles(
    #[case] version: &str,
    #[case] caveat: Option<&str>,
) {
    let report = judge(&record_of(version), &[]);
    assert_eq!(report.caveat.as_deref(), caveat);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(json.matches("newer than meshcheck knows").count(), usize::from(caveat.is_some()));
}

/// The rules and the log of every version, as its profile has them: in text and in JSON (`values.global.logAsJson`).
#[test]
fn wording_of_each_version_leaves_the_redirection_green() {
    for profile in profile::all() {
        let log = match profile.init_log {
            InitLog::IptablesSave => LOG_1_22,
            InitLog::FinalState => LOG_1_31,
        };
        assert!(log.contains(&format!("\n{}\n", profile.output_jump)), "{}", profile.name());
        assert_eq!(log.contains("Final iptables state"), profile.init_log == InitLog::FinalState);
        for in_json in [false, true] {
            let mut evidence = healthy();
            replace_logs(&mut evidence, log);
            if in_json {
                log_in_json(&mut evidence);
            }
            let report = judge(&evidence, &[]);
            for id in ["mesh::outbound_redirected", "mesh::inbound_redirected"] {
                let claim = report.claims.iter().find(|claim| claim.id == id).unwrap();
                assert_eq!(claim.verdict, Verdict::Pass, "{} {}", profile.name(), claim.summary);
            }
        }
    }
}

#[test]
fn nftables_rules_make_no_claim_fail() {
    let mut evidence = healthy();
    native_nftables(&mut evidence);
    let report = judge(&evidence, &[]);
    assert_eq!(ids_with(&report, Verdict::Fail), Vec::<&str>::new());
    assert_eq!(ids_with(&report, Verdict::Changed), ["mesh::init_arguments"]);
    let unjudged = ["mesh::inbound_redirected", "mesh::outbound_redirected", "mesh::live_rules"];
    assert_eq!(ids_with(&report, Verdict::Unjudged), unjudged);
    for claim in report.claims.iter().filter(|claim| claim.verdict == Verdict::Unjudged) {
        assert_eq!(claim.because.as_deref(), Some("mesh::init_arguments"), "{}", claim.id);
    }
}
