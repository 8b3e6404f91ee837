//! The echo backend is deployed and available.

use std::net::IpAddr;

use crate::claims::demo::deployments::{
    check_available, check_image, check_mirror, require_container, waits_for_dns, waits_for_istiod,
    waits_for_nodes, webhook_refuses_pods,
};
use crate::entry::{Effect, claim};
use crate::evidence::{BackendDetails, Container, Deployment, Evidence};
use crate::facts::injection::demo_namespace_is_missing;
use crate::format::rollout::format_availability;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps::demo::{apply_manifest, set_backend_arguments, set_image};

claim! {
    /// The tutorial says: "Deploy a simple HTTP echo service as the backend": deployment `echo-deployment` with
    /// `image: hashicorp/http-echo`, the argument `-text=Hello from backend service` and container port 5678.
    ///
    /// ## Why it matters
    /// The backend sends the reply that the client's log shows. Without it, every later request in the demo fails.
    ///
    /// ## How it is checked
    /// - Lists the deployments and pods of the demo's namespace (`list` on each).
    /// - Container, image, text and port are the tutorial's. Tag and registry of the image may differ.
    /// - All replicas are available, and no rollout is in progress.
    ///
    /// ## What makes it fail
    /// - The deployment or its container does not exist, or the deployment is being deleted.
    /// - The container has another image, text or port.
    /// - It listens on the pod's loopback only (`-listen=127.0.0.1:5678`), where no other pod reaches it.
    /// - It is scaled to 0, or its pods crash, are not ready, or are refused.
    /// - Its sidecar has no listeners: with annotation `sidecar.istio.io/interceptionMode: NONE`, it may not bind port 80.
    /// - Its pods wait for a node (`nodes_ready`), for istiod (`control_plane_running`) or for the injection webhook
    ///   (`injection_webhook`).
    /// - The namespace does not exist (`namespace_labelled`).
    ///
    /// An image from a mirror that keeps only the last part of its name makes the claim *changed*.
    ///
    /// ## How to fix it
    /// - Another specification: apply `backend.yaml` again, set the image, or patch the argument.
    /// - 0 replicas: scale the deployment to 1.
    /// - Refused pods: change the quota, limit range, pod security level or policy that refuses them. Then restart the
    ///   deployment.
    /// - Pods that are not ready: read the log or the events of the pod.
    ///
    /// ## Check by hand
    ///     kubectl -n client get deployment echo-deployment -o wide
    ///     kubectl -n client describe deployment echo-deployment
    demo::backend_deployment: "the echo backend is deployed and available",
    needs: Reading,
    stops: [Backend],
    caused_by: [
        nodes_ready if |effect| lacks_pods(effect, waits_for_nodes),
        dns_on_pod_network if |effect| lacks_pods(effect, waits_for_dns),
        control_plane_running if |effect| lacks_pods(effect, waits_for_istiod),
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        injection_webhook if |effect| lacks_pods(effect, webhook_refuses_pods),
    ],
}

/// http-echo's flag for the address on which it listens: `:5678` without it.
const LISTEN: &str = "-listen";

fn judge(evidence: &Evidence) -> Judged {
    let (deployment, container) = check_specification(evidence)?;
    check_available(evidence, deployment)?;
    let image = &evidence.expectations.backend.image;
    check_mirror(deployment, container, image, "demo.backend.image")?;
    let reply = &evidence.expectations.reply;
    Ok(Judgement::pass(format!(
        "deployment {}: {}, replies `{reply}`",
        deployment.name,
        format_availability(deployment)
    )))
}

/// Returns the deployment where its specification is the tutorial's; its pods may be unavailable.
fn specified(evidence: &Evidence) -> Option<&Deployment> {
    check_specification(evidence).ok().map(|(deployment, _)| deployment)
}

/// Whether the deployment is the tutorial's, and lacks its pods for this reason.
fn lacks_pods(effect: &Effect<'_, Evidence>, reason: fn(&Evidence, &Deployment) -> bool) -> bool {
    specified(effect.evidence).is_some_and(|it| reason(effect.evidence, it))
}

fn require_backend(evidence: &Evidence) -> Result<(&Deployment, &Container), Judgement> {
    let (name, its) =
        (&evidence.expectations.backend_deployment, &evidence.expectations.backend.container);
    require_container(evidence, name, its, "backend.yaml")
}

/// Returns the deployment and its container where the specification is the tutorial's.
fn check_specification(evidence: &Evidence) -> Result<(&Deployment, &Container), Judgement> {
    let BackendDetails { container: its, image, port, reply_flag: flag, .. } =
        &evidence.expectations.backend;
    let (deployment, container) = require_backend(evidence)?;
    let (name, reply) = (&deployment.name, &evidence.expectations.reply);
    check_image(deployment, container, image, || {
        set_image(evidence, name, (its, image), "Set the tutorial's image")
    })?;
    let fail = |summary: String| Judgement::fail(summary).object(Object::deployment(deployment));
    let text = find_flag(container, flag);
    if !flag.is_empty() && text != Some(reply.as_str()) {
        let (summary, observed) = match text {
            Some(text) => (
                format!("deployment {name} replies `{}`, expected `{reply}`", excerpt(text)),
                excerpt(&format!("{flag}={text}")),
            ),
            None => (format!("deployment {name} has no argument {flag}"), format!("no {flag}")),
        };
        return Err(fail(summary)
            .expected(format!("{flag}={reply}"))
            .observed(observed)
            .step(set_backend_arguments(evidence, &replace_argument(container, flag, reply))));
    }
    if let Some(listens) = find_loopback(container) {
        let arguments = replace_argument(container, LISTEN, &format!(":{port}"));
        return Err(fail(format!(
            "deployment {name} listens on {listens} only: other pods do not reach it"
        ))
        .expected(format!("{LISTEN}=:{port}"))
        .observed(format!("{LISTEN}={listens}"))
        .step(set_backend_arguments(evidence, &arguments)));
    }
    if !container.ports.contains(port) {
        let ports: Vec<_> = container.ports.iter().map(u16::to_string).collect();
        return Err(fail(format!("deployment {name} does not declare container port {port}"))
            .expected(format!("container port {port}"))
            .observed(format!("container port {}", list(&ports)))
            .step(apply_manifest(evidence, "backend.yaml")));
    }
    Ok((deployment, container))
}

/// Finds the address on which the backend listens, where it is the pod's loopback. A sidecar uses the pod's address.
fn find_loopback(container: &Container) -> Option<&str> {
    let listens = find_flag(container, LISTEN)?;
    let host = listens.rsplit_once(':')?.0.trim_matches(['[', ']']);
    let is_loopback = |ip: IpAddr| ip.is_loopback();
    (host == "localhost" || host.parse().is_ok_and(is_loopback)).then_some(listens)
}

/// Whether the backend listens where requests of other pods do not reach it.
pub(crate) fn listens_on_loopback(evidence: &Evidence) -> bool {
    let backend = require_backend(evidence).ok();
    backend.is_some_and(|(_, it)| find_loopback(it).is_some())
}

/// Returns the reply of the deployed backend where it is not the tutorial's.
pub(crate) fn other_reply_text(evidence: &Evidence) -> Option<&str> {
    let (_, container) = require_backend(evidence).ok()?;
    find_flag(container, &evidence.expectations.backend.reply_flag)
        .filter(|text| *text != evidence.expectations.reply)
}

/// Finds the value of a flag as Go's flag parser does: with one dash or two, the last one counts.
fn find_flag<'c>(container: &'c Container, flag: &str) -> Option<&'c str> {
    let wanted = flag.trim_start_matches('-');
    if wanted.is_empty() {
        return None;
    }
    let mut words = container.command.iter().chain(&container.args);
    let mut text = None;
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            continue;
        };
        if flag == wanted {
            text = words.next().map(String::as_str);
        } else if let Some(value) = flag.strip_prefix(wanted).and_then(|it| it.strip_prefix('=')) {
            text = Some(value);
        }
    }
    text
}

/// Returns a container's arguments with this value for a flag, and the others unchanged.
fn replace_argument(container: &Container, flag: &str, value: &str) -> Vec<String> {
    let wanted = flag.trim_start_matches('-');
    let mut arguments = vec![format!("{flag}={value}")];
    let mut words = container.args.iter();
    while let Some(word) = words.next() {
        let name = word.trim_start_matches('-');
        if word.starts_with('-') && name == wanted {
            words.next();
        } else if !(word.starts_with('-')
            && name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('=')))
        {
            arguments.push(word.clone());
        }
    }
    arguments
}

#[cfg(test)]
mod cases {
    use crate::claims::demo::deployments::changes::{
        add_container, exceed_deadline, scale, use_flat_mirror, use_mirror,
    };
    use crate::entry::cases;
    use crate::evidence::{
        ContainerState, Evidence, Observation, Settling, Termination, Webhook, WebhookService,
    };
    use crate::testing::{backend, demo_pod, of, refuse, scale_to_zero};

    fn args(evidence: &mut Evidence, args: &[&str]) {
        backend(evidence).containers[0].args = args.iter().map(|&arg| arg.into()).collect();
    }

    /// Makes the backend's container wait for its image.
    fn wait_for_image(evidence: &mut Evidence, reason: &str, message: &str) {
        backend(evidence).available_replicas = 0;
        let pod = demo_pod(evidence, "echo");
        pod.ready = false;
        pod.containers[0].ready = false;
        pod.containers[0].state =
            ContainerState::Waiting { reason: reason.into(), message: message.into() };
    }

    /// Makes istio-init of the backend's pod fail with this log.
    fn fail_init(evidence: &mut Evidence, log: &str) {
        backend(evidence).available_replicas = 0;
        let pod = demo_pod(evidence, "echo");
        pod.ready = false;
        let init = pod.init_containers.iter_mut().find(|it| it.name == "istio-init").unwrap();
        init.state =
            ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
        let name = pod.name.clone();
        evidence.mesh.init_logs.insert(name, Observation::seen(log.into()));
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        three_replicas(|e| scale(backend(e), 3, 3), Pass);
        another_tag(|e| backend(e).containers[0].image += "-rc", Pass);
        mirror(|e| use_mirror(backend(e)), Pass);
        flat_mirror(|e| use_flat_mirror(backend(e)), Changed);
        third_container(|e| add_container(backend(e)), Pass);
        unavailable(|e| backend(e).available_replicas = 0, Fail);
        one_of_two_available(|e| scale(backend(e), 2, 1), Fail);
        scaled_to_zero(|e| scale_to_zero(backend(e)), Fail);
        old_pod_left(|e| backend(e).current_replicas = 2, Fail);
        rollout_in_progress(|e| backend(e).updated_replicas = 0, Fail);
        rollout_in_progress_and_unavailable(|e| { scale(backend(e), 2, 1); backend(e).updated_replicas = 1; }, Fail);
        unobserved_change(|e| backend(e).generation += 1, Fail);
        rollout_stuck(|e| exceed_deadline(backend(e)), Fail);
        refused(|e| refuse(backend(e), "failed calling webhook: connection refused"), Fail);
        being_deleted(|e| backend(e).terminating = true, Fail);
        refused_by_a_quota(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: failed quota: team-quota: must specify limits.cpu for: istio-init"), Fail);
        refused_by_a_limit_range(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: maximum cpu usage per Container is 1, but limit is 2"), Fail);
        refused_by_a_quota_of_all_containers(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: failed quota: team-quota: must specify limits.cpu for: echo,istio-init"), Fail);
        refused_by_a_policy_of_autopilot(|e| refuse(backend(e), "admission webhook \"warden-validating.common-webhooks.networking.gke.io\" denied the request: [denied by autogke-no-write-mode-hostpath]: hostPath volume logs is not allowed"), Fail);
        refused_by_a_policy_on_capabilities(|e| refuse(backend(e), "admission webhook \"validation.gatekeeper.sh\" denied the request: [capabilities] container <istio-init> has a disallowed capability"), Fail);
        refused_by_a_policy(|e| refuse(backend(e), "admission webhook \"validate.kyverno.svc-fail\" denied the request: blocked"), Fail);
        refused_by_autopilot(|e| {
            e.subject.context = "gke_train_europe-west3_autopilot".into();
            refuse(backend(e), "admission webhook \"warden-validating.common-webhooks.networking.gke.io\" denied the request: [denied by autogke-default-linux-capabilities]: linux capability 'NET_ADMIN,NET_RAW' on container 'istio-init' not allowed");
        }, Fail);
        refused_without_an_account(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: error looking up service account client/echo: serviceaccount \"echo\" not found"), Fail);
        refused_by_pod_security(|e| refuse(backend(e), "pods is forbidden: violates PodSecurity \"restricted:latest\": unrestricted capabilities"), Fail);
        other_image(|e| backend(e).containers[0].image = "docker.io/library/busybox:1.36".into(), Fail);
        container_renamed(|e| backend(e).containers[0].name = "main".into(), Fail);
        flag_and_value_apart(|e| args(e, &["-text", "Hello from backend service"]), Pass);
        two_dashes(|e| args(e, &["--text=Hello from backend service"]), Pass);
        other_text(|e| args(e, &["-text=Hello from backend service v2"]), Fail);
        text_given_twice(|e| args(e, &["-text=Hello from backend service", "-text=x"]), Fail);
        no_text(|e| args(e, &[]), Fail);
        listens_on_loopback(|e| args(e, &["-text=Hello from backend service", "-listen=127.0.0.1:5678"]), Fail);
        default_port(|e| args(e, &["-text=Hello from backend service", "-listen=:5678"]), Pass);
        other_port(|e| backend(e).containers[0].ports = vec![8080], Fail);
        missing(|e| of(&mut e.demo.deployments).clear(), Fail);
        no_namespace(|e| e.demo.deployments = Observation::absent("no namespace"), Fail);
        image_not_pulled(|e| wait_for_image(e, "ImagePullBackOff", "no such image"), Fail);
        image_of_a_registry_with_login(|e| wait_for_image(e, "ErrImagePull", "failed to authorize: unexpected status from GET request to https://r.example.com/token?scope=pull: 401 Unauthorized"), Fail);
        image_of_an_unknown_host(|e| wait_for_image(e, "ErrImagePull", "dial tcp: lookup registry-1.docker.io on 172.18.0.1:53: server misbehaving"), Fail);
        image_of_a_remote_unknown_host(|e| {
            e.subject.server = "https://198.51.100.7:6443".into();
            e.mesh.live_rules.clear();
            wait_for_image(e, "ErrImagePull", "dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host");
        }, Fail);
        image_out_of_reach(|e| wait_for_image(e, "ImagePullBackOff", "net/http: TLS handshake timeout"), Fail);
        image_without_a_registry(|e| {
            demo_pod(e, "echo").containers[0].image = "hashicorp/http-echo".into();
            wait_for_image(e, "ImageInspectError", "short name mode is enforcing, but image name hashicorp/http-echo returns ambiguous list");
        }, Fail);
        image_of_another_platform(|e| wait_for_image(e, "ErrImagePull", "no match for platform in manifest: not found"), Fail);
        image_that_may_not_be_pulled(|e| wait_for_image(e, "ErrImageNeverPull", "Container image \"a\" is not present with pull policy of Never"), Fail);
        image_on_a_full_disk(|e| wait_for_image(e, "ErrImagePull", "failed to extract layer: no space left on device"), Fail);
        image_behind_a_wrong_clock(|e| wait_for_image(e, "ErrImagePull", "x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-11-29T07:11:22Z"), Fail);
        image_refused_by_a_proxy(|e| wait_for_image(e, "ErrImagePull", "Head \"https://registry-1.docker.io/v2/\": proxyconnect tcp: dial tcp: lookup proxy.example.com: no such host"), Fail);
        image_of_a_silent_login_server(|e| wait_for_image(e, "ErrImagePull", "failed to authorize: Get \"https://auth.docker.io/token\": dial tcp 203.0.113.9:443: i/o timeout"), Fail);
        image_that_cannot_be_unpacked(|e| wait_for_image(e, "ErrImagePull", "failed to extract layer: lchown /a: permission denied: unknown"), Fail);
        image_rate_limited(|e| wait_for_image(e, "ErrImagePull", "429 Too Many Requests"), Fail);
        refused_by_a_security_context(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: unable to validate against any security context constraint: [provider \"anyuid\": Forbidden: not usable by user or serviceaccount, provider restricted-v2: .initContainers[0].capabilities.add: Invalid value: \"NET_ADMIN\": capability may not be added, provider \"privileged\": Forbidden: not usable by user or serviceaccount]"), Fail);
        refused_by_an_admission_policy(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: ValidatingAdmissionPolicy 'no-capabilities' with binding 'all' denied request: NET_ADMIN is not allowed"), Fail);
        refused_by_a_security_context_for_its_own_container(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: unable to validate against any security context constraint: [provider restricted-v2: .containers[0].hostPort: Invalid value: 5678]"), Fail);
        refused_by_an_admission_policy_on_labels(|e| refuse(backend(e), "pods \"echo-1\" is forbidden: ValidatingAdmissionPolicy 'owner' with binding 'all' denied request: label owner is missing"), Fail);
        refused_by_a_webhook_without_a_service(|e| {
            let service = WebhookService { namespace: "linkerd".into(), name: "linkerd-proxy-injector".into(), path: "/".into(), port: 443 };
            let (name, configuration) = ("linkerd-proxy-injector.linkerd.io".into(), "linkerd-proxy-injector-webhook-config".into());
            of(&mut e.install.webhooks).push(Webhook { configuration, name, service: Some(service), ..Webhook::default() });
            refuse(backend(e), "failed calling webhook \"linkerd-proxy-injector.linkerd.io\": failed to call webhook: Post \"https://linkerd-proxy-injector.linkerd.svc:443/?timeout=10s\": service \"linkerd-proxy-injector\" not found");
        }, Fail);
        refused_by_an_unknown_webhook(|e| refuse(backend(e), "failed calling webhook \"validate.kyverno.svc-fail\": failed to call webhook: Post \"https://kyverno-svc.kyverno.svc:443/validate\": no endpoints available for service \"kyverno-svc\""), Fail);
        in_sync_and_not_ready(|e| {
            backend(e).available_replicas = 0;
            let pod = demo_pod(e, "echo");
            pod.ready = false;
            pod.containers.iter_mut().filter(|it| it.name == "istio-proxy").for_each(|it| it.ready = false);
        }, Fail);
        init_ends_with_an_error(|e| fail_init(e, "info\tRunning command\n2026-01-01T00:00:00Z\terror\tCommand error output: iptables-restore: unable to initialize table 'nat'\n"), Fail);
        init_without_a_module_of_wsl(|e| {
            for node in of(&mut e.cluster.nodes) { node.kernel = "5.15.167.4-microsoft-standard-WSL2".into(); }
            fail_init(e, "2026-01-01T00:00:00Z\terror\tCommand error output: xtables resource problem: Extension REDIRECT revision 0 not supported, missing kernel module?\n");
        }, Fail);
        no_listeners_by_mode_none(|e| {
            backend(e).current_replicas = 2;
            let pod = demo_pod(e, "echo");
            pod.ready = false;
            pod.annotations.insert("sidecar.istio.io/interceptionMode".into(), "NONE".into());
            let sidecar = pod.containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap();
            sidecar.ready = false;
            for istiod in of(&mut e.install.istiod).values_mut() {
                let rows = of(&mut istiod.proxies).iter_mut();
                rows.filter(|it| it.proxy.starts_with("echo")).for_each(|it| it.listeners.acked.clear());
            }
        }, Fail);
        out_of_memory(|e| {
            backend(e).available_replicas = 0;
            let pod = demo_pod(e, "echo");
            pod.ready = false;
            let sidecar = pod.containers.iter_mut().find(|it| it.name == "istio-proxy").unwrap();
            sidecar.ready = false;
            sidecar.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
            sidecar.last_termination = Some(Termination { exit_code: 137, reason: "OOMKilled".into(), finished_at: None });
        }, Fail);
        registry_not_trusted(|e| wait_for_image(e, "ErrImagePull", "tls: failed to verify certificate: x509: certificate signed by unknown authority"), Fail);
        unavailable_after_a_wait(|e| {
            backend(e).available_replicas = 0;
            e.demo.settling = Observation::seen(Settling { awaited: vec![], waited_ms: 30_000, settled: false });
        }, Fail);
        deployments_unread(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged);
    }
}
