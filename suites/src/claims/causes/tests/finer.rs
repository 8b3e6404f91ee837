//! Relations that only the details of the evidence show.

use rstest::rstest;

use super::super::super::mutations::{Mutation, backend, demo_pod, of};
use super::faults::{
    backend_scaled_to_zero, istiod_scaled_to_zero, label_removed, nobody_replies, nothing_answers,
    without_sidecars,
};
use crate::evidence::{Container, ContainerState, Evidence, Observation, Pod};
use crate::judge;
use crate::judgement::Verdict;
use crate::testing::healthy;

/// The echo pod, in both looks and with its deployment, is not ready.
fn unready(evidence: &mut Evidence, change: fn(&mut Pod)) {
    backend(evidence).available_replicas = 0;
    backend(evidence).ready_replicas = 0;
    let pod = demo_pod(evidence, "echo");
    pod.ready = false;
    change(pod);
    let pod = pod.clone();
    for later in of(&mut evidence.demo.pods_at_end).iter_mut().filter(|it| it.name == pod.name) {
        *later = pod.clone();
    }
    of(&mut evidence.demo.endpoints)[0].ready = false;
    nobody_replies(evidence);
    let inbound = &mut of(&mut evidence.mesh.traffic).inbound;
    inbound.after = inbound.before.clone();
}

fn no_room(evidence: &mut Evidence) {
    unready(evidence, |pod| {
        pod.phase = "Pending".into();
        pod.node = None;
        pod.ip = None;
        pod.reason = Some("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.".into());
        for container in pod.containers.iter_mut().chain(&mut pod.init_containers) {
            container.ready = false;
            container.state = ContainerState::Unknown;
        }
    });
    let inbound = &mut of(&mut evidence.mesh.traffic).inbound;
    inbound.before = Observation::absent("no backend pod runs");
    inbound.after = Observation::absent("no backend pod runs");
}

fn image_cannot_be_pulled(evidence: &mut Evidence) {
    unready(evidence, |pod| {
        pod.containers[0].ready = false;
        pod.containers[0].state =
            ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: String::new() };
    });
}

/// A pod that was made just before istiod went: its sidecar waits for its configuration.
fn sidecar_waits(evidence: &mut Evidence) {
    istiod_scaled_to_zero(evidence);
    unready(evidence, |pod| {
        let sidecar = pod.containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap();
        sidecar.ready = false;
    });
}

fn init_of<'e>(evidence: &'e mut Evidence, app: &str) -> &'e mut Container {
    &mut demo_pod(evidence, app).init_containers[0]
}

/// The annotation that leaves outbound port 80 out, and what becomes of it.
fn outbound_port_excluded(evidence: &mut Evidence) {
    init_of(evidence, "client").args.extend(["-o".into(), "80".into()]);
    let name = demo_pod(evidence, "client").name.clone();
    let rule = "-A ISTIO_OUTPUT -p tcp --dport 80 -j RETURN\n";
    for rules in [&mut evidence.mesh.init_logs, &mut evidence.mesh.live_rules] {
        let text = of(rules.get_mut(&name).unwrap());
        *text = text.replace(
            "-A ISTIO_OUTPUT -s 127.0.0.6/32",
            &format!("{rule}-A ISTIO_OUTPUT -s 127.0.0.6/32"),
        );
    }
    let outbound = &mut of(&mut evidence.mesh.traffic).outbound;
    outbound.after = outbound.before.clone();
    for reply in &mut of(&mut evidence.demo.asked).replies {
        reply.server.clear();
        reply.envoy_upstream_time = false;
    }
}

/// A CNI plug-in redirects: the pods have another init container, and no log of rules.
fn cni_plug_in(evidence: &mut Evidence) {
    for app in ["echo", "client"] {
        init_of(evidence, app).name = "istio-validation".into();
    }
    evidence.mesh.init_logs.clear();
}

fn webhooks_removed(evidence: &mut Evidence) {
    without_sidecars(evidence);
    of(&mut evidence.install.webhooks).clear();
}

/// The namespace asks for a revision that is not installed.
fn another_revision(evidence: &mut Evidence) {
    without_sidecars(evidence);
    let labels = of(&mut evidence.install.namespaces).get_mut("client").unwrap();
    labels.remove("istio-injection");
    labels.insert("istio.io/rev".into(), "1-19".into());
}

/// The same, and no revision is installed at all.
fn no_revision(evidence: &mut Evidence) {
    another_revision(evidence);
    of(&mut evidence.install.webhooks).clear();
}

fn kiali_at_another_root(evidence: &mut Evidence) {
    for page in [&mut evidence.kiali.root, &mut evidence.kiali.exposed] {
        of(page).headers.insert("location".into(), "/console/".into());
    }
    of(&mut evidence.kiali.console).status = 404;
}

/// Kiali fails on every page.
fn kiali_answers_500(evidence: &mut Evidence) {
    let pages = &mut evidence.kiali;
    for page in [&mut pages.root, &mut pages.exposed, &mut pages.console, &mut pages.api] {
        let page = of(page);
        page.status = 500;
        page.body = "broken".into();
    }
}

fn another_program_as_kiali(evidence: &mut Evidence) {
    kiali_answers_500(evidence);
    image_of_kiali(evidence, "docker.io/hashicorp/http-echo:1.0");
}

/// A mirror calls it otherwise, and it fails all the same.
fn mirrored_kiali_answers_500(evidence: &mut Evidence) {
    kiali_answers_500(evidence);
    image_of_kiali(evidence, "registry.example/mirror/my-kiali:v1.76");
}

fn image_of_kiali(evidence: &mut Evidence, image: &str) {
    let deployments = of(&mut evidence.install.deployments);
    let kiali = deployments.iter_mut().find(|deployment| deployment.name == "kiali").unwrap();
    for container in &mut kiali.containers {
        container.image = image.into();
    }
}

/// Another program, which answers each page in its own way: each may have a reason of its own.
fn another_program_of_many_words(evidence: &mut Evidence) {
    another_program_as_kiali(evidence);
    of(&mut evidence.kiali.console).status = 404;
}

/// Kiali's pages fail in different ways.
fn kiali_answers_502_at_its_root(evidence: &mut Evidence) {
    kiali_answers_500(evidence);
    of(&mut evidence.kiali.root).status = 502;
}

fn service_at_another_port(evidence: &mut Evidence) {
    of(&mut evidence.demo.services)[0].ports[0].port = 8080;
    nobody_replies(evidence);
    let traffic = of(&mut evidence.mesh.traffic);
    traffic.inbound.after = traffic.inbound.before.clone();
}

fn route_not_pushed(evidence: &mut Evidence) {
    let seen = evidence.ingress.route.clone();
    istiod_scaled_to_zero(evidence);
    evidence.ingress.route = seen;
    of(&mut of(&mut evidence.ingress.route).routed).status = 404;
}

fn definitions_missing(evidence: &mut Evidence) {
    of(&mut evidence.install.crds).retain(|crd| !crd.name.starts_with("gateways."));
    evidence.ingress.route = Observation::absent("404 page not found");
}

/// The claim at the root of another one.
#[rstest]
#[case(no_room, "demo::backend_deployment", "prepare::nodes_ready")]
#[case(no_room, "mesh::pods_ready", "prepare::nodes_ready")]
#[case(no_room, "demo::backend_replies", "prepare::nodes_ready")]
#[case(image_cannot_be_pulled, "mesh::pods_ready", "demo::backend_deployment")]
#[case(sidecar_waits, "demo::backend_deployment", "install::control_plane_running")]
#[case(sidecar_waits, "mesh::pods_ready", "install::control_plane_running")]
#[case(outbound_port_excluded, "mesh::outbound_redirected", "mesh::init_arguments")]
#[case(outbound_port_excluded, "mesh::traffic_through_proxies", "mesh::init_arguments")]
#[case(cni_plug_in, "mesh::inbound_redirected", "mesh::init_arguments")]
#[case(cni_plug_in, "mesh::live_rules", "mesh::init_arguments")]
#[case(webhooks_removed, "mesh::two_containers_per_pod", "install::injection_webhook")]
#[case(webhooks_removed, "mesh::unlabelled_namespace_left_alone", "install::injection_webhook")]
#[case(another_revision, "install::injection_webhook", "install::namespace_labelled")]
#[case(another_revision, "mesh::two_containers_per_pod", "install::namespace_labelled")]
#[case(another_revision, "mesh::init_arguments", "install::namespace_labelled")]
#[case(no_revision, "mesh::two_containers_per_pod", "install::injection_webhook")]
#[case(kiali_at_another_root, "kiali::reachable_on_exposed_port", "kiali::redirects_to_web_root")]
#[case(kiali_at_another_root, "kiali::console_served", "kiali::redirects_to_web_root")]
#[case(kiali_answers_500, "kiali::reachable_on_exposed_port", "kiali::redirects_to_web_root")]
#[case(kiali_answers_500, "kiali::console_served", "kiali::redirects_to_web_root")]
#[case(another_program_as_kiali, "kiali::redirects_to_web_root", "kiali::running")]
#[case(another_program_as_kiali, "kiali::reachable_on_exposed_port", "kiali::running")]
#[case(another_program_as_kiali, "kiali::console_served", "kiali::running")]
#[case(another_program_of_many_words, "kiali::redirects_to_web_root", "kiali::running")]
#[case(mirrored_kiali_answers_500, "kiali::console_served", "kiali::redirects_to_web_root")]
#[case(service_at_another_port, "demo::backend_replies", "demo::backend_service")]
#[case(route_not_pushed, "ingress::routes_into_mesh", "install::control_plane_running")]
#[case(definitions_missing, "ingress::routes_into_mesh", "install::default_profile")]
fn the_root_is_found(#[case] fault: Mutation, #[case] id: &str, #[case] root: &str) {
    let mut evidence = healthy();
    fault(&mut evidence);
    let report = judge(&evidence, &[]);
    let claim = report.claims.iter().find(|claim| claim.id == id).unwrap();
    assert!(claim.verdict != Verdict::Pass, "{claim:#?}");
    assert_eq!(claim.because.as_deref(), Some(root), "{claim:#?}\n{:#?}", report.causes);
}

/// What looks like a relation, and is none.
#[rstest]
// Inbound rules do not follow from what was told of outbound ports.
#[case(|it: &mut Evidence| {
    outbound_port_excluded(it);
    let name = demo_pod(it, "client").name.clone();
    let log = of(it.mesh.init_logs.get_mut(&name).unwrap());
    *log = log.replace("--to-ports 15006", "--to-ports 15007");
}, "mesh::inbound_redirected")]
// The client crashes by itself while the backend is gone: that is no consequence.
#[case(|it: &mut Evidence| {
    backend_scaled_to_zero(it);
    let pod = demo_pod(it, "client");
    pod.ready = false;
    pod.containers[0].ready = false;
}, "mesh::pods_ready")]
// The look at the demo's pods was forbidden, whatever the label.
#[case(|it: &mut Evidence| {
    label_removed(it);
    it.demo.pods = Observation::failed("pods is forbidden");
}, "mesh::two_containers_per_pod")]
// The route was refused for want of permission while istiod is down.
#[case(|it: &mut Evidence| {
    istiod_scaled_to_zero(it);
    it.ingress.route = Observation::failed("namespaces is forbidden");
}, "ingress::routes_into_mesh")]
// Nothing answers at the address; the route was told by an answer of its own.
#[case(|it: &mut Evidence| {
    let routed = of(&mut it.ingress.route).routed.clone();
    nothing_answers(it);
    of(&mut it.ingress.route).routed = routed;
    of(&mut of(&mut it.ingress.route).routed).status = 500;
}, "ingress::routes_into_mesh")]
#[case(another_program_of_many_words, "kiali::console_served")]
#[case(kiali_answers_502_at_its_root, "kiali::reachable_on_exposed_port")]
#[case(kiali_answers_502_at_its_root, "kiali::console_served")]
fn a_likeness_is_no_cause(#[case] fault: Mutation, #[case] id: &str) {
    let mut evidence = healthy();
    fault(&mut evidence);
    let report = judge(&evidence, &[]);
    let claim = report.claims.iter().find(|claim| claim.id == id).unwrap();
    assert!(claim.verdict != Verdict::Pass, "{claim:#?}");
    assert_eq!(claim.because, None, "{claim:#?}");
}
