//! Steps on namespaces, and on their labels.

use super::{Impact, Step};
use crate::evidence::Evidence;
use crate::facts::webhooks::{INJECTION, REVISION, only_revision};

/// Creates the demo's namespace.
pub(crate) fn create(evidence: &Evidence, text: &str) -> Step {
    let command = evidence.kubectl(&["create", "namespace", &evidence.expectations.namespace]);
    Step::fix(Impact::Changes, command, text)
}

/// Deletes a namespace of our own.
pub(crate) fn delete(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    Step::fix(Impact::Deletes, evidence.kubectl(&["delete", "namespace", namespace]), text)
}

/// Shows what keeps a namespace from being deleted.
pub(crate) fn show_conditions(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    let path = "jsonpath={.status.conditions}";
    Step::inspect(evidence.kubectl(&["get", "namespace", namespace, "-o", path]), text)
}

/// Labels the demo's namespace for injection.
pub(crate) fn label_for_injection(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.namespace;
    let label = ["label", "namespace", namespace, "istio-injection=enabled", "--overwrite"];
    Step::fix(Impact::Changes, evidence.kubectl(&label), "labels it")
}

/// Labels the demo's namespace with what the webhooks that are there select.
pub(crate) fn label_for_webhooks(evidence: &Evidence, more: &[&str]) -> Step {
    let revision = only_revision(evidence).map(|revision| format!("{REVISION}={revision}"));
    let (label, remove) = (format!("{INJECTION}=enabled"), format!("{INJECTION}-"));
    let labels = match &revision {
        Some(revision) => vec![revision, remove.as_str(), "--overwrite"],
        None => [&[label.as_str()], more].concat(),
    };
    let namespace = ["label", "namespace", &evidence.expectations.namespace];
    Step::fix(Impact::Changes, evidence.kubectl(&[&namespace[..], &labels].concat()), "labels it")
}

/// Lets the pods of a namespace do what Pod Security forbids, as `istio-init` needs it.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-admission/>.
pub(crate) fn label_privileged(evidence: &Evidence, namespace: &str) -> Step {
    let label = "pod-security.kubernetes.io/enforce=privileged";
    let command = evidence.kubectl(&["label", "namespace", namespace, label, "--overwrite"]);
    Step::fix(Impact::Changes, command, "allows what istio-init needs to set its rules")
}
