//! Whether requests go through both proxies: their headers, and the proxies' own counters.

use crate::combine::all_hold;
use crate::evidence::{CounterPair, Evidence, Observation, Reply};
use crate::format::excerpt;
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};

pub(in super::super) fn traffic_through_proxies(evidence: &Evidence) -> Judged {
    let words = all_hold([
        headers(evidence),
        counter(evidence, Side::Client),
        counter(evidence, Side::Backend),
    ])?;
    Ok(Judgement::pass(words.join("; ")))
}

#[derive(Clone, Copy)]
enum Side {
    Client,
    Backend,
}

fn object(evidence: &Evidence) -> String {
    let pod = evidence.mesh.traffic.value().map(|traffic| traffic.client_pod.as_str());
    format!("pod {}/{}", evidence.expectations.namespace, pod.unwrap_or("of the client"))
}

fn hint(evidence: &Evidence) -> String {
    let namespace = &evidence.expectations.namespace;
    let restart = evidence.kubectl(&["-n", namespace, "rollout", "restart", "deployment"]);
    let status = evidence.istioctl(&["proxy-status"]);
    format!("`{status}` shows the proxies; `{restart}` makes pods that bypass them anew")
}

/// Every answer carries what Envoy adds.
fn headers(evidence: &Evidence) -> Judged {
    let what = "the backend, asked from a client pod";
    let asked = require(&evidence.demo.asked, what, &object(evidence), || hint(evidence))?;
    let answered: Vec<_> = asked.replies.iter().filter(|reply| reply.status != 0).collect();
    if answered.is_empty() {
        let why = asked.replies.first().map(|reply| excerpt(&reply.error)).unwrap_or_default();
        return Err(Judgement::fail(
            "no request was answered, so none was seen to flow through Envoy",
        )
        .expected("answers with Envoy's headers")
        .observed(if why.is_empty() { "no answer".to_owned() } else { why })
        .object(object(evidence))
        .legacy_hint(hint(evidence)));
    }
    let bypassing =
        answered.iter().find(|reply| reply.server != "envoy" && !reply.envoy_upstream_time);
    if let Some(reply) = bypassing {
        let server = if reply.server.is_empty() { "none" } else { &reply.server };
        return Err(Judgement::fail(
            "an answer came without Envoy's headers: traffic bypasses the sidecar",
        )
        .expected("the header `server: envoy`, or `x-envoy-upstream-service-time`")
        .observed(format!("status {}, header server: {}", reply.status, excerpt(server)))
        .object(object(evidence))
        .legacy_hint(hint(evidence)));
    }
    Ok(Judgement::pass(format!("{} answers with Envoy's headers", answered.len())))
}

/// A proxy's counter rises by as many requests as were made.
fn counter(evidence: &Evidence, side: Side) -> Judged {
    let what = "the proxies' request counters";
    let traffic = require(&evidence.mesh.traffic, what, &object(evidence), || hint(evidence))?;
    let (pair, name) = match side {
        Side::Client => (&traffic.outbound, "the client's proxy"),
        Side::Backend => (&traffic.inbound, "the backend's proxy"),
    };
    let before = reading(evidence, pair, &pair.before, name)?;
    let after = reading(evidence, pair, &pair.after, name)?;
    let requests = u64::from(traffic.requests);
    let Some(risen) = after.checked_sub(before) else {
        return Err(Judgement::unjudged(format!(
            "{name} counted from new between the two readings ({before}, then {after}): it was restarted"
        )));
    };
    if requests == 0 {
        return Err(Judgement::unjudged("no request was made between the two readings"));
    }
    if risen < requests {
        if matches!(side, Side::Client) && led_elsewhere(evidence) {
            return Err(Judgement::unjudged(format!(
                "{name} answered, and counted {risen} of {requests} requests for {}: its \
                 configuration leads them another way, which is not counted here",
                pair.cluster
            )));
        }
        let summary = if let Some(answer) = answered_itself(evidence) {
            format!(
                "{name} led {risen} of {requests} requests on: Envoy answered by itself, {answer}"
            )
        } else if risen == 0 {
            format!("{name} saw none of {requests} requests: traffic bypasses it")
        } else {
            format!("{name} saw {risen} of {requests} requests")
        };
        return Err(Judgement::fail(summary)
            .expected(format!("the counter of {} rises by {requests} at least", pair.cluster))
            .observed(format!("{before}, then {after}"))
            .object(object(evidence))
            .legacy_hint(hint(evidence)));
    }
    Ok(Judgement::pass(format!("{name} counted {risen} for {requests} requests")))
}

/// Whether every answer is one that the client's own proxy has handed on from somebody: the backend's proxy
/// calls itself otherwise (`istio-envoy`).
fn led_elsewhere(evidence: &Evidence) -> bool {
    let replies = evidence.demo.asked.value().map(|asked| asked.replies.as_slice());
    let handed = |reply: &Reply| reply.server == "envoy" && reply.envoy_upstream_time;
    replies.is_some_and(|replies| !replies.is_empty() && replies.iter().all(handed))
}

/// What Envoy said in the backend's stead: it had nobody to lead a request to, was told another answer, or a
/// policy forbade it. Then nothing bypasses it.
pub(in super::super) fn answered_itself(evidence: &Evidence) -> Option<String> {
    let asked = evidence.demo.asked.value()?;
    let wanted = &evidence.expectations.reply;
    let own = |reply: &&Reply| {
        // Envoy adds that header where somebody has answered it.
        let unled = reply.status != 0 && !reply.envoy_upstream_time && !reply.says(wanted);
        let forbidden = reply.status == 403 && is_policys_word(&reply.body);
        reply.server == "envoy" && (unled || forbidden)
    };
    let reply = asked.replies.iter().find(own)?;
    Some(format!("{} {}", reply.status, excerpt(&reply.body)))
}

/// Whether a body is Envoy's where an `AuthorizationPolicy` forbids a request: `RBAC: access denied`.
pub(in super::super) fn is_policys_word(body: &str) -> bool {
    body.starts_with("RBAC: ")
}

fn reading(
    evidence: &Evidence,
    pair: &CounterPair,
    reading: &Observation<u64>,
    name: &str,
) -> Result<u64, Judgement> {
    match reading {
        Observation::Seen { value } => Ok(*value),
        Observation::Absent { reason } => {
            Err(Judgement::fail(format!("{name} has no counter for these requests: {reason}"))
                .expected(format!("the cluster {}", pair.cluster))
                .observed(reason.clone())
                .object(object(evidence))
                .legacy_hint(hint(evidence)))
        }
        other => Err(Judgement::unjudged(format!(
            "could not read the counter of {name}: {}",
            other.reason().unwrap_or_default()
        ))),
    }
}
