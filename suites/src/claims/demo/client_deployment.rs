//! The curl client is deployed and available.

use crate::claims::demo::deployments::{
    check_available, check_image, check_mirror, require_container, share_trouble, waits_for_dns,
    waits_for_istiod, waits_for_nodes, webhook_refuses_pods,
};
use crate::entry::{Effect, claim};
use crate::evidence::{Container, Deployment, Evidence, Observation, Pod};
use crate::facts::demo::{find_deployment, running_pods};
use crate::facts::injection::demo_namespace_is_missing;
use crate::format::excerpt;
use crate::format::rollout::format_availability;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps::demo::{apply_manifest, restore_client_image};

claim! {
    /// The tutorial says: "deploy frontend application": deployment `client-deployment` with
    /// `image: curlimages/curl`. Its shell loop sleeps 10 seconds and then runs `curl
    /// echo-service.client.svc.cluster.local`.
    ///
    /// ## Why it matters
    /// The client sends the requests whose replies the tutorial shows. Its log is the first proof that the mesh works.
    ///
    /// ## How it is checked
    /// - Lists the deployments and pods of the demo's namespace (`list` on each).
    /// - The container has the tutorial's image. Its tag and registry may differ.
    /// - The container's command is a loop that requests the backend with curl.
    /// - All replicas are available, and no rollout is in progress.
    ///
    /// ## What makes it fail
    /// - The deployment or its container does not exist, or the deployment is being deleted.
    /// - The container has another image, or does not request the backend in a loop.
    /// - It is scaled to 0, or its pods crash, are not ready, or are refused.
    /// - Its sidecar has no listeners: with annotation `sidecar.istio.io/interceptionMode: NONE`, it may not bind port 80.
    /// - Its pods wait for a node (`nodes_ready`), for istiod (`control_plane_running`) or for the injection webhook
    ///   (`injection_webhook`).
    /// - The namespace does not exist (`namespace_labelled`).
    /// - A quota, a limit range, pod security or a policy refuses its pods, or `istio-init` does not run. If the backend has
    ///   the same problem, `backend_deployment` is the cause.
    ///
    /// An image from a mirror that keeps only the last part of its name makes the claim *changed*.
    ///
    /// ## How to fix it
    /// - Another specification: apply `client.yaml` again, or set the image.
    /// - 0 replicas: scale the deployment to 1.
    /// - Refused pods: change the rule that refuses them. Then restart the deployment.
    /// - Pods that are not ready: read the log or the events of the pod.
    ///
    /// ## Check by hand
    ///     kubectl -n client get deployment client-deployment -o wide
    ///     kubectl -n client describe deployment client-deployment
    demo::client_deployment: "the curl client is deployed and available",
    needs: Reading,
    stops: [Client],
    caused_by: [
        nodes_ready if |effect| lacks_pods(effect, waits_for_nodes),
        dns_on_pod_network if |effect| lacks_pods(effect, waits_for_dns),
        control_plane_running if |effect| lacks_pods(effect, waits_for_istiod),
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        injection_webhook if |effect| lacks_pods(effect, webhook_refuses_pods),
        backend_deployment if backend_has_the_same_trouble,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let (deployment, container) = check_specification(evidence)?;
    check_available(evidence, deployment)?;
    let image = &evidence.expectations.client.image;
    check_mirror(deployment, container, image, "demo.client.image")?;
    let host = evidence.expectations.backend_address();
    Ok(Judgement::pass(format!(
        "deployment {}: {}, requests {host}",
        deployment.name,
        format_availability(deployment)
    )))
}

/// Returns the deployment where its specification is the tutorial's; its pods may be unavailable.
pub(super) fn specified(evidence: &Evidence) -> Option<&Deployment> {
    check_specification(evidence).ok().map(|(deployment, _)| deployment)
}

/// Whether the deployment is the tutorial's, and lacks its pods for this reason.
fn lacks_pods(effect: &Effect<'_, Evidence>, reason: fn(&Evidence, &Deployment) -> bool) -> bool {
    specified(effect.evidence).is_some_and(|it| reason(effect.evidence, it))
}

/// Whether the same rule refuses the pods of both deployments, or the same container of Istio's is stuck in both.
fn backend_has_the_same_trouble(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let backend = find_deployment(evidence, &evidence.expectations.backend_deployment);
    let both = specified(evidence).zip(backend);
    both.is_some_and(|(client, backend)| share_trouble(evidence, client, backend))
}

fn require_client(evidence: &Evidence) -> Result<(&Deployment, &Container), Judgement> {
    let (name, its) =
        (&evidence.expectations.client_deployment, &evidence.expectations.client.container);
    require_container(evidence, name, its, "client.yaml")
}

/// Returns the deployment and its container where the specification is the tutorial's.
fn check_specification(evidence: &Evidence) -> Result<(&Deployment, &Container), Judgement> {
    let (deployment, container) = require_client(evidence)?;
    let image = &evidence.expectations.client.image;
    check_image(deployment, container, image, || restore_client_image(evidence))?;
    let host = evidence.expectations.backend_address();
    let script = script(container);
    if let Some(difference) = find_difference(&script, &host) {
        return Err(Judgement::fail(format!("deployment {} {difference}", deployment.name))
            .expected(format!("a shell loop with `curl {host}`"))
            .observed(if script.is_empty() { "no command".to_owned() } else { excerpt(&script) })
            .object(Object::deployment(deployment))
            .step(apply_manifest(evidence, "client.yaml")));
    }
    Ok((deployment, container))
}

fn script(container: &Container) -> String {
    [&container.command[..], &container.args].concat().join(" ")
}

/// Whether the deployed client requests the backend in a loop, whatever its image.
pub(super) fn requests_the_backend(evidence: &Evidence) -> bool {
    let host = evidence.expectations.backend_address();
    require_client(evidence).is_ok_and(|(_, it)| find_difference(&script(it), &host).is_none())
}

/// Describes how a script differs from a shell loop that requests this host, or host and port, with curl.
fn find_difference(script: &str, host: &str) -> Option<String> {
    let separator = |c: char| c.is_whitespace() || ";|&()'\"".contains(c);
    let words: Vec<_> = script.split(separator).filter(|word| !word.is_empty()).collect();
    let loops = words.iter().any(|word| ["while", "until", "for"].contains(word));
    let curls = words.iter().any(|word| *word == "curl" || word.ends_with("/curl"));
    let requests = words.iter().any(|word| {
        let address = word.strip_prefix("http://").unwrap_or(word);
        let address = address.strip_suffix('/').unwrap_or(address);
        address.strip_suffix(":80").unwrap_or(address) == host
    });
    if words.is_empty() {
        Some("has no command".to_owned())
    } else if !curls {
        Some("does not run curl".to_owned())
    } else if !requests {
        Some(format!("does not request {host}"))
    } else {
        (!loops).then(|| format!("requests {host} only once, not in a loop"))
    }
}

/// Whether no client pod runs, by pods that were read: there is no log.
pub(super) fn no_client_runs(evidence: &Evidence) -> bool {
    running_pods(evidence, &evidence.expectations.client_deployment)
        .is_some_and(|pods| pods.is_empty())
}

/// Whether the client's container is not ready in every running client pod.
pub(super) fn is_container_down(evidence: &Evidence) -> bool {
    let container = &evidence.expectations.client.container;
    let is_down = |pod: &Pod| pod.containers.iter().any(|it| it.name == *container && !it.ready);
    running_pods(evidence, &evidence.expectations.client_deployment)
        .is_some_and(|pods| pods.into_iter().all(is_down))
}

/// Whether no client can send a request: no pod runs, or a command in its container fails.
pub(crate) fn no_client_can_ask(evidence: &Evidence) -> bool {
    no_client_runs(evidence)
        || is_container_down(evidence) && !matches!(evidence.demo.asked, Observation::Seen { .. })
}

#[cfg(test)]
mod cases {
    use crate::claims::demo::deployments::changes::{add_container, use_flat_mirror, use_mirror};
    use crate::entry::cases;
    use crate::evidence::{ContainerState, Evidence, Observation, Termination};
    use crate::testing::{client, demo_pod, of, refuse, scale_to_zero};

    fn script(evidence: &mut Evidence, script: &str) {
        let container = &mut client(evidence).containers[0];
        container.command = vec!["sh".into(), "-c".into()];
        container.args = vec![script.into()];
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        another_tag(|e| client(e).containers[0].image += "-rc", Pass);
        mirror(|e| use_mirror(client(e)), Pass);
        flat_mirror(|e| use_flat_mirror(client(e)), Changed);
        registry_with_a_port(|e| client(e).containers[0].image = "mirror.example:5000/curlimages/curl".into(), Pass);
        until_loop(|e| script(e, "until false; do curl http://echo-service.client.svc.cluster.local:80/; sleep 5; done"), Pass);
        third_container(|e| add_container(client(e)), Pass);
        unavailable(|e| client(e).available_replicas = 0, Fail);
        scaled_to_zero(|e| scale_to_zero(client(e)), Fail);
        plug_in_set_no_rules(|e| {
            client(e).available_replicas = 0;
            let pod = demo_pod(e, "client");
            (pod.phase, pod.ready) = ("Pending".into(), false);
            pod.containers.iter_mut().for_each(|it| it.ready = false);
            let init = &mut pod.init_containers[0];
            (init.name, init.ready) = ("istio-validation".into(), false);
            init.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
            init.last_termination = Some(Termination { exit_code: 126, ..Termination::default() });
        }, Fail);
        refused(|e| refuse(client(e), "failed calling webhook: connection refused"), Fail);
        other_image(|e| client(e).containers[0].image = "busybox".into(), Fail);
        container_renamed(|e| client(e).containers[0].name = "main".into(), Fail);
        one_request_only(|e| script(e, "curl echo-service.client.svc.cluster.local"), Fail);
        no_curl(|e| script(e, "while true; do wget echo-service.client.svc.cluster.local; done"), Fail);
        other_host(|e| script(e, "while true; do curl echo-service.client.svc.cluster.local.example; done"), Fail);
        other_service(|e| script(e, "while true; do curl echo.client.svc.cluster.local; done"), Fail);
        no_command(|e| { client(e).containers[0].command.clear(); client(e).containers[0].args.clear(); }, Fail);
        missing(|e| of(&mut e.demo.deployments).clear(), Fail);
        deployments_unread(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged);
    }
}
