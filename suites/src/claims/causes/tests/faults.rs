//! Healthy evidence with faults, as the collectors record them.

use std::collections::BTreeMap;

use super::super::super::mutations::{
    backend, client, demo_pod, installed, istiod, of, scale_to_zero,
};
use crate::evidence::{
    Condition, ContainerState, Evidence, ExecAnswer, LogLine, Observation, Pod, Reply, Termination,
};
use crate::testing::healthy;

/// What a look at a pod's port or container brings that is not there.
pub(super) fn absent<T>(reason: &str) -> Observation<T> {
    Observation::absent(reason)
}

pub(super) fn remove_pods(pods: &mut Observation<Vec<Pod>>, app: &str) {
    of(pods).retain(|pod| pod.labels.get("app").is_none_or(|label| label != app));
}

pub(super) fn istiod_scaled_to_zero(evidence: &mut Evidence) {
    scale_to_zero(installed(evidence, "istiod"));
    istiod_pods_gone(evidence);
}

pub(super) fn istiod_pods_gone(evidence: &mut Evidence) {
    remove_pods(&mut evidence.install.pods, "istiod");
    of(&mut evidence.install.endpoints).retain(|it| it.service != "istiod");
    evidence.install.istiod = absent("no istiod pod in namespace istio-system is ready");
    let refused = "the API server answered 500: Internal error occurred: failed calling webhook \
                   \"namespace.sidecar-injector.istio.io\": no endpoints available";
    evidence.mesh.dry_run_labelled = Observation::failed(refused);
    evidence.ingress.route = Observation::failed(refused);
}

pub(super) fn istiod_not_ready(evidence: &mut Evidence) {
    istiod_pods_gone(&mut *evidence);
    let mut pod = istiod(&mut healthy()).clone();
    pod.ready = false;
    pod.containers[0].ready = false;
    pod.containers[0].state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
    pod.containers[0].last_termination =
        Some(Termination { exit_code: 1, reason: "Error".into(), finished_at: None });
    of(&mut evidence.install.pods).push(pod);
}

pub(super) fn nothing_installed(evidence: &mut Evidence) {
    istiod_pods_gone(evidence);
    for requested in of(&mut evidence.cluster.requested).values_mut() {
        // What the control plane requests is free.
        requested.cpu_millis = 300;
    }
    of(&mut evidence.install.pods).clear();
    of(&mut evidence.install.deployments).clear();
    of(&mut evidence.install.services).clear();
    of(&mut evidence.install.endpoints).clear();
    of(&mut evidence.install.crds).clear();
    of(&mut evidence.install.webhooks).clear();
    of(&mut evidence.cluster.load_balancer_services).clear();
    of(&mut evidence.install.namespaces).remove("istio-system");
    without_sidecars(evidence);
    evidence.ingress.health = absent("there is no service istio-ingressgateway");
    evidence.ingress.route = absent("there is no service istio-ingressgateway");
    no_kiali(evidence);
}

pub(super) fn namespace_missing(evidence: &mut Evidence) {
    of(&mut evidence.install.namespaces).remove("client");
    let why = "there is no namespace client";
    evidence.demo.pods = absent(why);
    evidence.demo.pods_at_end = absent(why);
    of(&mut evidence.demo.deployments).clear();
    of(&mut evidence.demo.services).clear();
    of(&mut evidence.demo.endpoints).clear();
    evidence.demo.client_logs = absent(why);
    evidence.demo.asked = absent(why);
    evidence.mesh.traffic = absent(why);
    evidence.mesh.dry_run_labelled = absent(why);
    evidence.mesh.init_logs.clear();
    evidence.mesh.live_rules.clear();
    route_answers(evidence, 503, "");
}

pub(super) fn label_removed(evidence: &mut Evidence) {
    of(&mut evidence.install.namespaces).get_mut("client").unwrap().remove("istio-injection");
    of(&mut evidence.mesh.dry_run_labelled).containers.retain(|it| it.name != "istio-proxy");
}

pub(super) fn without_sidecars(evidence: &mut Evidence) {
    for pods in [&mut evidence.demo.pods, &mut evidence.demo.pods_at_end] {
        for pod in of(pods) {
            pod.containers.retain(|it| it.name != "istio-proxy");
            pod.init_containers.clear();
        }
    }
    evidence.mesh.dry_run_labelled = evidence.mesh.dry_run_unlabelled.clone();
    of(&mut evidence.mesh.dry_run_labelled).namespace = "client".into();
    evidence.mesh.init_logs.clear();
    evidence.mesh.live_rules.clear();
    for reply in &mut of(&mut evidence.demo.asked).replies {
        reply.server.clear();
        reply.envoy_upstream_time = false;
    }
    let traffic = of(&mut evidence.mesh.traffic);
    for pair in [&mut traffic.outbound, &mut traffic.inbound] {
        pair.before = absent("port 15000: connection refused");
        pair.after = absent("port 15000: connection refused");
    }
    if let Observation::Seen { value } = &mut evidence.install.istiod {
        for istiod in value.values_mut() {
            of(&mut istiod.proxies).retain(|it| !it.proxy.ends_with(".client"));
        }
    }
}

pub(super) fn route_answers(evidence: &mut Evidence, status: u16, body: &str) {
    if let Observation::Seen { value } = &mut evidence.ingress.route {
        let routed = of(&mut value.routed);
        routed.status = status;
        routed.body = body.into();
    }
}

pub(super) fn log_says(evidence: &mut Evidence, text: &str) {
    let log = &mut of(&mut evidence.demo.client_logs)[0];
    let at = log.read_at;
    log.lines.push(LogLine { at, text: text.into() });
}

pub(super) fn replies(evidence: &mut Evidence, reply: &Reply) {
    for one in &mut of(&mut evidence.demo.asked).replies {
        one.clone_from(reply);
    }
}

pub(super) fn backend_scaled_to_zero(evidence: &mut Evidence) {
    scale_to_zero(backend(evidence));
    let echo = demo_pod(evidence, "echo").name.clone();
    remove_pods(&mut evidence.demo.pods, "echo");
    remove_pods(&mut evidence.demo.pods_at_end, "echo");
    of(&mut evidence.demo.endpoints).clear();
    evidence.mesh.init_logs.remove(&echo);
    evidence.mesh.live_rules.remove(&echo);
    nobody_replies(evidence);
    let inbound = &mut of(&mut evidence.mesh.traffic).inbound;
    inbound.before = absent("no backend pod runs");
    inbound.after = absent("no backend pod runs");
}

pub(super) fn nobody_replies(evidence: &mut Evidence) {
    let body = "no healthy upstream";
    log_says(evidence, body);
    let reply =
        Reply { status: 503, server: "envoy".into(), body: body.into(), ..Reply::default() };
    replies(evidence, &reply);
    route_answers(evidence, 503, body);
}

/// A policy denies the client what the gateway may do.
pub(super) fn everything_denied(evidence: &mut Evidence) {
    let body = "RBAC: access denied";
    log_says(evidence, body);
    let reply =
        Reply { status: 403, server: "envoy".into(), body: body.into(), ..Reply::default() };
    replies(evidence, &reply);
    let inbound = &mut of(&mut evidence.mesh.traffic).inbound;
    inbound.after = inbound.before.clone();
}

/// The backend's proxy takes nothing that is not encrypted.
pub(super) fn requests_are_reset(evidence: &mut Evidence) {
    let error = "Recv failure: Connection reset by peer";
    log_says(evidence, &format!("curl: (56) {error}"));
    replies(evidence, &Reply { error: error.into(), ..Reply::default() });
}

/// A policy denies everybody.
pub(super) fn everybody_denied(evidence: &mut Evidence) {
    everything_denied(evidence);
    route_answers(evidence, 403, "RBAC: access denied");
}

/// The key of [`template_refuses_its_sidecar`].
pub(super) const INJECT: &str = "sidecar.istio.io/inject";

/// The client's template has a label that keeps the sidecar away.
pub(super) fn template_refuses_its_sidecar(evidence: &mut Evidence) {
    client(evidence).template_labels.insert(INJECT.into(), "false".into());
    let name = demo_pod(evidence, "client").name.clone();
    for pods in [&mut evidence.demo.pods, &mut evidence.demo.pods_at_end] {
        for pod in of(pods).iter_mut().filter(|pod| pod.name == name) {
            refuse(pod);
        }
    }
}

/// A pod that has refused its sidecar.
pub(super) fn refuse(pod: &mut Pod) {
    pod.containers.retain(|it| it.name != "istio-proxy");
    pod.init_containers.clear();
    pod.labels.insert(INJECT.into(), "false".into());
}

/// The rules in the backend's pod were flushed: its callers' proxies encrypt, and nobody decrypts.
pub(super) fn live_rules_flushed(evidence: &mut Evidence) {
    let pod = demo_pod(evidence, "echo").name.clone();
    let rules = of(evidence.mesh.live_rules.get_mut(&pod).unwrap());
    *rules = rules
        .lines()
        .filter(|line| !line.starts_with("-A"))
        .fold(String::new(), |all, line| all + line + "\n");
    nobody_replies(evidence);
    let body = "upstream connect error; transport failure reason: TLS_error:|WRONG_VERSION_NUMBER";
    for reply in &mut of(&mut evidence.demo.asked).replies {
        reply.body = body.into();
    }
    route_answers(evidence, 503, body);
    let inbound = &mut of(&mut evidence.mesh.traffic).inbound;
    inbound.after = inbound.before.clone();
}

pub(super) fn service_selects_nobody(evidence: &mut Evidence) {
    let service = &mut of(&mut evidence.demo.services)[0];
    service.selector = BTreeMap::from([("app".into(), "eco".into())]);
    of(&mut evidence.demo.endpoints).clear();
    nobody_replies(evidence);
    let inbound = &mut of(&mut evidence.mesh.traffic).inbound;
    inbound.after = inbound.before.clone();
}

pub(super) fn backend_says_something_else(evidence: &mut Evidence) {
    backend(evidence).containers[0].args = vec!["-text=Good morning".into()];
    log_says(evidence, "Good morning");
    for reply in &mut of(&mut evidence.demo.asked).replies {
        reply.body = "Good morning\n".into();
    }
    route_answers(evidence, 200, "Good morning\n");
}

pub(super) fn client_scaled_to_zero(evidence: &mut Evidence) {
    scale_to_zero(client(evidence));
    remove_pods(&mut evidence.demo.pods, "client");
    remove_pods(&mut evidence.demo.pods_at_end, "client");
    let why = "no pod of deployment client-deployment runs";
    evidence.demo.client_logs = absent(why);
    evidence.demo.asked = absent(why);
    evidence.mesh.traffic = absent(why);
}

pub(super) fn client_without_curl(evidence: &mut Evidence) {
    client(evidence).containers[0].image = "busybox:1.36".into();
    log_says(evidence, "sh: curl: not found");
    let asked = of(&mut evidence.demo.asked);
    asked.replies.clear();
    asked.exec = ExecAnswer { exit_code: 127, ..asked.exec.clone() };
    let traffic = of(&mut evidence.mesh.traffic);
    traffic.outbound.after = traffic.outbound.before.clone();
    traffic.inbound.after = traffic.inbound.before.clone();
}

pub(super) fn dns_scaled_to_zero(evidence: &mut Evidence) {
    let dns = of(&mut evidence.cluster.dns);
    scale_to_zero(&mut dns.deployments[0]);
    dns.pods.clear();
    let error = "Could not resolve host: echo-service.client.svc.cluster.local";
    log_says(evidence, &format!("curl: (6) {error}"));
    replies(evidence, &Reply { error: error.into(), ..Reply::default() });
    let traffic = of(&mut evidence.mesh.traffic);
    traffic.outbound.after = traffic.outbound.before.clone();
    traffic.inbound.after = traffic.inbound.before.clone();
}

pub(super) fn gateway_scaled_to_zero(evidence: &mut Evidence) {
    scale_to_zero(installed(evidence, "istio-ingressgateway"));
    remove_pods(&mut evidence.install.pods, "istio-ingressgateway");
    of(&mut evidence.install.endpoints).retain(|it| it.service != "istio-ingressgateway");
    nothing_answers(evidence);
    for istiod in of(&mut evidence.install.istiod).values_mut() {
        of(&mut istiod.proxies).retain(|it| it.proxy.ends_with(".client"));
    }
}

pub(super) fn nothing_answers(evidence: &mut Evidence) {
    evidence.ingress.health = absent("nothing answers GET http://172.18.255.251:15021");
    let route = of(&mut evidence.ingress.route);
    route.routed = absent("nothing answers GET http://172.18.255.251:80");
    route.unknown_host = absent("nothing answers GET http://172.18.255.251:80");
}

pub(super) fn given_up(evidence: &mut Evidence) {
    nothing_answers(evidence);
    of(&mut evidence.ingress.route).routed = Observation::failed("not asked");
}

pub(super) fn gateway_is_a_node_port(evidence: &mut Evidence) {
    of(&mut evidence.cluster.load_balancer_services).clear();
    let services = of(&mut evidence.install.services);
    let service = services.iter_mut().find(|it| it.name == "istio-ingressgateway").unwrap();
    service.kind = "NodePort".into();
    service.load_balancer_addresses.clear();
    evidence.ingress.health = absent("the service istio-ingressgateway has no address");
    evidence.ingress.route = absent("the service istio-ingressgateway has no address");
}

pub(super) fn another_holds_the_address(evidence: &mut Evidence) {
    let all = of(&mut evidence.cluster.load_balancer_services);
    let mut kong = all[0].clone();
    kong.namespace = "kong".into();
    kong.name = "kong-proxy".into();
    all[0].load_balancer_addresses.clear();
    all.push(kong);
    evidence.cluster.load_balancer_probe = Observation::not_asked("--active");
    let services = of(&mut evidence.install.services);
    let service = services.iter_mut().find(|it| it.name == "istio-ingressgateway").unwrap();
    service.load_balancer_addresses.clear();
    evidence.ingress.health = absent("the service istio-ingressgateway has no address");
    evidence.ingress.route = absent("the service istio-ingressgateway has no address");
}

pub(super) fn no_kiali(evidence: &mut Evidence) {
    let why = "no Kiali pod in namespace istio-system is ready";
    evidence.kiali.root = absent(why);
    evidence.kiali.exposed = absent(why);
    evidence.kiali.console = absent(why);
    evidence.kiali.api = absent(why);
}

pub(super) fn kiali_scaled_to_zero(evidence: &mut Evidence) {
    scale_to_zero(installed(evidence, "kiali"));
    remove_pods(&mut evidence.install.pods, "kiali");
    no_kiali(evidence);
}

pub(super) fn kiali_crashes(evidence: &mut Evidence) {
    installed(evidence, "kiali").available_replicas = 0;
    let pods = of(&mut evidence.install.pods);
    let pod = pods.iter_mut().find(|pod| pod.labels.contains_key("helm.sh/chart")).unwrap();
    crash(pod);
    no_kiali(evidence);
}

pub(super) fn crash(pod: &mut Pod) {
    pod.ready = false;
    let container = &mut pod.containers[0];
    container.ready = false;
    container.restarts = 5;
    container.state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
}

pub(super) fn backend_crashes(evidence: &mut Evidence) {
    backend(evidence).available_replicas = 0;
    crash(demo_pod(evidence, "echo"));
    of(&mut evidence.demo.endpoints)[0].ready = false;
    nobody_replies(evidence);
    let inbound = &mut of(&mut evidence.mesh.traffic).inbound;
    inbound.after = inbound.before.clone();
}

pub(super) fn node_not_ready(evidence: &mut Evidence) {
    let node = &mut of(&mut evidence.cluster.nodes)[0];
    let ready = node.conditions.iter_mut().find(|it| it.kind == "Ready").unwrap();
    ready.status = "Unknown".into();
    ready.message = "Kubelet stopped posting node status.".into();
    for pods in [&mut evidence.install.pods, &mut evidence.demo.pods] {
        for pod in of(pods) {
            pod.ready = false;
        }
    }
    of(&mut evidence.cluster.dns).pods.iter_mut().for_each(|pod| pod.ready = false);
    let all = [&mut evidence.install.deployments, &mut evidence.demo.deployments];
    for deployment in all.into_iter().flat_map(of) {
        deployment.available_replicas = 0;
        deployment.ready_replicas = 0;
    }
    let all = [&mut evidence.install.endpoints, &mut evidence.demo.endpoints];
    all.into_iter().flat_map(of).for_each(|it| it.ready = false);
    let why = "no answer within 10 s";
    evidence.install.istiod = absent("no istiod pod in namespace istio-system is ready");
    evidence.demo.client_logs = Observation::failed(why);
    evidence.demo.asked = Observation::failed(why);
    let traffic = of(&mut evidence.mesh.traffic);
    for pair in [&mut traffic.outbound, &mut traffic.inbound] {
        pair.before = Observation::failed(why);
        pair.after = Observation::failed(why);
    }
    evidence.mesh.init_logs.values_mut().for_each(|it| *it = Observation::failed(why));
    evidence.mesh.live_rules.values_mut().for_each(|it| *it = Observation::failed(why));
    let refused = "the API server answered 500: failed calling webhook \"x.istio.io\"";
    evidence.mesh.dry_run_labelled = Observation::failed(refused);
    evidence.ingress.route = Observation::failed(refused);
    evidence.ingress.health = absent("nothing answers");
    no_kiali(evidence);
}

pub(super) fn pods_cannot_be_made(evidence: &mut Evidence) {
    istiod_scaled_to_zero(evidence);
    for deployment in of(&mut evidence.demo.deployments) {
        deployment.current_replicas = 0;
        deployment.updated_replicas = 0;
        deployment.ready_replicas = 0;
        deployment.available_replicas = 0;
        deployment.conditions.push(Condition {
            kind: "ReplicaFailure".into(),
            status: "True".into(),
            reason: "FailedCreate".into(),
            message: "Internal error occurred: failed calling webhook \
                      \"namespace.sidecar-injector.istio.io\": no endpoints available"
                .into(),
        });
    }
    of(&mut evidence.demo.pods).clear();
    of(&mut evidence.demo.pods_at_end).clear();
    of(&mut evidence.demo.endpoints).clear();
    let why = "no pod of deployment client-deployment runs";
    evidence.demo.client_logs = absent(why);
    evidence.demo.asked = absent(why);
    evidence.mesh.traffic = absent(why);
    evidence.mesh.init_logs.clear();
    evidence.mesh.live_rules.clear();
}
