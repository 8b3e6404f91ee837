//! Judges whether the API server gets an answer that it trusts from a webhook.

use crate::evidence::{Evidence, Webhook, WebhookService};
use crate::facts::istiod::find_istiod;
use crate::facts::refusal::{failed_injection, injection_error, is_injection_answered};
use crate::facts::webhooks::injects;
use crate::format::refusal::{format_call_failure, format_injection_error};
use crate::format::{ENDPOINT, count, excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _, require};
use crate::object::Object;
use crate::steps::injection::{delete_webhook, repair_injection, restore_call};
use crate::steps::istio::{restore_control_plane, restore_istiod, rewrite_certificate};
use crate::steps::namespaces::find_refused_deployments;
use crate::steps::services::show_called;

/// Judges the CA bundle, the service and its endpoint.
pub(super) fn judge_answer(evidence: &Evidence, webhook: &Webhook) -> [Judged; 3] {
    [
        bundle_is_valid(evidence, webhook),
        service_exists(evidence, webhook),
        service_has_endpoint(evidence, webhook),
    ]
}

fn bundle_is_valid(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let bundle = &webhook.ca_bundle;
    let Webhook { name, configuration, .. } = webhook;
    let fail = |problem: &str, observed: String| {
        Err(Judgement::fail(format!("the CA bundle of webhook {name} {problem}"))
            .expected("a valid certificate of istiod's CA")
            .observed(observed)
            .object(format!("webhook {name} of mutatingwebhookconfiguration {configuration}"))
            .step(rewrite_certificate(evidence))
            .step(restore_control_plane(evidence, "Restore istiod's right to write the CA bundle")))
    };
    if bundle.bytes == 0 {
        return fail("is empty", "0 bytes".into());
    }
    if let Some(error) = &bundle.error {
        return fail("cannot be parsed", error.clone());
    }
    if bundle.certificates.is_empty() {
        let observed = format!("{} bytes without a certificate", bundle.bytes);
        return fail("has no certificate", observed);
    }
    let now = evidence.moment();
    let unexpired: Vec<_> = bundle.certificates.iter().filter(|one| one.not_after > now).collect();
    let Some(first) = unexpired.first() else {
        let ends: Vec<_> = bundle
            .certificates
            .iter()
            .map(|one| format!("{} expired at {}", one.subject, one.not_after))
            .collect();
        return fail("has expired", list(&ends));
    };
    if unexpired.iter().all(|one| one.not_before > now) {
        // A wrong clock is more likely than a certificate of the future.
        return Err(Judgement::unjudged(format!(
            "the CA bundle of webhook {name} is valid from {} on, and it is {now}: a clock is wrong",
            first.not_before
        )));
    }
    Ok(Judgement::pass(String::new()))
}

/// Returns the service that a webhook calls, where meshcheck reads its namespace.
fn called_service<'w>(
    evidence: &Evidence,
    webhook: &'w Webhook,
) -> Result<&'w WebhookService, Judgement> {
    let Some(called) = &webhook.service else {
        let url = webhook.url.as_deref().unwrap_or("nothing");
        return Err(Judgement::unjudged(format!(
            "webhook {} calls {url}, which meshcheck cannot read",
            webhook.name
        )));
    };
    if called.namespace != evidence.expectations.istio_namespace {
        return Err(Judgement::unjudged(format!(
            "webhook {} calls service {}/{}, and meshcheck reads namespace {} only",
            webhook.name, called.namespace, called.name, evidence.expectations.istio_namespace
        )));
    }
    Ok(called)
}

/// The text of the step that shows the service.
const SHOW: &str = "Show the service and its endpoints";

fn service_object(called: &WebhookService) -> Object {
    Object::new("service", &called.namespace, &called.name)
}

fn fail(called: &WebhookService, summary: String, observed: String) -> Judgement {
    let service = service_object(called);
    Judgement::fail(summary)
        .expected(format!("{service} with port {} and a ready endpoint", called.port))
        .observed(observed)
        .object(service)
}

fn service_exists(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let called = called_service(evidence, webhook)?;
    let service = service_object(called);
    let restore = || restore_control_plane(evidence, "Restore the service");
    let what = format!("the services of namespace {}", called.namespace);
    let services = require(&evidence.install.services, &what, &service, restore)?;
    let Some(found) = services.iter().find(|one| one.name == called.name) else {
        let summary =
            format!("service {} does not exist, and an injection webhook calls it", called.name);
        let has_service = |other: &Webhook| {
            let other = other.service.as_ref();
            other.is_some_and(|other| services.iter().any(|one| one.name == other.name))
        };
        let webhooks = evidence.install.webhooks.value().into_iter().flatten();
        let step = if webhooks.filter(|it| injects(it)).any(has_service) {
            delete_webhook(evidence, webhook)
        } else {
            restore()
        };
        return Err(fail(called, summary, "no such service".into()).step(step));
    };
    if !found.ports.iter().any(|port| port.port == called.port) {
        let ports: Vec<_> = found.ports.iter().map(|port| port.port.to_string()).collect();
        let summary =
            format!("service {} has no port {}, which the webhook calls", called.name, called.port);
        return Err(fail(called, summary, format!("ports {}", list(&ports)))
            .step(show_called(evidence, called, SHOW))
            .step(restore()));
    }
    Ok(Judgement::pass(String::new()))
}

fn service_has_endpoint(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let called = called_service(evidence, webhook)?;
    let service = service_object(called);
    let what = format!("the endpoints of {service}");
    let shows = || show_called(evidence, called, SHOW);
    let endpoints = require(&evidence.install.endpoints, &what, &service, shows)?;
    let of_service = || endpoints.iter().filter(|one| one.service == called.name);
    if of_service().any(|one| one.ready && !one.addresses.is_empty()) {
        return Ok(Judgement::pass(String::new()));
    }
    let cause = match find_istiod(evidence) {
        Some(istiod) if istiod.replicas == 0 => " (istiod is scaled to 0)",
        _ => "",
    };
    let consequence = if webhook.failure_policy == "Ignore" {
        "new pods get no sidecar"
    } else {
        "no new pod can be created"
    };
    let observed = format!("0 of {} ready", count(of_service().count(), ENDPOINT));
    let summary = format!("service {} has no ready endpoint{cause}: {consequence}", called.name);
    let show = show_called(evidence, called, SHOW);
    Err(fail(called, summary, observed).steps(restore_istiod(evidence, show)))
}

/// Fails where an error of the API server shows that it cannot call the webhook, and is unjudged where nothing shows it.
pub(super) fn judge_call(evidence: &Evidence, webhook: Option<&Webhook>) -> Judged {
    let deployments = evidence.demo.deployments.value().into_iter().flatten();
    let failed = failed_injection(&evidence.mesh.dry_run_labelled, deployments);
    if let Some((message, error)) = injection_error(&evidence.mesh.dry_run_labelled) {
        return Err(Judgement::fail(format_injection_error(error))
            .expected("a pod with a sidecar")
            .observed(excerpt(error))
            .object(
                webhook.map_or_else(|| "webhook".to_owned(), |it| format!("webhook {}", it.name)),
            )
            .steps(repair_injection(evidence, &find_refused_deployments(evidence, message))));
    }
    let Some((error, failure)) = failed else {
        let dry_run = &evidence.mesh.dry_run_labelled;
        let mutating = evidence.install.webhooks.value().map_or(&[][..], Vec::as_slice);
        if !is_injection_answered(dry_run, mutating) {
            let namespace = &evidence.expectations.namespace;
            dry_run.look(&format!("the dry run in namespace {namespace}"))?;
        }
        return Ok(Judgement::pass(String::new()));
    };
    let called = webhook.and_then(|it| it.service.as_ref());
    let port = called.map_or(WEBHOOK_PORT.into(), |it| target_port(evidence, it));
    let to = called.map_or("the webhook".to_owned(), |it| format!("{}:{port}", it.name));
    let reason = format_call_failure(failure);
    Err(Judgement::fail(format!("the API server cannot call the webhook at {to}: {reason}"))
        .expected("an answer of the webhook")
        .observed(excerpt(error.rsplit("failed to call webhook: ").next().unwrap_or(error)))
        .object(called.map_or_else(|| "webhook".to_owned(), |it| service_object(it).to_string()))
        .steps(restore_call(evidence, failure, &port)))
}

/// The port of istiod's pods to which the webhook's service forwards.
const WEBHOOK_PORT: &str = "15017";

fn target_port(evidence: &Evidence, called: &WebhookService) -> String {
    let mut services = evidence.install.services.value().into_iter().flatten();
    let service = services.find(|it| it.name == called.name && it.namespace == called.namespace);
    let port = service.and_then(|it| it.ports.iter().find(|port| port.port == called.port));
    port.map_or(WEBHOOK_PORT, |port| port.target_port.as_str()).to_owned()
}
