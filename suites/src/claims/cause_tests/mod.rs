//! Tests on the causes of failing claims. `fault.toml` of a recorded fault names its causes; these tests vary the single
//! details that decide.

mod changes;
mod conditions;
mod details;
mod pairs;

use std::fmt::Write as _;

use proptest::prelude::*;
use rstest::rstest;

use crate::claims::CLAIMS;
use crate::entry::{Judgements, roots};
use crate::judgement::{Judgement, Verdict};
use crate::testing::{gateway_service, healthy, recorded_fault, recorded_faults};
use crate::{Evidence, Pattern, Report, judge};
use changes::*;

/// A change to evidence.
type Mutation = fn(&mut Evidence);

/// No other claim is the cause.
const NONE: &str = "";
const LABEL: &str = "install::namespace_labelled";
const CLIENT: &str = "demo::client_deployment";
const BACKEND: &str = "demo::backend_deployment";

/// A change to evidence, and the cause of each effect.
struct Row {
    name: &'static str,
    /// The evidence that is changed: `lab`, which is healthy, or a recorded fault.
    base: &'static str,
    change: Mutation,
    effects: &'static [(&'static str, &'static str)],
}

/// A table: `EVIDENCE: CHANGE => EFFECT: CAUSE, …;`.
macro_rules! rows {
    ($($base:literal: $change:expr => $($effect:literal: $cause:expr),+;)+) => {
        &[$($crate::claims::cause_tests::Row {
            name: stringify!($change),
            base: $base,
            change: $change,
            effects: &[$(($effect, $cause)),+],
        }),+]
    };
}
use rows;

/// Judges every row: each effect must not pass, and have its cause.
fn assert_causes(rows: &[Row]) {
    let mut wrong = String::new();
    for row in rows {
        let mut evidence = evidence(row.base);
        (row.change)(&mut evidence);
        let report = judge(&evidence, &[]);
        for (effect, cause) in row.effects {
            let claim = report.claims.iter().find(|claim| claim.id == *effect).expect(effect);
            let because = claim.because.as_deref().unwrap_or(NONE);
            if claim.verdict == Verdict::Pass || because != *cause {
                let (verdict, summary) = (claim.verdict, &claim.summary);
                let found = format!("{verdict} because of `{because}`, not `{cause}`: {summary}");
                let _ = writeln!(wrong, "{}: {}\n    {effect}: {found}", row.base, row.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn evidence(name: &str) -> Evidence {
    if name == "lab" { healthy() } else { recorded_fault(name) }
}

fn report(change: Mutation) -> Report {
    let mut evidence = healthy();
    change(&mut evidence);
    judge(&evidence, &[])
}

/// Returns the causes of a report, and the claims that each explains.
fn causes(report: &Report) -> (Vec<&str>, Vec<Vec<&str>>) {
    let causes = report.causes.iter();
    causes.map(|it| (it.claim.as_str(), it.explains.iter().map(String::as_str).collect())).unzip()
}

const WITHOUT_ISTIOD: &[&str] = &[
    "install::istio_version",
    "install::injection_webhook",
    "mesh::unlabelled_namespace_left_alone",
    "mesh::proxies_in_sync",
    "ingress::routes_into_mesh",
];
const NO_REPLIES: &[&str] =
    &["demo::client_logs_show_reply", "demo::backend_replies", "mesh::traffic_through_proxies"];

/// A fault that is not recorded has one cause, which explains all other failures.
#[rstest]
#[case(istiod_crashes, "install::control_plane_running", WITHOUT_ISTIOD)]
#[case(client_denied, "demo::backend_replies", &[NO_REPLIES[0], NO_REPLIES[2]])]
#[case(requests_are_reset, "demo::backend_replies", &[NO_REPLIES[0], NO_REPLIES[2]])]
#[case(template_refuses_its_sidecar, "install::injection_webhook",
    &["mesh::two_containers_per_pod", "mesh::pods_ready"])]
#[case(client_scaled_to_zero, "demo::client_deployment", NO_REPLIES)]
#[case(given_up, "ingress::address_answers", &["ingress::routes_into_mesh"])]
#[case(kiali_crashes, "kiali::running",
    &["install::control_plane_running", "kiali::redirects_to_web_root",
        "kiali::reachable_on_exposed_port", "kiali::console_served"])]
fn one_fault_has_one_cause(
    #[case] fault: Mutation,
    #[case] cause: &str,
    #[case] explains: &[&str],
) {
    let report = report(fault);
    assert_eq!(causes(&report), (vec![cause], vec![explains.to_vec()]), "{report:#?}");
}

/// The same where most claims fail. The last number is of the claims without a cause.
#[rstest]
#[case(namespace_missing, "install::namespace_labelled", 13, 0)]
#[case(nothing_installed, "install::default_profile", 16, 1)]
#[case(node_not_ready, "prepare::nodes_ready", 16, 0)]
#[case(pods_cannot_be_made, "install::control_plane_running", 13, 0)]
#[case(without_sidecars_and_label, "install::namespace_labelled", 9, 0)]
fn one_cause_explains_all(
    #[case] fault: Mutation,
    #[case] cause: &str,
    #[case] at_least: usize,
    #[case] unexplained: usize,
) {
    let report = report(fault);
    let (causes, explains) = causes(&report);
    assert_eq!(causes, [cause], "{explains:?}");
    assert!(explains[0].len() >= at_least, "{explains:?}");
    let open = report.claims.iter().filter(|claim| claim.verdict != Verdict::Pass).count();
    assert_eq!(explains[0].len() + 1 + unexplained, open);
}

fn without_sidecars_and_label(evidence: &mut Evidence) {
    without_sidecars_by(evidence, "label-removed");
}

#[test]
fn healthy_mesh_has_no_cause() {
    let report = report(|_| {});
    assert!(report.causes.is_empty() && report.claims.iter().all(|it| it.because.is_none()));
}

/// Of two faults neither causes the other. The report lists the deeper one first.
#[rstest]
#[case("backend-scaled-to-zero", kiali_crashes, ["demo::backend_deployment", "kiali::running"])]
#[case("istiod-scaled-to-zero", image_missing, ["install::control_plane_running", "demo::backend_deployment"])]
#[case("coredns-scaled-to-zero", |it: &mut Evidence| gateway_service(it).kind = "NodePort".into(),
    ["prepare::dns_on_pod_network", "ingress::service_is_load_balancer"])]
#[case("client-image-without-curl", kiali_crashes, ["demo::client_deployment", "kiali::running"])]
#[case("label-removed", kiali_crashes, ["install::namespace_labelled", "kiali::running"])]
#[case("istiod-scaled-to-zero", namespace_missing,
    ["install::control_plane_running", "install::namespace_labelled"])]
fn independent_faults_are_causes_of_their_own(
    #[case] recorded: &str,
    #[case] fault: Mutation,
    #[case] ids: [&str; 2],
) {
    let mut evidence = evidence(recorded);
    fault(&mut evidence);
    let report = judge(&evidence, &[]);
    let (found, _) = causes(&report);
    assert!(ids.iter().all(|id| found.contains(id)), "{found:?}");
    let place = |id: &&str| ids.iter().position(|it| it == id).unwrap_or(usize::MAX);
    assert!(found.is_sorted_by_key(place), "{found:?}");
}

#[test]
fn selected_claim_names_cause_that_was_not_selected() {
    let evidence = recorded_fault("kiali-scaled-to-zero");
    let only: Pattern = "kiali::console_served".parse().unwrap();
    let report = judge(&evidence, &[only]);
    assert_eq!(report.claims.len(), 1);
    assert_eq!(report.claims[0].because.as_deref(), Some("kiali::running"));
    assert_eq!(causes(&report), (vec!["kiali::running"], vec![vec!["kiali::console_served"]]));
    assert!(report.causes[0].hint.as_ref().unwrap().contains("--replicas=1"));
    // A cause that explains no selected claim is not listed.
    let other = judge(&evidence, &["mesh".parse().unwrap()]);
    assert!(other.causes.is_empty() && other.exit_code() == 0);
}

proptest! {
    /// With any verdicts on any evidence: a root fails, has no cause itself, and only failing claims have one.
    #[test]
    fn root_fails_and_has_no_cause(
        verdicts in prop::collection::vec(0usize..5, CLAIMS.len()),
        fault in prop::sample::select(recorded_faults()),
    ) {
        let evidence = recorded_fault(&fault);
        let kinds = [Verdict::Pass, Verdict::Fail, Verdict::Changed, Verdict::Unjudged, Verdict::Skipped];
        let judgements: Judgements = CLAIMS.iter().zip(verdicts).map(|(claim, kind)| {
            (claim.id, Judgement { verdict: kinds[kind], ..claim.judge(&evidence) })
        }).collect();
        let roots = roots(&evidence, &judgements);
        for (id, root) in &roots {
            let holds = matches!(judgements[id].verdict, Verdict::Pass | Verdict::Skipped);
            prop_assert!(!holds, "{id}");
            prop_assert!(judgements[root].does_not_hold());
            prop_assert_eq!(roots.get(root), None);
        }
    }
}
