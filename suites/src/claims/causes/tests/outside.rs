//! What decides whether the gateway's address and Kiali's pods are behind what is red.

use rstest::rstest;

use super::super::super::mutations::{Mutation, installed, of};
use super::because;
use super::faults::{another_holds_the_address, kiali_scaled_to_zero, no_kiali};
use crate::evidence::{Evidence, Pod};
use crate::judge;
use crate::judgement::Verdict;
use crate::testing::healthy;

/// The service has something that is no address: it does not wait for one.
#[test]
fn what_is_no_address_was_given_all_the_same() {
    let fault: Mutation = |it| {
        another_holds_the_address(it);
        let services = of(&mut it.install.services);
        let service = services.iter_mut().find(|it| it.name == "istio-ingressgateway").unwrap();
        service.load_balancer_addresses = vec!["0.0.0.0".into()];
    };
    assert_eq!(because(fault, "ingress::external_address"), None);
}

fn kiali_pod(evidence: &mut Evidence) -> &mut Pod {
    let pods = of(&mut evidence.install.pods).iter_mut();
    pods.into_iter().find(|pod| pod.name.starts_with("kiali")).unwrap()
}

/// Kiali is of another version, and silent: with a ready pod, that has another reason.
#[rstest]
#[case("app", "app.kubernetes.io/name")]
#[case("app.kubernetes.io/name", "app")]
fn a_pod_of_kialis_is_known_by_either_label(#[case] kept: &str, #[case] lost: &str) {
    let mut evidence = healthy();
    installed(&mut evidence, "kiali").containers[0].image = "quay.io/kiali/kiali:v2.0.0".into();
    no_kiali(&mut evidence);
    let pod = kiali_pod(&mut evidence);
    assert!(pod.labels.contains_key(kept));
    pod.labels.remove(lost);
    let report = judge(&evidence, &[]);
    let claim = report.claims.iter().find(|it| it.id == "kiali::redirects_to_web_root").unwrap();
    assert_eq!((claim.verdict, &claim.because), (Verdict::Fail, &None), "{claim:#?}");
}

/// Kiali's pods are gone, and one page was seen all the same: whatever answers there, it is not Kiali.
#[rstest]
#[case(|it: &mut Evidence| {
    let mut root = it.kiali.root.clone();
    kiali_scaled_to_zero(it);
    of(&mut root).status = 500;
    it.kiali.root = root;
}, "kiali::redirects_to_web_root")]
#[case(|it: &mut Evidence| {
    let mut exposed = it.kiali.exposed.clone();
    kiali_scaled_to_zero(it);
    of(&mut exposed).status = 500;
    it.kiali.exposed = exposed;
}, "kiali::reachable_on_exposed_port")]
#[case(|it: &mut Evidence| {
    let mut console = it.kiali.console.clone();
    kiali_scaled_to_zero(it);
    of(&mut console).status = 500;
    it.kiali.console = console;
}, "kiali::console_served")]
fn what_answers_without_kiali_is_another_program(#[case] fault: Mutation, #[case] id: &str) {
    assert_eq!(because(fault, id), None);
}

/// Another root on the exposed port than in the pod is no consequence.
#[test]
fn two_roots_are_two_faults() {
    let fault: Mutation = |it| {
        of(&mut it.kiali.root).headers.insert("location".into(), "/mesh/".into());
        of(&mut it.kiali.exposed).headers.insert("location".into(), "/other/".into());
    };
    assert_eq!(because(fault, "kiali::reachable_on_exposed_port"), None);
}
