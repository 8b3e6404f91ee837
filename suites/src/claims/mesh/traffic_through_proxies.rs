//! Traffic flows through Envoy on both sides.

use std::collections::BTreeSet;

use crate::claims::by_name::backend_service::leads_to_the_backend;
use crate::claims::by_name::client_deployment::no_client_can_ask;
use crate::claims::by_name::nodes_ready::no_node_answers;
use crate::claims::mesh::bypass::{
    backend_pods, cause_names_any, client_pod, explain_uncounted, has_not_risen,
    reply_bypasses_decryption,
};
use crate::claims::mesh::packet_trace::{PacketTrace, packet_traces};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{CounterPair, Evidence, MeshResource, Observation, Pod, Reply, Traffic};
use crate::facts::demo::{find_proxy_variables, find_wrong_reply};
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::proxy_replies::find_proxys_own_reply;
use crate::facts::resources::{SIDECAR_RESOURCE, resources_of};
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, injection, istio};
use meshcheck_netfilter::Hook;

claim! {
    /// The tutorial says: "Verify Traffic Flow Through the Envoy Proxy", and "all inbound and outbound traffic from the
    /// client application" is "proxied through the Envoy sidecar".
    ///
    /// ## Why it matters
    /// It is the purpose of the mesh. A client that reaches the backend directly gets the same reply. The reply alone does
    /// not prove that routing, mutual TLS and metrics apply.
    ///
    /// ## How it is checked
    /// Sends requests to the backend from a client pod, and reads a counter of both sidecars before and after. In the
    /// client's sidecar it is the counter of the backend's outbound cluster, in the backend's sidecars that of the inbound
    /// cluster. A backend pod that is not ready gets no requests and may lack the cluster. Both counters rise by the number of
    /// requests or more. Envoy's headers in the answers (`server: envoy`,
    /// `x-envoy-upstream-service-time`) prove nothing: Istio's `proxyHeaders` can switch them off.
    /// It needs `list` on `pods`, `get` on `pods/exec` and on `pods/portforward` in the demo's namespace; from Kubernetes
    /// 1.35 on also `create` on both.
    ///
    /// ## What makes it fail
    /// - No request is answered.
    /// - A counter does not exist, or rises by less than the number of requests.
    /// - The client's proxy does not know the service: a `Sidecar` resource hides it, or socket load balancing replaces
    ///   the service address before the proxy sees it. Requests still arrive, without the mesh's routing.
    /// - The client runs as user 1337, like the proxy: the rules do not redirect its requests.
    ///
    /// The claim is unjudged where a sidecar restarts between the readings or routes requests to another cluster, and
    /// where only some answers have Envoy's headers.
    ///
    /// ## How to fix it
    /// - A pod has no sidecar (`two_containers_per_pod`): restart its deployment after labelling the namespace.
    /// - The rules do not redirect (`outbound_redirected`, `inbound_redirected`, `live_rules`).
    /// - The backend is not reached (`client_deployment`, `backend_service`, `backend_replies`).
    /// - A `Sidecar` resource hides the service: add its host to `egress.hosts`, or remove the resource.
    /// - The client runs as user 1337: give it another `runAsUser`.
    /// - Cilium balances at the socket: set `socketLB.hostNamespaceOnly=true`, then restart Cilium and the client.
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
        backend_replies if web_proxy_answers,
        backend_service if requests_do_not_arrive,
        two_containers_per_pod if pod_has_no_sidecar,
        inbound_redirected if reply_bypasses_decryption,
        live_rules if reply_bypasses_decryption,
        outbound_redirected if client_bypasses_its_proxy,
        inbound_redirected if requests_bypass_backends_proxy,
        init_arguments if client_bypasses_its_proxy,
        init_arguments if requests_bypass_backends_proxy,
    ],
}

const ANSWERS: &str = "the backend's answers to the client";

fn judge(evidence: &Evidence) -> Judged {
    let summaries = all_hold([
        judge_answers(evidence),
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
            Self::Client => "Envoy of the client",
            Self::Backend => "Envoy of the backend",
        }
    }

    fn counters(self, traffic: &Traffic) -> &CounterPair {
        match self {
            Self::Client => &traffic.outbound,
            Self::Backend => &traffic.inbound,
        }
    }

    fn pods(self, evidence: &Evidence) -> Vec<&Pod> {
        match self {
            Self::Client => client_pod(evidence),
            Self::Backend => backend_pods(evidence),
        }
    }
}

/// Returns the pod that sent the requests.
fn client(evidence: &Evidence) -> Object {
    let pod = evidence.mesh.traffic.value().map(|traffic| traffic.client_pod.as_str());
    Object::new("pod", &evidence.expectations.namespace, pod.unwrap_or("of the client"))
}

fn steps(evidence: &Evidence) -> Vec<Step> {
    let pods = [Side::Client, Side::Backend].map(|side| side.pods(evidence)).concat();
    let restart = || injection::restart_without_sidecar(evidence);
    let restart = pods.iter().any(|it| it.sidecar().is_none()).then(restart).flatten();
    let show = istio::proxy_status(evidence, "Show the sync status of the proxies");
    restart.into_iter().chain([show]).collect()
}

fn fail(
    evidence: &Evidence,
    summary: String,
    expected: impl Into<String>,
    observed: impl Into<String>,
) -> Judgement {
    Judgement::fail(summary).expected(expected).observed(observed).object(client(evidence))
}

/// Returns the answers to the client's requests.
fn answers(evidence: &Evidence) -> Vec<&Reply> {
    let replies = evidence.demo.asked.value().map(|asked| &asked.replies);
    replies.into_iter().flatten().filter(|reply| reply.status != 0).collect()
}

/// Judges the answers. Envoy's headers are only a sign of the proxies: the counters prove them.
fn judge_answers(evidence: &Evidence) -> Judged {
    let asked = require(&evidence.demo.asked, ANSWERS, client(evidence), || steps(evidence))?;
    let answered = answers(evidence);
    if answered.is_empty() {
        let why = asked.replies.first().map(|reply| excerpt(&reply.error));
        let why = why.filter(|why| !why.is_empty()).unwrap_or_else(|| "no answer".to_owned());
        let number = asked.replies.len();
        let summary = format!("0 of {number} requests from the client were answered ({why})");
        let expected = format!("{number} answers");
        return Err(fail(evidence, summary, expected, "0 answers").steps(steps(evidence)));
    }
    let has_header = |reply: &&&Reply| reply.server == "envoy" || reply.envoy_upstream_time;
    let (all, with) = (answered.len(), answered.iter().filter(has_header).count());
    match with {
        0 => Ok(Judgement::pass(format!(
            "{all} answers without Envoy's headers, which proxyHeaders can switch off"
        ))),
        _ if with == all => Ok(Judgement::pass(format!("{all} answers with Envoy's headers"))),
        _ => Err(Judgement::unjudged(format!(
            "{} of {all} answers have no header of Envoy: the client's other requests may have raised the counters",
            all - with
        ))),
    }
}

/// Judges a proxy's counter: it rises by the number of requests or more.
fn judge_counter(evidence: &Evidence, side: Side) -> Judged {
    let what = "the request counters of Envoy";
    let traffic = require(&evidence.mesh.traffic, what, client(evidence), || steps(evidence))?;
    let (pair, proxy) = (side.counters(traffic), side.proxy());
    let before = reading(evidence, side, traffic, &pair.before)?;
    let after = reading(evidence, side, traffic, &pair.after)?;
    let requests = u64::from(traffic.requests);
    let Some(risen) = after.checked_sub(before) else {
        return Err(Judgement::unjudged(format!(
            "{proxy} restarted between the two readings: its counter fell from {before} to {after}"
        )));
    };
    if requests == 0 {
        return Err(Judgement::unjudged("no request was sent between the two readings"));
    }
    if risen >= requests {
        return Ok(Judgement::pass(format!(
            "{proxy} forwarded {risen} requests (at least {requests} expected)"
        )));
    }
    if side == Side::Client {
        // The answers show whether the client's proxy forwards the requests to another cluster.
        evidence.demo.asked.known(ANSWERS)?;
        if is_routed_elsewhere(evidence) {
            return Err(Judgement::unjudged(format!(
                "{proxy} forwarded {risen} of {requests} requests to {}: a route sends them to another cluster",
                pair.cluster
            )));
        }
    }
    let counted = format!("{proxy} forwarded {risen} of {requests} requests");
    let expected = format!("counter of {} rises by {requests} or more", pair.cluster);
    let servers: BTreeSet<_> = answers(evidence).iter().map(|it| excerpt(&it.server)).collect();
    let servers: Vec<_> = servers.into_iter().filter(|it| !it.is_empty()).collect();
    let observed = format!(
        "counter rises by {risen} ({before}, then {after}); header server: {}",
        list(&servers)
    );
    let variables = find_proxy_variables(evidence, &traffic.client_pod);
    let because = if side == Side::Client && !variables.is_empty() {
        format!(": curl uses a web proxy, because its container sets {}", list(&variables))
    } else if let Some(reply) = find_proxys_own_reply(evidence) {
        let body = match reply.body.as_str() {
            "" => "with an empty body".to_owned(),
            body => format!("`{}`", excerpt(body)),
        };
        format!(": Envoy answered itself, {} {body}", reply.status)
    } else if side == Side::Client && is_passed_through(evidence, traffic) {
        let (why, steps) = explain_uncounted(evidence, &traffic.client_pod);
        let observed = format!("{observed}; Envoy of the backend counted all requests");
        return Err(fail(evidence, format!("{counted}: {why}"), expected, observed).steps(steps));
    } else if risen == 0 && find_wrong_reply(evidence).is_none() {
        ": traffic bypasses it".to_owned()
    } else {
        String::new()
    };
    Err(fail(evidence, counted + &because, expected, observed).steps(steps(evidence)))
}

/// Whether the rules redirect the client's requests to its proxy, and the backend's proxy counted them all: then the
/// client's proxy has forwarded them as connections to an unknown address.
fn is_passed_through(evidence: &Evidence, traffic: &Traffic) -> bool {
    let (before, after) = (traffic.inbound.before.value(), traffic.inbound.after.value());
    let risen = after.zip(before).and_then(|(after, before)| after.checked_sub(*before));
    let is_redirected = |trace: &PacketTrace| {
        trace.right && trace.pod == traffic.client_pod && trace.packet.hook == Hook::Outbound
    };
    risen.is_some_and(|risen| risen >= u64::from(traffic.requests))
        && packet_traces(evidence).iter().any(is_redirected)
}

fn show_unknown_service(evidence: &Evidence, traffic: &Traffic) -> Step {
    let host = evidence.expectations.backend_host();
    istio::show_clusters(evidence, &traffic.client_pod, &host)
}

fn reading(
    evidence: &Evidence,
    side: Side,
    traffic: &Traffic,
    reading: &Observation<u64>,
) -> Result<u64, Judgement> {
    let (proxy, cluster) = (side.proxy(), &side.counters(traffic).cluster);
    let expected = format!("cluster {cluster}");
    match reading {
        Observation::Seen { value } => Ok(*value),
        Observation::Absent { reason } if side == Side::Client && has_sidecars(evidence, side) => {
            let host = evidence.expectations.backend_host();
            let known = resources_of(evidence, SIDECAR_RESOURCE, &side.pods(evidence));
            let hidden_by: Vec<_> = known
                .iter()
                .flatten()
                .map(|it| format!("Sidecar resource {}/{} hides it", it.namespace, it.name))
                .collect();
            let because = if hidden_by.is_empty() {
                String::new()
            } else {
                format!(": {}", list(&hidden_by))
            };
            let summary = format!("{proxy} does not know {host}{because}");
            let show = |it: &&MeshResource| istio::show_sidecar(evidence, it);
            let sidecars = known.map_or_else(
                || vec![istio::list_sidecars(evidence)],
                |known| known.iter().map(show).collect(),
            );
            Err(fail(evidence, summary, expected, reason.as_str())
                .steps(sidecars)
                .step(show_unknown_service(evidence, traffic)))
        }
        Observation::Absent { reason } => {
            let pods = side.pods(evidence);
            let why = match pods.iter().find(|pod| pod.sidecar().is_none()) {
                Some(pod) => format!("pod {} has no sidecar", pod.name),
                None => excerpt(reason),
            };
            let summary = format!("{proxy} has no counter: {why}");
            Err(fail(evidence, summary, expected, why).steps(steps(evidence)))
        }
        other => {
            let why = other.reason().unwrap_or_default();
            Err(Judgement::unjudged(format!("cannot read the counter of {proxy}: {why}")))
        }
    }
}

fn has_sidecars(evidence: &Evidence, side: Side) -> bool {
    let pods = side.pods(evidence);
    !pods.is_empty() && pods.iter().all(|pod| pod.sidecar().is_some())
}

/// Whether the client's own proxy has forwarded every answer: its header is `envoy`, that of the backend's proxy is
/// `istio-envoy`.
fn is_routed_elsewhere(evidence: &Evidence) -> bool {
    let replies = evidence.demo.asked.value().map(|asked| asked.replies.as_slice());
    let is_forwarded = |reply: &Reply| reply.server == "envoy" && reply.envoy_upstream_time;
    replies.is_some_and(|replies| !replies.is_empty() && replies.iter().all(is_forwarded))
}

fn nothing_is_answered(effect: &Effect<'_, Evidence>) -> bool {
    let asked = effect.evidence.demo.asked.value();
    asked.is_some_and(|asked| asked.replies.iter().all(|reply| reply.status == 0))
}

fn proxy_answers_by_itself(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Fail && find_proxys_own_reply(effect.evidence).is_some()
}

/// Whether curl uses a web proxy, which answers instead of the backend.
fn web_proxy_answers(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let asked = evidence.demo.asked.value();
    effect.judgement.verdict == Verdict::Fail
        && find_wrong_reply(evidence).is_some()
        && asked.is_some_and(|it| !find_proxy_variables(evidence, &it.exec.pod).is_empty())
}

/// Whether the service does not forward to the backend, whose proxy counted no request.
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

/// Returns both counters, each with the pods that count.
fn counting_pods(evidence: &Evidence) -> Option<[(&CounterPair, Vec<&Pod>); 2]> {
    let traffic = evidence.mesh.traffic.value()?;
    let client = (&traffic.outbound, client_pod(evidence));
    Some([client, (&traffic.inbound, backend_pods(evidence))])
}

fn pod_has_no_sidecar(effect: &Effect<'_, Evidence>) -> bool {
    counting_pods(effect.evidence)
        .into_iter()
        .flatten()
        .any(|(pair, pods)| has_not_risen(pair) && pods.iter().any(|pod| pod.sidecar().is_none()))
}

fn client_bypasses_its_proxy(effect: &Effect<'_, Evidence>) -> bool {
    let counted = counting_pods(effect.evidence);
    counted.is_some_and(|[client, _]| bypasses(effect, client))
}

fn requests_bypass_backends_proxy(effect: &Effect<'_, Evidence>) -> bool {
    let counted = counting_pods(effect.evidence);
    counted.is_some_and(|[_, backend]| bypasses(effect, backend))
}

/// Whether the cause, a claim on the redirection, names a pod with a sidecar whose counter did not rise.
fn bypasses(effect: &Effect<'_, Evidence>, (pair, mut pods): (&CounterPair, Vec<&Pod>)) -> bool {
    pods.retain(|pod| pod.sidecar().is_some());
    effect.judgement.verdict == Verdict::Fail
        && pair.before.value().is_some()
        && pair.after.value() == pair.before.value()
        && cause_names_any(effect, &pods)
}

#[cfg(test)]
mod cases;
