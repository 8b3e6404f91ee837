//! Changes to the answers and to both proxies' counters.

use crate::claims::mesh::changes::{insert_rule, remove_sidecar};
use crate::entry::cases;
use crate::evidence::{CounterPair, Evidence, MeshResource, Observation, Pod};
use crate::testing::{demo_pod, of};

/// Stops a counter.
fn stop(pair: &mut CounterPair) {
    pair.after = pair.before.clone();
}

fn stop_client(e: &mut Evidence) {
    stop(&mut of(&mut e.mesh.traffic).outbound);
}

fn stop_backend(e: &mut Evidence) {
    stop(&mut of(&mut e.mesh.traffic).inbound);
}

/// Removes Envoy's headers from at most this number of answers.
fn remove_headers(e: &mut Evidence, most: usize) {
    for reply in of(&mut e.demo.asked).replies.iter_mut().take(most) {
        reply.server = String::new();
        reply.envoy_upstream_time = false;
    }
}

fn answered_by_backends_proxy(e: &mut Evidence) {
    of(&mut e.demo.asked).replies.iter_mut().for_each(|it| it.server = "istio-envoy".into());
}

fn add_cilium(e: &mut Evidence) {
    let labels = [("k8s-app".to_owned(), "cilium".to_owned())].into();
    let pod = Pod { name: "cilium-x7k2p".into(), labels, ready: true, ..Pod::default() };
    e.cluster.network_pods = Observation::seen(vec![pod]);
}

/// Sets Envoy's answer to every request, and stops both counters.
fn envoy_answers(e: &mut Evidence, status: u16, body: &str, upstream: bool) {
    for reply in &mut of(&mut e.demo.asked).replies {
        reply.status = status;
        reply.body = body.into();
        reply.envoy_upstream_time = upstream;
    }
    stop_client(e);
    stop_backend(e);
}

/// Sets status 503 and this server in every answer.
fn answer_503(e: &mut Evidence, server: &str, upstream: bool) {
    for reply in &mut of(&mut e.demo.asked).replies {
        reply.status = 503;
        reply.server = server.into();
        reply.envoy_upstream_time = upstream;
    }
    stop_backend(e);
}

cases! { Evidence:
    healthy(|_| {}, Pass);
    demo_requests_counted_too(|e| *of(&mut of(&mut e.mesh.traffic).outbound.after) = 1000, Pass);
    client_routes_to_another_cluster(stop_client, Unjudged);
    // The answers are those of the backend's proxy: the client's proxy does not know the service.
    client_forwards_to_an_unknown_address(|e| { answered_by_backends_proxy(e); stop_client(e); }, Fail);
    client_forwards_on_cilium(|e| { answered_by_backends_proxy(e); stop_client(e); add_cilium(e); }, Fail);
    client_forwards_on_an_unread_network(|e| {
        answered_by_backends_proxy(e);
        stop_client(e);
        e.cluster.network_pods = Observation::failed("forbidden");
    }, Fail);
    no_counter_rises(|e| { answered_by_backends_proxy(e); stop_client(e); stop_backend(e); }, Fail);
    backend_counter_stops(stop_backend, Fail);
    backend_counter_rises_too_little(|e| { let pair = &mut of(&mut e.mesh.traffic).inbound; let before = *of(&mut pair.before); pair.after = Observation::seen(before + 4); }, Fail);
    headers_switched_off(|e| remove_headers(e, usize::MAX), Pass);
    one_answer_without_header(|e| remove_headers(e, 1), Unjudged);
    headers_switched_off_and_backend_counter_stops(|e| { remove_headers(e, usize::MAX); stop_backend(e); }, Fail);
    headers_switched_off_and_client_counter_stops(|e| { remove_headers(e, usize::MAX); stop_client(e); }, Fail);
    headers_switched_off_and_counter_not_readable(|e| { remove_headers(e, usize::MAX); of(&mut e.mesh.traffic).outbound.before = Observation::failed("pods/portforward is forbidden"); }, Unjudged);
    outbound_port_excluded(|e| { answered_by_backends_proxy(e); stop_client(e); insert_rule(e, "ISTIO_OUTPUT", "-p tcp -m tcp --dport 80 -j RETURN"); }, Fail);
    client_without_sidecar(|e| { answered_by_backends_proxy(e); stop_client(e); remove_sidecar(demo_pod(e, "client")); }, Fail);
    another_server_behind_envoy(|e| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = "nginx".into(); reply.envoy_upstream_time = true; }, Pass);
    envoy_answers_itself(|e| { answer_503(e, "envoy", false); for reply in &mut of(&mut e.demo.asked).replies { reply.body = "no healthy upstream".into(); } }, Fail);
    backend_answers_503(|e| answer_503(e, "envoy", true), Fail);
    another_proxy_answers_503(|e| answer_503(e, "istio-envoy", true), Fail);
    no_answer(|e| { for reply in &mut of(&mut e.demo.asked).replies { reply.status = 0; reply.error = "timed out".into(); } }, Fail);
    service_hidden_from_the_client(|e| of(&mut e.mesh.traffic).outbound.after = Observation::absent("no cluster"), Fail);
    service_hidden_by_a_sidecar_resource(|e| {
        of(&mut e.mesh.traffic).outbound.after = Observation::absent("no cluster");
        let hides = MeshResource { kind: "Sidecar".into(), namespace: "client".into(), name: "default".into(), ..MeshResource::default() };
        e.mesh.resources = Observation::seen(vec![hides]);
    }, Fail);
    service_hidden_by_no_sidecar_resource(|e| { of(&mut e.mesh.traffic).outbound.after = Observation::absent("no cluster"); e.mesh.resources = Observation::seen(Vec::new()); }, Fail);
    curl_uses_a_web_proxy(|e| {
        answered_by_backends_proxy(e);
        stop_client(e);
        demo_pod(e, "client").containers.iter_mut().for_each(|it| it.env = vec!["http_proxy".into()]);
    }, Fail);
    no_counter_without_sidecar(|e| { remove_sidecar(demo_pod(e, "client")); of(&mut e.mesh.traffic).outbound.after = Observation::absent("pod client/client-1, port 15000: connection refused"); }, Fail);
    no_counter(|e| of(&mut e.mesh.traffic).inbound.after = Observation::absent("no cluster"), Fail);
    restarted(|e| of(&mut e.mesh.traffic).inbound.after = Observation::seen(0), Unjudged);
    counter_not_readable(|e| of(&mut e.mesh.traffic).outbound.before = Observation::failed("pods/portforward is forbidden"), Unjudged);
    requests_failed(|e| e.demo.asked = Observation::failed("pods/exec is forbidden"), Unjudged);
    no_traffic(|e| e.mesh.traffic = Observation::failed("no answer"), Unjudged);
    headers_switched_off_and_restarted(|e| { of(&mut e.mesh.traffic).inbound.after = Observation::seen(0); remove_headers(e, usize::MAX); }, Unjudged);
    client_counter_stops_and_requests_failed(|e| { e.demo.asked = Observation::failed("no answer"); stop_client(e); }, Unjudged);
    denied_by_a_policy(|e| envoy_answers(e, 403, "RBAC: access denied", true), Fail);
    denied_by_the_backend(|e| envoy_answers(e, 403, "go away", true), Fail);
    no_healthy_upstream(|e| envoy_answers(e, 503, "no healthy upstream", false), Fail);
    failed_by_the_backend(|e| envoy_answers(e, 503, "broken", true), Fail);
    no_request_sent(|e| of(&mut e.mesh.traffic).requests = 0, Unjudged);
    not_selected(|e| { e.demo.asked = Observation::not_asked("--only"); e.mesh.traffic = Observation::not_asked("--only"); }, Skipped);
}
