//! Pairs of rows that differ in one condition of a cause: with all conditions it is the cause, without one it is not.

use super::changes::*;
use super::conditions::echo_first;
use super::{BACKEND, CLIENT, LABEL, NONE, Row, assert_causes, rows};
use crate::evidence::{ContainerState, Evidence, Observation};
use crate::testing::{
    backend, demo_pod, forget_proxy, forget_proxy_of, gateway, gateway_service, healthy, of,
    refuse, terminate_namespace,
};

const NO_CONNECTION: &str = "upstream connect error or disconnect/reset before headers. reset reason: connection failure, \
                             transport failure reason: delayed connect error: 111";
const DELETED: &str = "pods \"echo\" is forbidden: unable to create new content in namespace client because it is being \
                       terminated";

fn listen(evidence: &mut Evidence, address: &str) {
    backend(evidence).containers[0].args.push(format!("-listen={address}"));
}

/// Ends curl with an exit code in place of replies.
fn curl_ends(evidence: &mut Evidence, exit_code: i32) {
    let asked = of(&mut evidence.demo.asked);
    asked.exec.exit_code = exit_code;
    asked.replies.clear();
}

const DEMO: &[Row] = rows! {
    "lab": |it| { listen(it, "127.0.0.1:5678"); proxy_replies(it, 503, NO_CONNECTION); } => "demo::backend_replies": BACKEND;
    "lab": |it| { listen(it, "0.0.0.0:5678"); proxy_replies(it, 503, NO_CONNECTION); } => "demo::backend_replies": NONE;
    "lab": |it| { listen(it, "127.0.0.1:5678"); proxy_replies(it, 500, "out of order"); } => "demo::backend_replies": NONE;
    // The backend has another text, and does not listen on loopback: its text refuses no connection.
    "lab": |it| { backend(it).containers[0].args.push("-text=Hello".into()); proxy_replies(it, 503, NO_CONNECTION); }
        => "demo::backend_replies": NONE;
    // The log ends with the other text of the deployment, or with the text of another server.
    "backend-says-more": |_| {} => "demo::client_logs_show_reply": BACKEND;
    "backend-says-more": |it| { of(&mut it.demo.client_logs)[0].lines.clear(); log_says(it, "Hello from somebody"); }
        => "demo::client_logs_show_reply": NONE;
    // The client's image is another one, and has no curl.
    "lab": |it| { client_runs_another_program(it); curl_ends(it, 127); } => "demo::backend_replies": CLIENT;
    "lab": |it| curl_ends(it, 127) => "demo::backend_replies": NONE;
    "lab": |it| { client_runs_another_program(it); curl_ends(it, 7); } => "demo::backend_replies": NONE;
    // The namespace is being deleted: no pod is created in it.
    "lab": |it| { terminate_namespace(it, "client", ""); refuse(backend(it), DELETED); } => "demo::backend_deployment": LABEL;
    // The client has a sidecar: its requests are not reset for being unencrypted.
    "lab": requests_are_reset => "demo::backend_replies": NONE;
};

#[test]
fn one_condition_decides_on_causes_of_the_demo() {
    assert_causes(DEMO);
}

/// Lets a proxy acknowledge less than istiod sent.
fn stale(evidence: &mut Evidence, app: &str) {
    let name = demo_pod(evidence, app).name.clone();
    for istiod in of(&mut evidence.install.istiod).values_mut() {
        let proxies = of(&mut istiod.proxies).iter_mut();
        proxies
            .filter(|it| it.proxy.starts_with(&name))
            .for_each(|it| it.clusters.acked = "old".into());
    }
}

fn container_not_ready(evidence: &mut Evidence) {
    backend_not_ready(evidence, |pod| pod.containers[0].ready = false);
}

/// Starts the gateway after cluster DNS went down: its proxy waits for istiod's address.
fn gateway_is_not_connected(evidence: &mut Evidence) {
    let pod = gateway(evidence);
    pod.ready = false;
    pod.containers[0].ready = false;
    let name = pod.name.clone();
    forget_proxy_of(evidence, &name);
}

fn gateway_image_is_missing(evidence: &mut Evidence) {
    let pod = gateway(evidence);
    crash(pod);
    let reason = "ImagePullBackOff".into();
    pod.containers[0].state = ContainerState::Waiting { reason, message: String::new() };
}

const DNS: &str = "prepare::dns_on_pod_network";

const PROXIES: &[Row] = rows! {
    "lab": |it| { container_not_ready(it); stale(it, "echo"); } => "mesh::proxies_in_sync": NONE;
    "lab": |it| { container_not_ready(it); forget_proxy(it, "echo"); } => "mesh::proxies_in_sync": NONE;
    "lab": |it| { sidecar_not_ready(it); forget_proxy(it, "echo"); } => "mesh::proxies_in_sync": BACKEND;
    // The proxy of the other deployment's pod is cut off.
    "lab": |it| { sidecar_not_ready(it); forget_proxy(it, "client"); } => "mesh::proxies_in_sync": NONE;
    "coredns-scaled-to-zero": |it| stale(it, "echo") => "mesh::proxies_in_sync": NONE;
    // The gateway's proxy does not find istiod without DNS. An image is pulled with the node's DNS.
    "coredns-scaled-to-zero": gateway_is_not_connected
        => "mesh::proxies_in_sync": DNS, "install::control_plane_running": DNS;
    "coredns-scaled-to-zero": |it| gateway_image_is_missing(it) => "install::control_plane_running": NONE;
    // The client's proxy does not run, and the failure names the backend's.
    "sidecar-in-a-crash-loop": |it| { echo_first(it); stale(it, "echo"); } => "mesh::proxies_in_sync": NONE;
};

#[test]
fn one_condition_decides_on_causes_of_proxies_that_are_not_in_sync() {
    assert_causes(PROXIES);
}

/// Lets both answers through the gateway say the same.
fn both_answers(evidence: &mut Evidence, status: u16, body: &str) {
    proxy_replies(evidence, status, body);
    route_answers(evidence, status, body);
}

fn unknown_host_answers(evidence: &mut Evidence, status: u16) {
    of(&mut of(&mut evidence.ingress.route).unknown_host).status = status;
}

/// Another service has the gateway's address, with this port.
fn share_address(evidence: &mut Evidence, port: u16) {
    let mut other = gateway_service(evidence).clone();
    (other.name, other.namespace) = ("kong-proxy".into(), "kong".into());
    other.ports.retain(|it| it.port == port);
    of(&mut evidence.cluster.load_balancer_services).push(other);
}

fn served_by(evidence: &mut Evidence, server: &str) {
    let route = of(&mut evidence.ingress.route);
    for answer in [&mut route.routed, &mut route.unknown_host] {
        of(answer).headers.insert("server".into(), server.into());
    }
}

const EXPIRED: &str = "upstream connect error: TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED";
const REPLIES: &str = "demo::backend_replies";

const GATEWAY: &[Row] = rows! {
    "lab": |it| both_answers(it, 500, "out of order") => "ingress::routes_into_mesh": REPLIES;
    // The gateway itself answers in another way, or for another reason, or without a text.
    "lab": |it| { both_answers(it, 500, "out of order"); unknown_host_answers(it, 500); } => "ingress::routes_into_mesh": NONE;
    "lab": |it| { both_answers(it, 500, "out of order"); route_answers(it, 500, "no service"); } => "ingress::routes_into_mesh": NONE;
    "lab": |it| { both_answers(it, 500, "out of order"); route_answers(it, 502, "out of order"); } => "ingress::routes_into_mesh": NONE;
    "lab": |it| both_answers(it, 500, "") => "ingress::routes_into_mesh": NONE;
    "lab": |it| { proxy_replies(it, 503, EXPIRED); route_answers(it, 500, "out of order"); } => "ingress::routes_into_mesh": NONE;
    // The client's requests are reset, and the gateway has no endpoint: two failures.
    "lab": |it| { requests_are_reset(it); route_answers(it, 503, "no healthy upstream"); } => "ingress::routes_into_mesh": NONE;
    // The backend has another reply, and says it.
    "backend-says-more": |_| {} => "ingress::routes_into_mesh": BACKEND;
    "backend-says-more": |it| it.demo.asked = Observation::failed("pods/exec is forbidden")
        => "ingress::routes_into_mesh": BACKEND;
    "backend-says-more": |it| route_answers(it, 200, "Hello from somebody") => "ingress::routes_into_mesh": NONE;
    "backend-says-more": |it| route_answers(it, 404, "Hello from backend service v2") => "ingress::routes_into_mesh": NONE;
    // The health check gets no answer. The request for the test host is lost, and that for an unknown host is answered.
    "address-unreachable": |it| { it.ingress.route = healthy().ingress.route; of(&mut it.ingress.route).routed = Observation::failed("no answer"); }
        => "ingress::routes_into_mesh": NONE;
    // The service without an address.
    "pool-exhausted": |_| {} => "ingress::routes_into_mesh": "prepare::no_competing_load_balancer";
    "lab": |it| { gateway_service(it).load_balancer_addresses.clear(); route_answers(it, 500, "out of order"); }
        => "ingress::routes_into_mesh": NONE;
    // Another service has the address: its port and the answers decide.
    "lab": |it| { share_address(it, 80); served_by(it, "kong"); route_answers(it, 404, "no Route matched"); }
        => "ingress::routes_into_mesh": "prepare::no_competing_load_balancer";
    "lab": |it| { share_address(it, 80); served_by(it, "istio-envoy"); route_answers(it, 404, "no Route matched"); } => "ingress::routes_into_mesh": NONE;
    "lab": |it| { share_address(it, 443); served_by(it, "kong"); route_answers(it, 404, "no Route matched"); }
        => "ingress::routes_into_mesh": NONE;
};

#[test]
fn one_condition_decides_on_causes_of_a_route() {
    assert_causes(GATEWAY);
}

const QUOTA: &str = "pods \"echo\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2";
const SECURITY: &str = "pods \"echo\" is forbidden: violates PodSecurity \"restricted:latest\": unrestricted capabilities \
                        (container \"istio-init\" must set securityContext.capabilities.drop=[\"ALL\"])";

fn dry_run_is_refused(evidence: &mut Evidence, message: &str) {
    evidence.mesh.dry_run_labelled = Observation::failed(message);
}

/// The client's counter does not rise.
fn client_counts_nothing(evidence: &mut Evidence) {
    let outbound = &mut traffic(evidence).outbound;
    outbound.after = outbound.before.clone();
}

const MESH: &[Row] = rows! {
    // The rule that refuses the pod of the dry run refuses the backend's pods as well, or another rule does.
    "lab": |it| { dry_run_is_refused(it, SECURITY); refuse(backend(it), SECURITY); }
        => "mesh::unlabelled_namespace_left_alone": BACKEND;
    "lab": |it| { dry_run_is_refused(it, SECURITY); refuse(backend(it), QUOTA); } => "mesh::unlabelled_namespace_left_alone": NONE;
    "lab": |it| { dry_run_is_refused(it, SECURITY); unavailable(backend(it)); } => "mesh::unlabelled_namespace_left_alone": NONE;
    // A backend replies with another text, and its proxy counts nothing: no web proxy answers.
    "lab": |it| { of(&mut it.demo.asked).replies[0].body = "Hello".into(); nothing_arrives(it); }
        => "mesh::traffic_through_proxies": NONE;
    // The pod without a sidecar is the one that counted the requests.
    "lab": |it| { client_counts_nothing(it); lose_sidecar(demo_pod(it, "echo")); } => "mesh::traffic_through_proxies": NONE;
    "lab": |it| { client_counts_nothing(it); lose_sidecar(demo_pod(it, "client")); }
        => "mesh::traffic_through_proxies": "mesh::two_containers_per_pod";
};

#[test]
fn one_condition_decides_on_causes_of_the_mesh() {
    assert_causes(MESH);
}

const KIALI: &[Row] = rows! {
    // Kiali is down, and the request to the exposed port was forbidden: its result is unknown.
    "lab": |it| { kiali_crashes(it); it.kiali.exposed = Observation::failed("pods/portforward is forbidden"); }
        => "kiali::reachable_on_exposed_port": NONE;
    // Another program runs in Kiali's place, and its console was not read.
    "kiali-behind-a-500": |it| {
        it.kiali.console = Observation::failed("pods/portforward is forbidden");
        it.kiali.api = Observation::failed("pods/portforward is forbidden");
    } => "kiali::console_served": NONE;
    // Kiali's root is another one on the same server, or the redirect leads to another server.
    "lab": |it| redirected(it, "/mesh/") => "kiali::console_served": "kiali::redirects_to_web_root";
    "lab": |it| redirected(it, "https://login.example.com/") => "kiali::console_served": NONE;
    "lab": |it| redirected(it, "//login.example.com/") => "kiali::console_served": NONE;
};

/// Redirects / to this location, and answers 404 at the tutorial's web root.
fn redirected(evidence: &mut Evidence, location: &str) {
    of(&mut evidence.kiali.root).headers.insert("location".into(), location.into());
    of(&mut evidence.kiali.console).status = 404;
}

#[test]
fn one_condition_decides_on_causes_of_kialis_pages() {
    assert_causes(KIALI);
}
