//! Whether an admission webhook injects the sidecar, and would get an answer.

use super::super::mesh::{INJECT, take_out};
use super::label::{INJECTION, REVISION, label_command, namespace_labels, revision_alone};
use super::{Labels, istiod, istiod_hint};
use crate::combine::all_hold;
use crate::evidence::{Evidence, Expectations, Observation, Webhook, WebhookService};
use crate::format::{ENDPOINT, INJECTION_WEBHOOK, OTHER_WEBHOOK, count, excerpt, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement, Look as _};

const WEBHOOKS: &str = "the injection webhooks";

/// Whether a webhook is one of Istio's injectors, by what it calls.
pub(in super::super) fn is_injector(webhook: &Webhook) -> bool {
    let inject = |path: &str| path == "/inject" || path.starts_with("/inject/");
    webhook.service.as_ref().is_some_and(|service| inject(&service.path))
        || webhook.url.as_deref().is_some_and(|url| {
            let path = url.split_once("://").map_or(url, |(_, rest)| rest);
            path.find('/').is_some_and(|at| inject(&path[at..]))
        })
}

/// Whether a webhook was switched off in Istio's way: it asks for a label that nothing has.
pub(in super::super) fn is_deactivated(webhook: &Webhook) -> bool {
    [&webhook.namespace_selector, &webhook.object_selector]
        .iter()
        .any(|selector| selector.match_labels.contains_key("istio.io/deactivated"))
}

/// Whether a webhook is one of Istio's injectors that is not switched off.
pub(in super::super) fn injects(webhook: &Webhook) -> bool {
    is_injector(webhook) && !is_deactivated(webhook)
}

pub(in super::super) fn injection_webhook(evidence: &Evidence) -> Judged {
    let install = evidence.install_default();
    let restore = || format!("`{install}` restores them");
    let webhooks = require(&evidence.install.webhooks, "the mutating webhooks", WEBHOOKS, restore)?;
    let injectors: Vec<_> = webhooks.iter().filter(|webhook| is_injector(webhook)).collect();
    if injectors.is_empty() {
        return Err(Judgement::fail("no webhook injects sidecars: none calls /inject")
            .expected("a mutating webhook that calls istiod's /inject")
            .observed(count(webhooks.len(), OTHER_WEBHOOK))
            .object(WEBHOOKS)
            .legacy_hint(restore()));
    }
    let labels = namespace_labels(evidence)?;
    let mut calling: Vec<&Webhook> = Vec::new();
    let (made, unseen) = templates(evidence);
    // Without a look at the deployments, a plain pod can still show that nothing is injected.
    let mut selections: Vec<Judged> = unseen.into_iter().map(Err).collect();
    for (deployment, pod_labels) in made {
        match selecting(&injectors, labels, &pod_labels) {
            Ok(selecting) if selecting.is_empty() => {
                let fail = none_selects(evidence, &injectors, labels, &pod_labels, deployment);
                selections.push(Err(fail));
            }
            Ok(selecting) => {
                for webhook in selecting {
                    if !calling.contains(&webhook) {
                        calling.push(webhook);
                    }
                }
            }
            Err(unknown) => selections.push(Err(unknown)),
        }
    }
    let answers = calling.iter().flat_map(|webhook| {
        [
            bundle_is_good(evidence, webhook),
            service_is_there(evidence, webhook),
            service_answers(evidence, webhook),
        ]
    });
    all_hold(selections.into_iter().chain(answers))?;
    let mut names: Vec<_> = calling
        .iter()
        .map(|webhook| format!("{}/{}", webhook.configuration, webhook.name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let overlap = if names.len() > 1 { " (more than one: they overlap)" } else { "" };
    Ok(Judgement::pass(format!(
        "{} selects namespace {}{overlap}, and istiod is there to answer it",
        list(&names),
        evidence.expectations.namespace
    )))
}

/// The labels with which the demo's deployments make pods, by deployment, and why they could not
/// be seen. Where nothing is deployed, a plain pod stands for them.
fn templates(evidence: &Evidence) -> (Vec<(Option<&str>, Labels)>, Option<Judgement>) {
    let Expectations { namespace, backend_deployment, client_deployment, .. } =
        &evidence.expectations;
    let names = [backend_deployment, client_deployment];
    let deployments = &evidence.demo.deployments;
    let unseen = match deployments {
        Observation::Absent { .. } => None,
        _ => deployments.look(&format!("the deployments of namespace {namespace}")).err(),
    };
    let mut made: Vec<_> = deployments
        .value()
        .into_iter()
        .flatten()
        .filter(|deployment| names.contains(&&deployment.name))
        .map(|deployment| (Some(deployment.name.as_str()), deployment.template_labels.clone()))
        .collect();
    if made.is_empty() {
        made.push((None, Labels::new()));
    }
    (made, unseen)
}

fn selecting<'e>(
    injectors: &[&'e Webhook],
    namespace: &Labels,
    pod: &Labels,
) -> Result<Vec<&'e Webhook>, Judgement> {
    let mut selecting = Vec::new();
    for &webhook in injectors {
        let by_namespace = webhook.namespace_selector.selects(namespace);
        let by_object = webhook.object_selector.selects(pod);
        match (by_namespace, by_object) {
            (Some(true), Some(true)) => selecting.push(webhook),
            (Some(false), _) | (_, Some(false)) => {}
            _ => {
                return Err(Judgement::unjudged(format!(
                    "webhook {} of {} selects in a way that is not known here",
                    webhook.name, webhook.configuration
                )));
            }
        }
    }
    Ok(selecting)
}

fn none_selects(
    evidence: &Evidence,
    injectors: &[&Webhook],
    labels: &Labels,
    pod_labels: &Labels,
    deployment: Option<&str>,
) -> Judgement {
    let namespace = &evidence.expectations.namespace;
    let who = deployment.map_or("its pods".to_owned(), |name| format!("the pods of {name}"));
    let would = |labels: &Labels, pod: &Labels| {
        selecting(injectors, labels, pod).is_ok_and(|selecting| !selecting.is_empty())
    };
    let active = injectors.iter().filter(|webhook| !is_deactivated(webhook)).count();
    let observed = format!(
        "{}, {} of them deactivated",
        count(injectors.len(), INJECTION_WEBHOOK),
        injectors.len() - active
    );
    let revision = revision_alone(evidence);
    let (key, value) = revision.map_or((INJECTION, "enabled"), |revision| (REVISION, revision));
    let labelled = Labels::from([(key.to_owned(), value.to_owned())]);
    let fail = |summary: String| {
        Judgement::fail(summary)
            .expected(format!("a webhook that selects namespace {namespace} and {who}"))
            .observed(observed.clone())
    };
    if let Some(name) = deployment.filter(|_| would(labels, &Labels::new())) {
        return fail(format!("no webhook selects {who}: their own labels keep injection away"))
            .object(format!("deployment {namespace}/{name}"))
            .legacy_hint(lets_in(evidence, name, pod_labels, |rest| would(labels, rest)));
    }
    if would(&labelled, pod_labels) {
        let command = label_command(evidence, &["istio.io/rev-", "--overwrite"]);
        let is_enabled = labels.get(INJECTION).is_some_and(|it| it == "enabled");
        return fail(match revision.filter(|_| is_enabled) {
            Some(revision) => format!(
                "no webhook selects namespace {namespace}: those that are there serve the revision \
                 `{}`, and {INJECTION} is for the default one",
                excerpt(revision)
            ),
            None => format!(
                "no webhook selects namespace {namespace}, only because it is not labelled: see \
                 install::namespace_labelled"
            ),
        })
        .object(format!("namespace {namespace}"))
        .legacy_hint(format!("`{command}` labels it"));
    }
    let summary = if active == 0 {
        "no webhook injects sidecars: each one is deactivated".to_owned()
    } else {
        format!("no webhook selects namespace {namespace}, whatever its label")
    };
    fail(summary)
        .object(WEBHOOKS)
        .legacy_hint(format!("`{}` restores them", evidence.install_default()))
}

/// What takes out of a deployment's template the labels that keep injection away: the fewest without which
/// its pods `would` be injected.
fn lets_in(
    evidence: &Evidence,
    deployment: &str,
    pod_labels: &Labels,
    would: impl Fn(&Labels) -> bool,
) -> String {
    let enough = |keys: &&&[&str]| {
        let mut rest = pod_labels.clone();
        rest.retain(|key, _| !keys.contains(&key.as_str()));
        would(&rest)
    };
    let choices: [&[&str]; 3] = [&[INJECT], &[REVISION], &[INJECT, REVISION]];
    let Some(keys) = choices.iter().find(enough) else {
        let command =
            evidence.kubectl(&["get", "mutatingwebhookconfigurations", "--output", "yaml"]);
        return format!("`{command}` shows which labels the webhooks ask for");
    };
    let command = take_out(evidence, &format!("deployment/{deployment}"), "labels", keys);
    format!("`{command}` takes what keeps injection away out of its template")
}

fn object(webhook: &Webhook) -> String {
    format!("webhook {} of mutatingwebhookconfiguration {}", webhook.name, webhook.configuration)
}

fn bundle_is_good(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let bundle = &webhook.ca_bundle;
    // A rollout would need room for a second istiod beside the first.
    let restart = evidence.kubectl(&["-n", namespace, "delete", "pod", "-l", "app=istiod"]);
    let install = evidence.install_default();
    let fail = |summary: &str, observed: String| {
        Err(Judgement::fail(summary)
            .expected("the certificate with which the API server checks istiod's answer")
            .observed(observed)
            .object(object(webhook))
            .legacy_hint(format!(
                "`{restart}`: istiod writes its certificate there when it starts; where it may not, \
                 `{install}` restores its rights"
            )))
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

/// The service that a webhook calls, where it was looked at.
fn called<'w>(evidence: &Evidence, webhook: &'w Webhook) -> Result<&'w WebhookService, Judgement> {
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

fn service_object(called: &WebhookService) -> String {
    format!("service {}/{}", called.namespace, called.name)
}

fn unanswered(called: &WebhookService, summary: String, observed: String) -> Judgement {
    let service = service_object(called);
    Judgement::fail(summary)
        .expected(format!("{service} with port {} and a ready endpoint", called.port))
        .observed(observed)
        .object(service)
}

fn show(evidence: &Evidence, called: &WebhookService) -> String {
    evidence.kubectl(&["-n", &called.namespace, "get", "svc,endpoints", &called.name])
}

fn service_is_there(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let called = called(evidence, webhook)?;
    let service = service_object(called);
    let restore = || format!("`{}` restores it", evidence.install_default());
    let what = format!("the services of namespace {}", called.namespace);
    let services = require(&evidence.install.services, &what, &service, restore)?;
    let Some(found) = services.iter().find(|one| one.name == called.name) else {
        let summary = format!("the webhook calls {service}, which is not there");
        let is_there = |other: &Webhook| {
            let other = other.service.as_ref();
            other.is_some_and(|other| services.iter().any(|one| one.name == other.name))
        };
        let webhooks = evidence.install.webhooks.value().into_iter().flatten();
        let hint = if webhooks.filter(|it| injects(it)).any(is_there) {
            let kind = "mutatingwebhookconfiguration";
            let command = evidence.kubectl(&["delete", kind, &webhook.configuration]);
            format!("`{command}` removes it: what it belonged to is gone, and another one injects")
        } else {
            restore()
        };
        return Err(unanswered(called, summary, "no such service".into()).legacy_hint(hint));
    };
    if !found.ports.iter().any(|port| port.port == called.port) {
        let ports: Vec<_> = found.ports.iter().map(|port| port.port.to_string()).collect();
        let summary =
            format!("the webhook calls port {} of {service}, which has no such port", called.port);
        return Err(unanswered(called, summary, format!("ports {}", list(&ports)))
            .legacy_hint(format!("`{}` shows it; {}", show(evidence, called), restore())));
    }
    Ok(Judgement::pass(String::new()))
}

fn service_answers(evidence: &Evidence, webhook: &Webhook) -> Judged {
    let called = called(evidence, webhook)?;
    let service = service_object(called);
    let show = show(evidence, called);
    let endpoints = require(
        &evidence.install.endpoints,
        &format!("the endpoints of {service}"),
        &service,
        || format!("`{show}` shows them"),
    )?;
    let of_service = || endpoints.iter().filter(|one| one.service == called.name);
    if of_service().any(|one| one.ready && !one.addresses.is_empty()) {
        return Ok(Judgement::pass(String::new()));
    }
    let cause = match istiod(evidence) {
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
    let unready = of_service().count();
    let observed = match unready {
        0 => "no endpoint".to_owned(),
        number => format!("{}, none of them ready", count(number, ENDPOINT)),
    };
    Err(unanswered(
        called,
        format!(
            "nobody answers the webhook: {service} has no ready endpoint, and {consequence}{cause}"
        ),
        observed,
    )
    .legacy_hint(istiod_hint(evidence, &show)))
}
