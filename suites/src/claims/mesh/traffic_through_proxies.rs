//! Traffic flows through Envoy on both sides.

use crate::claims::Claim;
use crate::claims::by_name::backend_service::{self, leads_to_the_backend};
use crate::claims::by_name::client_deployment::{self, no_client_can_ask};
use crate::claims::by_name::nodes_ready::{self, no_node_answers};
use crate::claims::by_name::{
    backend_replies, inbound_redirected, live_rules, namespace_labelled, outbound_redirected,
    two_containers_per_pod,
};
use crate::claims::mesh::bypass::{
    backend_pods, client_pod, names_any, reply_bypasses_decryption, stands_still,
};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{CounterPair, Evidence, Observation, Pod, Reply, Traffic};
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::proxy_replies::find_proxys_own_reply;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, injection, istio};

claim! {
    /// The tutorial says: "Verify Traffic Flow Through the Envoy Proxy", and "all inbound and outbound traffic from the
    /// client application" is "proxied through the Envoy sidecar".
    ///
    /// ## Why it matters
    /// It is the purpose of the mesh. A client that reaches the backend directly gets the right reply as well: the
    /// reply alone does not show that routing, mutual TLS and metrics apply.
    ///
    /// ## How it is checked
    /// Sends requests to the backend from a client pod, and reads a counter of both sidecars before and after: in the
    /// client's sidecar the one of the backend's outbound cluster, in the backend's sidecars the one of the inbound
    /// cluster. Every answer has a header of Envoy (`server: envoy` or `x-envoy-upstream-service-time`), and both
    /// counters rise by the number of requests at least. It needs `list` on `pods`, `get` on `pods/exec` and on
    /// `pods/portforward` in the demo's namespace; from Kubernetes 1.35 on also `create` on both.
    ///
    /// ## What makes it fail
    /// - No request is answered, or an answer has no header of Envoy.
    /// - A counter does not exist, or rises by less than the number of requests.
    ///
    /// A sidecar that restarts between the readings, or routes requests to another cluster, leaves it unjudged.
    ///
    /// ## How to fix it
    /// - A pod has no sidecar (`two_containers_per_pod`): restart its deployment after labelling the namespace.
    /// - The rules do not redirect (`outbound_redirected`, `inbound_redirected`, `live_rules`).
    /// - The backend is not reached (`client_deployment`, `backend_service`, `backend_replies`).
    ///
    /// ## Check by hand
    ///     istioctl proxy-status
    ///     kubectl -n client exec deploy/client-deployment -c client -- curl -sSi echo-service
    ///     kubectl -n client exec deploy/echo-deployment -c istio-proxy -- pilot-agent request GET clusters
    mesh::traffic_through_proxies: "traffic flows through Envoy on both sides",
    needs: Exec,
    stops: [Network],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        client_deployment if |effect| no_client_can_ask(effect.evidence),
        backend_replies if nothing_is_answered,
        backend_replies if proxy_answers_by_itself,
        backend_service if requests_do_not_arrive,
        two_containers_per_pod if pod_has_no_sidecar,
        inbound_redirected if |effect| reply_bypasses_decryption(effect, &inbound_redirected::CLAIM),
        live_rules if |effect| reply_bypasses_decryption(effect, &live_rules::CLAIM),
        outbound_redirected if client_bypasses_its_proxy,
        inbound_redirected if requests_bypass_backends_proxy,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let summaries = all_hold([
        judge_headers(evidence),
        judge_counter(evidence, Side::Client),
        judge_counter(evidence, Side::Backend),
    ])?;
    Ok(Judgement::pass(summaries.join("; ")))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Backend,
}

impl Side {
    fn proxy(self) -> &'static str {
        match self {
            Self::Client => "the client's proxy",
            Self::Backend => "the backend's proxy",
        }
    }

    fn counters(self, traffic: &Traffic) -> &CounterPair {
        match self {
            Self::Client => &traffic.outbound,
            Self::Backend => &traffic.inbound,
        }
    }
}

/// The pod from which requests were made.
fn client(evidence: &Evidence) -> Object {
    let pod = evidence.mesh.traffic.value().map(|traffic| traffic.client_pod.as_str());
    Object::new("pod", &evidence.expectations.namespace, pod.unwrap_or("of the client"))
}

fn steps(evidence: &Evidence) -> Vec<Step> {
    vec![
        istio::proxy_status(evidence, "shows the proxies"),
        injection::restart_all(evidence, "makes pods that bypass them anew"),
    ]
}

fn fail(
    evidence: &Evidence,
    summary: String,
    expected: impl Into<String>,
    observed: impl Into<String>,
) -> Judgement {
    Judgement::fail(summary)
        .expected(expected)
        .observed(observed)
        .object(client(evidence))
        .steps(steps(evidence))
}

/// Every answer carries what Envoy adds.
fn judge_headers(evidence: &Evidence) -> Judged {
    let what = "the backend, asked from a client pod";
    let asked = require(&evidence.demo.asked, what, client(evidence), || steps(evidence))?;
    let answered: Vec<_> = asked.replies.iter().filter(|reply| reply.status != 0).collect();
    if answered.is_empty() {
        let why = asked.replies.first().map(|reply| excerpt(&reply.error));
        let why = why.filter(|why| !why.is_empty()).unwrap_or_else(|| "no answer".to_owned());
        let summary = "no request was answered, so none was seen to flow through Envoy";
        return Err(fail(evidence, summary.into(), "answers with Envoy's headers", why));
    }
    let bypasses = |reply: &&&Reply| reply.server != "envoy" && !reply.envoy_upstream_time;
    if let Some(reply) = answered.iter().find(bypasses) {
        let server = if reply.server.is_empty() { "none" } else { &reply.server };
        return Err(fail(
            evidence,
            "an answer came without Envoy's headers: traffic bypasses the sidecar".into(),
            "the header `server: envoy`, or `x-envoy-upstream-service-time`",
            format!("status {}, header server: {}", reply.status, excerpt(server)),
        ));
    }
    Ok(Judgement::pass(format!("{} answers with Envoy's headers", answered.len())))
}

/// A proxy's counter rises by as many requests as were made.
fn judge_counter(evidence: &Evidence, side: Side) -> Judged {
    let what = "the proxies' request counters";
    let traffic = require(&evidence.mesh.traffic, what, client(evidence), || steps(evidence))?;
    let (pair, proxy) = (side.counters(traffic), side.proxy());
    let before = reading(evidence, side, pair, &pair.before)?;
    let after = reading(evidence, side, pair, &pair.after)?;
    let requests = u64::from(traffic.requests);
    let Some(risen) = after.checked_sub(before) else {
        return Err(Judgement::unjudged(format!(
            "{proxy} counted from new between the two readings ({before}, then {after}): it was restarted"
        )));
    };
    if requests == 0 {
        return Err(Judgement::unjudged("no request was made between the two readings"));
    }
    if risen >= requests {
        return Ok(Judgement::pass(format!("{proxy} counted {risen} for {requests} requests")));
    }
    if side == Side::Client && is_routed_elsewhere(evidence) {
        return Err(Judgement::unjudged(format!(
            "{proxy} answered, and counted {risen} of {requests} requests for {}: its \
             configuration leads them another way, which is not counted here",
            pair.cluster
        )));
    }
    let summary = if let Some(reply) = find_proxys_own_reply(evidence) {
        format!(
            "{proxy} led {risen} of {requests} requests on: Envoy answered by itself, {} {}",
            reply.status,
            excerpt(&reply.body)
        )
    } else if risen == 0 {
        format!("{proxy} saw none of {requests} requests: traffic bypasses it")
    } else {
        format!("{proxy} saw {risen} of {requests} requests")
    };
    let expected = format!("the counter of {} rises by {requests} at least", pair.cluster);
    Err(fail(evidence, summary, expected, format!("{before}, then {after}")))
}

fn reading(
    evidence: &Evidence,
    side: Side,
    pair: &CounterPair,
    reading: &Observation<u64>,
) -> Result<u64, Judgement> {
    let proxy = side.proxy();
    match reading {
        Observation::Seen { value } => Ok(*value),
        Observation::Absent { reason } => Err(fail(
            evidence,
            format!("{proxy} has no counter for these requests: {reason}"),
            format!("the cluster {}", pair.cluster),
            reason.as_str(),
        )),
        other => {
            let why = other.reason().unwrap_or_default();
            Err(Judgement::unjudged(format!("could not read the counter of {proxy}: {why}")))
        }
    }
}

/// Whether every answer is one that the client's own proxy has handed on from somebody: the backend's proxy
/// has another name (`istio-envoy`).
fn is_routed_elsewhere(evidence: &Evidence) -> bool {
    let replies = evidence.demo.asked.value().map(|asked| asked.replies.as_slice());
    let is_handed_on = |reply: &Reply| reply.server == "envoy" && reply.envoy_upstream_time;
    replies.is_some_and(|replies| !replies.is_empty() && replies.iter().all(is_handed_on))
}

fn nothing_is_answered(effect: &Effect<'_, Evidence>) -> bool {
    let asked = effect.evidence.demo.asked.value();
    asked.is_some_and(|asked| asked.replies.iter().all(|reply| reply.status == 0))
}

fn proxy_answers_by_itself(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Fail && find_proxys_own_reply(effect.evidence).is_some()
}

/// The service does not lead to the backend, whose proxy counted no request.
fn requests_do_not_arrive(effect: &Effect<'_, Evidence>) -> bool {
    let is_idle = |pair: &CounterPair| {
        pair.before.is_absent()
            || pair.after.is_absent()
            || pair.before.value().is_some() && pair.before.value() == pair.after.value()
    };
    effect.judgement.verdict == Verdict::Fail
        && leads_to_the_backend(effect.evidence) == Some(false)
        && effect.evidence.mesh.traffic.value().is_some_and(|it| is_idle(&it.inbound))
}

/// Both counters, each with the pods that count.
fn counting_pods(evidence: &Evidence) -> Option<[(&CounterPair, Vec<&Pod>); 2]> {
    let traffic = evidence.mesh.traffic.value()?;
    let client = (&traffic.outbound, client_pod(evidence));
    Some([client, (&traffic.inbound, backend_pods(evidence))])
}

fn pod_has_no_sidecar(effect: &Effect<'_, Evidence>) -> bool {
    counting_pods(effect.evidence)
        .into_iter()
        .flatten()
        .any(|(pair, pods)| stands_still(pair) && pods.iter().any(|pod| pod.sidecar().is_none()))
}

fn client_bypasses_its_proxy(effect: &Effect<'_, Evidence>) -> bool {
    let counted = counting_pods(effect.evidence);
    counted.is_some_and(|[client, _]| bypasses(effect, &outbound_redirected::CLAIM, client))
}

fn requests_bypass_backends_proxy(effect: &Effect<'_, Evidence>) -> bool {
    let counted = counting_pods(effect.evidence);
    counted.is_some_and(|[_, backend]| bypasses(effect, &inbound_redirected::CLAIM, backend))
}

/// Whether a claim on the redirection names a pod with a sidecar whose counter did not rise.
fn bypasses(
    effect: &Effect<'_, Evidence>,
    redirection: &Claim,
    (pair, mut pods): (&CounterPair, Vec<&Pod>),
) -> bool {
    pods.retain(|pod| pod.sidecar().is_some());
    effect.judgement.verdict == Verdict::Fail
        && pair.before.value().is_some()
        && pair.after.value() == pair.before.value()
        && names_any(effect, redirection, &pods)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{CounterPair, Evidence, Observation};
    use crate::testing::of;

    /// The counters of the client's proxy stop, or those of the backend's.
    fn stop(pair: &mut CounterPair) {
        pair.after = pair.before.clone();
    }

    fn stop_client(e: &mut Evidence) {
        stop(&mut of(&mut e.mesh.traffic).outbound);
    }

    fn stop_backend(e: &mut Evidence) {
        stop(&mut of(&mut e.mesh.traffic).inbound);
    }

    /// Envoy's answer to every request, and no counter that moves.
    fn envoy_answers(e: &mut Evidence, status: u16, body: &str, upstream: bool) {
        for reply in &mut of(&mut e.demo.asked).replies {
            reply.status = status;
            reply.body = body.into();
            reply.envoy_upstream_time = upstream;
        }
        stop_client(e);
        stop_backend(e);
    }

    /// Every answer has this status and this server.
    fn answer_503(e: &mut Evidence, server: &str, upstream: bool) {
        for reply in &mut of(&mut e.demo.asked).replies {
            reply.status = 503;
            reply.server = server.into();
            reply.envoy_upstream_time = upstream;
        }
        stop_backend(e);
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        the_demo_counts_too(|e| *of(&mut of(&mut e.mesh.traffic).outbound.after) = 1000, Pass);
        client_leads_another_way(stop_client, Unjudged);
        // The answers are those of the backend's proxy: no proxy stands before it.
        client_stands_still(|e| { of(&mut e.demo.asked).replies.iter_mut().for_each(|reply| reply.server = "istio-envoy".into()); stop_client(e); }, Fail);
        backend_stands_still(stop_backend, Fail);
        too_few(|e| { let pair = &mut of(&mut e.mesh.traffic).inbound; let before = *of(&mut pair.before); pair.after = Observation::seen(before + 4); }, Fail);
        no_header(|e| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = String::new(); reply.envoy_upstream_time = false; }, Fail);
        another_server_behind_envoy(|e| { let reply = &mut of(&mut e.demo.asked).replies[2]; reply.server = "nginx".into(); reply.envoy_upstream_time = true; }, Pass);
        envoy_answers_by_itself(|e| { answer_503(e, "envoy", false); for reply in &mut of(&mut e.demo.asked).replies { reply.body = "no healthy upstream".into(); } }, Fail);
        the_backend_answers_503(|e| answer_503(e, "envoy", true), Fail);
        another_proxy_answers_503(|e| answer_503(e, "istio-envoy", true), Fail);
        no_answer(|e| { for reply in &mut of(&mut e.demo.asked).replies { reply.status = 0; reply.error = "timed out".into(); } }, Fail);
        no_counter(|e| of(&mut e.mesh.traffic).outbound.after = Observation::absent("no cluster"), Fail);
        restarted(|e| of(&mut e.mesh.traffic).inbound.after = Observation::seen(0), Unjudged);
        unread(|e| of(&mut e.mesh.traffic).outbound.before = Observation::failed("pods/portforward is forbidden"), Unjudged);
        not_asked_in_time(|e| e.demo.asked = Observation::failed("pods/exec is forbidden"), Unjudged);
        no_traffic(|e| e.mesh.traffic = Observation::failed("no answer"), Unjudged);
        bypass_and_restarted(|e| { of(&mut e.mesh.traffic).inbound.after = Observation::seen(0); for reply in &mut of(&mut e.demo.asked).replies { reply.server = String::new(); reply.envoy_upstream_time = false; } }, Fail);
        bypass_and_unread(|e| { e.demo.asked = Observation::failed("no answer"); stop_client(e); }, Fail);
        denied(|e| envoy_answers(e, 403, "RBAC: access denied", true), Fail);
        denied_by_the_backend(|e| envoy_answers(e, 403, "go away", true), Fail);
        nobody_to_lead_to(|e| envoy_answers(e, 503, "no healthy upstream", false), Fail);
        failed_by_the_backend(|e| envoy_answers(e, 503, "broken", true), Fail);
        nothing_asked(|e| of(&mut e.mesh.traffic).requests = 0, Unjudged);
        not_asked(|e| { e.demo.asked = Observation::not_asked("--only"); e.mesh.traffic = Observation::not_asked("--only"); }, Skipped);
    }
}
