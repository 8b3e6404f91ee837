//! Whether a webhook that is called gets an answer that the API server trusts.

use crate::evidence::{Evidence, Webhook, WebhookService};
use crate::facts::istiod::find_istiod;
use crate::facts::refusal::failed_injection;
use crate::facts::webhooks::injects;
use crate::format::refusal::format_call_failure;
use crate::format::{ENDPOINT, count, excerpt, list};
use crate::judgement::{Judged, Judgement, require};
use crate::object::Object;
use crate::steps::injection::{delete_webhook, restore_call};
use crate::steps::istio::{restore_control_plane, restore_istiod, rewrite_certificate};
use crate::steps::services::show_called;

/// All that must hold for it.
pub(super) fn judge_answer(evidence: &Evidence, webhook: &Webhook) -> [Judged; 3] {
    [
        bundle_is_valid(evidence, webhook),
        service_exists(evidence, webhook),
        service_has_endpoint(evidence, webhook),
    ]
}

fn bundle_is_valid(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let bundle = &webhook.ca_bundle;
    let fail = |summary: &str, observed: String| {
        let Webhook { name, configuration, .. } = webhook;
        Err(Judgement::fail(summary)
            .expected("the certificate with which the API server checks istiod's answer")
            .observed(observed)
            .object(format!("webhook {name} of mutatingwebhookconfiguration {configuration}"))
            .step(rewrite_certificate(evidence))
            .step(restore_control_plane(evidence, "restores its rights, where it may not")))
    };
    if bundle.bytes == 0 {
        return fail(
            "the webhook's CA bundle is empty: the API server trusts no answer",
            "0 bytes".into(),
        );
    }
    if let Some(error) = &bundle.error {
        return fail("the webhook's CA bundle cannot be parsed", error.clone());
    }
    if bundle.certificates.is_empty() {
        let observed = format!("{} bytes without a certificate", bundle.bytes);
        return fail("the webhook's CA bundle holds no certificate", observed);
    }
    let now = evidence.moment();
    let unexpired: Vec<_> = bundle.certificates.iter().filter(|one| one.not_after > now).collect();
    let Some(first) = unexpired.first() else {
        let ends: Vec<_> = bundle
            .certificates
            .iter()
            .map(|one| format!("{} ended {}", one.subject, one.not_after))
            .collect();
        return fail("the certificate in the webhook's CA bundle has expired", list(&ends));
    };
    if unexpired.iter().all(|one| one.not_before > now) {
        // More likely than a certificate of the future: the clock of the machine that looked.
        return Err(Judgement::unjudged(format!(
            "the certificate in the webhook's CA bundle begins {}, after the time of this look \
             ({now}): one of the clocks is wrong",
            first.not_before
        )));
    }
    Ok(Judgement::pass(String::new()))
}

/// The service that a webhook calls, where it was observed.
fn called_service<'w>(
    evidence: &Evidence,
    webhook: &'w Webhook,
) -> Result<&'w WebhookService, Judgement> {
    let Some(called) = &webhook.service else {
        let url = webhook.url.as_deref().unwrap_or("nothing");
        return Err(Judgement::unjudged(format!(
            "webhook {} calls {url}, which cannot be looked at from here",
            webhook.name
        )));
    };
    if called.namespace != evidence.expectations.istio_namespace {
        return Err(Judgement::unjudged(format!(
            "webhook {} calls service {}/{}, which was not looked at",
            webhook.name, called.namespace, called.name
        )));
    }
    Ok(called)
}

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
    let restore = || restore_control_plane(evidence, "restores it");
    let what = format!("the services of namespace {}", called.namespace);
    let services = require(&evidence.install.services, &what, &service, restore)?;
    let Some(found) = services.iter().find(|one| one.name == called.name) else {
        let summary = format!("the webhook calls {service}, which is not there");
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
            format!("the webhook calls port {} of {service}, which has no such port", called.port);
        return Err(fail(called, summary, format!("ports {}", list(&ports)))
            .step(show_called(evidence, called, "shows it"))
            .step(restore()));
    }
    Ok(Judgement::pass(String::new()))
}

fn service_has_endpoint(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let called = called_service(evidence, webhook)?;
    let service = service_object(called);
    let what = format!("the endpoints of {service}");
    let shows = || show_called(evidence, called, "shows them");
    let endpoints = require(&evidence.install.endpoints, &what, &service, shows)?;
    let of_service = || endpoints.iter().filter(|one| one.service == called.name);
    if of_service().any(|one| one.ready && !one.addresses.is_empty()) {
        return Ok(Judgement::pass(String::new()));
    }
    let cause = match find_istiod(evidence) {
        Some(istiod) if istiod.replicas == 0 => {
            ", because istiod is scaled to zero: see install::control_plane_running"
        }
        _ => "",
    };
    let consequence = if webhook.failure_policy == "Ignore" {
        "new pods get no sidecar"
    } else {
        "no new pod can be made"
    };
    let observed = match of_service().count() {
        0 => "no endpoint".to_owned(),
        number => format!("{}, none of them ready", count(number, ENDPOINT)),
    };
    let summary = format!(
        "nobody answers the webhook: {service} has no ready endpoint, and {consequence}{cause}"
    );
    let show = show_called(evidence, called, "shows what there is");
    Err(fail(called, summary, observed).steps(restore_istiod(evidence, show)))
}

/// Whether the API server could call the webhook, as far as it told.
pub(super) fn judge_call(evidence: &Evidence, webhook: Option<&Webhook>) -> Judged {
    let deployments = evidence.demo.deployments.value().into_iter().flatten();
    let failed = failed_injection(&evidence.mesh.dry_run_labelled, deployments);
    let Some((words, failure)) = failed else { return Ok(Judgement::pass(String::new())) };
    let called = webhook.and_then(|it| it.service.as_ref());
    let port = called.map_or(WEBHOOK_PORT.into(), |it| target_port(evidence, it));
    let to = called.map_or("the webhook".to_owned(), |it| format!("{}:{port}", it.name));
    let reason = format_call_failure(failure);
    Err(Judgement::fail(format!("the API server cannot call the webhook at {to}: {reason}"))
        .expected("an answer of the webhook to the API server")
        .observed(excerpt(words))
        .object(called.map_or_else(|| "webhook".to_owned(), |it| service_object(it).to_string()))
        .steps(restore_call(evidence, failure, &port)))
}

/// The port of istiod's pods that the webhook's service leads to.
const WEBHOOK_PORT: &str = "15017";

fn target_port(evidence: &Evidence, called: &WebhookService) -> String {
    let mut services = evidence.install.services.value().into_iter().flatten();
    let service = services.find(|it| it.name == called.name && it.namespace == called.namespace);
    let port = service.and_then(|it| it.ports.iter().find(|port| port.port == called.port));
    port.map_or(WEBHOOK_PORT, |port| port.target_port.as_str()).to_owned()
}
