//! One fault, one cause: on healthy evidence that is broken as the collectors would have recorded it.

mod details;
mod faults;
mod finer;
mod outside;
mod pairs;
mod proxies;
mod sidecar;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rstest::rstest;

use super::super::CLAIMS;
use super::super::mutations::{Mutation, demo_pod, gateway, istiod, of};
use crate::evidence::{Evidence, Observation, Reply};
use crate::judgement::{Judgement, Verdict};
use crate::testing::healthy;
use crate::{Pattern, Report, judge};
use faults::*;

/// The report on healthy evidence with these faults.
fn report(faults: &[Mutation]) -> Report {
    let mut evidence = healthy();
    for fault in faults {
        fault(&mut evidence);
    }
    judge(&evidence, &[])
}

/// What a claim that does not hold is put down to, after this fault.
fn because(fault: Mutation, id: &str) -> Option<String> {
    let mut evidence = healthy();
    fault(&mut evidence);
    let report = judge(&evidence, &[]);
    let claim = report.claims.into_iter().find(|claim| claim.id == id).expect("it is a claim");
    assert!(claim.verdict != Verdict::Pass, "{claim:#?}");
    claim.because
}

/// Each cause with what it explains.
fn causes(report: &Report) -> BTreeMap<&str, Vec<&str>> {
    report
        .causes
        .iter()
        .map(|cause| {
            (cause.claim.as_str(), cause.explains.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect()
}

const WITHOUT_ISTIOD: &[&str] = &[
    "install::istio_version",
    "install::injection_webhook",
    "mesh::unlabelled_namespace_left_alone",
    "mesh::proxies_in_sync",
    "ingress::routes_into_mesh",
];
const WITHOUT_SIDECARS: &[&str] = &[
    "mesh::two_containers_per_pod",
    "mesh::pods_ready",
    "mesh::init_arguments",
    "mesh::inbound_redirected",
    "mesh::outbound_redirected",
    "mesh::live_rules",
    "mesh::traffic_through_proxies",
];
const WITHOUT_KIALI: &[&str] =
    &["kiali::redirects_to_web_root", "kiali::reachable_on_exposed_port", "kiali::console_served"];
const WITHOUT_BACKEND: &[&str] = &[
    "demo::backend_service",
    "demo::client_logs_show_reply",
    "demo::backend_replies",
    "mesh::traffic_through_proxies",
    "ingress::routes_into_mesh",
];

/// One fault has one cause, and everything that is red follows from it: nothing is left over.
#[rstest]
#[case::istiod_gone(istiod_scaled_to_zero, "install::control_plane_running", WITHOUT_ISTIOD.to_vec())]
#[case::istiod_crashes(istiod_not_ready, "install::control_plane_running", WITHOUT_ISTIOD.to_vec())]
#[case::service_mistaken(service_selects_nobody, "demo::backend_service", WITHOUT_BACKEND[1..].to_vec())]
#[case::backend_gone(backend_scaled_to_zero, "demo::backend_deployment", WITHOUT_BACKEND.to_vec())]
#[case::backend_crashes(backend_crashes, "demo::backend_deployment",
    [WITHOUT_BACKEND, &["mesh::pods_ready"]].concat())]
#[case::other_text(backend_says_something_else, "demo::backend_deployment",
    vec!["demo::client_logs_show_reply", "demo::backend_replies", "ingress::routes_into_mesh"])]
#[case::rules_flushed(live_rules_flushed, "mesh::live_rules",
    vec!["demo::client_logs_show_reply", "demo::backend_replies", "mesh::traffic_through_proxies",
        "ingress::routes_into_mesh"])]
#[case::everything_denied(everything_denied, "demo::backend_replies",
    vec!["demo::client_logs_show_reply", "mesh::traffic_through_proxies"])]
#[case::everybody_denied(everybody_denied, "demo::backend_replies",
    vec!["demo::client_logs_show_reply", "mesh::traffic_through_proxies", "ingress::routes_into_mesh"])]
#[case::reset(requests_are_reset, "demo::backend_replies",
    vec!["demo::client_logs_show_reply", "mesh::traffic_through_proxies"])]
#[case::sidecar_refused(template_refuses_its_sidecar, "install::injection_webhook",
    vec!["mesh::two_containers_per_pod", "mesh::pods_ready"])]
#[case::client_gone(client_scaled_to_zero, "demo::client_deployment",
    vec!["demo::client_logs_show_reply", "demo::backend_replies", "mesh::traffic_through_proxies"])]
#[case::dns_gone(dns_scaled_to_zero, "prepare::dns_on_pod_network",
    vec!["demo::client_logs_show_reply", "demo::backend_replies", "mesh::traffic_through_proxies"])]
#[case::gateway_gone(gateway_scaled_to_zero, "install::control_plane_running",
    vec!["ingress::address_answers", "ingress::routes_into_mesh"])]
#[case::node_port(gateway_is_a_node_port, "ingress::service_is_load_balancer",
    vec!["ingress::external_address", "ingress::address_answers", "ingress::routes_into_mesh"])]
#[case::address_held(another_holds_the_address, "prepare::no_competing_load_balancer",
    vec!["prepare::load_balancer_address_free", "ingress::external_address",
        "ingress::address_answers", "ingress::routes_into_mesh"])]
#[case::silent_gateway(nothing_answers, "ingress::address_answers", vec!["ingress::routes_into_mesh"])]
#[case::silent_before_any_answer(given_up, "ingress::address_answers", vec!["ingress::routes_into_mesh"])]
#[case::kiali_gone(kiali_scaled_to_zero, "kiali::running", WITHOUT_KIALI.to_vec())]
#[case::kiali_crashes(kiali_crashes, "kiali::running",
    [WITHOUT_KIALI, &["install::control_plane_running"]].concat())]
fn one_fault_has_one_cause(
    #[case] fault: Mutation,
    #[case] cause: &str,
    #[case] mut explains: Vec<&str>,
) {
    let report = report(&[fault]);
    explains.sort_by_key(|id| CLAIMS.iter().position(|claim| claim.id == *id));
    assert_eq!(causes(&report), BTreeMap::from([(cause, explains)]), "{report:#?}");
}

#[test]
fn a_healthy_mesh_has_no_cause() {
    let report = report(&[]);
    assert!(report.causes.is_empty() && report.claims.iter().all(|it| it.because.is_none()));
}

#[test]
fn a_missing_namespace_explains_all_that_would_be_in_it() {
    let report = report(&[namespace_missing]);
    let causes = causes(&report);
    assert_eq!(causes.keys().copied().collect::<Vec<_>>(), ["install::namespace_labelled"]);
    let red = report.claims.iter().filter(|it| it.verdict != Verdict::Pass).count();
    assert_eq!(causes["install::namespace_labelled"].len(), red - 1);
}

#[test]
fn where_nothing_is_installed_that_is_all_there_is_to_say() {
    let report = report(&[nothing_installed]);
    assert_eq!(causes(&report).len(), 1, "{:#?}", report.causes);
    assert_eq!(report.causes[0].claim, "install::default_profile");
    assert!(report.causes[0].explains.len() > 15, "{:#?}", report.causes);
}

#[test]
fn a_label_that_is_missing_explains_pods_without_sidecars() {
    let report = report(&[without_sidecars, label_removed]);
    let causes = causes(&report);
    assert_eq!(causes.keys().copied().collect::<Vec<_>>(), ["install::namespace_labelled"]);
    for id in WITHOUT_SIDECARS {
        assert!(causes["install::namespace_labelled"].contains(id), "{id}");
    }
}

/// The pods still have what they were made with.
#[test]
fn a_label_that_was_removed_after_the_pods_were_made_explains_little() {
    let report = report(&[label_removed]);
    let expected = vec!["install::injection_webhook", "mesh::unlabelled_namespace_left_alone"];
    assert_eq!(causes(&report), BTreeMap::from([("install::namespace_labelled", expected)]));
}

/// Label and webhook are well: the pods are from before, and nothing else is to blame.
#[test]
fn pods_from_before_the_label_are_a_cause_themselves() {
    let report = report(&[without_sidecars, |evidence| {
        evidence.mesh.dry_run_labelled = healthy().mesh.dry_run_labelled;
    }]);
    let causes = causes(&report);
    assert_eq!(
        causes,
        BTreeMap::from([("mesh::two_containers_per_pod", WITHOUT_SIDECARS[1..].to_vec())])
    );
}

#[test]
fn nodes_that_are_not_ready_explain_what_runs_on_them() {
    let report = report(&[node_not_ready]);
    assert_eq!(report.causes[0].claim, "prepare::nodes_ready");
    assert_eq!(report.causes.len(), 1, "{:#?}", causes(&report));
}

#[test]
fn a_webhook_that_nobody_answers_explains_pods_that_cannot_be_made() {
    let report = report(&[pods_cannot_be_made]);
    assert_eq!(report.causes.len(), 1, "{:#?}", causes(&report));
    assert_eq!(report.causes[0].claim, "install::control_plane_running");
}

/// Neither of two faults is taken for the other's consequence, and what lies deeper comes first.
#[rstest]
#[case(&[kiali_scaled_to_zero as Mutation, backend_scaled_to_zero],
    &["demo::backend_deployment", "kiali::running"])]
#[case(&[istiod_scaled_to_zero as Mutation, backend_scaled_to_zero],
    &["install::control_plane_running", "demo::backend_deployment"])]
#[case(&[dns_scaled_to_zero as Mutation, gateway_is_a_node_port],
    &["prepare::dns_on_pod_network", "ingress::service_is_load_balancer"])]
#[case(&[client_without_curl as Mutation, kiali_scaled_to_zero],
    &["demo::client_deployment", "kiali::running"])]
#[case(&[label_removed as Mutation, kiali_crashes],
    &["install::namespace_labelled", "kiali::running"])]
#[case(&[namespace_missing as Mutation, istiod_scaled_to_zero],
    &["install::control_plane_running", "install::namespace_labelled"])]
fn independent_faults_are_causes_of_their_own(#[case] faults: &[Mutation], #[case] ids: &[&str]) {
    let report = report(faults);
    let found: Vec<_> = report.causes.iter().map(|cause| cause.claim.as_str()).collect();
    assert!(ids.iter().all(|id| found.contains(id)), "{found:?}");
    assert!(
        found.is_sorted_by_key(|id| ids.iter().position(|it| it == id).unwrap_or(usize::MAX)),
        "{found:?}"
    );
    let whole: Vec<_> = report.claims.iter().filter(|it| ids.contains(&it.id.as_str())).collect();
    assert!(whole.iter().all(|claim| claim.because.is_none()), "{whole:#?}");
}

/// A wrong cause is worse than none: what looks alike for another reason is left alone.
#[rstest]
// DNS is down, and the client was seen to fail in another way.
#[case(|it: &mut Evidence| {
    dns_scaled_to_zero(it);
    replies(it, &Reply { status: 403, ..Reply::default() });
}, "demo::backend_replies")]
// The backend is gone, and the client was not allowed to be asked.
#[case(|it: &mut Evidence| {
    backend_scaled_to_zero(it);
    it.demo.asked = Observation::failed("pods/exec is forbidden");
}, "demo::backend_replies")]
// A pod that refuses the sidecar, in a namespace without a label.
#[case(|it: &mut Evidence| {
    without_sidecars(it);
    label_removed(it);
    let annotations = &mut demo_pod(it, "echo").annotations;
    annotations.insert("sidecar.istio.io/inject".into(), "false".into());
}, "mesh::two_containers_per_pod")]
// The client's template refuses the sidecar, and a pod of the backend does so by itself.
#[case(|it: &mut Evidence| {
    template_refuses_its_sidecar(it);
    refuse(demo_pod(it, "echo"));
}, "mesh::two_containers_per_pod")]
// The client's template refuses the sidecar, and a pod from before an earlier change has none either.
#[case(|it: &mut Evidence| {
    template_refuses_its_sidecar(it);
    demo_pod(it, "client").labels.remove(INJECT);
}, "mesh::two_containers_per_pod")]
// The backend does not reply, and the log tells of something else.
#[case(|it: &mut Evidence| {
    log_says(it, "curl: (28) Operation timed out");
    requests_are_reset(it);
}, "demo::client_logs_show_reply")]
// The backend's proxy forbids the client's requests, and the gateway whatever comes.
#[case(|it: &mut Evidence| {
    everybody_denied(it);
    if let Observation::Seen { value } = &mut it.ingress.route {
        of(&mut value.unknown_host).status = 403;
    }
}, "ingress::routes_into_mesh")]
// The backend's proxy forbids the client's requests, and the gateway's end otherwise.
#[case(|it: &mut Evidence| {
    everything_denied(it);
    route_answers(it, 503, "no healthy upstream");
}, "ingress::routes_into_mesh")]
// istiod is down, and of another version besides.
#[case(|it: &mut Evidence| {
    let mut pod = istiod(it).clone();
    pod.ready = false;
    pod.containers[0].image = "istio/pilot:1.19.0".into();
    istiod_pods_gone(it);
    of(&mut it.install.pods).push(pod);
}, "install::istio_version")]
// The gateway is gone, and its service has lost its ports.
#[case(|it: &mut Evidence| {
    gateway_scaled_to_zero(it);
    of(&mut it.install.services)[0].ports.clear();
}, "ingress::service_is_load_balancer")]
// The backend is gone, and the service selects nobody.
#[case(|it: &mut Evidence| {
    backend_scaled_to_zero(it);
    service_selects_nobody(it);
}, "demo::backend_service")]
// istiod crashes, and the gateway's pod is ready: that it does not answer has another reason.
#[case(|it: &mut Evidence| {
    nothing_answers(it);
    crash(istiod(it));
    assert!(gateway(it).ready);
}, "ingress::address_answers")]
fn what_was_not_seen_to_follow_is_left_alone(#[case] fault: Mutation, #[case] id: &str) {
    let report = report(&[fault]);
    let claim = report.claims.iter().find(|claim| claim.id == id).unwrap();
    assert!(claim.verdict != Verdict::Pass, "{claim:#?}");
    assert_eq!(claim.because, None, "{claim:#?}");
}

#[test]
fn a_claim_that_was_asked_for_names_a_cause_that_was_not() {
    let mut evidence = healthy();
    kiali_scaled_to_zero(&mut evidence);
    let only: Pattern = "kiali::console_served".parse().unwrap();
    let report = judge(&evidence, &[only]);
    assert_eq!(report.claims.len(), 1);
    assert_eq!(report.claims[0].because.as_deref(), Some("kiali::running"));
    let expected = BTreeMap::from([("kiali::running", vec!["kiali::console_served"])]);
    assert_eq!(causes(&report), expected);
    assert!(report.causes[0].hint.as_ref().unwrap().contains("--replicas=1"));
    // What does not concern the claims that were asked for is not told.
    let other = judge(&evidence, &["mesh".parse().unwrap()]);
    assert!(other.causes.is_empty() && other.exit_code() == 0);
}

const FAULTS: [Mutation; 18] = [
    istiod_scaled_to_zero,
    istiod_not_ready,
    nothing_installed,
    namespace_missing,
    label_removed,
    |evidence| {
        if evidence.demo.asked.value().is_some() && evidence.mesh.traffic.value().is_some() {
            without_sidecars(evidence);
        }
    },
    kiali_scaled_to_zero,
    kiali_crashes,
    backend_scaled_to_zero,
    backend_crashes,
    backend_says_something_else,
    service_selects_nobody,
    client_scaled_to_zero,
    client_without_curl,
    dns_scaled_to_zero,
    gateway_scaled_to_zero,
    gateway_is_a_node_port,
    node_not_ready,
];

proptest! {
    /// Whatever the verdicts are, on whatever evidence: a root does not hold, has no cause itself, and only
    /// what does not hold has one.
    #[test]
    fn roots_never_hold_and_have_no_cause(
        verdicts in prop::collection::vec(0usize..5, CLAIMS.len()),
        fault in 0usize..FAULTS.len(),
    ) {
        let mut evidence = healthy();
        FAULTS[fault](&mut evidence);
        let kinds = [Verdict::Pass, Verdict::Fail, Verdict::Changed, Verdict::Unjudged, Verdict::Skipped];
        let judgements: crate::entry::Judgements = CLAIMS.iter().zip(verdicts).map(|(claim, kind)| {
            (claim.id, Judgement { verdict: kinds[kind], ..claim.judge(&evidence) })
        }).collect();
        let roots = crate::entry::roots(&evidence, &judgements);
        for (id, root) in &roots {
            let holds = matches!(judgements[id].verdict, Verdict::Pass | Verdict::Skipped);
            prop_assert!(!holds, "{id}");
            prop_assert!(judgements[root].does_not_hold());
            prop_assert_eq!(roots.get(root), None);
        }
    }
}
