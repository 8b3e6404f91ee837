//! A client that cannot ask: its proxy is restarted over and over, or its own program never ran.

use rstest::rstest;

use super::super::super::mutations::{Mutation, client, demo_pod, of};
use super::faults::{log_says, replies};
use crate::evidence::{Container, ContainerState, Evidence, Observation, Reply};
use crate::judge;
use crate::testing::healthy;

const NO_CONNECTION: &str = "curl: (7) Failed to connect to echo-service port 80 after 2 ms: \
                             Could not connect to server";

/// A container of the client's pod is restarted over and over, in both looks.
fn restarted(evidence: &mut Evidence, name: &str) {
    client(evidence).available_replicas = 0;
    client(evidence).ready_replicas = 0;
    let pod = demo_pod(evidence, "client");
    pod.ready = false;
    let container = pod.containers.iter_mut().find(|it| it.name == name).unwrap();
    container.ready = false;
    container.restarts = 3;
    container.state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
    let pod = pod.clone();
    for later in of(&mut evidence.demo.pods_at_end).iter_mut().filter(|it| it.name == pod.name) {
        *later = pod.clone();
    }
}

fn unknown_to_istiod(evidence: &mut Evidence) {
    let name = format!("{}.client", demo_pod(evidence, "client").name);
    if let Observation::Seen { value } = &mut evidence.install.istiod {
        for istiod in value.values_mut() {
            of(&mut istiod.proxies).retain(|it| it.proxy != name);
        }
    }
}

fn proxy_crashes(evidence: &mut Evidence) {
    restarted(evidence, "istio-proxy");
    unknown_to_istiod(evidence);
    log_says(evidence, NO_CONNECTION);
    replies(evidence, &Reply { error: NO_CONNECTION.into(), ..Reply::default() });
    let outbound = &mut of(&mut evidence.mesh.traffic).outbound;
    outbound.after = outbound.before.clone();
}

/// The same where nothing redirects: a proxy that is away is in nobody's way.
fn proxy_crashes_beside_the_way(evidence: &mut Evidence) {
    proxy_crashes(evidence);
    demo_pod(evidence, "client").init_containers.clear();
}

/// The same, and what the client got is no word of a connection.
fn proxy_crashes_and_another_answer(evidence: &mut Evidence) {
    proxy_crashes(evidence);
    of(&mut evidence.demo.client_logs)[0].lines.pop();
    log_says(evidence, "503 from somebody");
    replies(evidence, &Reply { status: 503, body: "from somebody".into(), ..Reply::default() });
}

/// The proxy runs, and is only not ready yet.
fn proxy_is_not_ready(evidence: &mut Evidence) {
    proxy_crashes(evidence);
    let proxy = |it: &mut Container| {
        it.restarts = 0;
        it.last_termination = None;
        it.state = ContainerState::Running { since: None };
    };
    let pod = demo_pod(evidence, "client");
    pod.containers.iter_mut().filter(|it| it.name == "istio-proxy").for_each(proxy);
}

/// An image without curl, whose program ends at once.
fn image_without_curl(evidence: &mut Evidence) {
    restarted(evidence, "client");
    let image = "docker.io/hashicorp/http-echo:latest";
    client(evidence).containers[0].image = image.into();
    of(&mut evidence.demo.client_logs)[0].lines.clear();
    let gone = "container not found (\"client\")";
    evidence.demo.asked = Observation::failed(gone);
    evidence.mesh.traffic = Observation::failed(gone);
}

/// The same image, and its program runs: then its silence has another reason.
fn another_image_that_runs(evidence: &mut Evidence) {
    client(evidence).containers[0].image = "docker.io/hashicorp/http-echo:latest".into();
    of(&mut evidence.demo.client_logs)[0].lines.clear();
}

fn because(fault: Mutation, id: &str) -> Option<String> {
    let mut evidence = healthy();
    fault(&mut evidence);
    let report = judge(&evidence, &[]);
    let claim = report.claims.iter().find(|claim| claim.id == id).unwrap();
    assert!(claim.verdict != crate::Verdict::Pass, "{claim:#?}");
    claim.because.clone()
}

#[rstest]
#[case(proxy_crashes, "demo::client_logs_show_reply")]
#[case(proxy_crashes, "demo::backend_replies")]
#[case(proxy_crashes, "mesh::proxies_in_sync")]
#[case(proxy_crashes, "mesh::traffic_through_proxies")]
#[case(proxy_crashes, "mesh::pods_ready")]
#[case(image_without_curl, "demo::client_logs_show_reply")]
#[case(image_without_curl, "demo::backend_replies")]
#[case(image_without_curl, "mesh::traffic_through_proxies")]
#[case(image_without_curl, "mesh::pods_ready")]
fn one_cause_is_behind_all(#[case] fault: Mutation, #[case] id: &str) {
    assert_eq!(because(fault, id).as_deref(), Some("demo::client_deployment"));
}

#[rstest]
#[case(proxy_crashes_beside_the_way, "demo::backend_replies")]
#[case(proxy_crashes_and_another_answer, "demo::client_logs_show_reply")]
#[case(proxy_crashes_and_another_answer, "demo::backend_replies")]
#[case(proxy_is_not_ready, "demo::backend_replies")]
#[case(proxy_is_not_ready, "mesh::proxies_in_sync")]
#[case(another_image_that_runs, "demo::client_logs_show_reply")]
fn what_only_looks_like_it_is_no_cause(#[case] fault: Mutation, #[case] id: &str) {
    assert_eq!(because(fault, id), None);
}
