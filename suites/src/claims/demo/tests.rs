//! What turns the claims of *demo* red, what leaves them unjudged, and what does not matter.

use crate::evidence::{
    Condition, ContainerState, Deployment, Endpoint, Evidence, Observation, Service, Settling,
};
use crate::judgement::Verdict::{self, Fail, Pass};
use crate::testing::{backend, client, demo_pod, of, scale_to_zero};
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

pub(crate) mod the_service_leads_to_the_backend {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        second_port(|e| { let mut more = service(e).ports[0].clone(); more.port = 81; more.name = "more".into(); service(e).ports.insert(0, more); }, Pass);
        two_families(|e| { let mut more = endpoint(e).clone(); more.addresses = vec!["fd00::8".into()]; of(&mut e.demo.endpoints).push(more); }, Pass);
        named_target(|e| service(e).ports[0].target_port = "web".into(), Pass);
        node_port(|e| service(e).kind = "NodePort".into(), Pass);
        three_echo_pods(|e| {
            for name in ["second", "third"] {
                let mut pod = demo_pod(e, "echo").clone();
                pod.name = name.into();
                of(&mut e.demo.pods).push(pod);
                let more = Endpoint { pod: Some(name.into()), ..endpoint(e).clone() };
                of(&mut e.demo.endpoints).push(more);
            }
        }, Pass);
        one_not_ready(|e| { let more = Endpoint { ready: false, ..endpoint(e).clone() }; of(&mut e.demo.endpoints).push(more); }, Pass);
        by_owner(|e| e.demo.deployments = Observation::failed("forbidden"), Pass);
        missing(|e| of(&mut e.demo.services).clear(), Fail);
        no_namespace(|e| e.demo.services = Observation::absent("no namespace"), Fail);
        port_renamed(|e| service(e).ports[0].name = "web".into(), Fail);
        port_without_name(|e| service(e).ports[0].name.clear(), Fail);
        other_port(|e| service(e).ports[0].port = 8080, Fail);
        udp(|e| service(e).ports[0].protocol = "UDP".into(), Fail);
        target_port(|e| service(e).ports[0].target_port = "5679".into(), Fail);
        named_target_elsewhere(|e| { service(e).ports[0].target_port = "web".into(); endpoint(e).ports = vec![8080]; }, Fail);
        selector(|e| { service(e).selector.insert("app".into(), "eco".into()); }, Fail);
        selector_too_narrow(|e| { service(e).selector.insert("tier".into(), "a".into()); }, Fail);
        name_and_selector(|e| { service(e).ports[0].name = "web".into(); service(e).selector.insert("app".into(), "eco".into()); }, Fail);
        target_and_selector(|e| { service(e).ports[0].target_port = "5679".into(); service(e).selector.clear(); }, Fail);
        no_selector(|e| service(e).selector.clear(), Fail);
        headless(|e| service(e).cluster_ip = Some("None".into()), Fail);
        external_name(|e| service(e).kind = "ExternalName".into(), Fail);
        no_endpoint(|e| of(&mut e.demo.endpoints).clear(), Fail);
        no_endpoint_of_a_ready_pod(|e| of(&mut e.demo.endpoints).clear(), Fail);
        pod_not_ready(|e| { endpoint(e).ready = false; demo_pod(e, "echo").ready = false; }, Fail);
        endpoint_not_ready(|e| { endpoint(e).ready = false; demo_pod(e, "echo").ready = false; }, Fail);
        endpoint_without_address(|e| endpoint(e).addresses.clear(), Fail);
        scaled_to_zero(backend_gone, Fail);
        stranger(|e| { let client = demo_pod(e, "client").name.clone(); endpoint(e).pod = Some(client); }, Fail);
        no_pod(|e| endpoint(e).pod = None, Fail);
        services_unseen(|e| e.demo.services = Observation::failed("forbidden"), Unjudged);
        endpoints_unseen(|e| e.demo.endpoints = Observation::failed("forbidden"), Unjudged);
        pods_unseen(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged);
        proven_wrong_anyhow(|e| {
            e.demo.endpoints = Observation::failed("forbidden");
            service(e).ports[0].name.clear();
        }, Fail);
    }
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
    assert_eq!(judgement.hint().is_some(), verdict == Fail);
}

pub(crate) mod the_backend_is_deployed {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        two_words(|e| args(e, &["-text", "Hello from backend service"]), Pass);
        two_dashes(|e| args(e, &["--text=Hello from backend service"]), Pass);
        other_text(|e| args(e, &["-text=Hello from backend service v2"]), Fail);
        last_one_counts(|e| args(e, &["-text=Hello from backend service", "-text=x"]), Fail);
        no_text(|e| args(e, &[]), Fail);
        unavailable_without_an_ill_pod(|e| backend(e).available_replicas = 0, Fail);
        port(|e| backend(e).containers[0].ports = vec![8080], Fail);
        missing(|e| of(&mut e.demo.deployments).clear(), Fail);
        no_namespace(|e| e.demo.deployments = Observation::absent("no namespace"), Fail);
        pod_in_words(|e| {
            backend(e).available_replicas = 0;
            let pod = demo_pod(e, "echo");
            pod.ready = false;
            pod.containers[0].ready = false;
            pod.containers[0].state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: "no such image".into() };
        }, Fail);
        waited(|e| {
            backend(e).available_replicas = 0;
            e.demo.settling = Observation::seen(Settling { awaited: vec![], waited_ms: 30_000, settled: false });
        }, Fail);
        unseen(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged);
    }
}

fn script(evidence: &mut Evidence, script: &str) {
    let container = &mut client(evidence).containers[0];
    container.command = vec!["sh".into(), "-c".into()];
    container.args = vec![script.into()];
}

pub(crate) mod the_client_is_deployed {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        until(|e| script(e, "until false; do curl http://echo-service.client.svc.cluster.local:80/; sleep 5; done"), Pass);
        registry_with_a_port(|e| client(e).containers[0].image = "mirror.example:5000/curlimages/curl".into(), Pass);
        no_loop(|e| script(e, "curl echo-service.client.svc.cluster.local"), Fail);
        no_curl(|e| script(e, "while true; do wget echo-service.client.svc.cluster.local; done"), Fail);
        other_host(|e| script(e, "while true; do curl echo-service.client.svc.cluster.local.example; done"), Fail);
        other_service(|e| script(e, "while true; do curl echo.client.svc.cluster.local; done"), Fail);
        no_command(|e| { client(e).containers[0].command.clear(); client(e).containers[0].args.clear(); }, Fail);
        without_curl(|e| client(e).containers[0].image = "busybox".into(), Fail);
        missing(|e| of(&mut e.demo.deployments).clear(), Fail);
        unseen(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged);
    }
}

pub(crate) mod the_backend_replies {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        without_newline(|e| of(&mut e.demo.asked).replies.iter_mut().for_each(|reply| { reply.body.pop(); }), Pass);
        similar_body(|e| of(&mut e.demo.asked).replies[0].body = "Hello from backend service v2\n".into(), Fail);
        two_newlines(|e| of(&mut e.demo.asked).replies[0].body.push('\n'), Fail);
        last_one_failed(|e| { let last = of(&mut e.demo.asked).replies.last_mut().unwrap(); last.status = 503; last.body = "no healthy upstream".into(); }, Fail);
        right_body_wrong_status(|e| of(&mut e.demo.asked).replies[1].status = 404, Fail);
        curl_error(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 0; reply.error = "curl: (7) Failed to connect".into(); }, Fail);
        denied(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 403; reply.body = "RBAC: access denied".into(); }, Fail);
        aborted(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 503; reply.body = "fault filter abort".into(); }, Fail);
        refused_by_the_backend(|e| { let reply = &mut of(&mut e.demo.asked).replies[0]; reply.status = 403; reply.body = "go away".into(); }, Fail);
        too_few(|e| { of(&mut e.demo.asked).replies.pop(); }, Fail);
        no_curl(|e| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 127; asked.exec.stderr = "sh: curl: not found".into(); }, Fail);
        cannot_start(|e| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 126; }, Fail);
        killed(|e| { let asked = of(&mut e.demo.asked); asked.replies.clear(); asked.exec.exit_code = 137; }, Fail);
        backend_gone(|e| { backend_gone(e); of(&mut e.demo.asked).replies[0].status = 503; }, Fail);
        no_client(|e| e.demo.asked = Observation::absent("no client pod runs"), Fail);
        asked_nothing(|e| { let asked = of(&mut e.demo.asked); asked.requests = 0; asked.replies.clear(); }, Unjudged);
        unseen(|e| e.demo.asked = Observation::failed("forbidden"), Unjudged);
        not_asked(|e| e.demo.asked = Observation::not_asked("--only"), Skipped);
    }
}
