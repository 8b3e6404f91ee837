//! Evidence with faults: recorded ones, and changes that no recorded fault shows.

use crate::evidence::{
    Condition, Container, ContainerState, Deployment, Evidence, LogLine, Observation, Pod, Reply,
    Traffic,
};
use crate::testing::{
    backend, client, demo_pod, healthy, installed, istiod, of, recorded_fault, scale_to_zero,
};

pub(super) const INJECT: &str = "sidecar.istio.io/inject";

fn absent<T>(reason: &str) -> Observation<T> {
    Observation::absent(reason)
}

/// Creates the demo's pods without sidecars, with the namespace and the webhooks of this fault.
pub(super) fn without_sidecars_by(evidence: &mut Evidence, fault: &str) {
    let cause = recorded_fault(fault);
    *evidence = recorded_fault("pods-from-before-the-label");
    evidence.install.namespaces = cause.install.namespaces;
    evidence.install.webhooks = cause.install.webhooks;
    evidence.mesh.dry_run_labelled = cause.mesh.dry_run_labelled;
}

pub(super) fn istiod_crashes(evidence: &mut Evidence) {
    *evidence = recorded_fault("istiod-scaled-to-zero");
    let mut healthy = healthy();
    let mut pod = istiod(&mut healthy).clone();
    crash(&mut pod);
    of(&mut evidence.install.pods).push(pod);
    let deployment = installed(evidence, "istiod");
    deployment.clone_from(installed(&mut healthy, "istiod"));
    deployment.available_replicas = 0;
}

pub(super) fn nothing_installed(evidence: &mut Evidence) {
    let gone = recorded_fault("istiod-scaled-to-zero");
    *evidence = recorded_fault("pods-from-before-the-label");
    evidence.install.istiod = gone.install.istiod;
    evidence.mesh.dry_run_labelled = evidence.mesh.dry_run_unlabelled.clone();
    of(&mut evidence.mesh.dry_run_labelled).namespace = "client".into();
    for requested in of(&mut evidence.cluster.requested).values_mut() {
        // Without the requests of the control plane.
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
    evidence.ingress.health = absent("there is no service istio-ingressgateway");
    evidence.ingress.route = absent("there is no service istio-ingressgateway");
    no_kiali(evidence);
}

pub(super) fn namespace_missing(evidence: &mut Evidence) {
    of(&mut evidence.install.namespaces).remove("client");
    let why = "there is no namespace client";
    no_demo_pods(evidence, why);
    evidence.demo.pods = absent(why);
    evidence.demo.pods_at_end = absent(why);
    of(&mut evidence.demo.deployments).clear();
    of(&mut evidence.demo.services).clear();
    evidence.mesh.dry_run_labelled = absent(why);
    route_answers(evidence, 503, "");
}

/// Removes all pods of the demo.
fn no_demo_pods(evidence: &mut Evidence, why: &str) {
    of(&mut evidence.demo.pods).clear();
    of(&mut evidence.demo.pods_at_end).clear();
    of(&mut evidence.demo.endpoints).clear();
    evidence.demo.client_logs = absent(why);
    evidence.demo.asked = absent(why);
    evidence.mesh.traffic = absent(why);
    evidence.mesh.init_logs.clear();
    evidence.mesh.live_rules.clear();
}

pub(super) fn route_answers(evidence: &mut Evidence, status: u16, body: &str) {
    if let Some(route) = evidence.ingress.route.value_mut() {
        let routed = of(&mut route.routed);
        routed.status = status;
        routed.body = body.into();
    }
}

pub(super) fn log_says(evidence: &mut Evidence, text: &str) {
    let log = &mut of(&mut evidence.demo.client_logs)[0];
    let at = log.read_at;
    log.lines.push(LogLine { at, text: text.into() });
}

/// Lets a proxy reply to the client.
pub(super) fn proxy_replies(evidence: &mut Evidence, status: u16, body: &str) {
    let (server, body) = ("envoy".into(), body.into());
    all_reply(evidence, &Reply { status, server, body, ..Reply::default() });
}

pub(super) fn all_reply(evidence: &mut Evidence, reply: &Reply) {
    of(&mut evidence.demo.asked).replies.iter_mut().for_each(|one| one.clone_from(reply));
}

/// Lets every proxy reply that the service has no healthy endpoint.
pub(super) fn nobody_replies(evidence: &mut Evidence) {
    let body = "no healthy upstream";
    log_says(evidence, body);
    proxy_replies(evidence, 503, body);
    route_answers(evidence, 503, body);
}

pub(super) fn traffic(evidence: &mut Evidence) -> &mut Traffic {
    of(&mut evidence.mesh.traffic)
}

pub(super) fn nothing_arrives(evidence: &mut Evidence) {
    let inbound = &mut traffic(evidence).inbound;
    inbound.after = inbound.before.clone();
}

/// Denies the client's requests and allows the gateway's.
pub(super) fn client_denied(evidence: &mut Evidence) {
    *evidence = recorded_fault("everything-denied");
    evidence.ingress = healthy().ingress;
}

/// Lets the backend's proxy reset unencrypted requests.
pub(super) fn requests_are_reset(evidence: &mut Evidence) {
    let error = "Recv failure: Connection reset by peer";
    log_says(evidence, &format!("curl: (56) {error}"));
    all_reply(evidence, &Reply { error: error.into(), ..Reply::default() });
}

/// Sets the label inject=false in the client's template.
pub(super) fn template_refuses_its_sidecar(evidence: &mut Evidence) {
    client(evidence).template_labels.insert(INJECT.into(), "false".into());
    refuse(demo_pod(evidence, "client"));
    copy_to_the_end(evidence);
}

/// Copies the demo's pods to the second observation of them.
pub(super) fn copy_to_the_end(evidence: &mut Evidence) {
    evidence.demo.pods_at_end = evidence.demo.pods.clone();
}

/// Sets the label inject=false on a pod and removes its sidecar.
pub(super) fn refuse(pod: &mut Pod) {
    lose_sidecar(pod);
    pod.labels.insert(INJECT.into(), "false".into());
}

pub(super) fn lose_sidecar(pod: &mut Pod) {
    pod.containers.retain(|it| it.name != "istio-proxy");
    pod.init_containers.clear();
}

pub(super) fn sidecar(pod: &mut Pod) -> &mut Container {
    pod.containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap()
}

pub(super) fn client_scaled_to_zero(evidence: &mut Evidence) {
    scale_to_zero(client(evidence));
    remove_pods(evidence, "client");
    let why = "no pod of deployment client-deployment runs";
    evidence.demo.client_logs = absent(why);
    evidence.demo.asked = absent(why);
    evidence.mesh.traffic = absent(why);
}

pub(super) fn remove_pods(evidence: &mut Evidence, app: &str) {
    of(&mut evidence.demo.pods).retain(|pod| pod.labels.get("app").is_none_or(|it| it != app));
    copy_to_the_end(evidence);
}

/// Stops the client's container: its log can be read, exec fails.
pub(super) fn client_container_down(evidence: &mut Evidence) {
    unavailable(client(evidence));
    let pod = demo_pod(evidence, "client");
    let at = pod.containers.iter().position(|it| it.name == "client").unwrap();
    pod.containers.swap(0, at);
    crash(pod);
    log_says(evidence, "sh: out of memory");
    evidence.demo.asked = Observation::failed("container not found (\"client\")");
    evidence.mesh.traffic = Observation::failed("container not found (\"client\")");
}

/// Gives the client the image of another program, which writes no log.
pub(super) fn client_runs_another_program(evidence: &mut Evidence) {
    client(evidence).containers[0].image = "docker.io/hashicorp/http-echo:latest".into();
    of(&mut evidence.demo.client_logs)[0].lines.clear();
}

/// Removes all answers from the gateway's address; the test route was not tested.
pub(super) fn given_up(evidence: &mut Evidence) {
    *evidence = recorded_fault("address-unreachable");
    of(&mut evidence.ingress.route).routed = Observation::failed("not asked");
}

pub(super) fn no_kiali(evidence: &mut Evidence) {
    let kiali = &mut evidence.kiali;
    for page in [&mut kiali.root, &mut kiali.exposed, &mut kiali.console, &mut kiali.api] {
        *page = absent("no Kiali pod in namespace istio-system is ready");
    }
}

pub(super) fn kiali_pod(evidence: &mut Evidence) -> &mut Pod {
    let mut pods = of(&mut evidence.install.pods).iter_mut();
    pods.find(|pod| pod.name.starts_with("kiali")).unwrap()
}

pub(super) fn kiali_crashes(evidence: &mut Evidence) {
    installed(evidence, "kiali").available_replicas = 0;
    crash(kiali_pod(evidence));
    no_kiali(evidence);
}

/// Lets Kiali answer every page with 500.
pub(super) fn kiali_answers_500(evidence: &mut Evidence) {
    evidence.kiali = recorded_fault("kiali-behind-a-500").kiali;
}

pub(super) fn crash(pod: &mut Pod) {
    pod.ready = false;
    let container = &mut pod.containers[0];
    container.ready = false;
    container.restarts = 5;
    container.state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
}

pub(super) fn unavailable(deployment: &mut Deployment) {
    deployment.available_replicas = 0;
    deployment.ready_replicas = 0;
}

/// Makes the echo pod not ready in both observations, and its deployment unavailable.
pub(super) fn backend_not_ready(evidence: &mut Evidence, change: fn(&mut Pod)) {
    unavailable(backend(evidence));
    let pod = demo_pod(evidence, "echo");
    pod.ready = false;
    change(pod);
    copy_to_the_end(evidence);
    for endpoint in of(&mut evidence.demo.endpoints) {
        endpoint.ready = false;
    }
    nobody_replies(evidence);
    nothing_arrives(evidence);
}

/// Makes the echo pod unschedulable.
pub(super) fn no_room(evidence: &mut Evidence) {
    backend_not_ready(evidence, |pod| {
        pod.phase = "Pending".into();
        pod.node = None;
        pod.ip = None;
        pod.reason = Some("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.".into());
        for container in pod.containers.iter_mut().chain(&mut pod.init_containers) {
            container.ready = false;
            container.state = ContainerState::Unknown;
        }
    });
    let inbound = &mut traffic(evidence).inbound;
    inbound.before = absent("no backend pod runs");
    inbound.after = absent("no backend pod runs");
}

pub(super) fn image_missing(evidence: &mut Evidence) {
    backend_not_ready(evidence, |pod| {
        let reason = "ImagePullBackOff".into();
        pod.containers[0].ready = false;
        pod.containers[0].state = ContainerState::Waiting { reason, message: String::new() };
    });
}

/// Scales istiod to zero before the echo pod's sidecar has its configuration.
pub(super) fn sidecar_waits(evidence: &mut Evidence) {
    *evidence = recorded_fault("istiod-scaled-to-zero");
    sidecar_not_ready(evidence);
}

/// Makes the sidecar of the echo pod not ready.
pub(super) fn sidecar_not_ready(evidence: &mut Evidence) {
    unavailable(backend(evidence));
    let pod = demo_pod(evidence, "echo");
    pod.ready = false;
    sidecar(pod).ready = false;
    copy_to_the_end(evidence);
}

pub(super) fn node_not_ready(evidence: &mut Evidence) {
    let node = &mut of(&mut evidence.cluster.nodes)[0];
    let ready = node.conditions.iter_mut().find(|it| it.kind == "Ready").unwrap();
    ready.status = "Unknown".into();
    ready.message = "Kubelet stopped posting node status.".into();
    let pods = [&mut evidence.install.pods, &mut evidence.demo.pods].into_iter().flat_map(of);
    pods.chain(&mut of(&mut evidence.cluster.dns).pods).for_each(|pod| pod.ready = false);
    let deployments = [&mut evidence.install.deployments, &mut evidence.demo.deployments];
    deployments.into_iter().flat_map(of).for_each(unavailable);
    let endpoints = [&mut evidence.install.endpoints, &mut evidence.demo.endpoints];
    endpoints.into_iter().flat_map(of).for_each(|it| it.ready = false);
    let why = "no answer within 10 s";
    evidence.install.istiod = absent("no istiod pod in namespace istio-system is ready");
    evidence.demo.client_logs = Observation::failed(why);
    evidence.demo.asked = Observation::failed(why);
    let traffic = traffic(evidence);
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

/// The message of an API server that gets no answer from Istio's webhook.
pub(super) const WEBHOOK_SILENT: &str = "Internal error occurred: failed calling webhook \
     \"namespace.sidecar-injector.istio.io\": no endpoints available";

pub(super) fn pods_cannot_be_made(evidence: &mut Evidence) {
    *evidence = recorded_fault("istiod-scaled-to-zero");
    for deployment in of(&mut evidence.demo.deployments) {
        deployment.current_replicas = 0;
        deployment.updated_replicas = 0;
        unavailable(deployment);
        deployment.conditions.push(Condition {
            kind: "ReplicaFailure".into(),
            status: "True".into(),
            reason: "FailedCreate".into(),
            message: WEBHOOK_SILENT.into(),
        });
    }
    no_demo_pods(evidence, "no pod of deployment client-deployment runs");
}

/// Lets the API server refuse all pods, with this condition of the backend.
pub(super) fn backend_refused(evidence: &mut Evidence, kind: &str, status: &str, message: &str) {
    pods_cannot_be_made(evidence);
    let conditions = &mut backend(evidence).conditions;
    conditions.retain(|it| it.reason == "FailedCreate");
    conditions[0].kind = kind.into();
    conditions[0].status = status.into();
    conditions[0].message = message.into();
}

/// Gives all pods this argument of istio-init, and rules that bypass the proxy in this direction.
pub(super) fn init_argument(evidence: &mut Evidence, option: &str, value: &str, chain: &str) {
    for pod in of(&mut evidence.demo.pods) {
        let arguments = &mut pod.init_containers[0].args;
        match arguments.iter().position(|word| word == option) {
            Some(at) => arguments[at + 1] = value.into(),
            None => arguments.extend([option.to_owned(), value.to_owned()]),
        }
    }
    for log in evidence.mesh.init_logs.values_mut() {
        return_first(of(log), chain);
    }
}

/// Makes the logged rules of the backend bypass its proxy.
pub(super) fn past_the_proxy(evidence: &mut Evidence) {
    let name = demo_pod(evidence, "echo").name.clone();
    return_first(of(evidence.mesh.init_logs.get_mut(&name).unwrap()), "ISTIO_INBOUND");
}

fn return_first(log: &mut String, chain: &str) {
    let first = format!("\n-A {chain} ");
    *log = log.replace(&first, &format!("\n-A {chain} -p tcp -j RETURN{first}"));
}

/// Removes the init containers and all rules.
pub(super) fn no_init_container(evidence: &mut Evidence) {
    cni_plug_in(evidence);
    for pod in of(&mut evidence.demo.pods) {
        pod.init_containers.clear();
    }
    evidence.mesh.live_rules.values_mut().for_each(|it| of(it).clear());
}

/// Replaces istio-init by a CNI plug-in: the pods have another init container and no log of rules.
pub(super) fn cni_plug_in(evidence: &mut Evidence) {
    for pod in of(&mut evidence.demo.pods) {
        pod.init_containers[0].name = "istio-validation".into();
    }
    evidence.mesh.init_logs.clear();
}
