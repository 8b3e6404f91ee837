//! Whether the demo's namespace is labelled for injection.

use super::Labels;
use super::webhook::injects;
use crate::evidence::Evidence;
use crate::format::{excerpt, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};

pub(super) const INJECTION: &str = "istio-injection";
pub(super) const REVISION: &str = "istio.io/rev";

/// The labels of the demo's namespace.
pub(super) fn namespace_labels(evidence: &Evidence) -> Result<&Labels, Judgement> {
    let namespace = &evidence.expectations.namespace;
    let object = format!("namespace {namespace}");
    let create = || {
        let create = evidence.kubectl(&["create", "namespace", namespace]);
        format!("`{create}`, then label it: `{}`", label_command(evidence, &[]))
    };
    let namespaces = require(&evidence.install.namespaces, "the namespaces", &object, create)?;
    namespaces.get(namespace).ok_or_else(|| {
        Judgement::fail(format!("there is no namespace {namespace}"))
            .expected(format!("a namespace {namespace} with the label {INJECTION}=enabled"))
            .observed("no such namespace")
            .object(object)
            .legacy_hint(create())
    })
}

/// The command that labels the demo's namespace, for the webhooks that are there.
pub(super) fn label_command(evidence: &Evidence, more: &[&str]) -> String {
    let namespace = evidence.expectations.namespace.as_str();
    let label = ["label", "namespace", namespace];
    match revision_alone(evidence) {
        Some(revision) => {
            let revision = format!("{REVISION}={revision}");
            let words = [revision.as_str(), "istio-injection-", "--overwrite"];
            evidence.kubectl(&[&label[..], &words].concat())
        }
        None => evidence.kubectl(&[&label[..], &["istio-injection=enabled"], more].concat()),
    }
}

/// The revision, or the tag, by which alone the webhooks that are there select a namespace: `istio-injection`
/// is the default revision's.
pub(super) fn revision_alone(evidence: &Evidence) -> Option<&str> {
    let webhooks = evidence.install.webhooks.value()?;
    let injectors = || webhooks.iter().filter(|it| injects(it));
    let serves = |key: &str, value: &str| {
        let labels = Labels::from([(key.to_owned(), value.to_owned())]);
        injectors().any(|it| it.namespace_selector.selects(&labels) != Some(false))
    };
    if serves(INJECTION, "enabled") {
        return None;
    }
    let names = injectors().flat_map(|it| [it.tag.as_deref(), it.revision.as_deref()]).flatten();
    names.into_iter().find(|name| serves(REVISION, name))
}

pub(in super::super) fn namespace_labelled(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.namespace;
    let labels = namespace_labels(evidence)?;
    let restart = evidence.kubectl(&["-n", namespace, "rollout", "restart", "deployment"]);
    let hint = |command: String| {
        format!("`{command}`, then `{restart}`: a pod gets its sidecar when it is made")
    };
    let wrong = |summary: String, observed: String| {
        Judgement::fail(summary)
            .expected(format!("{INJECTION}=enabled"))
            .observed(observed)
            .object(format!("namespace {namespace}"))
    };
    // Where both labels are there, this one counts.
    if let Some(value) = labels.get(INJECTION) {
        if value == "enabled" {
            return Ok(Judgement::pass(format!("{namespace} has {INJECTION}=enabled")));
        }
        let value = excerpt(value);
        let summary = if value == "disabled" {
            format!("injection is switched off in namespace {namespace}")
        } else {
            format!("`{value}` is no value of the label {INJECTION}: only `enabled` switches it on")
        };
        return Err(wrong(summary, format!("{INJECTION}={value}"))
            .legacy_hint(hint(label_command(evidence, &["--overwrite"]))));
    }
    let Some(revision) = labels.get(REVISION) else {
        return Err(wrong(
            format!("namespace {namespace} is not labelled for injection"),
            format!("neither {INJECTION} nor {REVISION}"),
        )
        .legacy_hint(hint(label_command(evidence, &[]))));
    };
    let relabel = || hint(label_command(evidence, &[&format!("{REVISION}-")]));
    let webhooks = require(
        &evidence.install.webhooks,
        "the mutating webhooks",
        "the injection webhooks",
        relabel,
    )?;
    let injectors: Vec<_> = webhooks.iter().filter(|webhook| injects(webhook)).collect();
    let serves = injectors.iter().map(|webhook| webhook.namespace_selector.selects(labels));
    let mut in_doubt = false;
    for served in serves {
        match served {
            Some(true) => {
                return Ok(Judgement::pass(format!(
                    "{namespace} has {REVISION}={revision}, and a webhook serves that revision"
                )));
            }
            Some(false) => {}
            None => in_doubt = true,
        }
    }
    if in_doubt {
        return Err(Judgement::unjudged(
            "a webhook selects namespaces in a way that is not known here",
        ));
    }
    let mut installed: Vec<_> = injectors
        .iter()
        .flat_map(|webhook| [webhook.revision.as_deref(), webhook.tag.as_deref()])
        .flatten()
        .collect();
    installed.sort_unstable();
    installed.dedup();
    Err(wrong(
        format!(
            "no webhook serves the revision `{}` that namespace {namespace} asks for",
            excerpt(revision)
        ),
        format!("{REVISION}={}; installed revisions: {}", excerpt(revision), list(&installed)),
    )
    .expected(format!("{INJECTION}=enabled, or {REVISION} with an installed revision"))
    .legacy_hint(relabel()))
}
