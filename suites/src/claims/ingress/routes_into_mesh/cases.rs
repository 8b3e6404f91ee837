//! The cases of the claim.

use crate::entry::cases;
use crate::evidence::{Evidence, HttpAnswer, MeshResource, Observation, Reply, Route};
use crate::testing::{gateway_service as gateway, of};

fn route(e: &mut Evidence) -> &mut Route {
    of(&mut e.ingress.route)
}

fn routed(e: &mut Evidence) -> &mut HttpAnswer {
    of(&mut route(e).routed)
}

fn label_demo(e: &mut Evidence) {
    let demo = e.expectations.namespace.clone();
    let labels = of(&mut e.install.namespaces).entry(demo).or_default();
    labels.insert("istio-discovery".into(), "enabled".into());
}

/// Another server answers on port 80, for every host.
fn another_server(e: &mut Evidence) {
    let route = route(e);
    for answer in [&mut route.routed, &mut route.unknown_host] {
        let answer = of(answer);
        answer.status = 403;
        answer.headers.insert("server".into(), "filter/6.2".into());
    }
}

/// A policy denies the request: the backend's where the answer has passed the gateway.
fn deny(answer: &mut HttpAnswer, has_passed: bool) {
    answer.status = 403;
    answer.body = "RBAC: access denied".into();
    answer.headers.remove("x-envoy-upstream-service-time");
    if has_passed {
        answer.headers.insert("x-envoy-upstream-service-time".into(), "3".into());
    }
}

const SILENT: &str = "nothing answers GET http://172.18.255.200:80/ (host a.test): from this machine: no answer within 2 s";

cases! { Evidence:
    healthy(|_| {}, Pass);
    not_routed(|e| routed(e).status = 404, Fail);
    denied_at_the_gateway(|e| {
        let route = route(e);
        for answer in [&mut route.routed, &mut route.unknown_host] {
            of(answer).status = 403;
            of(answer).body = "RBAC: access denied".into();
        }
    }, Fail);
    denied_at_the_backend(|e| {
        deny(routed(e), true);
        e.mesh.resources = Observation::seen(vec![MeshResource { kind: "AuthorizationPolicy".into(), namespace: "client".into(), name: "client-alone".into(), ..MeshResource::default() }]);
    }, Fail);
    denied_at_the_backend_by_an_unknown_policy(|e| { deny(routed(e), true); e.mesh.resources = Observation::failed("forbidden"); }, Fail);
    other_hosts_denied_at_the_gateway(|e| deny(of(&mut route(e).unknown_host), false), Pass);
    other_hosts_denied_at_a_backend(|e| deny(of(&mut route(e).unknown_host), true), Fail);
    other_hosts_redirected_to_https(|e| of(&mut route(e).unknown_host).status = 301, Pass);
    other_hosts_redirected_by_a_backend(|e| { let it = of(&mut route(e).unknown_host); it.status = 301; it.headers.insert("x-envoy-upstream-service-time".into(), "3".into()); }, Fail);
    other_hosts_redirected_by_no_known_server(|e| { let it = of(&mut route(e).unknown_host); it.status = 301; it.headers.clear(); }, Fail);
    no_endpoint_for_other_hosts(|e| of(&mut route(e).unknown_host).status = 503, Fail);
    connection_to_the_backend_refused(|e| { let it = routed(e); it.status = 503; it.body = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure".into(); }, Fail);
    backend_silent(|e| route(e).routed = Observation::absent(SILENT), Fail);
    backend_silent_for_the_client_too(|e| {
        route(e).routed = Observation::absent(SILENT);
        let error = "Operation timed out after 3002 milliseconds with 0 bytes received".into();
        of(&mut e.demo.asked).replies = vec![Reply { error, ..Reply::default() }];
    }, Fail);
    port_80_silent(|e| { let route = route(e); route.routed = Observation::absent(SILENT); route.unknown_host = Observation::absent(SILENT); }, Fail);
    port_80_refuses(|e| { let route = route(e); let refused = || Observation::absent(SILENT.replace("no answer within 2 s", "Connection refused (os error 111)")); (route.routed, route.unknown_host) = (refused(), refused()); }, Fail);
    another_program_on_localhost(|e| {
        another_server(e);
        routed(e).request = "GET http://localhost:80/ (host a.test)".into();
        e.ingress.asked = vec!["127.0.0.1".into()];
    }, Fail);
    proxy_protocol(|e| {
        let bad = |answer: &mut HttpAnswer| (answer.status, answer.body) = (400, "Bad Request".into());
        bad(of(&mut e.ingress.health));
        bad(routed(e));
    }, Fail);
    backend_not_trusted(|e| { routed(e).status = 503; routed(e).body = "TLS_error:|1:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED".into(); }, Fail);
    not_routed_and_not_counted(|e| { routed(e).status = 404; e.ingress.counted = Observation::failed("forbidden"); }, Fail);
    namespace_maybe_not_watched(|e| { label_demo(e); routed(e).status = 404; }, Unjudged);
    namespace_perhaps_not_watched(|e| { routed(e).status = 404; e.install.namespaces = Observation::failed("namespaces is forbidden"); }, Unjudged);
    namespace_labelled_like_the_demo(|e| {
        label_demo(e);
        route(e).namespace_labels = Some([("istio-discovery".into(), "enabled".into())].into());
        routed(e).status = 404;
    }, Fail);
    web_filter_on_the_path(|e| { another_server(e); gateway(e).load_balancer_addresses = vec!["203.0.113.9".into()]; e.ingress.asked.clear(); }, Unjudged);
    another_machine(another_server, Fail);
    no_connection(|e| {
        route(e).routed = Observation::failed("not asked");
        route(e).unknown_host = Observation::absent("nothing answers: no answer within 2 s");
        e.ingress.way = Observation::absent("no node answers");
    }, Unjudged);
    another_text(|e| routed(e).body = "Hello from backend service v2\n".into(), Fail);
    two_newlines(|e| routed(e).body.push('\n'), Fail);
    nothing_answers(|e| route(e).routed = Observation::absent("nothing answers: refused"), Fail);
    every_host_answered(|e| of(&mut route(e).unknown_host).status = 200, Fail);
    namespace_left(|e| route(e).removed = Observation::seen(false), Unjudged);
    namespace_perhaps_left(|e| route(e).removed = Observation::failed("no answer"), Unjudged);
    refused_by_the_server(|e| e.ingress.route = Observation::failed("cannot create resource namespaces"), Unjudged);
    no_address(|e| e.ingress.route = Observation::absent("the service has no address"), Fail);
    not_asked(|e| e.ingress.route = Observation::not_asked("--active allows them"), Skipped);
    wrong_answer_and_one_unknown(|e| { route(e).unknown_host = Observation::failed("no answer"); routed(e).status = 503; }, Fail);
    unknown_host_without_answer(|e| route(e).unknown_host = Observation::failed("no answer"), Unjudged);
    test_host_without_answer(|e| route(e).routed = Observation::failed("no answer"), Unjudged);
}
