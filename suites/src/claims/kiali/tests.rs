//! What turns the claims of *kiali* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Case, cases, installed, of, scale_to_zero};
use super::{same_image, split_image};
use crate::evidence::{Evidence, HttpAnswer, Observation, Service};
use crate::judgement::Verdict;
use crate::testing::{healthy, judgement};
use proptest::prelude::*;
use rstest::rstest;

fn service(e: &mut Evidence) -> &mut Service {
    let services = of(&mut e.install.services).iter_mut();
    services.into_iter().find(|service| service.name == "kiali").unwrap()
}

fn image(e: &mut Evidence, image: &str) {
    installed(e, "kiali").containers[0].image = image.into();
}

cases! { running proves "kiali::running":
    healthy(|_| {}, Pass, "1 of 1 available");
    mirror(|e| { e.expectations.kiali_image = Some("quay.io/kiali/kiali:v1.76".into()); image(e, "mirror.example.com/quay/kiali/kiali:v1.76.0"); }, Pass, "mirror");
    another_container_beside_it(|e| { let mut more = installed(e, "kiali").containers[0].clone(); more.name = "metrics".into(); more.image = "nginx:1".into(); installed(e, "kiali").containers.insert(0, more); }, Pass, "1 of 1 available");
    another_version(|e| image(e, "quay.io/kiali/kiali:v2.0.0"), Fail, "v2.0.0");
    pinned(|e| image(e, "quay.io/kiali/kiali@sha256:0123"), Unjudged, "a digest in the place of a version");
    pinned_stranger(|e| image(e, "docker.io/library/nginx@sha256:0123"), Fail, "not that of the release's manifest");
    another_image(|e| image(e, "quay.io/kiali/kiali-operator:v1.79"), Fail, "kiali-operator");
    no_tag(|e| image(e, "quay.io/kiali/kiali"), Fail, "Kiali's image");
    scaled_to_zero(|e| scale_to_zero(installed(e, "kiali")), Fail, "scaled to zero");
    unavailable(|e| installed(e, "kiali").available_replicas = 0, Fail, "0 of 1");
    gone(|e| of(&mut e.install.deployments).retain(|it| it.name != "kiali"), Fail, "apply -f samples/addons/kiali.yaml");
    another_port(|e| service(e).ports.iter_mut().for_each(|port| port.port = 80), Fail, "no port 20001");
    no_service(|e| of(&mut e.install.services).retain(|it| it.name != "kiali"), Fail, "no service");
    selects_nobody(|e| of(&mut e.install.endpoints).retain(|one| one.service != "kiali"), Fail, "get endpoints,pods");
    not_ready_behind_it(|e| of(&mut e.install.endpoints).iter_mut().for_each(|one| one.ready &= one.service != "kiali"), Fail, "nobody is behind");
    endpoints_forbidden(|e| e.install.endpoints = Observation::failed("endpointslices is forbidden"), Unjudged, "forbidden");
    unknown_release(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.99.0".into(); }, Unjudged, "not known here");
    forbidden(|e| e.install.deployments = Observation::failed("deployments is forbidden"), Unjudged, "forbidden");
    services_forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged, "forbidden");
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

#[rstest]
#[case("quay.io/kiali/kiali:v1.76", "quay.io/kiali/kiali", "v1.76")]
#[case("quay.io/kiali/kiali:v1.76@sha256:00", "quay.io/kiali/kiali", "v1.76")]
#[case("localhost:5000/kiali/kiali", "localhost:5000/kiali/kiali", "")]
fn an_image_has_a_repository_and_a_tag(
    #[case] image: &str,
    #[case] repository: &str,
    #[case] tag: &str,
) {
    assert_eq!(split_image(image), (repository, tag));
}

fn relocate(answer: &mut HttpAnswer, to: &str) {
    answer.headers.insert("location".into(), to.into());
}

cases! { redirects proves "kiali::redirects_to_web_root":
    healthy(|_| {}, Pass, "302 to /kiali/");
    absolute(|e| relocate(of(&mut e.kiali.root), "http://localhost:20001/kiali/"), Pass, "302");
    another_root(|e| relocate(of(&mut e.kiali.root), "/mesh/"), Fail, "another root");
    longer_root(|e| relocate(of(&mut e.kiali.root), "/kiali/console"), Fail, "another root");
    no_location(|e| of(&mut e.kiali.root).headers.clear(), Fail, "another root");
    moved_for_ever(|e| of(&mut e.kiali.root).status = 301, Fail, "another status");
    broken(|e| of(&mut e.kiali.root).status = 500, Fail, "500");
    another_body(|e| of(&mut e.kiali.root).body = "<a href=\"/mesh/\">Found</a>.".into(), Fail, "another body");
    no_pod(|e| e.kiali.root = Observation::absent("no Kiali pod is ready"), Fail, "no Kiali pod");
    forbidden(|e| e.kiali.root = Observation::failed("pods/portforward is forbidden"), Unjudged, "forbidden");
    asleep(|e| { scale_to_zero(installed(e, "kiali")); e.kiali.root = Observation::absent("no Kiali pod is ready"); }, Fail, "--replicas=1");
}

cases! { exposed proves "kiali::reachable_on_exposed_port":
    healthy(|_| {}, Pass, ": 302");
    console_of_a_named_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); e.kiali.exposed = Observation::seen(console); }, Pass, "vm:30001");
    something_else_is_there(|e| { let answer = of(&mut e.kiali.exposed); answer.status = 200; answer.headers.clear(); answer.body = "nginx".into(); }, Fail, "nginx");
    console_that_is_broken(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.status = 500; e.kiali.exposed = Observation::seen(console); }, Fail, "500");
    words_at_the_consoles_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.headers.clear(); e.kiali.exposed = Observation::seen(console); }, Fail, "does not answer as it should");
    another_page(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/".into(); e.kiali.exposed = Observation::seen(console); }, Fail, "does not answer as it should");
    hangs(|e| e.kiali.exposed = Observation::absent("nothing answers: no answer within 5 s"), Fail, "no answer within");
    refused(|e| e.kiali.exposed = Observation::absent("nothing answers: refused"), Fail, "refused");
    forbidden(|e| e.kiali.exposed = Observation::failed("pods/portforward is forbidden"), Unjudged, "forbidden");
}

cases! { console proves "kiali::console_served":
    healthy(|_| {}, Pass, "the API reports");
    not_found(|e| of(&mut e.kiali.console).status = 404, Fail, "404");
    no_page(|e| { of(&mut e.kiali.console).headers.insert("content-type".into(), "text/plain".into()); }, Fail, "text/plain");
    white_page(|e| of(&mut e.kiali.console).body.clear(), Fail, "an empty body");
    no_markup(|e| of(&mut e.kiali.console).body = "it works".into(), Fail, "it works");
    only_a_type(|e| of(&mut e.kiali.console).body = "<!DOCTYPE html>".into(), Pass, "the API reports");
    only_a_tag(|e| of(&mut e.kiali.console).body = "<html lang=en>".into(), Pass, "the API reports");
    api_broken(|e| of(&mut e.kiali.api).status = 500, Fail, "API answers 500");
    api_is_html(|e| of(&mut e.kiali.api).body = "<html>".into(), Fail, "does not report");
    no_version(|e| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"unknown\"}}".into(), Fail, "does not report");
    another_version(|e| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"v9.9.9\"}}".into(), Fail, "v9.9.9");
    console_unseen(|e| e.kiali.console = Observation::failed("no answer"), Unjudged, "no answer");
    image_unseen(|e| e.install.deployments = Observation::failed("deployments is forbidden"), Unjudged, "forbidden");
    api_unseen(|e| e.kiali.api = Observation::failed("no answer"), Unjudged, "no answer");
    no_pod(|e| { e.kiali.console = Observation::absent("no Kiali pod is ready"); e.kiali.api = Observation::absent("no Kiali pod is ready"); }, Fail, "no Kiali pod");
    long_answer(|e| { let api = of(&mut e.kiali.api); api.body = api.body.replace("\"externalServices\"", "\"more\": [{\"x"); api.body_cut = true; }, Pass, "the API reports");
    long_answer_of_another(|e| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version\" : \"v9.9.9\", ".into(); api.body_cut = true; }, Fail, "v9.9.9");
    long_answer_without(|e| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version".into(); api.body_cut = true; }, Fail, "does not report");
    digest(|e| { let image = format!("{}@sha256:0123", installed(e, "kiali").containers[0].image); installed(e, "kiali").containers[0].image = image; }, Pass, "the API reports");
    broken_and_unseen(|e| { e.kiali.api = Observation::failed("no answer"); of(&mut e.kiali.console).status = 500; }, Fail, "500");
}

proptest! {
    /// What the API says is a version, or it is told that it is none.
    #[test]
    fn whatever_the_api_says_is_judged(
        body in "(\\{|\\}|\"status\":|\"Kiali version\"|:|\"v1\\.79\\.0\"|\"|\\[|,|1|\\PC){0,12}",
        body_cut in any::<bool>(),
    ) {
        let mut evidence = healthy();
        let api = of(&mut evidence.kiali.api);
        (api.body, api.body_cut) = (body, body_cut);
        let judgement = judgement(&evidence, "kiali::console_served");
        let complete = judgement.hint.is_some() && judgement.observed.is_some();
        prop_assert!(judgement.verdict == Verdict::Pass || complete, "{judgement:#?}");
    }
}

/// What `completeness` reads: that no claim is without its cases.
pub(in super::super) const TABLES: &[&[Case]] =
    &[running::table::CASES, redirects::table::CASES, exposed::table::CASES, console::table::CASES];
