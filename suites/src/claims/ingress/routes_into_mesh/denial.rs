//! Requests that a policy denies, at the gateway or at the backend.

use crate::claims::ingress::gateway_object;
use crate::evidence::{Evidence, HttpAnswer, Reply, Route};
use crate::facts::demo::running_pods;
use crate::facts::gateway::{has_passed_gateway, is_denied};
use crate::facts::resources::denying_policies;
use crate::format::format_answer;
use crate::judgement::Judgement;
use crate::steps::demo::show_answerer;
use crate::steps::{Purpose, Step, istio};

/// Returns the failure that a policy denies requests at the gateway: it also denies an unknown host.
pub(super) fn denied_by_gateway(evidence: &Evidence, route: &Route) -> Option<Judgement> {
    let answer = route.routed.value().filter(|it| is_denied(it))?;
    route.unknown_host.value().filter(|it| is_denied(it))?;
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
    if !is_denied(answer) || !has_passed_gateway(answer) {
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
