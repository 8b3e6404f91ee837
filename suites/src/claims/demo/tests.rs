//! What turns the claims of *demo* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Case, backend, cases, client, demo_pod, of, scale_to_zero};
use crate::evidence::{
    Condition, ContainerState, Deployment, Endpoint, Evidence, Observation, Service, Settling,
};
use crate::judgement::Verdict::{self, Fail, Pass};
use rstest::rstest;

fn service(evidence: &mut Evidence) -> &mut Service {
    let name = evidence.expectations.backend_service.clone();
    of(&mut evidence.demo.services).iter_mut().find(|service| service.name == name).unwrap()
}

fn endpoint(evidence: &mut Evidence) -> &mut Endpoint {
    let name = evidence.expectations.backend_service.clone();
    of(&mut evidence.demo.endpoints).iter_mut().find(|one| one.service == name).unwrap()
}

fn backend_gone(evidence: &mut Evidence) {
    scale_to_zero(backend(evidence));
    of(&mut evidence.demo.endpoints).clear();
    of(&mut evidence.demo.pods).retain(|pod| pod.labels.get("app").is_none_or(|app| app != "echo"));
}

cases! { the_service_leads_to_the_backend proves "demo::backend_service":
    healthy(|_| {}, Pass, "port 80 `http` leads to 5678");
    second_port(|e| { let mut more = service(e).ports[0].clone(); more.port = 81; more.name = "more".into(); service(e).ports.insert(0, more); }, Pass, "port 80");
    two_families(|e| { let mut more = endpoint(e).clone(); more.addresses = vec!["fd00::8".into()]; of(&mut e.demo.endpoints).push(more); }, Pass, "1 backend pod is ready behind it");
    named_target(|e| service(e).ports[0].target_port = "web".into(), Pass, "port 80");
    node_port(|e| service(e).kind = "NodePort".into(), Pass, "port 80");
    three_echo_pods(|e| {
        for name in ["second", "third"] {
            let mut pod = demo_pod(e, "echo").clone();
            pod.name = name.into();
            of(&mut e.demo.pods).push(pod);
            let more = Endpoint { pod: Some(name.into()), ..endpoint(e).clone() };
            of(&mut e.demo.endpoints).push(more);
        }
    }, Pass, "3 backend pods");
    one_not_ready(|e| { let more = Endpoint { ready: false, ..endpoint(e).clone() }; of(&mut e.demo.endpoints).push(more); }, Pass, "1 backend pod ");
    by_owner(|e| e.demo.deployments = Observation::failed("forbidden"), Pass, "1 backend pod ");
    missing(|e| of(&mut e.demo.services).clear(), Fail, "apply -f backend.yaml");
    no_namespace(|e| e.demo.services = Observation::absent("no namespace"), Fail, "no namespace");
    port_renamed(|e| service(e).ports[0].name = "web".into(), Fail, "is not named `http`");
    port_without_name(|e| service(e).ports[0].name.clear(), Fail, "without a name");
    other_port(|e| service(e).ports[0].port = 8080, Fail, "no port 80");
    udp(|e| service(e).ports[0].protocol = "UDP".into(), Fail, "UDP");
    target_port(|e| service(e).ports[0].target_port = "5679".into(), Fail, "leads to port 5679");
    named_target_elsewhere(|e| { service(e).ports[0].target_port = "web".into(); endpoint(e).ports = vec![8080]; }, Fail, "leads to another port");
    selector(|e| { service(e).selector.insert("app".into(), "eco".into()); }, Fail, "does not select the backend's pods");
    selector_too_narrow(|e| { service(e).selector.insert("tier".into(), "a".into()); }, Fail, "--type=json");
    name_and_selector(|e| { service(e).ports[0].name = "web".into(); service(e).selector.insert("app".into(), "eco".into()); }, Fail, "is not named `http`: by the name the mesh knows what is spoken there; echo-service does not select");
    target_and_selector(|e| { service(e).ports[0].target_port = "5679".into(); service(e).selector.clear(); }, Fail, "target port 5679; no selector");
    no_selector(|e| service(e).selector.clear(), Fail, "no selector");
    headless(|e| service(e).cluster_ip = Some("None".into()), Fail, "no cluster IP");
    external_name(|e| service(e).kind = "ExternalName".into(), Fail, "ExternalName");
    no_endpoint(|e| of(&mut e.demo.endpoints).clear(), Fail, "no ready endpoint");
    no_endpoint_of_a_ready_pod(|e| of(&mut e.demo.endpoints).clear(), Fail, "observed: Some(\"no ready endpoint\")");
    pod_not_ready(|e| { endpoint(e).ready = false; demo_pod(e, "echo").ready = false; }, Fail, "its condition Ready is not true");
    endpoint_not_ready(|e| { endpoint(e).ready = false; demo_pod(e, "echo").ready = false; }, Fail, "no ready endpoint");
    endpoint_without_address(|e| endpoint(e).addresses.clear(), Fail, "no ready endpoint");
    scaled_to_zero(backend_gone, Fail, "scale deployment/echo-deployment --replicas=1");
    stranger(|e| { let client = demo_pod(e, "client").name.clone(); endpoint(e).pod = Some(client); }, Fail, "which is no pod of");
    no_pod(|e| endpoint(e).pod = None, Fail, "which is no pod of");
    services_unseen(|e| e.demo.services = Observation::failed("forbidden"), Unjudged, "forbidden");
    endpoints_unseen(|e| e.demo.endpoints = Observation::failed("forbidden"), Unjudged, "forbidden");
    pods_unseen(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged, "forbidden");
    proven_wrong_anyhow(|e| {
        e.demo.endpoints = Observation::failed("forbidden");
        service(e).ports[0].name.clear();
    }, Fail, "without a name");
}

fn args(evidence: &mut Evidence, args: &[&str]) {
    backend(evidence).containers[0].args = args.iter().map(|&arg| arg.into()).collect();
}

/// A pod was refused while nobody answered the webhook, and Kubernetes waits before it asks again.
fn refused(one: &mut Deployment) {
    one.updated_replicas = 0;
    one.available_replicas = 0;
    one.conditions = vec![Condition {
        kind: "ReplicaFailure".into(),
        status: "True".into(),
        reason: "FailedCreate".into(),
        message: "failed calling webhook: connection refused".into(),
    }];
}

/// Changes that matter to both deployments in the same way.
#[rstest]
#[case::healthy(|_: &mut Deployment| {}, Pass, "1 of 1 available")]
#[case::three(|one: &mut Deployment| { one.replicas = 3; one.current_replicas = 3; one.updated_replicas = 3; one.ready_replicas = 3; one.available_replicas = 3; }, Pass, "3 of 3 available")]
#[case::another_tag(|one: &mut Deployment| one.containers[0].image += "-rc", Pass, "available")]
#[case::mirror(|one: &mut Deployment| one.containers[0].image = format!("mirror.example:5000/hub/{}@sha256:0", one.containers[0].image), Pass, "available")]
#[case::third_container(|one: &mut Deployment| { let mut more = one.containers[0].clone(); more.name = "more".into(); one.containers.insert(0, more); }, Pass, "available")]
#[case::unavailable(|one: &mut Deployment| one.available_replicas = 0, Fail, "0 of 1 are available")]
#[case::half(|one: &mut Deployment| { one.replicas = 2; one.current_replicas = 2; one.updated_replicas = 2; }, Fail, "1 of 2 are available")]
#[case::zero(scale_to_zero, Fail, "--replicas=1")]
#[case::old_pod_left(|one: &mut Deployment| one.current_replicas = 2, Fail, "1 old pod not gone yet")]
#[case::not_updated(|one: &mut Deployment| { one.updated_replicas = 0; one.current_replicas = 1; }, Fail, "a rollout is going on")]
#[case::unseen_change(|one: &mut Deployment| one.generation += 1, Fail, "has not seen the latest change")]
#[case::stuck(|one: &mut Deployment| {
    one.available_replicas = 0;
    let reason = "ProgressDeadlineExceeded".into();
    one.conditions = vec![Condition { kind: "Progressing".into(), status: "False".into(), reason, ..Condition::default() }];
}, Fail, "ProgressDeadlineExceeded")]
#[case::refused(refused, Fail, "no pod could be made: failed calling webhook")]
#[case::refused_by_pod_security(|one: &mut Deployment| {
    refused(one);
    one.conditions[0].message = "pods is forbidden: violates PodSecurity \"restricted:latest\": unrestricted capabilities".into();
}, Fail, "label namespace client pod-security.kubernetes.io/enforce=privileged --overwrite")]
#[case::refused_is_asked_for_again(refused, Fail, "-n client rollout restart deployment/")]
#[case::image(|one: &mut Deployment| one.containers[0].image = "docker.io/library/busybox:1.36".into(), Fail, "another image")]
#[case::similar_image(|one: &mut Deployment| one.containers[0].image = one.containers[0].image.replace("docker.io/", "").replace('/', "-"), Fail, "another image")]
#[case::container_renamed(|one: &mut Deployment| one.containers[0].name = "main".into(), Fail, "has no container")]
fn deployments_are_available(
    #[case] mutation: fn(&mut Deployment),
    #[case] verdict: Verdict,
    #[case] words: &str,
    #[values("demo::backend_deployment", "demo::client_deployment")] id: &str,
) {
    use crate::testing::judgement;
    let mut evidence = crate::testing::healthy();
    mutation(if id.contains("client") { client(&mut evidence) } else { backend(&mut evidence) });
    let judgement = judgement(&evidence, id);
    assert_eq!(judgement.verdict, verdict, "{judgement:#?}");
    assert!(format!("{judgement:?}").contains(words), "{judgement:#?}");
    assert_eq!(judgement.hint.is_some(), verdict == Fail);
}

cases! { the_backend_is_deployed proves "demo::backend_deployment":
    two_words(|e| args(e, &["-text", "Hello from backend service"]), Pass, "1 of 1");
    two_dashes(|e| args(e, &["--text=Hello from backend service"]), Pass, "1 of 1");
    other_text(|e| args(e, &["-text=Hello from backend service v2"]), Fail, "patch deployment echo-deployment");
    last_one_counts(|e| args(e, &["-text=Hello from backend service", "-text=x"]), Fail, "-text=x");
    no_text(|e| args(e, &[]), Fail, "no -text");
    unavailable_without_an_ill_pod(|e| backend(e).available_replicas = 0, Fail, "describe deployment/echo-deployment");
    port(|e| backend(e).containers[0].ports = vec![8080], Fail, "5678");
    missing(|e| of(&mut e.demo.deployments).clear(), Fail, "there is no deployment");
    no_namespace(|e| e.demo.deployments = Observation::absent("no namespace"), Fail, "no namespace");
    pod_in_words(|e| {
        backend(e).available_replicas = 0;
        let pod = demo_pod(e, "echo");
        pod.ready = false;
        pod.containers[0].ready = false;
        pod.containers[0].state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: "no such image".into() };
    }, Fail, "echo ImagePullBackOff (no such image)");
    waited(|e| {
        backend(e).available_replicas = 0;
        e.demo.settling = Observation::seen(Settling { awaited: vec![], waited_ms: 30_000, settled: false });
    }, Fail, "waited 30 s");
    unseen(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged, "forbidden");
}

fn script(evidence: &mut Evidence, script: &str) {
    let container = &mut client(evidence).containers[0];
    container.command = vec!["sh".into(), "-c".into()];
    container.args = vec![script.into()];
}

cases! { the_client_is_deployed proves "demo::client_deployment":
    until(|e| script(e, "until false; do curl http://echo-service.client.svc.cluster.local:80/; sleep 5; done"), Pass, "1 of 1");
    registry_with_a_port(|e| client(e).containers[0].image = "mirror.example:5000/curlimages/curl".into(), Pass, "1 of 1");
    no_loop(|e| script(e, "curl echo-service.client.svc.cluster.local"), Fail, "shell loop");
    no_curl(|e| script(e, "while true; do wget echo-service.client.svc.cluster.local; done"), Fail, "shell loop");
    other_host(|e| script(e, "while true; do curl echo-service.client.svc.cluster.local.example; done"), Fail, "shell loop");
    other_service(|e| script(e, "while true; do curl echo.client.svc.cluster.local; done"), Fail, "apply -f client.yaml");
    no_command(|e| { client(e).containers[0].command.clear(); client(e).containers[0].args.clear(); }, Fail, "no command");
    without_curl(|e| client(e).containers[0].image = "busybox".into(), Fail, "set image deployment/client-deployment client=curlimages/curl");
    missing(|e| of(&mut e.demo.deployments).clear(), Fail, "there is no deployment");
    unseen(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged, "forbidden");
}

cases! { the_backend_replies proves "demo::backend_replies":
    healthy(|_| {}, Pass, "requests: 200");
    without_newline(|e| of(&mut e.demo.asked).replies.iter_mut().for_each(|reply| { reply.body.pop(); }), Pass, "200");
    similar_body(|e| of(&mut e.demo.asked).replies[0].body = "Hello from backend service v2\n".into(), Fail, "200 Hello from backend service v2");
    two_newlines(|e| of(&mut e.demo.asked).replies[0].body.push('\n'), Fail, "request 1");
    last_one_failed(|e| { let last = of(&mut e.demo.asked).replies.last_mut().unwrap(); last.status = 503; last.body = "no healthy upstream".into(); }, Fail, "503 no healthy upstream");
    right_body_wrong_status(|e| of(&mut e.demo.asked).replies[1].status = 404, Fail, "404");
    curl_error(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 0; reply.error = "curl: (7) Failed to connect".into(); }, Fail, "curl: (7)");
    denied(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 403; reply.body = "RBAC: access denied".into(); }, Fail, "get authorizationpolicies --all-namespaces");
    aborted(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 503; reply.body = "fault filter abort".into(); }, Fail, "get virtualservices --all-namespaces");
    refused_by_the_backend(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 403; reply.body = "go away".into(); }, Fail, "shows the backend's side");
    too_few(|e| { of(&mut e.demo.asked).replies.pop(); }, Fail, "answers, exit 0");
    no_curl(|e| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 127; asked.exec.stderr = "sh: curl: not found".into(); }, Fail, "curl is not in its image");
    cannot_start(|e| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 126; }, Fail, "set image");
    killed(|e| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 137; }, Fail, "exit 137");
    backend_gone(|e| { backend_gone(e); of(&mut e.demo.asked).replies[0].status = 503; }, Fail, "scaled to zero");
    no_client(|e| e.demo.asked = Observation::absent("no client pod runs"), Fail, "no client pod runs");
    asked_nothing(|e| { let asked = of(&mut e.demo.asked); asked.requests = 0; asked.replies.clear(); }, Unjudged, "asked nothing");
    unseen(|e| e.demo.asked = Observation::failed("forbidden"), Unjudged, "forbidden");
    not_asked(|e| e.demo.asked = Observation::not_asked("--only"), Skipped, "--only");
}

/// What `completeness` reads: that no claim is without its cases.
pub(in super::super) const TABLES: &[&[Case]] = &[
    the_service_leads_to_the_backend::table::CASES,
    the_backend_is_deployed::table::CASES,
    the_client_is_deployed::table::CASES,
    the_backend_replies::table::CASES,
];
