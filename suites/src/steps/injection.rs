//! Steps on injection: labels, webhooks, and what a pod template asks for.

use serde_json::{Map, Value, json};

use super::{Impact, Step};
use crate::evidence::Evidence;
use crate::facts::webhooks::{INJECTION, REVISION, only_revision};

/// Labels the demo's namespace with what the webhooks that are there select.
pub(crate) fn label_for_webhooks(evidence: &Evidence, more: &[&str]) -> Step {
    let revision = only_revision(evidence).map(|revision| format!("{REVISION}={revision}"));
    let (label, remove) = (format!("{INJECTION}=enabled"), format!("{INJECTION}-"));
    let words = match &revision {
        Some(revision) => vec![revision, remove.as_str(), "--overwrite"],
        None => [&[label.as_str()], more].concat(),
    };
    let namespace = ["label", "namespace", &evidence.expectations.namespace];
    let command = evidence.kubectl(&[&namespace[..], &words].concat());
    Step::fix(Impact::Changes, command, "labels it")
}

/// Restarts all deployments of the demo's namespace.
pub(crate) fn restart_all(evidence: &Evidence, text: &str) -> Step {
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "rollout", "restart", "deployment"]);
    Step::fix(Impact::RestartsPods, command, text)
}

/// Removes labels or annotations from the template of a workload in the demo's namespace, where they are set.
pub(crate) fn remove_from_template(
    evidence: &Evidence,
    workload: &str,
    (field, keys): (&str, &[&str]),
    text: impl Into<String>,
) -> Step {
    let none: Map<_, _> = keys.iter().map(|&key| (key.to_owned(), Value::Null)).collect();
    let patch = json!({ "spec": { "template": { "metadata": { field: none } } } });
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "patch", workload, "-p", &patch.to_string()]);
    Step::fix(Impact::Changes, command, text)
}
