//! What a control plane explains that is not installed, or down.

use super::super::install::{injects, is_istiod};
use super::super::mesh;
use super::Case;
use crate::evidence::{ContainerState, Evidence, Pod};
use crate::facts::workload::find_troubled_container;
use crate::judgement::Verdict;

/// Whether no istiod was seen among the deployments.
fn not_installed(evidence: &Evidence) -> bool {
    let deployments = evidence.install.deployments.value();
    deployments.is_some_and(|all| !all.iter().any(|one| is_istiod(&one.template_labels)))
}

/// Whether no istiod pod is ready: nobody answers proxies, webhooks or questions.
pub(crate) fn istiod_is_down(evidence: &Evidence) -> bool {
    let ready = |pod: &Pod| is_istiod(&pod.labels) && pod.is_running_and_ready();
    evidence.install.pods.value().is_some_and(|pods| !pods.iter().any(ready))
}

pub(crate) fn istiod_is_not_installed(case: &Case<'_>) -> bool {
    not_installed(case.evidence)
        && istiod_is_down(case.evidence)
        && case.judgement.verdict == Verdict::Fail
}

/// A namespace that asks for a revision while none is installed.
pub(crate) fn no_revision_is_installed(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let labels = evidence
        .install
        .namespaces
        .value()
        .and_then(|all| all.get(&evidence.expectations.namespace));
    let asks = labels.is_some_and(|labels| {
        labels.contains_key("istio.io/rev") && !labels.contains_key("istio-injection")
    });
    asks && not_installed(evidence) && no_injector(evidence)
}

/// Whether no webhook injects anything, in whatever namespace.
pub(crate) fn no_injector(evidence: &Evidence) -> bool {
    evidence.install.webhooks.value().is_some_and(|webhooks| !webhooks.iter().any(injects))
}

pub(crate) fn webhook_is_not_installed(case: &Case<'_>) -> bool {
    not_installed(case.evidence)
        && case.judgement.verdict == Verdict::Fail
        && !is_about_the_label(case)
}

/// Whether the verdict on the webhook is about the namespace's label, not about the webhook.
fn is_about_the_label(case: &Case<'_>) -> bool {
    case.is_about(&format!("namespace {}", case.evidence.expectations.namespace))
}

pub(crate) fn no_istiod_tells_its_version(case: &Case<'_>) -> bool {
    // The verdict may be about an image or about istioctl instead, which are wrong by themselves.
    let object = case.judgement.object.as_deref().unwrap_or_default();
    istiod_is_down(case.evidence) && (object == "istiod" || object.starts_with("istiod in "))
}

pub(crate) fn nobody_answers_the_webhook(case: &Case<'_>) -> bool {
    let object = case.judgement.object.as_deref().unwrap_or_default();
    istiod_is_down(case.evidence) && object.starts_with("service ")
}

/// A sidecar is not ready before istiod has told it what to do.
pub(crate) fn sidecars_wait_for_istiod(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let Some(deployment) = super::demo::deployment_of(case) else { return false };
    let waits = |pod: &Pod| {
        find_troubled_container(pod).is_some_and(|it| {
            it.name == mesh::SIDECAR && matches!(it.state, ContainerState::Running { .. })
        })
    };
    let pods = evidence.demo.pods.value().into_iter().flatten();
    let mut ill = pods
        .filter(|pod| deployment.selects(pod) && !pod.terminating)
        .filter(|pod| !pod.is_running_and_ready())
        .peekable();
    super::demo::is_only_unavailable(case)
        && istiod_is_down(evidence)
        && ill.peek().is_some()
        && ill.all(waits)
}

/// Whether the API server says that it cannot make pods because Istio's webhook does not answer.
pub(crate) fn says_that_the_webhook_fails(text: &str) -> bool {
    text.contains("failed calling webhook") && text.contains("istio")
}

pub(crate) fn pods_cannot_be_made(case: &Case<'_>) -> bool {
    super::demo::is_only_unavailable(case)
        && super::demo::deployment_of(case).is_some_and(|deployment| {
            deployment.replicas > 0
                && deployment.conditions.iter().any(|condition| {
                    condition.kind == "ReplicaFailure"
                        && condition.status == "True"
                        && says_that_the_webhook_fails(&condition.message)
                })
        })
}

pub(crate) fn istiod_does_not_know_the_proxy(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let Some(istiods) = evidence.install.istiod.value() else { return false };
    let knows = |pod: &Pod| {
        let id = format!("{}.{}", pod.name, pod.namespace);
        let lists = istiods.values().filter_map(|istiod| istiod.proxies.value());
        lists.flatten().any(|proxy| proxy.proxy == id)
    };
    // Which proxy did not report its version is in the verdict's words alone.
    let told =
        |pod: &&Pod| case.judgement.summary.contains(&format!("of {} did not report", pod.name));
    let pods = [&evidence.install.pods, &evidence.demo.pods];
    case.judgement.verdict == Verdict::Unjudged
        && istiods.values().all(|istiod| istiod.proxies.value().is_some())
        && pods
            .into_iter()
            .filter_map(|pods| pods.value())
            .flatten()
            .find(told)
            .is_some_and(|pod| !knows(pod))
}
