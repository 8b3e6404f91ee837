//! What turns the claims of *demo* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Mutation, backend, client, demo_pod, of, prove, scale_to_zero};
use crate::evidence::{
    Condition, ContainerState, Deployment, Endpoint, Evidence, Observation, Service, Settling,
};
use crate::judgement::Verdict::{self, Fail, Pass, Unjudged};
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "port 80 `http` leads to 5678")]
#[case::second_port(|e: &mut Evidence| { let mut more = service(e).ports[0].clone(); more.port = 81; more.name = "more".into(); service(e).ports.insert(0, more); }, Pass, "port 80")]
#[case::named_target(|e: &mut Evidence| service(e).ports[0].target_port = "web".into(), Pass, "port 80")]
#[case::node_port(|e: &mut Evidence| service(e).kind = "NodePort".into(), Pass, "port 80")]
#[case::three_echo_pods(|e: &mut Evidence| {
    for name in ["second", "third"] {
        let mut pod = demo_pod(e, "echo").clone();
        pod.name = name.into();
        of(&mut e.demo.pods).push(pod);
        let more = Endpoint { pod: Some(name.into()), ..endpoint(e).clone() };
        of(&mut e.demo.endpoints).push(more);
    }
}, Pass, "3 echo pods")]
#[case::one_not_ready(|e: &mut Evidence| { let more = Endpoint { ready: false, ..endpoint(e).clone() }; of(&mut e.demo.endpoints).push(more); }, Pass, "1 echo pod ")]
#[case::by_owner(|e: &mut Evidence| e.demo.deployments = Observation::failed("forbidden"), Pass, "1 echo pod ")]
#[case::missing(|e: &mut Evidence| of(&mut e.demo.services).clear(), Fail, "apply -f backend.yaml")]
#[case::no_namespace(|e: &mut Evidence| e.demo.services = Observation::absent("no namespace"), Fail, "no namespace")]
#[case::port_renamed(|e: &mut Evidence| service(e).ports[0].name = "web".into(), Fail, "is not named `http`")]
#[case::port_without_name(|e: &mut Evidence| service(e).ports[0].name.clear(), Fail, "without a name")]
#[case::other_port(|e: &mut Evidence| service(e).ports[0].port = 8080, Fail, "no port 80")]
#[case::udp(|e: &mut Evidence| service(e).ports[0].protocol = "UDP".into(), Fail, "UDP")]
#[case::target_port(|e: &mut Evidence| service(e).ports[0].target_port = "5679".into(), Fail, "leads to port 5679")]
#[case::named_target_elsewhere(|e: &mut Evidence| { service(e).ports[0].target_port = "web".into(); endpoint(e).ports = vec![8080]; }, Fail, "leads to another port")]
#[case::selector(|e: &mut Evidence| { service(e).selector.insert("app".into(), "eco".into()); }, Fail, "does not select the echo pods")]
#[case::selector_too_narrow(|e: &mut Evidence| { service(e).selector.insert("tier".into(), "a".into()); }, Fail, "--type=json")]
#[case::no_selector(|e: &mut Evidence| service(e).selector.clear(), Fail, "no selector")]
#[case::external_name(|e: &mut Evidence| service(e).kind = "ExternalName".into(), Fail, "ExternalName")]
#[case::no_endpoint(|e: &mut Evidence| of(&mut e.demo.endpoints).clear(), Fail, "no ready endpoint")]
#[case::endpoint_not_ready(|e: &mut Evidence| { endpoint(e).ready = false; demo_pod(e, "echo").ready = false; }, Fail, "no ready endpoint")]
#[case::endpoint_without_address(|e: &mut Evidence| endpoint(e).addresses.clear(), Fail, "no ready endpoint")]
#[case::scaled_to_zero(backend_gone, Fail, "scale deployment/echo-deployment --replicas=1")]
#[case::stranger(|e: &mut Evidence| { let client = demo_pod(e, "client").name.clone(); endpoint(e).pod = Some(client); }, Fail, "which is no pod of")]
#[case::no_pod(|e: &mut Evidence| endpoint(e).pod = None, Fail, "which is no pod of")]
#[case::services_unseen(|e: &mut Evidence| e.demo.services = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::endpoints_unseen(|e: &mut Evidence| e.demo.endpoints = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::pods_unseen(|e: &mut Evidence| e.demo.pods = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::proven_wrong_anyhow(|e: &mut Evidence| {
    e.demo.endpoints = Observation::failed("forbidden");
    service(e).ports[0].name.clear();
}, Fail, "without a name")]
fn the_service_leads_to_the_backend(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("demo::backend_service", mutation, verdict, words);
}

fn args(evidence: &mut Evidence, args: &[&str]) {
    backend(evidence).containers[0].args = args.iter().map(|&arg| arg.into()).collect();
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

#[rstest]
#[case::two_words(|e: &mut Evidence| args(e, &["-text", "Hello from backend service"]), Pass, "1 of 1")]
#[case::two_dashes(|e: &mut Evidence| args(e, &["--text=Hello from backend service"]), Pass, "1 of 1")]
#[case::other_text(|e: &mut Evidence| args(e, &["-text=Hello from backend service v2"]), Fail, "patch deployment echo-deployment")]
#[case::last_one_counts(|e: &mut Evidence| args(e, &["-text=Hello from backend service", "-text=x"]), Fail, "-text=x")]
#[case::no_text(|e: &mut Evidence| args(e, &[]), Fail, "no -text")]
#[case::port(|e: &mut Evidence| backend(e).containers[0].ports = vec![8080], Fail, "5678")]
#[case::missing(|e: &mut Evidence| of(&mut e.demo.deployments).clear(), Fail, "there is no deployment")]
#[case::no_namespace(|e: &mut Evidence| e.demo.deployments = Observation::absent("no namespace"), Fail, "no namespace")]
#[case::pod_in_words(|e: &mut Evidence| {
    backend(e).available_replicas = 0;
    let pod = demo_pod(e, "echo");
    pod.ready = false;
    pod.containers[0].ready = false;
    pod.containers[0].state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: "no such image".into() };
}, Fail, "echo ImagePullBackOff (no such image)")]
#[case::waited(|e: &mut Evidence| {
    backend(e).available_replicas = 0;
    e.demo.settling = Observation::seen(Settling { awaited: vec![], waited_ms: 30_000, settled: false });
}, Fail, "waited 30 s")]
#[case::unseen(|e: &mut Evidence| e.demo.deployments = Observation::failed("forbidden"), Unjudged, "forbidden")]
fn the_backend_is_deployed(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("demo::backend_deployment", mutation, verdict, words);
}

fn script(evidence: &mut Evidence, script: &str) {
    let container = &mut client(evidence).containers[0];
    container.command = vec!["sh".into(), "-c".into()];
    container.args = vec![script.into()];
}

#[rstest]
#[case::until(|e: &mut Evidence| script(e, "until false; do curl http://echo-service.client.svc.cluster.local:80/; sleep 5; done"), Pass, "1 of 1")]
#[case::no_loop(|e: &mut Evidence| script(e, "curl echo-service.client.svc.cluster.local"), Fail, "shell loop")]
#[case::no_curl(|e: &mut Evidence| script(e, "while true; do wget echo-service.client.svc.cluster.local; done"), Fail, "shell loop")]
#[case::other_host(|e: &mut Evidence| script(e, "while true; do curl echo-service.client.svc.cluster.local.example; done"), Fail, "shell loop")]
#[case::other_service(|e: &mut Evidence| script(e, "while true; do curl echo.client.svc.cluster.local; done"), Fail, "apply -f client.yaml")]
#[case::no_command(|e: &mut Evidence| { client(e).containers[0].command.clear(); client(e).containers[0].args.clear(); }, Fail, "no command")]
#[case::without_curl(|e: &mut Evidence| client(e).containers[0].image = "busybox".into(), Fail, "set image deployment/client-deployment client=curlimages/curl")]
#[case::missing(|e: &mut Evidence| of(&mut e.demo.deployments).clear(), Fail, "there is no deployment")]
#[case::unseen(|e: &mut Evidence| e.demo.deployments = Observation::failed("forbidden"), Unjudged, "forbidden")]
fn the_client_is_deployed(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("demo::client_deployment", mutation, verdict, words);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "requests: 200")]
#[case::without_newline(|e: &mut Evidence| of(&mut e.demo.asked).replies.iter_mut().for_each(|reply| { reply.body.pop(); }), Pass, "200")]
#[case::similar_body(|e: &mut Evidence| of(&mut e.demo.asked).replies[0].body = "Hello from backend service v2\n".into(), Fail, "200 Hello from backend service v2")]
#[case::two_newlines(|e: &mut Evidence| of(&mut e.demo.asked).replies[0].body.push('\n'), Fail, "request 1")]
#[case::last_one_failed(|e: &mut Evidence| { let last = of(&mut e.demo.asked).replies.last_mut().unwrap(); last.status = 503; last.body = "no healthy upstream".into(); }, Fail, "503 no healthy upstream")]
#[case::right_body_wrong_status(|e: &mut Evidence| of(&mut e.demo.asked).replies[1].status = 404, Fail, "404")]
#[case::curl_error(|e: &mut Evidence| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 0; reply.error = "curl: (7) Failed to connect".into(); }, Fail, "curl: (7)")]
#[case::too_few(|e: &mut Evidence| { of(&mut e.demo.asked).replies.pop(); }, Fail, "answers, exit 0")]
#[case::no_curl(|e: &mut Evidence| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 127; asked.exec.stderr = "sh: curl: not found".into(); }, Fail, "curl is not in its image")]
#[case::cannot_start(|e: &mut Evidence| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 126; }, Fail, "set image")]
#[case::killed(|e: &mut Evidence| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 137; }, Fail, "exit 137")]
#[case::backend_gone(|e: &mut Evidence| { backend_gone(e); of(&mut e.demo.asked).replies[0].status = 503; }, Fail, "scaled to zero")]
#[case::no_client(|e: &mut Evidence| e.demo.asked = Observation::absent("no client pod runs"), Fail, "no client pod runs")]
#[case::asked_nothing(|e: &mut Evidence| { let asked = of(&mut e.demo.asked); asked.requests = 0; asked.replies.clear(); }, Unjudged, "asked nothing")]
#[case::unseen(|e: &mut Evidence| e.demo.asked = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::not_asked(|e: &mut Evidence| e.demo.asked = Observation::not_asked("--only"), Verdict::Skipped, "--only")]
fn the_backend_replies(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("demo::backend_replies", mutation, verdict, words);
}
