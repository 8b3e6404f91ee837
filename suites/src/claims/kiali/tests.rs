//! What turns the claims of *kiali* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Mutation, installed, of, prove, scale_to_zero};
use super::same_image;
use crate::evidence::{Evidence, HttpAnswer, Observation, Service};
use crate::judgement::Verdict::{self, Fail, Pass, Unjudged};
use rstest::rstest;

fn service(e: &mut Evidence) -> &mut Service {
    let services = of(&mut e.install.services).iter_mut();
    services.into_iter().find(|service| service.name == "kiali").unwrap()
}

fn image(e: &mut Evidence, image: &str) {
    installed(e, "kiali").containers[0].image = image.into();
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "1 of 1 available")]
#[case::mirror(|e: &mut Evidence| { e.expectations.kiali_image = Some("quay.io/kiali/kiali:v1.76".into()); image(e, "mirror.example.com/quay/kiali/kiali:v1.76.0"); }, Pass, "mirror")]
#[case::another_version(|e: &mut Evidence| image(e, "quay.io/kiali/kiali:v2.0.0"), Fail, "v2.0.0")]
#[case::another_image(|e: &mut Evidence| image(e, "quay.io/kiali/kiali-operator:v1.79"), Fail, "kiali-operator")]
#[case::no_tag(|e: &mut Evidence| image(e, "quay.io/kiali/kiali"), Fail, "Kiali's image")]
#[case::scaled_to_zero(|e: &mut Evidence| scale_to_zero(installed(e, "kiali")), Fail, "scaled to zero")]
#[case::unavailable(|e: &mut Evidence| installed(e, "kiali").available_replicas = 0, Fail, "0 of 1")]
#[case::gone(|e: &mut Evidence| of(&mut e.install.deployments).retain(|it| it.name != "kiali"), Fail, "not installed")]
#[case::another_port(|e: &mut Evidence| service(e).ports.iter_mut().for_each(|port| port.port = 80), Fail, "no port 20001")]
#[case::no_service(|e: &mut Evidence| of(&mut e.install.services).retain(|it| it.name != "kiali"), Fail, "no service")]
#[case::unknown_release(|e: &mut Evidence| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.99.0".into(); }, Unjudged, "not known here")]
#[case::forbidden(|e: &mut Evidence| e.install.deployments = Observation::failed("deployments is forbidden"), Unjudged, "forbidden")]
#[case::services_forbidden(|e: &mut Evidence| e.install.services = Observation::failed("services is forbidden"), Unjudged, "forbidden")]
fn running(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("kiali::running", mutation, verdict, words);
}

#[rstest]
#[case("quay.io/kiali/kiali:v1.76", "quay.io/kiali/kiali:v1.76.0", true)]
#[case("quay.io/kiali/kiali:v1.76.3", "quay.io/kiali/kiali:v1.76", true)]
#[case("quay.io/kiali/kiali:v1.7", "quay.io/kiali/kiali:v1.76", false)]
#[case("quay.io/kiali/kiali:v1", "quay.io/kiali/kiali:v1.76", false)]
#[case("localhost:5000/kiali/kiali:v1.76@sha256:00", "quay.io/kiali/kiali:v1.76", true)]
#[case("quay.io/other/kiali:v1.76", "quay.io/kiali/kiali:v1.76", false)]
fn images_are_the_same(#[case] one: &str, #[case] other: &str, #[case] same: bool) {
    assert_eq!(same_image(one, other), same);
    assert_eq!(same_image(other, one), same);
}

fn relocate(answer: &mut HttpAnswer, to: &str) {
    answer.headers.insert("location".into(), to.into());
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "302 to /kiali/")]
#[case::absolute(|e: &mut Evidence| relocate(of(&mut e.kiali.root), "http://localhost:20001/kiali/"), Pass, "302")]
#[case::another_root(|e: &mut Evidence| relocate(of(&mut e.kiali.root), "/mesh/"), Fail, "another root")]
#[case::longer_root(|e: &mut Evidence| relocate(of(&mut e.kiali.root), "/kiali/console"), Fail, "another root")]
#[case::no_location(|e: &mut Evidence| of(&mut e.kiali.root).headers.clear(), Fail, "another root")]
#[case::moved_for_ever(|e: &mut Evidence| of(&mut e.kiali.root).status = 301, Fail, "another status")]
#[case::broken(|e: &mut Evidence| of(&mut e.kiali.root).status = 500, Fail, "500")]
#[case::another_body(|e: &mut Evidence| of(&mut e.kiali.root).body = "<a href=\"/mesh/\">Found</a>.".into(), Fail, "another body")]
#[case::no_pod(|e: &mut Evidence| e.kiali.root = Observation::absent("no Kiali pod is ready"), Fail, "no Kiali pod")]
#[case::forbidden(|e: &mut Evidence| e.kiali.root = Observation::failed("pods/portforward is forbidden"), Unjudged, "forbidden")]
#[case::asleep(|e: &mut Evidence| { scale_to_zero(installed(e, "kiali")); e.kiali.root = Observation::absent("no Kiali pod is ready"); }, Fail, "--replicas=1")]
fn redirects(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("kiali::redirects_to_web_root", mutation, verdict, words);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, ": 302")]
#[case::console_of_a_named_url(|e: &mut Evidence| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); e.kiali.exposed = Observation::seen(console); }, Pass, "vm:30001")]
#[case::something_else_is_there(|e: &mut Evidence| { let answer = of(&mut e.kiali.exposed); answer.status = 200; answer.headers.clear(); answer.body = "nginx".into(); }, Fail, "nginx")]
#[case::refused(|e: &mut Evidence| e.kiali.exposed = Observation::absent("nothing answers: refused"), Fail, "refused")]
#[case::forbidden(|e: &mut Evidence| e.kiali.exposed = Observation::failed("pods/portforward is forbidden"), Unjudged, "forbidden")]
fn exposed(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("kiali::reachable_on_exposed_port", mutation, verdict, words);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "the API reports")]
#[case::not_found(|e: &mut Evidence| of(&mut e.kiali.console).status = 404, Fail, "404")]
#[case::no_page(|e: &mut Evidence| { of(&mut e.kiali.console).headers.insert("content-type".into(), "text/plain".into()); }, Fail, "text/plain")]
#[case::api_broken(|e: &mut Evidence| of(&mut e.kiali.api).status = 500, Fail, "API answers 500")]
#[case::api_is_html(|e: &mut Evidence| of(&mut e.kiali.api).body = "<html>".into(), Fail, "does not report")]
#[case::no_version(|e: &mut Evidence| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"unknown\"}}".into(), Fail, "does not report")]
#[case::another_version(|e: &mut Evidence| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"v9.9.9\"}}".into(), Fail, "v9.9.9")]
#[case::console_unseen(|e: &mut Evidence| e.kiali.console = Observation::failed("no answer"), Unjudged, "no answer")]
#[case::api_unseen(|e: &mut Evidence| e.kiali.api = Observation::failed("no answer"), Unjudged, "no answer")]
#[case::no_pod(|e: &mut Evidence| { e.kiali.console = Observation::absent("no Kiali pod is ready"); e.kiali.api = Observation::absent("no Kiali pod is ready"); }, Fail, "no Kiali pod")]
#[case::long_answer(|e: &mut Evidence| { let api = of(&mut e.kiali.api); api.body = api.body.replace("\"externalServices\"", "\"more\": [{\"x"); api.body_cut = true; }, Pass, "the API reports")]
#[case::long_answer_of_another(|e: &mut Evidence| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version\" : \"v9.9.9\", ".into(); api.body_cut = true; }, Fail, "v9.9.9")]
#[case::long_answer_without(|e: &mut Evidence| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version".into(); api.body_cut = true; }, Fail, "does not report")]
#[case::digest(|e: &mut Evidence| { let image = format!("{}@sha256:0123", installed(e, "kiali").containers[0].image); installed(e, "kiali").containers[0].image = image; }, Pass, "the API reports")]
#[case::broken_and_unseen(|e: &mut Evidence| { e.kiali.api = Observation::failed("no answer"); of(&mut e.kiali.console).status = 500; }, Fail, "500")]
fn console(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("kiali::console_served", mutation, verdict, words);
}
