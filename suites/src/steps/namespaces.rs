//! Steps on namespaces.

use super::{Impact, Step};
use crate::evidence::Evidence;

/// Deletes a namespace of our own.
pub(crate) fn delete(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    let command = evidence.kubectl(&["delete", "namespace", namespace]);
    Step::fix(Impact::Deletes, command, text)
}

/// Shows what keeps a namespace from being deleted.
pub(crate) fn show_conditions(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    let path = "jsonpath={.status.conditions}";
    Step::inspect(evidence.kubectl(&["get", "namespace", namespace, "-o", path]), text)
}
