//! What turns the claims of *kiali* red, what leaves them unjudged, and what does not matter.

use super::{same_image, split_image};
use crate::evidence::{Evidence, HttpAnswer, Observation, Service};
use crate::judgement::Verdict;
use crate::testing::{healthy, judgement};
use crate::testing::{installed, of, scale_to_zero};
use proptest::prelude::*;
use rstest::rstest;

fn service(e: &mut Evidence) -> &mut Service {
    let services = of(&mut e.install.services).iter_mut();
    services.into_iter().find(|service| service.name == "kiali").unwrap()
}

fn image(e: &mut Evidence, image: &str) {
    installed(e, "kiali").containers[0].image = image.into();
}

pub(crate) mod running {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        mirror(|e| { e.expectations.kiali_image = Some("quay.io/kiali/kiali:v1.76".into()); image(e, "mirror.example.com/quay/kiali/kiali:v1.76.0"); }, Pass);
        another_container_beside_it(|e| { let mut more = installed(e, "kiali").containers[0].clone(); more.name = "metrics".into(); more.image = "nginx:1".into(); installed(e, "kiali").containers.insert(0, more); }, Pass);
        another_version(|e| image(e, "quay.io/kiali/kiali:v2.0.0"), Fail);
        pinned(|e| image(e, "quay.io/kiali/kiali@sha256:0123"), Unjudged);
        pinned_stranger(|e| image(e, "docker.io/library/nginx@sha256:0123"), Fail);
        another_image(|e| image(e, "quay.io/kiali/kiali-operator:v1.79"), Fail);
        no_tag(|e| image(e, "quay.io/kiali/kiali"), Fail);
        scaled_to_zero(|e| scale_to_zero(installed(e, "kiali")), Fail);
        unavailable(|e| installed(e, "kiali").available_replicas = 0, Fail);
        gone(|e| of(&mut e.install.deployments).retain(|it| it.name != "kiali"), Fail);
        another_port(|e| service(e).ports.iter_mut().for_each(|port| port.port = 80), Fail);
        no_service(|e| of(&mut e.install.services).retain(|it| it.name != "kiali"), Fail);
        selects_nobody(|e| of(&mut e.install.endpoints).retain(|one| one.service != "kiali"), Fail);
        not_ready_behind_it(|e| of(&mut e.install.endpoints).iter_mut().for_each(|one| one.ready &= one.service != "kiali"), Fail);
        endpoints_forbidden(|e| e.install.endpoints = Observation::failed("endpointslices is forbidden"), Unjudged);
        unknown_release(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.99.0".into(); }, Unjudged);
        forbidden(|e| e.install.deployments = Observation::failed("deployments is forbidden"), Unjudged);
        services_forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
    }
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

pub(crate) mod redirects {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        absolute(|e| relocate(of(&mut e.kiali.root), "http://localhost:20001/kiali/"), Pass);
        another_root(|e| relocate(of(&mut e.kiali.root), "/mesh/"), Fail);
        longer_root(|e| relocate(of(&mut e.kiali.root), "/kiali/console"), Fail);
        no_location(|e| of(&mut e.kiali.root).headers.clear(), Fail);
        moved_for_ever(|e| of(&mut e.kiali.root).status = 301, Fail);
        broken(|e| of(&mut e.kiali.root).status = 500, Fail);
        another_body(|e| of(&mut e.kiali.root).body = "<a href=\"/mesh/\">Found</a>.".into(), Fail);
        no_pod(|e| e.kiali.root = Observation::absent("no Kiali pod is ready"), Fail);
        forbidden(|e| e.kiali.root = Observation::failed("pods/portforward is forbidden"), Unjudged);
        asleep(|e| { scale_to_zero(installed(e, "kiali")); e.kiali.root = Observation::absent("no Kiali pod is ready"); }, Fail);
    }
}

pub(crate) mod exposed {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        console_of_a_named_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); e.kiali.exposed = Observation::seen(console); }, Pass);
        something_else_is_there(|e| { let answer = of(&mut e.kiali.exposed); answer.status = 200; answer.headers.clear(); answer.body = "nginx".into(); }, Fail);
        console_that_is_broken(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.status = 500; e.kiali.exposed = Observation::seen(console); }, Fail);
        words_at_the_consoles_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.headers.clear(); e.kiali.exposed = Observation::seen(console); }, Fail);
        another_page(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/".into(); e.kiali.exposed = Observation::seen(console); }, Fail);
        hangs(|e| e.kiali.exposed = Observation::absent("nothing answers: no answer within 5 s"), Fail);
        refused(|e| e.kiali.exposed = Observation::absent("nothing answers: refused"), Fail);
        forbidden(|e| e.kiali.exposed = Observation::failed("pods/portforward is forbidden"), Unjudged);
    }
}

pub(crate) mod console {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        not_found(|e| of(&mut e.kiali.console).status = 404, Fail);
        no_page(|e| { of(&mut e.kiali.console).headers.insert("content-type".into(), "text/plain".into()); }, Fail);
        white_page(|e| of(&mut e.kiali.console).body.clear(), Fail);
        no_markup(|e| of(&mut e.kiali.console).body = "it works".into(), Fail);
        only_a_type(|e| of(&mut e.kiali.console).body = "<!DOCTYPE html>".into(), Pass);
        only_a_tag(|e| of(&mut e.kiali.console).body = "<html lang=en>".into(), Pass);
        api_broken(|e| of(&mut e.kiali.api).status = 500, Fail);
        api_is_html(|e| of(&mut e.kiali.api).body = "<html>".into(), Fail);
        no_version(|e| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"unknown\"}}".into(), Fail);
        another_version(|e| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"v9.9.9\"}}".into(), Fail);
        console_unseen(|e| e.kiali.console = Observation::failed("no answer"), Unjudged);
        image_unseen(|e| e.install.deployments = Observation::failed("deployments is forbidden"), Unjudged);
        api_unseen(|e| e.kiali.api = Observation::failed("no answer"), Unjudged);
        no_pod(|e| { e.kiali.console = Observation::absent("no Kiali pod is ready"); e.kiali.api = Observation::absent("no Kiali pod is ready"); }, Fail);
        long_answer(|e| { let api = of(&mut e.kiali.api); api.body = api.body.replace("\"externalServices\"", "\"more\": [{\"x"); api.body_cut = true; }, Pass);
        long_answer_of_another(|e| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version\" : \"v9.9.9\", ".into(); api.body_cut = true; }, Fail);
        long_answer_without(|e| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version".into(); api.body_cut = true; }, Fail);
        digest(|e| { let image = format!("{}@sha256:0123", installed(e, "kiali").containers[0].image); installed(e, "kiali").containers[0].image = image; }, Pass);
        broken_and_unseen(|e| { e.kiali.api = Observation::failed("no answer"); of(&mut e.kiali.console).status = 500; }, Fail);
    }
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
        let complete = judgement.hint().is_some() && judgement.observed.is_some();
        prop_assert!(judgement.verdict == Verdict::Pass || complete, "{judgement:#?}");
    }
}
