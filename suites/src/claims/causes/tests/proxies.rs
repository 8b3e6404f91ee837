//! What proxies answer in a backend's place, and whose consequence that is.

use rstest::rstest;

use super::super::super::mutations::{Mutation, demo_pod, of};
use super::because;
use super::faults::{nobody_replies, remove_pods, replies, route_answers, service_selects_nobody};
use crate::evidence::{Evidence, Observation, Reply};
use crate::testing::healthy;

/// The logged rules of the backend lead past its proxy.
fn past_the_proxy(evidence: &mut Evidence) {
    let name = demo_pod(evidence, "echo").name.clone();
    let log = of(evidence.mesh.init_logs.get_mut(&name).unwrap());
    let first = "\n-A ISTIO_INBOUND ";
    *log = log.replace(first, &format!("\n-A ISTIO_INBOUND -p tcp -j RETURN{first}"));
}

fn all_reply(evidence: &mut Evidence, body: &str) {
    let reply =
        Reply { status: 503, server: "envoy".into(), body: body.into(), ..Reply::default() };
    replies(evidence, &reply);
}

const TLS: &str = "upstream connect error: TLS_error:|268435703:SSL routines";
const RULES: Option<&str> = Some("mesh::inbound_redirected");

#[rstest]
#[case(|it: &mut Evidence| { past_the_proxy(it); all_reply(it, TLS); }, "demo::backend_replies", RULES)]
#[case(|it: &mut Evidence| { past_the_proxy(it); all_reply(it, "out of order"); }, "demo::backend_replies", None)]
// What the gateway was told is the gateway's to tell.
#[case(|it: &mut Evidence| { past_the_proxy(it); route_answers(it, 503, TLS); }, "ingress::routes_into_mesh", RULES)]
#[case(
    |it: &mut Evidence| { past_the_proxy(it); all_reply(it, TLS); route_answers(it, 500, "out of order"); },
    "ingress::routes_into_mesh",
    None
)]
fn nobody_decrypts_behind_rules_that_lead_past_the_proxy(
    #[case] fault: Mutation,
    #[case] id: &str,
    #[case] root: Option<&str>,
) {
    assert_eq!(because(fault, id).as_deref(), root);
}

/// Nobody is behind the service, and what answers in its place is no proxy.
fn another_answers(evidence: &mut Evidence) {
    service_selects_nobody(evidence);
    replies(evidence, &Reply { status: 503, server: "nginx".into(), ..Reply::default() });
}

const SERVICE: Option<&str> = Some("demo::backend_service");

#[rstest]
#[case(another_answers, SERVICE)]
#[case(|it: &mut Evidence| {
    another_answers(it);
    of(&mut it.mesh.traffic).inbound.before = Observation::absent("no such cluster");
}, SERVICE)]
#[case(|it: &mut Evidence| {
    another_answers(it);
    of(&mut it.mesh.traffic).inbound.after = Observation::absent("no such cluster");
}, SERVICE)]
// Requests arrived: that they did not come through a proxy has another reason.
#[case(|it: &mut Evidence| {
    another_answers(it);
    of(&mut it.mesh.traffic).inbound = of(&mut healthy().mesh.traffic).inbound.clone();
}, None)]
fn requests_to_nobody_arrive_at_no_proxy(#[case] fault: Mutation, #[case] root: Option<&str>) {
    assert_eq!(because(fault, "mesh::traffic_through_proxies").as_deref(), root);
}

/// A log that was not there to be read shows nothing of what a proxy answered.
#[test]
fn a_proxys_answer_does_not_explain_a_client_that_is_gone() {
    let fault: Mutation = |it| {
        nobody_replies(it);
        remove_pods(&mut it.demo.pods, "client");
    };
    assert_eq!(because(fault, "demo::client_logs_show_reply"), None);
}
