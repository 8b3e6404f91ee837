//! Requests that the gateway does not forward, or that a policy denies.

use crate::claims::ingress::gateway_object;
use crate::evidence::{Evidence, HttpAnswer, Reply, Route};
use crate::facts::demo::running_pods;
use crate::facts::gateway::names_another_server;
use crate::facts::proxy_replies::is_policy_denial;
use crate::facts::resources::denying_policies;
use crate::format::format_answer;
use crate::judgement::Judgement;
use crate::steps::demo::show_answerer;
use crate::steps::{Purpose, Step, istio};

/// Returns the failure that a policy denies requests at the gateway: it also denies an unknown host.
pub(super) fn denied_by_gateway(evidence: &Evidence, route: &Route) -> Option<Judgement> {
    let denied = |answer: &&HttpAnswer| answer.status == 403 && is_policy_denial(&answer.body);
    let answer = route.routed.value().filter(denied)?;
    route.unknown_host.value().filter(denied)?;
    let observed = format_answer(answer);
    let summary = format!("an AuthorizationPolicy denies requests at the gateway: {observed}");
    Some(
        Judgement::fail(summary)
            .expected(format!("200 `{}`", evidence.expectations.reply))
            .observed(observed)
            .object(gateway_object(evidence))
            .step(istio::list_policies(evidence)),
    )
}

/// Returns the failure that the backend's sidecar denies the gateway's request. Where the gateway itself denies it, its
/// answer has no time of an upstream.
pub(super) fn denied_by_backend(evidence: &Evidence, answer: &HttpAnswer) -> Option<Judgement> {
    if answer.status != 403 || !is_policy_denial(&answer.body) || !has_passed_gateway(answer) {
        return None;
    }
    let pods = running_pods(evidence, &evidence.expectations.backend_deployment);
    let policies = denying_policies(evidence, &pods.unwrap_or_default()).unwrap_or_default();
    let (who, steps) = if let [policy] = policies.as_slice() {
        let who = format!("authorization policy {}/{}", policy.namespace, policy.name);
        (who, vec![istio::show_policy(evidence, policy)])
    } else {
        let reply = Reply { body: answer.body.clone(), ..Reply::default() };
        ("an authorization policy".to_owned(), show_answerer(evidence, Some(&reply)))
    };
    let observed = format_answer(answer);
    let text = "Allow the service account of the gateway's pods in the policy";
    Some(
        Judgement::fail(format!(
            "{who} denies requests from the gateway to the backend: {observed}"
        ))
        .expected(format!("200 `{}`", evidence.expectations.reply))
        .observed(observed)
        .object(gateway_object(evidence))
        .steps(steps)
        .step(Step::advice(Purpose::Fix, text)),
    )
}

/// Whether an answer came from behind the gateway: Envoy adds the header where an upstream has answered.
fn has_passed_gateway(answer: &HttpAnswer) -> bool {
    answer.headers.contains_key("x-envoy-upstream-service-time")
}

/// Whether an answer shows that the gateway directs the request nowhere: 404, a redirect of the gateway itself, or its denial.
pub(super) fn is_unrouted(answer: &HttpAnswer) -> bool {
    let is_own = answer.headers.contains_key("server")
        && !names_another_server(answer)
        && !has_passed_gateway(answer);
    let is_denial = answer.status == 403 && is_policy_denial(&answer.body);
    answer.status == 404 || is_own && (is_denial || (300..400).contains(&answer.status))
}
