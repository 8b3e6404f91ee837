//! The backend replies to requests that the client sends now.

use crate::claims::by_name::client_deployment::{no_client_can_ask, specified};
use crate::claims::by_name::nodes_ready::no_node_answers;
use crate::claims::demo::outcome::{Outcome, is_plain_text_reset};
use crate::claims::mesh::bypass::reply_bypasses_decryption;
use crate::entry::{Effect, claim};
use crate::evidence::{Asked, Evidence, Expectations, Reply, text_of};
use crate::facts::demo::{
    find_proxy_variables, find_wrong_reply, is_same_reply, is_scaled_to_zero, most_frequent,
    running_pods, wrong_replies,
};
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::istiod::find_other_domain;
use crate::facts::proxy_replies::{
    is_early_certificate, is_expired_certificate, is_policy_denial, is_proxys_own_reply,
};
use crate::facts::resources::denying_policies;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::Step;
use crate::steps::demo::{
    ask_again, explain_domain, list_peer_authentications, restore_client_image, show_answerer,
    start, unset_variables,
};
use crate::steps::injection::restart_all;
use crate::steps::istio::{delete_policy, show_policy};
use crate::steps::{nodes, pods, workloads};

claim! {
    /// The tutorial implies it: the client's loop runs `curl echo-service.client.svc.cluster.local` and gets "Hello
    /// from backend service".
    ///
    /// ## Why it matters
    /// A log can be old. New requests show whether the backend replies now, and what the client gets instead.
    ///
    /// ## How it is checked
    /// Runs curl several times in the client's container. Every answer has status 200 and exactly the backend's text.
    ///
    /// It needs `list` on `pods` and `get` on `pods/exec` in the demo's namespace. From Kubernetes 1.35 on it also needs
    /// `create` on `pods/exec`.
    ///
    /// ## What makes it fail
    /// - An answer has another status or text, or there is no answer.
    /// - No client can send a request (`client_deployment`), or its image has no curl.
    /// - The backend has another text or no pods (`backend_deployment`, `backend_service`).
    /// - The name does not resolve (`dns_on_pod_network`), or no node answers (`nodes_ready`).
    /// - The iptables rules bypass the backend's proxy (`inbound_redirected`, `live_rules`).
    /// - A proxy answers itself, because of an `AuthorizationPolicy` or a `VirtualService`.
    /// - The workload certificates have expired: the machine slept, or istiod was down for a day.
    /// - The cluster's domain is not the tutorial's, or the client's container sets `http_proxy`.
    ///
    /// ## How to fix it
    /// - The backend has 0 replicas: scale it to 1. The client has no curl: set its image.
    /// - The certificates have expired: run `kubectl rollout restart` for both deployments and the gateway.
    /// - The domain differs: set `cluster-domain` in `meshcheck.toml`, and use that name in `client.yaml`.
    /// - The container sets a proxy: remove the variable with `kubectl set env`.
    /// - A proxy answers: list the policies or virtual services, and remove the one that is not wanted.
    /// - Another reason: repeat the request by hand, and read the backend's log.
    ///
    /// ## Check by hand
    ///     kubectl -n client exec deploy/client-deployment -c client -- curl -sSi echo-service
    ///     kubectl -n client logs deploy/echo-deployment -c echo --tail=20
    demo::backend_replies: "the backend replies to requests that the client sends now",
    beyond: true,
    needs: Exec,
    stops: [BackendPort],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        dns_on_pod_network if |effect| shows(effect, Outcome::is_unresolved),
        client_deployment if |effect| no_client_can_ask(effect.evidence),
        client_deployment if |effect| shows(effect, Outcome::ends_at_stopped_proxy),
        client_deployment if client_has_no_curl,
        client_deployment if |effect| shows(effect, Outcome::is_cut_off),
        backend_deployment if |effect| shows(effect, Outcome::is_other_reply),
        backend_deployment if |effect| shows(effect, Outcome::is_refused_behind_proxy),
        backend_service if |effect| shows(effect, Outcome::misses_the_backend),
        inbound_redirected if reply_bypasses_decryption,
        live_rules if reply_bypasses_decryption,
    ],
}

/// The shell's exit codes where curl cannot be run or is not found.
const NO_CURL: [i32; 2] = [126, 127];

fn judge(evidence: &Evidence) -> Judged {
    let Expectations { namespace, client_deployment, reply, .. } = &evidence.expectations;
    let object = Object::new("deployment", namespace, client_deployment);
    let show = || pods::list(evidence, namespace, &[], "List the client's pods");
    let what = "the backend's replies to the client";
    let asked = require(&evidence.demo.asked, what, object, show)?;
    if asked.requests == 0 {
        return Err(Judgement::unjudged("no request was sent to the backend"));
    }
    let wanted = usize::try_from(asked.requests).unwrap_or(usize::MAX);
    let wrong = wrong_replies(evidence);
    if let Some(most) = most_frequent(&wrong) {
        let same = wrong.iter().filter(|it| is_same_reply(it, most)).count();
        let number = format!("{} of {} requests", wrong.len(), asked.replies.len());
        let mixed = format!("{number} have a wrong reply, {same} of them");
        let counted = if same == wrong.len() { number } else { mixed };
        let observed = format!("{counted}: {}", format_reply(most));
        return Err(judge_wrong_reply(evidence, asked, &observed, Some(most)));
    }
    if asked.replies.len() < wanted {
        return Err(judge_missing_replies(evidence, asked, wanted));
    }
    Ok(Judgement::pass(format!("{wanted} of {wanted} requests: 200 `{reply}`")))
}

/// Formats a wrong answer: status and body, or curl's error.
fn format_reply(reply: &Reply) -> String {
    if reply.status == 0 {
        return excerpt(if reply.error.is_empty() { "no answer" } else { &reply.error });
    }
    match text_of(&reply.body) {
        "" if is_proxys_own_reply(reply) => {
            format!("{} with an empty body, from Envoy itself", reply.status)
        }
        "" => format!("{} with an empty body", reply.status),
        // The only difference may be white space, which an excerpt does not show.
        body if excerpt(body) != body && body.trim().lines().count() == 1 => {
            format!("{} `{}` with other white space", reply.status, excerpt(body))
        }
        body => format!("{} `{}`", reply.status, excerpt(body)),
    }
}

fn judge_missing_replies(evidence: &Evidence, asked: &Asked, wanted: usize) -> Judgement {
    let exec = &asked.exec;
    let output = excerpt(if exec.stderr.trim().is_empty() { &exec.stdout } else { &exec.stderr });
    if NO_CURL.contains(&exec.exit_code) {
        let observed = format!("0 replies, exit code {}: {output}", exec.exit_code);
        return Judgement::fail("the client cannot send requests: its image has no curl")
            .expected(format!("{wanted} replies"))
            .observed(observed.trim_end_matches(": "))
            .object(pod(evidence, asked))
            .step(restore_client_image(evidence));
    }
    let output = if output.is_empty() { String::new() } else { format!(": {output}") };
    let (number, code) = (asked.replies.len(), exec.exit_code);
    judge_wrong_reply(
        evidence,
        asked,
        &format!("{number} of {wanted} replies, exit code {code}{output}"),
        None,
    )
}

fn pod(evidence: &Evidence, asked: &Asked) -> Object {
    Object::new("pod", &evidence.expectations.namespace, &asked.exec.pod)
}

fn judge_wrong_reply(
    evidence: &Evidence,
    asked: &Asked,
    observed: &str,
    reply: Option<&Reply>,
) -> Judgement {
    let (summary, steps) = explain(evidence, asked, reply).unwrap_or_else(|| {
        let trouble = reply.map_or_else(|| observed.to_owned(), format_reply);
        let again = ask_again(evidence, &asked.url);
        let steps = [vec![again], show_answerer(evidence, reply)].concat();
        (format!("GET {} from the client: {trouble}", asked.url), steps)
    });
    let is_expired = reply.is_some_and(|it| is_expired_certificate(&it.body));
    let decisive = if is_expired { "CERTIFICATE_EXPIRED: " } else { "" };
    let observed = format!("{decisive}{observed}");
    Judgement::fail(summary)
        .expected(format!(
            "{0} of {0} requests: 200 `{1}`",
            asked.requests, evidence.expectations.reply
        ))
        .observed(observed)
        .object(pod(evidence, asked))
        .steps(steps)
}

/// Explains a wrong reply where the evidence shows the reason: the headline and the steps.
fn explain(
    evidence: &Evidence,
    asked: &Asked,
    reply: Option<&Reply>,
) -> Option<(String, Vec<Step>)> {
    let Expectations { backend_deployment, cluster_domain, .. } = &evidence.expectations;
    if is_scaled_to_zero(evidence, backend_deployment) {
        let summary = format!("no backend replies: deployment {backend_deployment} is scaled to 0");
        return Some((summary, vec![start(evidence, backend_deployment)]));
    }
    let reply = reply?;
    if let Some(domain) =
        find_other_domain(evidence).filter(|_| Outcome::Reply(reply).names_another_domain(evidence))
    {
        let summary = format!("the cluster's domain is {domain}, not {cluster_domain}");
        return Some((summary, explain_domain(evidence, domain)));
    }
    let proxies = find_proxy_variables(evidence, &asked.exec.pod);
    if !proxies.is_empty() {
        let variables = list(&proxies);
        let summary = format!("curl sends requests to a web proxy: its container sets {variables}");
        return Some((summary, unset_variables(evidence, &proxies)));
    }
    if is_expired_certificate(&reply.body) {
        return Some(explain_expired(evidence, asked));
    }
    if is_early_certificate(&reply.body) {
        let text = "Set the clocks of the nodes, and keep them right by NTP";
        let summary = "a workload certificate is not valid yet, a clock is wrong".to_owned();
        return Some((summary, nodes::set_clock(evidence, None, text)));
    }
    if reply.status == 403 && is_policy_denial(&reply.body) {
        return Some(explain_denial(evidence, asked, reply));
    }
    explain_reset(evidence, asked, reply)
}

/// Explains a reset connection of a client without a sidecar.
fn explain_reset(evidence: &Evidence, asked: &Asked, reply: &Reply) -> Option<(String, Vec<Step>)> {
    if !is_plain_text_reset(evidence, asked, reply) {
        return None;
    }
    let trouble = excerpt(&reply.error);
    let summary =
        format!("{trouble}: the client has no sidecar, the backend may accept mTLS only (STRICT)");
    Some((summary, vec![list_peer_authentications(evidence), ask_again(evidence, &asked.url)]))
}

/// Explains expired certificates of the client's or the backend's proxy, and of the gateway where it has the same error.
fn explain_expired(evidence: &Evidence, asked: &Asked) -> (String, Vec<Step>) {
    let ends = evidence.mesh.certificate_ends.value().into_iter().flatten();
    let ended = ends.filter(|(_, end)| **end <= evidence.moment());
    let ended: Vec<_> = ended.map(|(pod, end)| format!("pod {pod} at {end}")).collect();
    let known = if ended.is_empty() { String::new() } else { format!(": {}", list(&ended)) };
    let Expectations { istio_namespace, gateway, .. } = &evidence.expectations;
    let routed = evidence.ingress.route.value().and_then(|route| route.routed.value());
    let is_gateway_too = routed.is_none_or(|answer| is_expired_certificate(&answer.body));
    let text = "Restart the deployments so that their pods get new certificates";
    let mut steps = vec![restart_all(evidence, text)];
    if is_gateway_too {
        let (gateway, text) = (format!("deployment/{gateway}"), "Restart the gateway, too");
        steps.push(workloads::restart(evidence, istio_namespace, &gateway, text));
    }
    steps.push(ask_again(evidence, &asked.url));
    (format!("the workload certificates of the mesh have expired{known}"), steps)
}

/// Explains a denied request: names the policy where only one can deny it.
fn explain_denial(evidence: &Evidence, asked: &Asked, reply: &Reply) -> (String, Vec<Step>) {
    let backend = &evidence.expectations.backend_deployment;
    let pods = running_pods(evidence, backend).unwrap_or_default();
    let policies = denying_policies(evidence, &pods).unwrap_or_default();
    let again = ask_again(evidence, &asked.url);
    if let [policy] = policies.as_slice() {
        let (namespace, name) = (&policy.namespace, &policy.name);
        let action = policy.action.as_deref().unwrap_or("ALLOW");
        let summary =
            format!("authorization policy {namespace}/{name} ({action}) denies the request");
        return (
            summary,
            vec![again, show_policy(evidence, policy), delete_policy(evidence, policy)],
        );
    }
    let names: Vec<_> = policies.iter().map(|it| format!("{}/{}", it.namespace, it.name)).collect();
    let summary = match names.as_slice() {
        [] => format!("an authorization policy denies the request: {}", format_reply(reply)),
        names => format!("one of the authorization policies {} denies the request", list(names)),
    };
    (summary, [vec![again], show_answerer(evidence, Some(reply))].concat())
}

/// Whether the most frequent wrong reply shows this failure.
fn shows<'e>(effect: &Effect<'e, Evidence>, failure: fn(&Outcome<'e>, &Evidence) -> bool) -> bool {
    effect.judgement.verdict == Verdict::Fail
        && find_wrong_reply(effect.evidence)
            .is_some_and(|reply| failure(&Outcome::Reply(reply), effect.evidence))
}

/// Whether the deployed client is not the tutorial's and has no curl.
fn client_has_no_curl(effect: &Effect<'_, Evidence>) -> bool {
    let asked = effect.evidence.demo.asked.value();
    effect.judgement.verdict == Verdict::Fail
        && specified(effect.evidence).is_none()
        && asked.is_some_and(|asked| NO_CURL.contains(&asked.exec.exit_code))
}

#[cfg(test)]
mod cases {
    use crate::claims::demo::testing::remove_backend;
    use crate::entry::cases;
    use crate::evidence::{Evidence, MeshResource, Observation, Reply};
    use crate::testing::{client as client_deployment, demo_pod, of};
    use jiff::SignedDuration;

    /// Returns the first reply.
    fn first(evidence: &mut Evidence) -> &mut Reply {
        &mut of(&mut evidence.demo.asked).replies[0]
    }

    /// Removes all replies: curl ended with this code.
    fn exit(evidence: &mut Evidence, code: i32) {
        let asked = of(&mut evidence.demo.asked);
        asked.replies.clear();
        asked.exec.exit_code = code;
    }

    const EXPIRED: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote \
        connection failure, transport failure reason: \
        TLS_error:|268436501:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED:TLS_error_end";

    fn deny(evidence: &mut Evidence) {
        first(evidence).status = 403;
        first(evidence).body = "RBAC: access denied".into();
    }

    fn policy(action: &str, name: &str) -> MeshResource {
        MeshResource {
            kind: "AuthorizationPolicy".into(),
            namespace: "client".into(),
            name: name.into(),
            action: Some(action.into()),
            ..MeshResource::default()
        }
    }

    fn expire(evidence: &mut Evidence) {
        first(evidence).status = 503;
        first(evidence).body = EXPIRED.into();
    }

    fn unresolved(evidence: &mut Evidence) {
        first(evidence).status = 0;
        first(evidence).error = "Could not resolve host: echo-service".into();
    }

    fn set_domain(evidence: &mut Evidence) {
        for deployment in of(&mut evidence.install.deployments) {
            for container in &mut deployment.containers {
                container.args = vec!["--domain".into(), "k8s.example.com".into()];
            }
        }
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        without_newline(|e| of(&mut e.demo.asked).replies.iter_mut().for_each(|reply| { reply.body.pop(); }), Pass);
        text_with_more_words(|e| first(e).body = "Hello from backend service v2\n".into(), Fail);
        two_newlines(|e| first(e).body.push('\n'), Fail);
        last_one_failed(|e| { let last = of(&mut e.demo.asked).replies.last_mut().unwrap(); last.status = 503; last.body = "no healthy upstream".into(); }, Fail);
        other_failures_after_the_first(|e| { let replies = &mut of(&mut e.demo.asked).replies; replies[0].status = 404; for reply in &mut replies[1..] { reply.status = 503; reply.body = "no healthy upstream".into(); } }, Fail);
        right_text_wrong_status(|e| of(&mut e.demo.asked).replies[1].status = 404, Fail);
        curl_error(|e| { first(e).status = 0; first(e).error = "curl: (7) Failed to connect".into(); }, Fail);
        reset_without_sidecar(|e| { demo_pod(e, "client").containers.retain(|it| it.name != "istio-proxy"); first(e).status = 0; first(e).error = "Recv failure: Connection reset by peer".into(); }, Fail);
        reset_with_sidecar(|e| { first(e).status = 0; first(e).error = "Recv failure: Connection reset by peer".into(); }, Fail);
        denied(deny, Fail);
        aborted(|e| { first(e).status = 503; first(e).body = "fault filter abort".into(); }, Fail);
        denied_by_one_policy(|e| { deny(e); e.mesh.resources = Observation::seen(vec![policy("DENY", "nobody")]); }, Fail);
        denied_by_one_of_two_policies(|e| { deny(e); e.mesh.resources = Observation::seen(vec![policy("DENY", "nobody"), policy("ALLOW", "few")]); }, Fail);
        certificates_expired(|e| { expire(e); let route = of(&mut e.ingress.route); of(&mut route.routed).body = EXPIRED.into(); }, Fail);
        certificate_of_the_future(|e| {
            expire(e);
            first(e).body = "TLS_error:|1: certificate verification error at depth 0: certificate is not yet valid".into();
        }, Fail);
        certificate_of_the_backend_expired(|e| {
            expire(e);
            let (pod, end) = (demo_pod(e, "echo").name.clone(), e.moment() - SignedDuration::from_hours(20));
            e.mesh.certificate_ends = Observation::seen([(pod, end)].into());
        }, Fail);
        domain_is_another(|e| { unresolved(e); set_domain(e); }, Fail);
        domain_is_another_and_the_backend_answers_503(|e| { first(e).status = 503; set_domain(e); }, Fail);
        sent_through_a_web_proxy(|e| {
            let asked = of(&mut e.demo.asked).exec.pod.clone();
            let client = of(&mut e.demo.pods).iter_mut().find(|pod| pod.name == asked).unwrap();
            client.containers.iter_mut().for_each(|it| it.env = vec!["http_proxy".into()]);
            client_deployment(e).containers[0].env = vec!["http_proxy".into()];
            unresolved(e);
        }, Fail);
        refused_by_the_backend(|e| { first(e).status = 403; first(e).body = "go away".into(); }, Fail);
        empty_reply_of_envoy(|e| { let reply = first(e); (reply.status, reply.server, reply.envoy_upstream_time) = (503, "envoy".into(), false); reply.body.clear(); }, Fail);
        empty_reply_of_the_backend(|e| { first(e).status = 503; first(e).body.clear(); }, Fail);
        no_reply_in_time(|e| { first(e).status = 0; first(e).error = "Operation timed out after 3002 milliseconds with 0 bytes received".into(); }, Fail);
        one_reply_missing(|e| { of(&mut e.demo.asked).replies.pop(); }, Fail);
        no_curl(|e| { exit(e, 127); of(&mut e.demo.asked).exec.stderr = "sh: curl: not found".into(); }, Fail);
        curl_not_executable(|e| exit(e, 126), Fail);
        killed(|e| exit(e, 137), Fail);
        backend_scaled_to_zero(|e| { remove_backend(e); first(e).status = 503; }, Fail);
        no_client(|e| e.demo.asked = Observation::absent("no client pod runs"), Fail);
        no_request_sent(|e| { exit(e, 0); of(&mut e.demo.asked).requests = 0; }, Unjudged);
        replies_unread(|e| e.demo.asked = Observation::failed("forbidden"), Unjudged);
        not_selected(|e| e.demo.asked = Observation::not_asked("--only"), Skipped);
    }
}
