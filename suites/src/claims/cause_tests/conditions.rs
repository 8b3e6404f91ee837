//! Pairs of changes that differ in the detail that decides whether a claim has a cause.

use super::changes::*;
use super::{BACKEND, CLIENT, LABEL, NONE, Row, assert_causes, rows};
use crate::evidence::{
    ClientLog, Container, ContainerState, Evidence, Node, Observation, Pod, Reply,
};
use crate::testing::{
    backend, client, demo_pod, gateway, gateway_service, healthy, installed, istiod, of,
    recorded_fault, scale_to_zero,
};

const NODES: &str = "prepare::nodes_ready";
const ISTIOD: &str = "install::control_plane_running";
const WEBHOOK: &str = "install::injection_webhook";
const SERVICE: &str = "demo::backend_service";
const ARGUMENTS: &str = "mesh::init_arguments";
const INBOUND: &str = "mesh::inbound_redirected";
const ROOT: &str = "kiali::redirects_to_web_root";

const UNSCHEDULED: &[Row] = rows! {
    "lab": no_room => "demo::backend_deployment": NODES, "mesh::pods_ready": NODES, "demo::backend_replies": NODES;
    "lab": |it| { no_room(it); demo_pod(it, "echo").reason = Some("0/1 nodes are available: 1 Insufficient cpu.".into()); }
        => "demo::backend_deployment": NODES;
    "lab": |it| { no_room(it); backend(it).replicas = 0; } => "demo::backend_deployment": NONE;
    "lab": |it| { node_not_ready(it); let pod = demo_pod(it, "echo"); (pod.node, pod.phase) = (None, "Pending".into()); }
        => "demo::backend_deployment": NODES;
    // A worker is not ready, and the pod's own selector fits no node.
    "lab": |it| {
        node_not_ready(it);
        let worker = Node { name: "worker".into(), ..of(&mut it.cluster.nodes)[0].clone() };
        *of(&mut it.cluster.nodes) = of(&mut healthy().cluster.nodes).clone();
        of(&mut it.cluster.nodes).push(worker);
        let pod = demo_pod(it, "echo");
        (pod.node, pod.phase) = (None, "Pending".into());
        pod.reason = Some("Unschedulable: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.".into());
    } => "prepare::nodes_ready": NONE, "demo::backend_deployment": NONE;
    "lab": |it| { node_not_ready(it); let pod = demo_pod(it, "echo"); (pod.node, pod.phase) = (None, "Failed".into()); }
        => "demo::backend_deployment": NONE;
};

#[test]
fn nodes_cause_unscheduled_deployments() {
    assert_causes(UNSCHEDULED);
}

const INJECTION: &[Row] = rows! {
    "lab": |it| without_sidecars_by(it, "injection-webhook-deleted")
        => "mesh::two_containers_per_pod": WEBHOOK, "mesh::unlabelled_namespace_left_alone": WEBHOOK;
    "lab": |it| without_sidecars_by(it, "label-of-a-revision-that-is-not-installed")
        => "install::injection_webhook": LABEL, "mesh::two_containers_per_pod": LABEL, "mesh::init_arguments": LABEL;
    "lab": |it| {
        without_sidecars_by(it, "label-of-a-revision-that-is-not-installed");
        of(&mut it.install.webhooks).clear();
    } => "mesh::two_containers_per_pod": WEBHOOK;
    // A pod with inject=false, in a namespace without a label.
    "lab": |it| { without_sidecars_by(it, "label-removed"); demo_pod(it, "echo").annotations.insert(INJECT.into(), "false".into()); }
        => "mesh::two_containers_per_pod": NONE;
    // Without a webhook the label has no effect.
    "label-removed": |it| of(&mut it.install.webhooks).clear() => "install::injection_webhook": NONE;
    "label-removed": |it| lose_sidecar(demo_pod(it, "echo")) => "mesh::two_containers_per_pod": LABEL;
    "label-removed": |it| { lose_sidecar(demo_pod(it, "echo")); one_container_more(demo_pod(it, "client")); }
        => "mesh::two_containers_per_pod": NONE;
    // The demo's pods cannot be read.
    "label-removed": |it| it.demo.pods = Observation::failed("pods is forbidden")
        => "mesh::two_containers_per_pod": NONE;
    // The client's template has inject=false, and so has a single pod of the backend.
    "lab": |it| { template_refuses_its_sidecar(it); refuse(demo_pod(it, "echo")); } => "mesh::two_containers_per_pod": NONE;
    // The client's template has inject=false, and no webhook is left: injection fails for another reason.
    "lab": |it| { template_refuses_its_sidecar(it); of(&mut it.install.webhooks).clear(); }
        => "mesh::two_containers_per_pod": NONE;
    // The client's template has inject=false, and its pod lacks the sidecar for another reason.
    "lab": |it| { template_refuses_its_sidecar(it); demo_pod(it, "client").labels.remove(INJECT); }
        => "mesh::two_containers_per_pod": NONE;
    // All webhooks are deactivated: none serves the revision.
    "lab": |it| {
        let webhooks = it.install.webhooks.clone();
        nothing_installed(it);
        it.install.webhooks = webhooks;
        of(&mut it.install.webhooks)
            .retain(|it| it.object_selector.match_labels.contains_key("istio.io/deactivated"));
        assert!(!of(&mut it.install.webhooks).is_empty());
        *labels(it) = [("istio.io/rev".into(), "default".into())].into();
    } => "install::namespace_labelled": "install::default_profile";
    // A missing label does not depend on the installation.
    "lab": |it| { nothing_installed(it); labels(it).clear(); } => "install::namespace_labelled": NONE;
};

#[test]
fn label_and_webhook_cause_missing_sidecars() {
    assert_causes(INJECTION);
}

fn labels(evidence: &mut Evidence) -> &mut std::collections::BTreeMap<String, String> {
    of(&mut evidence.install.namespaces).get_mut("client").unwrap()
}

fn one_container_more(pod: &mut Pod) {
    pod.containers.push(Container { name: "debug".into(), ready: true, ..Container::default() });
}

const CONTROL_PLANE: &[Row] = rows! {
    "lab": sidecar_waits => "demo::backend_deployment": ISTIOD, "mesh::pods_ready": ISTIOD;
    // Other failing pods do not matter.
    "lab": |it| { sidecar_waits(it); crash(demo_pod(it, "client")); } => "demo::backend_deployment": ISTIOD;
    // A sidecar that crashes does not wait for istiod.
    "lab": |it| {
        sidecar_waits(it);
        let reason = "CrashLoopBackOff".into();
        sidecar(demo_pod(it, "echo")).state = ContainerState::Waiting { reason, message: String::new() };
    } => "demo::backend_deployment": NONE;
    // istiod is ready and the gateway crashes: neither makes the backend unavailable.
    "lab": |it| { crash(gateway(it)); sidecar_not_ready(it); all_reply(it, &Reply { status: 503, ..Reply::default() }); }
        => "demo::backend_deployment": NONE;
    "lab": |it| backend_refused(it, "ReplicaFailure", "True", WEBHOOK_SILENT) => "demo::backend_deployment": ISTIOD;
    "lab": |it| backend_refused(it, "ReplicaFailure", "True", "failed calling webhook \"validate.kyverno.svc\"")
        => "demo::backend_deployment": NONE;
    "lab": |it| backend_refused(it, "ReplicaFailure", "True", "exceeded quota: istio") => "demo::backend_deployment": NONE;
    "lab": |it| backend_refused(it, "ReplicaFailure", "False", WEBHOOK_SILENT) => "demo::backend_deployment": NONE;
    "lab": |it| backend_refused(it, "Progressing", "True", WEBHOOK_SILENT) => "demo::backend_deployment": NONE;
    "lab": |it| { backend_refused(it, "ReplicaFailure", "True", WEBHOOK_SILENT); scale_to_zero(backend(it)); }
        => "demo::backend_deployment": NONE;
    // istiod crashes, and has another version.
    "lab": |it| {
        istiod_crashes(it);
        istiod(it).containers[0].image = "istio/pilot:1.19.0".into();
    } => "install::istio_version": NONE;
    // istiod crashes and the gateway is ready: the missing answer has another cause.
    "address-unreachable": |it| { crash(istiod(it)); assert!(gateway(it).ready); } => "ingress::address_answers": NONE;
    // istiod is scaled to zero, so it does not delay the gateway's deployment.
    "istiod-scaled-to-zero": |it| of(&mut it.install.deployments).retain(|it| it.name != "istio-ingressgateway")
        => "install::default_profile": NONE;
    // The gateway has no endpoint, so another server answers at its address.
    "lab": |it| {
        it.ingress.counted = Observation::failed("pods/portforward is forbidden");
        of(&mut it.install.endpoints).retain(|it| it.service != "istio-ingressgateway");
        route_answers(it, 404, "");
    } => "ingress::address_answers": NONE, "ingress::routes_into_mesh": "ingress::address_answers";
    // The route was forbidden while istiod is down.
    "istiod-scaled-to-zero": |it| it.ingress.route = Observation::failed("namespaces is forbidden")
        => "ingress::routes_into_mesh": NONE;
    // The gateway has no route, because istiod is down.
    "istiod-scaled-to-zero": |it| { it.ingress.route = healthy().ingress.route; route_answers(it, 404, ""); }
        => "ingress::routes_into_mesh": ISTIOD;
    "lab": |it| {
        of(&mut it.install.crds).retain(|crd| !crd.name.starts_with("gateways."));
        it.ingress.route = Observation::absent("404 page not found");
    } => "ingress::routes_into_mesh": "install::default_profile";
};

#[test]
fn control_plane_causes_failures_of_dependent_claims() {
    assert_causes(CONTROL_PLANE);
}

const REQUESTS: &[Row] = rows! {
    // DNS is down, and the client fails in another way.
    "coredns-scaled-to-zero": |it| all_reply(it, &Reply { status: 403, ..Reply::default() })
        => "demo::backend_replies": NONE;
    // DNS runs and is not ready: no name can be resolved, with or without the service.
    "coredns-scaled-to-zero": |it| {
        of(&mut it.cluster.dns).pods = of(&mut healthy().cluster.dns).pods.clone();
        of(&mut it.cluster.dns).pods.iter_mut().for_each(|pod| pod.ready = false);
        of(&mut it.demo.services).clear();
    } => "demo::client_logs_show_reply": "prepare::dns_on_pod_network",
        "demo::backend_replies": "prepare::dns_on_pod_network";
    // The first of two clients has an older log without failures.
    "coredns-scaled-to-zero": |it| {
        let bad = of(&mut it.demo.client_logs)[0].clone();
        let mut second = demo_pod(it, "client").clone();
        second.name = "second".into();
        of(&mut it.demo.pods).push(second);
        of(&mut it.demo.client_logs)[0].lines.clone_from(&of(&mut healthy().demo.client_logs)[0].lines);
        of(&mut it.demo.client_logs)[0].read_at = of(&mut healthy().demo.client_logs)[0].read_at;
        of(&mut it.demo.client_logs).push(ClientLog { pod: "second".into(), ..bad });
    } => "demo::client_logs_show_reply": "prepare::dns_on_pod_network";
    // The backend is gone, and exec in the client is forbidden.
    "backend-scaled-to-zero": |it| it.demo.asked = Observation::failed("pods/exec is forbidden")
        => "demo::backend_replies": NONE;
    // The backend is gone, and the service selects nothing.
    "backend-scaled-to-zero": |it| of(&mut it.demo.services)[0].selector = [("app".into(), "eco".into())].into()
        => "demo::backend_service": NONE;
    "lab": |it| { of(&mut it.demo.services)[0].ports[0].port = 8080; nobody_replies(it); nothing_arrives(it); }
        => "demo::backend_replies": SERVICE;
    // The backend does not reply, and the log shows another error.
    "lab": |it| { log_says(it, "curl: (28) Operation timed out"); requests_are_reset(it); }
        => "demo::client_logs_show_reply": NONE;
    // The backend's proxy denies the client's requests, and the gateway denies all requests.
    "everything-denied": |it| of(&mut of(&mut it.ingress.route).unknown_host).status = 403
        => "ingress::routes_into_mesh": NONE;
    // The backend's proxy denies the client's requests, and the gateway's fail in another way.
    "lab": |it| { client_denied(it); route_answers(it, 503, "no healthy upstream"); } => "ingress::routes_into_mesh": NONE;
    // Without client pods there is no log with the proxy's answer.
    "lab": |it| { nobody_replies(it); remove_pods(it, "client"); } => "demo::client_logs_show_reply": NONE;
    "lab": client_container_down
        => "demo::backend_replies": CLIENT, "mesh::traffic_through_proxies": CLIENT, "demo::client_logs_show_reply": NONE;
    // Without redirection a missing proxy blocks no request.
    "sidecar-in-a-crash-loop": |it| demo_pod(it, "client").init_containers.clear() => "demo::backend_replies": NONE;
    // The client's answer is not a connection error.
    "sidecar-in-a-crash-loop": |it| {
        of(&mut it.demo.client_logs)[0].lines.clear();
        log_says(it, "503 from somebody");
        all_reply(it, &Reply { status: 503, body: "from somebody".into(), ..Reply::default() });
    } => "demo::client_logs_show_reply": NONE, "demo::backend_replies": NONE;
    // The proxy runs, but is not ready yet.
    "sidecar-in-a-crash-loop": |it| {
        let proxy = sidecar(demo_pod(it, "client"));
        (proxy.restarts, proxy.last_termination) = (0, None);
        proxy.state = ContainerState::Running { since: None };
    } => "demo::backend_replies": NONE, "mesh::proxies_in_sync": CLIENT;
    "lab": client_runs_another_program => "demo::client_logs_show_reply": NONE;
};

#[test]
fn failed_replies_have_the_cause_that_they_show() {
    assert_causes(REQUESTS);
}

const PODS: &[Row] = rows! {
    "backend-in-a-crash-loop": echo_first => "mesh::pods_ready": BACKEND;
    // A second pod is not ready for its own reason, whether its deployment fails or not.
    "backend-in-a-crash-loop": |it| { echo_first(it); demo_pod(it, "client").containers[0].ready = false; }
        => "mesh::pods_ready": NONE;
    "backend-in-a-crash-loop": |it| {
        echo_first(it);
        demo_pod(it, "client").containers[0].ready = false;
        client(it).containers[0].args = vec!["sleep infinity".into()];
    } => "mesh::pods_ready": NONE;
    "backend-in-a-crash-loop": |it| { echo_first(it); one_container_more(demo_pod(it, "client")); }
        => "mesh::pods_ready": NONE;
    // A pod without a sidecar can also be not ready.
    "backend-in-a-crash-loop": |it| { echo_first(it); demo_pod(it, "echo").containers.retain(|it| it.name != "istio-proxy"); }
        => "mesh::pods_ready": BACKEND;
    // The other pod is ready, and lacks a sidecar: another claim fails because of it.
    "pods-from-before-the-label": |it| { backend_not_ready(it, |pod| pod.containers[0].ready = false); echo_first(it); }
        => "mesh::pods_ready": BACKEND;
    // The client is not ready for its own reason while the backend is gone.
    "backend-scaled-to-zero": |it| {
        let pod = demo_pod(it, "client");
        (pod.ready, pod.containers[0].ready) = (false, false);
    } => "mesh::pods_ready": NONE;
    // There are no pods, and the deployment reports all replicas as available.
    "backend-says-more": |it| of(&mut it.demo.pods).clear() => "mesh::two_containers_per_pod": NONE;
    // A pending pod without a sidecar lacks it, whatever its state.
    "lab": |it| {
        unavailable(backend(it));
        client(it).available_replicas = 0;
        echo_first(it);
        for pod in of(&mut it.demo.pods) {
            (pod.phase, pod.ready) = ("Pending".into(), false);
        }
        demo_pod(it, "echo").containers.retain(|it| it.name != "istio-proxy");
    } => "mesh::two_containers_per_pod": NONE;
    // Not ready and without a sidecar, while its deployment is complete.
    "pods-from-before-the-label": |it| demo_pod(it, "echo").containers[0].ready = false => "mesh::pods_ready": NONE;
};

#[test]
fn deployments_cause_pods_that_are_not_ready() {
    assert_causes(PODS);
}

/// Sorts the echo pods first, those that are not ready before the others: the verdict names the first pod.
pub(super) fn echo_first(evidence: &mut Evidence) {
    of(&mut evidence.demo.pods)
        .sort_by_key(|pod| (pod.labels.get("app").cloned() != Some("echo".into()), pod.ready));
}

/// Sets an argument of istio-init, and lets inbound traffic bypass the proxy.
const IN: fn(&mut Evidence, &str, &str) =
    |it, option, value| init_argument(it, option, value, "ISTIO_INBOUND");
/// Sets an argument of istio-init, and lets outbound traffic bypass the proxy.
const OUT: fn(&mut Evidence, &str, &str) =
    |it, option, value| init_argument(it, option, value, "ISTIO_OUTPUT");
const TLS: &str = "upstream connect error: TLS_error:|268435703:SSL routines";

const RULES: &[Row] = rows! {
    "lab": |it| IN(it, "-b", "80") => "mesh::inbound_redirected": ARGUMENTS;
    "lab": |it| IN(it, "-d", "15020,15021,15090,80") => "mesh::inbound_redirected": ARGUMENTS;
    "lab": |it| IN(it, "-z", "15007") => "mesh::inbound_redirected": ARGUMENTS;
    "lab": |it| IN(it, "-m", "TPROXY") => "mesh::inbound_redirected": ARGUMENTS;
    "lab": |it| IN(it, "-i", "10.0.0.0/8") => "mesh::inbound_redirected": NONE;
    "lab": |it| IN(it, "-x", "10.0.0.0/8") => "mesh::inbound_redirected": NONE;
    "lab": |it| IN(it, "-o", "80") => "mesh::inbound_redirected": NONE;
    "lab": |it| IN(it, "-p", "15002") => "mesh::inbound_redirected": NONE;
    "lab": |it| IN(it, "-u", "0") => "mesh::inbound_redirected": NONE;
    "lab": |it| OUT(it, "-b", "80") => "mesh::outbound_redirected": NONE;
    "lab": |it| OUT(it, "-d", "15020,15021,15090,80") => "mesh::outbound_redirected": NONE;
    "lab": |it| OUT(it, "-z", "15007") => "mesh::outbound_redirected": NONE;
    "lab": |it| OUT(it, "-m", "TPROXY") => "mesh::outbound_redirected": NONE;
    "lab": |it| OUT(it, "-i", "10.0.0.0/8") => "mesh::outbound_redirected": ARGUMENTS;
    "lab": |it| OUT(it, "-x", "10.0.0.0/8") => "mesh::outbound_redirected": ARGUMENTS;
    "lab": |it| OUT(it, "-o", "80") => "mesh::outbound_redirected": ARGUMENTS;
    "lab": |it| OUT(it, "-p", "15002") => "mesh::outbound_redirected": ARGUMENTS;
    "lab": |it| OUT(it, "-u", "0") => "mesh::outbound_redirected": ARGUMENTS;
    // An argument on outbound ports does not change inbound rules.
    "outbound-port-excluded": |it| {
        let name = demo_pod(it, "client").name.clone();
        let log = of(it.mesh.init_logs.get_mut(&name).unwrap());
        *log = log.replace("--to-ports 15006", "--to-ports 15007");
    } => "mesh::inbound_redirected": NONE;
    "lab": cni_plug_in => "mesh::live_rules": ARGUMENTS;
    "lab": |it| { cni_plug_in(it); it.mesh.live_rules.clear(); } => "mesh::inbound_redirected": ARGUMENTS;
    // The CNI plug-in has set no rules: its presence is not the cause.
    "lab": |it| { cni_plug_in(it); it.mesh.live_rules.values_mut().for_each(|it| of(it).clear()); }
        => "mesh::inbound_redirected": NONE;
    "lab": no_init_container => "mesh::inbound_redirected": ARGUMENTS, "mesh::outbound_redirected": ARGUMENTS;
    // The callers' proxies encrypt, and no proxy decrypts.
    "lab": |it| { past_the_proxy(it); proxy_replies(it, 503, TLS); } => "demo::backend_replies": INBOUND;
    // The first request used a connection that was open before.
    "lab": |it| { past_the_proxy(it); proxy_replies(it, 503, TLS); of(&mut it.demo.asked).replies[0].body = "connection termination".into(); }
        => "demo::backend_replies": INBOUND;
    "lab": |it| { past_the_proxy(it); proxy_replies(it, 503, "out of order"); } => "demo::backend_replies": NONE;
    // The gateway gets its own answer.
    "lab": |it| { past_the_proxy(it); route_answers(it, 503, TLS); } => "ingress::routes_into_mesh": INBOUND;
    "lab": |it| { past_the_proxy(it); proxy_replies(it, 503, TLS); route_answers(it, 500, "out of order"); }
        => "ingress::routes_into_mesh": NONE;
    "lab": |it| { past_the_proxy(it); nothing_arrives(it); } => "mesh::traffic_through_proxies": INBOUND;
    // The service has no endpoint, and another server answers instead.
    "lab": another_answers => "mesh::traffic_through_proxies": SERVICE;
    // The pod that counts was replaced between the two readings.
    "lab": |it| { another_answers(it); traffic(it).inbound.before = Observation::seen(7); }
        => "mesh::traffic_through_proxies": SERVICE;
    "lab": |it| { another_answers(it); traffic(it).inbound.after = Observation::seen(7); }
        => "mesh::traffic_through_proxies": SERVICE;
    // Requests arrived at the backend: the missing proxy has another cause.
    "lab": |it| { another_answers(it); traffic(it).inbound = traffic(&mut healthy()).inbound.clone(); }
        => "mesh::traffic_through_proxies": NONE;
};

#[test]
fn arguments_cause_rules_and_rules_cause_bypassed_traffic() {
    assert_causes(RULES);
}

fn another_answers(evidence: &mut Evidence) {
    *evidence = recorded_fault("service-selects-nothing");
    all_reply(evidence, &Reply { status: 503, server: "nginx".into(), ..Reply::default() });
}

const INGRESS_AND_KIALI: &[Row] = rows! {
    // The service has an invalid address: it is not pending.
    "pool-exhausted": |it| gateway_service(it).load_balancer_addresses = vec!["0.0.0.0".into()]
        => "ingress::external_address": NONE;
    // The gateway is gone, and its service has lost its ports.
    "gateway-scaled-to-zero": |it| gateway_service(it).ports.clear() => "ingress::service_is_load_balancer": NONE;
    // The health check gets no answer, the test route gets one.
    "address-unreachable": |it| { it.ingress.route = healthy().ingress.route; route_answers(it, 500, ""); }
        => "ingress::routes_into_mesh": NONE;
    "lab": kiali_answers_500 => "kiali::reachable_on_exposed_port": ROOT, "kiali::console_served": ROOT;
    // Pages that fail in different ways may have different causes.
    "lab": |it| { kiali_answers_500(it); of(&mut it.kiali.root).status = 502; }
        => "kiali::reachable_on_exposed_port": NONE, "kiali::console_served": NONE;
    // Another program runs in Kiali's place: each page that fails is its own.
    "kiali-behind-a-500": |it| of(&mut it.kiali.console).status = 404
        => "kiali::redirects_to_web_root": "kiali::running", "kiali::console_served": "kiali::running";
    // The image is from a mirror with another name.
    "lab": |it| { kiali_answers_500(it); kiali_image(it, "registry.example/mirror/my-kiali:v1.76"); }
        => "kiali::console_served": ROOT;
    // The exposed port and the pod redirect to different roots.
    "lab": |it| {
        of(&mut it.kiali.root).headers.insert("location".into(), "/mesh/".into());
        of(&mut it.kiali.exposed).headers.insert("location".into(), "/other/".into());
    } => "kiali::reachable_on_exposed_port": NONE;
    // Kiali has another version and does not answer. Its pod is ready, found by either label: the cause is another one.
    "lab": |it| { another_kiali(it); kiali_pod(it).labels.remove("app").unwrap(); } => "kiali::redirects_to_web_root": NONE;
    "lab": |it| { another_kiali(it); kiali_pod(it).labels.remove("app.kubernetes.io/name").unwrap(); }
        => "kiali::redirects_to_web_root": NONE;
    // Kiali has no pods, and one page answers: another program does.
    "kiali-scaled-to-zero": |it| { it.kiali.root = healthy().kiali.root; of(&mut it.kiali.root).status = 500; }
        => "kiali::redirects_to_web_root": NONE;
    "kiali-scaled-to-zero": |it| { it.kiali.exposed = healthy().kiali.exposed; of(&mut it.kiali.exposed).status = 500; }
        => "kiali::reachable_on_exposed_port": NONE;
    "kiali-scaled-to-zero": |it| { it.kiali.console = healthy().kiali.console; of(&mut it.kiali.console).status = 500; }
        => "kiali::console_served": NONE;
};

#[test]
fn gateway_and_kiali_cause_failures_of_their_pages() {
    assert_causes(INGRESS_AND_KIALI);
}

fn another_kiali(evidence: &mut Evidence) {
    kiali_image(evidence, "quay.io/kiali/kiali:v2.0.0");
    no_kiali(evidence);
}

fn kiali_image(evidence: &mut Evidence, image: &str) {
    installed(evidence, "kiali").containers.iter_mut().for_each(|it| it.image = image.into());
}
