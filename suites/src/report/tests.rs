//! Waivers, skipped claims and exit codes.

use super::*;
use crate::evidence::Evidence;
use crate::{CLAIMS, judge};
use rstest::rstest;

fn waived(asks: Asks, claims: &str) -> Evidence {
    let mut evidence = crate::testing::healthy();
    evidence.expectations.waivers = vec![Waiver {
        claims: claims.into(),
        asks,
        reason: "this class has no console".into(),
        source: "meshcheck.toml".into(),
    }];
    evidence
}

/// Kiali's claims may fail.
fn waived_kiali() -> Evidence {
    waived(Asks::AVerdict, "kiali")
}

fn of<'r>(report: &'r Report, id: &str) -> &'r ClaimReport {
    report.claims.iter().find(|claim| claim.id == id).unwrap()
}

/// Kiali is not there: one failure, from which three follow.
fn without_kiali(evidence: &mut Evidence) {
    evidence.install.deployments.value_mut().unwrap().retain(|it| it.name != "kiali");
    evidence.install.pods.value_mut().unwrap().retain(|it| !it.name.starts_with("kiali"));
    let nothing = crate::evidence::Observation::absent("no Kiali pod is ready");
    let pages = &mut evidence.kiali;
    for page in [&mut pages.root, &mut pages.exposed, &mut pages.console, &mut pages.api] {
        *page = nothing.clone();
    }
}

#[test]
fn commands_are_a_field_of_the_json() {
    let mut evidence = crate::testing::healthy();
    without_kiali(&mut evidence);
    let report = judge(&evidence, &[]);
    let claim = of(&report, "kiali::running");
    assert_eq!(claim.commands, commands(claim.hint.as_deref().unwrap()));
    assert!(claim.commands[0].starts_with("kubectl "), "{:?}", claim.commands);
    assert_eq!(report.causes[0].commands, claim.commands);
    assert!(of(&report, "mesh::live_rules").commands.is_empty());
}

#[test]
fn skipped_claim_names_its_configuration_and_is_no_pass() {
    let mut evidence = waived(Asks::Nothing, "kiali::*");
    without_kiali(&mut evidence);
    let report = judge(&evidence, &[]);
    let claim = of(&report, "kiali::running");
    assert_eq!(claim.verdict, Verdict::Skipped);
    assert_eq!(claim.summary, "skipped by meshcheck.toml: this class has no console");
    assert_eq!((claim.observed.as_ref(), claim.hint.as_ref()), (None, None));
    assert!(claim.commands.is_empty());
    assert_eq!((report.totals.skipped, report.totals.fail), (4, 0));
    assert_eq!((report.causes.len(), report.exit_code()), (0, 0));
    // Also where it would hold.
    let report = judge(&waived(Asks::Nothing, "mesh::live_rules"), &[]);
    assert_eq!(of(&report, "mesh::live_rules").verdict, Verdict::Skipped);
    assert_eq!((report.totals.pass, report.totals.skipped), (CLAIMS.len() - 1, 1));
    // Nothing but skipped claims is no success.
    assert_eq!(judge(&waived(Asks::Nothing, "*"), &[]).exit_code(), 3);
}

#[test]
fn claim_that_may_fail_stays_red_with_exit_code_0() {
    let mut evidence = waived_kiali();
    without_kiali(&mut evidence);
    let report = judge(&evidence, &[]);
    let claim = of(&report, "kiali::running");
    assert_eq!(claim.verdict, Verdict::Fail);
    assert!(claim.may_fail.is_some() && claim.hint.is_some());
    assert_eq!(
        claim.summary,
        "may fail by meshcheck.toml (this class has no console): Kiali is not installed"
    );
    assert_eq!((report.totals.fail, report.exit_code()), (4, 0));
    // What does not follow from it still counts.
    evidence.demo.asked = crate::evidence::Observation::failed("no answer");
    assert_eq!(judge(&evidence, &[]).exit_code(), 3);
    evidence.demo.services.value_mut().unwrap().clear();
    assert_eq!(judge(&evidence, &[]).exit_code(), 1);
    // A claim that holds is a pass like any other.
    let report = judge(&waived_kiali(), &[]);
    assert_eq!((report.totals.pass, report.exit_code()), (CLAIMS.len(), 0));
    assert!(of(&report, "kiali::running").may_fail.is_some());
}

/// One cause may be allowed to fail, its consequence not.
#[test]
fn cause_is_named_even_if_it_is_skipped() {
    for asks in [Asks::Nothing, Asks::AVerdict] {
        let mut evidence = waived(asks, "kiali::running");
        without_kiali(&mut evidence);
        let report = judge(&evidence, &[]);
        assert_eq!(report.causes[0].claim, "kiali::running");
        assert_eq!(report.causes[0].summary, "Kiali is not installed");
        assert_eq!(report.causes[0].explains.len(), 3);
        assert_eq!(of(&report, "kiali::console_served").because.as_deref(), Some("kiali::running"));
        assert_eq!(report.exit_code(), 1);
    }
}

#[rstest]
#[case(Totals { pass: 3, ..Totals::default() }, 0)]
#[case(Totals { pass: 3, skipped: 1, ..Totals::default() }, 0)]
#[case(Totals { pass: 3, fail: 1, unjudged: 1, ..Totals::default() }, 1)]
#[case(Totals { pass: 3, changed: 1, ..Totals::default() }, 1)]
#[case(Totals { pass: 3, unjudged: 1, ..Totals::default() }, 3)]
#[case(Totals { skipped: 1, ..Totals::default() }, 3)]
#[case(Totals::default(), 3)]
fn exit_codes_follow_the_contract(#[case] totals: Totals, #[case] code: u8) {
    let report = Report {
        schema: REPORT_SCHEMA,
        istio_version: "1.20.3".into(),
        cluster: ClusterFacts {
            name: "kind".into(),
            provider: Provider::Existing,
            context: "kind-kind".into(),
            context_is_current: false,
            kubeconfig: None,
            server: "https://127.0.0.1:6443".into(),
            kubernetes_version: None,
            recorded_at: "2026-01-01T00:00:00Z".into(),
            collection_ms: 1,
            bundle: None,
        },
        caveat: None,
        totals,
        claims: Vec::new(),
        causes: Vec::new(),
        phases: Vec::new(),
    };
    assert_eq!(report.exit_code(), code);
}

#[rstest]
#[case(&[Verdict::Fail], [3, 1, 1, 1], 1)]
#[case(&[Verdict::Fail], [3, 0, 1, 1], 0)]
#[case(&[Verdict::Fail], [1, 0, 1, 0], 0)]
#[case(&[Verdict::Changed], [3, 1, 0, 0], 0)]
#[case(&[Verdict::Changed], [1, 1, 0, 0], 0)]
#[case(&[Verdict::Changed], [0, 1, 0, 0], 0)]
#[case(&[Verdict::Changed, Verdict::Unjudged], [3, 1, 0, 1], 3)]
#[case(&[Verdict::Unjudged], [3, 1, 1, 0], 0)]
fn verdict_that_is_not_counted_leaves_the_exit_code(
    #[case] counted: &[Verdict],
    #[case] totals: [usize; 4],
    #[case] code: u8,
) {
    let [pass, fail, changed, unjudged] = totals;
    let mut report = judge(&crate::testing::healthy(), &[]);
    report.totals = Totals { pass, fail, changed, unjudged, skipped: 0 };
    assert_eq!(report.exit_code_for(counted), code);
}

#[rstest]
#[case(Verdict::Changed, 0, 1)]
#[case(Verdict::Unjudged, 0, 3)]
fn claim_that_may_fail_leaves_the_exit_code(
    #[case] verdict: Verdict,
    #[case] waived: u8,
    #[case] counted: u8,
) {
    let mut report = judge(&waived_kiali(), &[]);
    let of_kiali = report.claims.iter_mut().find(|it| it.id == "kiali::running").unwrap();
    of_kiali.verdict = verdict;
    report.totals = Totals::of(&report.claims);
    assert_eq!(report.totals.of_verdict(verdict), 1);
    assert_eq!(report.totals.of_verdict(Verdict::Skipped), 0);
    assert_eq!(report.exit_code(), waived);
    for claim in &mut report.claims {
        claim.may_fail = None;
    }
    assert_eq!(report.exit_code(), counted);
}

#[test]
fn claim_with_two_waivers_is_skipped() {
    for claims in [["kiali", "kiali::running"], ["kiali::running", "kiali"]] {
        let mut evidence = waived_kiali();
        let skipped = waived(Asks::Nothing, claims[1]).expectations.waivers;
        evidence.expectations.waivers[0].claims = claims[0].into();
        evidence.expectations.waivers.extend(skipped);
        let report = judge(&evidence, &[]);
        assert_eq!(of(&report, "kiali::running").verdict, Verdict::Skipped, "{claims:?}");
        evidence.expectations.waivers.reverse();
        assert_eq!(judge(&evidence, &[]), report, "{claims:?}");
    }
}

#[test]
fn skipped_claim_leaves_totals_and_causes() {
    let mut evidence = crate::testing::healthy();
    without_kiali(&mut evidence);
    let judged = |pattern: &str| {
        let mut report = judge(&evidence, &[]);
        report.skip(&[pattern.parse().unwrap()]);
        report
    };
    let report = judged("kiali");
    assert_eq!(of(&report, "kiali::running").summary, "skipped by --skip");
    assert_eq!((report.totals.skipped, report.totals.fail), (4, 0));
    assert_eq!((report.causes.len(), report.exit_code()), (0, 0));
    let report = judged("kiali::running");
    assert_eq!((report.causes.len(), report.totals.fail, report.exit_code()), (1, 3, 1));
    assert!(!report.is_all_skipped() && !report.is_preflight());
    let report = judged("*");
    assert!(report.is_all_skipped() && report.causes.is_empty());
    assert_eq!(report.exit_code(), 3);
}

#[test]
fn cause_stays_where_its_claim_fails_and_is_not_skipped() {
    let mut evidence = crate::testing::healthy();
    without_kiali(&mut evidence);
    evidence.cluster.server_version = crate::evidence::Observation::seen("v1.18.0".into());
    let causes = |patterns: &[&str]| -> Vec<String> {
        let mut report = judge(&evidence, &[]);
        report.skip(&patterns.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>());
        report.causes.into_iter().map(|cause| cause.claim).collect()
    };
    let version = "prepare::kubernetes_version_supported";
    assert_eq!(causes(&["demo"]), ["kiali::running", version]);
    assert_eq!(causes(&["kiali::re*", "kiali::console_served"]), ["kiali::running", version]);
    assert_eq!(causes(&["kiali"]), [version]);
    assert_eq!(causes(&["prepare"]), ["kiali::running"]);
}
