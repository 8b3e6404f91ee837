//! What decides whether a relation holds, one detail each: with it there is a cause, without it there is none.

use std::collections::BTreeMap;

use rstest::rstest;

use super::super::super::mutations::{
    Mutation, backend, client, demo_pod, gateway, of, scale_to_zero,
};
use super::because;
use super::faults::*;
use crate::evidence::{
    ClientLog, Condition, Container, ContainerState, Evidence, Observation, Pod, Reply,
};
use crate::judge;
use crate::judgement::Verdict;
use crate::testing::healthy;

fn unavailable(evidence: &mut Evidence) {
    let backend = backend(evidence);
    backend.available_replicas = 0;
    backend.ready_replicas = 0;
}

/// The echo pod is not on any node, while none is ready.
fn nowhere(evidence: &mut Evidence, phase: &str) {
    node_not_ready(evidence);
    let pod = demo_pod(evidence, "echo");
    (pod.node, pod.phase, pod.reason) = (None, phase.to_owned(), None);
}

fn no_room(evidence: &mut Evidence) {
    unavailable(evidence);
    let pod = demo_pod(evidence, "echo");
    (pod.node, pod.phase, pod.ready) = (None, "Pending".into(), false);
    pod.reason = Some("0/1 nodes are available: 1 Insufficient cpu.".into());
}

#[rstest]
#[case(|it: &mut Evidence| nowhere(it, "Pending"), Some("prepare::nodes_ready"))]
#[case(|it: &mut Evidence| nowhere(it, "Failed"), None)]
#[case(no_room, Some("prepare::nodes_ready"))]
#[case(|it: &mut Evidence| { no_room(it); backend(it).replicas = 0; }, None)]
fn a_deployment_waits_for_a_node(#[case] fault: Mutation, #[case] root: Option<&str>) {
    assert_eq!(because(fault, "demo::backend_deployment").as_deref(), root);
}

/// Whatever became of the service: no name has an address.
#[test]
fn dns_that_runs_and_is_not_ready_resolves_nothing() {
    let fault: Mutation = |it| {
        let dns = of(&mut it.cluster.dns).pods.clone();
        dns_scaled_to_zero(it);
        of(&mut it.cluster.dns).pods = dns;
        of(&mut it.cluster.dns).pods.iter_mut().for_each(|pod| pod.ready = false);
        of(&mut it.demo.services).clear();
    };
    let root = Some("prepare::dns_on_pod_network");
    assert_eq!(because(fault, "demo::client_logs_show_reply").as_deref(), root);
    assert_eq!(because(fault, "demo::backend_replies").as_deref(), root);
}

/// Each client's log is its own.
#[test]
fn the_log_of_another_client_says_nothing() {
    let fault: Mutation = |it| {
        let good = of(&mut it.demo.client_logs)[0].clone();
        let mut second = demo_pod(it, "client").clone();
        second.name = "second".into();
        of(&mut it.demo.pods).push(second);
        dns_scaled_to_zero(it);
        let bad = of(&mut it.demo.client_logs)[0].clone();
        of(&mut it.demo.client_logs)[0] = good;
        of(&mut it.demo.client_logs).push(ClientLog { pod: "second".into(), ..bad });
    };
    let root = because(fault, "demo::client_logs_show_reply");
    assert_eq!(root.as_deref(), Some("prepare::dns_on_pod_network"));
}

/// The client's container is down, and nothing could be asked from it; its log can still be read.
fn client_container_down(evidence: &mut Evidence) {
    let client = client(evidence);
    client.available_replicas = 0;
    client.ready_replicas = 0;
    let pod = demo_pod(evidence, "client");
    pod.ready = false;
    let container = pod.containers.iter_mut().find(|it| it.name == "client").unwrap();
    container.ready = false;
    container.state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
    log_says(evidence, "sh: out of memory");
    evidence.demo.asked = Observation::failed("container not found (\"client\")");
    evidence.mesh.traffic = Observation::failed("container not found (\"client\")");
}

#[rstest]
#[case("demo::backend_replies", Some("demo::client_deployment"))]
#[case("mesh::traffic_through_proxies", Some("demo::client_deployment"))]
#[case("demo::client_logs_show_reply", None)]
fn nobody_asks_from_a_container_that_is_down(#[case] id: &str, #[case] root: Option<&str>) {
    assert_eq!(because(client_container_down, id).as_deref(), root);
}

fn labels(evidence: &mut Evidence) -> &mut BTreeMap<String, String> {
    of(&mut evidence.install.namespaces).get_mut("client").unwrap()
}

#[rstest]
// Only what was switched off is left of the webhooks: nobody serves the revision.
#[case(|it: &mut Evidence| {
    let webhooks = it.install.webhooks.clone();
    nothing_installed(it);
    it.install.webhooks = webhooks;
    let off = |labels: &BTreeMap<String, String>| labels.contains_key("istio.io/deactivated");
    of(&mut it.install.webhooks).retain(|one| off(&one.object_selector.match_labels));
    assert!(!of(&mut it.install.webhooks).is_empty());
    *labels(it) = BTreeMap::from([("istio.io/rev".into(), "default".into())]);
}, Some("install::default_profile"))]
// A label that is missing is missing whatever is installed.
#[case(|it: &mut Evidence| {
    nothing_installed(it);
    labels(it).clear();
}, None)]
fn a_label_asks_for_what_is_not_installed(#[case] fault: Mutation, #[case] root: Option<&str>) {
    assert_eq!(because(fault, "install::namespace_labelled").as_deref(), root);
}

fn sidecar_waits(evidence: &mut Evidence, state: ContainerState) {
    istiod_scaled_to_zero(evidence);
    unavailable(evidence);
    let pod = demo_pod(evidence, "echo");
    pod.ready = false;
    let sidecar = pod.containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap();
    sidecar.ready = false;
    sidecar.state = state;
}

#[rstest]
// What is wrong with other pods is no matter.
#[case(|it: &mut Evidence| {
    sidecar_waits(it, ContainerState::Running { since: None });
    crash(demo_pod(it, "client"));
}, Some("install::control_plane_running"))]
// A sidecar that ends by itself does not wait for anybody.
#[case(|it: &mut Evidence| {
    let reason = "CrashLoopBackOff".into();
    sidecar_waits(it, ContainerState::Waiting { reason, message: String::new() });
}, None)]
fn a_sidecar_waits_for_istiod(#[case] fault: Mutation, #[case] root: Option<&str>) {
    assert_eq!(because(fault, "demo::backend_deployment").as_deref(), root);
}

/// The API server says of the backend why it makes no pod, while nobody answers Istio's webhook.
fn refused(evidence: &mut Evidence, kind: &str, status: &str, message: &str) {
    pods_cannot_be_made(evidence);
    backend(evidence).conditions = vec![Condition {
        kind: kind.into(),
        status: status.into(),
        reason: "FailedCreate".into(),
        message: message.into(),
    }];
}

const OURS: &str = "failed calling webhook \"namespace.sidecar-injector.istio.io\"";
const DOWN: Option<&str> = Some("install::control_plane_running");

#[rstest]
#[case(|it: &mut Evidence| refused(it, "ReplicaFailure", "True", OURS), DOWN)]
#[case(|it: &mut Evidence| refused(it, "ReplicaFailure", "True", "failed calling webhook \"validate.kyverno.svc\""), None)]
#[case(|it: &mut Evidence| refused(it, "ReplicaFailure", "True", "exceeded quota: istio"), None)]
#[case(|it: &mut Evidence| refused(it, "ReplicaFailure", "False", OURS), None)]
#[case(|it: &mut Evidence| refused(it, "Progressing", "True", OURS), None)]
#[case(|it: &mut Evidence| { refused(it, "ReplicaFailure", "True", OURS); scale_to_zero(backend(it)); }, None)]
fn pods_cannot_be_made_without_the_webhook(#[case] fault: Mutation, #[case] root: Option<&str>) {
    assert_eq!(because(fault, "demo::backend_deployment").as_deref(), root);
}

/// Where there is no webhook at all, no label would help.
#[test]
fn webhooks_that_are_not_there_do_not_miss_a_label() {
    let fault: Mutation = |it| {
        label_removed(it);
        of(&mut it.install.webhooks).clear();
    };
    assert_eq!(because(fault, "install::injection_webhook"), None);
}

fn more(pod: &mut Pod) {
    let container = Container { name: "debug".into(), ready: true, ..Container::default() };
    pod.containers.push(container);
}

/// The label is gone, and with it the sidecar of one pod.
fn one_without_sidecar(evidence: &mut Evidence) {
    label_removed(evidence);
    let pod = demo_pod(evidence, "echo");
    pod.containers.retain(|it| it.name != "istio-proxy");
    pod.init_containers.clear();
}

#[rstest]
#[case(one_without_sidecar, Some("install::namespace_labelled"))]
#[case(|it: &mut Evidence| { one_without_sidecar(it); more(demo_pod(it, "client")); }, None)]
fn a_label_explains_sidecars_that_are_missing_and_nothing_else(
    #[case] fault: Mutation,
    #[case] root: Option<&str>,
) {
    assert_eq!(because(fault, "mesh::two_containers_per_pod").as_deref(), root);
}

#[rstest]
// A second pod is ill for a reason of its own, whether its deployment is red for another one or not.
#[case(|it: &mut Evidence| {
    backend_crashes(it);
    echo_first(it);
    demo_pod(it, "client").containers[0].ready = false;
}, None)]
#[case(|it: &mut Evidence| {
    backend_crashes(it);
    echo_first(it);
    demo_pod(it, "client").containers[0].ready = false;
    client(it).containers[0].args = vec!["sleep infinity".into()];
}, None)]
#[case(|it: &mut Evidence| {
    backend_crashes(it);
    echo_first(it);
}, Some("demo::backend_deployment"))]
// One that has a container too many is not as it should be for that reason.
#[case(|it: &mut Evidence| {
    backend_crashes(it);
    echo_first(it);
    more(demo_pod(it, "client"));
}, None)]
// Without a sidecar a pod is ill all the same.
#[case(|it: &mut Evidence| {
    backend_crashes(it);
    echo_first(it);
    demo_pod(it, "echo").containers.retain(|it| it.name != "istio-proxy");
}, Some("demo::backend_deployment"))]
fn pods_are_ill_with_their_deployments(#[case] fault: Mutation, #[case] root: Option<&str>) {
    assert_eq!(because(fault, "mesh::pods_ready").as_deref(), root);
}

/// No pod is there, and its deployment says of itself that it has what it asks for.
#[test]
fn pods_that_are_gone_are_not_explained_by_a_deployment_that_is_at_rest() {
    let fault: Mutation = |it| {
        backend_says_something_else(it);
        of(&mut it.demo.pods).clear();
    };
    assert_eq!(because(fault, "mesh::two_containers_per_pod"), None);
}

/// The verdict is about the first pod that is ill.
fn echo_first(evidence: &mut Evidence) {
    of(&mut evidence.demo.pods)
        .sort_by_key(|pod| pod.labels.get("app").cloned() != Some("echo".into()));
}

/// Before they run, pods are asked for their containers: one without a sidecar lacks it, however ill it is.
#[test]
fn a_pod_that_never_ran_lacks_its_sidecar_all_the_same() {
    let fault: Mutation = |it| {
        unavailable(it);
        echo_first(it);
        for pod in of(&mut it.demo.pods) {
            (pod.phase, pod.ready) = ("Pending".into(), false);
        }
        client(it).available_replicas = 0;
        demo_pod(it, "echo").containers.retain(|it| it.name != "istio-proxy");
    };
    assert_eq!(because(fault, "mesh::two_containers_per_pod"), None);
}

/// Without a sidecar, and ill besides, while its deployment is at rest.
#[test]
fn a_pod_that_lacks_its_sidecar_may_be_ill_by_itself() {
    let fault: Mutation = |it| {
        without_sidecars(it);
        it.mesh.dry_run_labelled = healthy().mesh.dry_run_labelled;
        demo_pod(it, "echo").containers[0].ready = false;
    };
    assert_eq!(because(fault, "mesh::pods_ready"), None);
}

/// All pods are told this, and their rules lead past the proxy in this direction.
fn told(evidence: &mut Evidence, option: &str, value: &str, chain: &str) {
    for pod in of(&mut evidence.demo.pods) {
        let arguments = &mut pod.init_containers[0].args;
        match arguments.iter().position(|word| word == option) {
            Some(at) => arguments[at + 1] = value.into(),
            None => arguments.extend([option.to_owned(), value.to_owned()]),
        }
    }
    for log in evidence.mesh.init_logs.values_mut() {
        let log = of(log);
        let first = format!("\n-A {chain} ");
        *log = log.replace(&first, &format!("\n-A {chain} -p tcp -j RETURN{first}"));
    }
}

const TOLD: Option<&str> = Some("mesh::init_arguments");

/// One argument for this direction is enough to explain its rules, one for the other explains nothing.
#[rstest]
#[case("-b", "80", TOLD, None)]
#[case("-d", "15020,15021,15090,80", TOLD, None)]
#[case("-z", "15007", TOLD, None)]
#[case("-m", "TPROXY", TOLD, None)]
#[case("-i", "10.0.0.0/8", None, TOLD)]
#[case("-x", "10.0.0.0/8", None, TOLD)]
#[case("-o", "80", None, TOLD)]
#[case("-p", "15002", None, TOLD)]
#[case("-u", "0", None, TOLD)]
fn rules_are_as_their_pods_were_told(
    #[case] option: &str,
    #[case] value: &str,
    #[case] inbound: Option<&str>,
    #[case] outbound: Option<&str>,
) {
    for (id, chain, root) in [
        ("mesh::inbound_redirected", "ISTIO_INBOUND", inbound),
        ("mesh::outbound_redirected", "ISTIO_OUTPUT", outbound),
    ] {
        let mut evidence = healthy();
        told(&mut evidence, option, value, chain);
        let report = judge(&evidence, &[]);
        let claim = report.claims.iter().find(|claim| claim.id == id).unwrap();
        assert_eq!(claim.verdict, Verdict::Fail, "{claim:#?}");
        assert_eq!(claim.because.as_deref(), root, "{option}: {claim:#?}");
    }
}

#[test]
fn traffic_enters_beside_a_proxy_that_nothing_is_led_to() {
    let fault: Mutation = |it| {
        let name = demo_pod(it, "echo").name.clone();
        let log = of(it.mesh.init_logs.get_mut(&name).unwrap());
        *log = log.replace(
            "\n-A ISTIO_INBOUND ",
            "\n-A ISTIO_INBOUND -p tcp -j RETURN\n-A ISTIO_INBOUND ",
        );
        let inbound = &mut of(&mut it.mesh.traffic).inbound;
        inbound.after = inbound.before.clone();
    };
    let root = because(fault, "mesh::traffic_through_proxies");
    assert_eq!(root.as_deref(), Some("mesh::inbound_redirected"));
}

/// istiod is well, and the gateway crashes: a backend that is not available has another reason.
#[test]
fn a_gateway_that_crashes_keeps_no_sidecar_waiting() {
    let fault: Mutation = |it| {
        crash(gateway(it));
        sidecar_waits_for_nobody(it);
    };
    assert_eq!(because(fault, "demo::backend_deployment"), None);
}

fn sidecar_waits_for_nobody(evidence: &mut Evidence) {
    unavailable(evidence);
    let pod = demo_pod(evidence, "echo");
    pod.ready = false;
    let sidecar = pod.containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap();
    sidecar.ready = false;
    replies(evidence, &Reply { status: 503, ..Reply::default() });
}
