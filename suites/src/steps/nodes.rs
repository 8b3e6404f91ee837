//! Steps on nodes.

use super::{Impact, Step};
use crate::evidence::{Evidence, Node};

/// Lists the nodes.
pub(crate) fn list(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["get", "nodes"]), text)
}

/// Describes a node: its conditions and events.
pub(crate) fn describe(evidence: &Evidence, node: &Node, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["describe", "node", &node.name]), text)
}

/// Describes all nodes: what their pods request.
pub(crate) fn describe_all(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["describe", "nodes"]), text)
}

/// Lets pods be placed on a node again.
pub(crate) fn uncordon(evidence: &Evidence, node: &Node, text: &str) -> Step {
    Step::fix(Impact::Changes, evidence.kubectl(&["uncordon", &node.name]), text)
}

/// Lists the nodes with their systems.
pub(crate) fn list_wide(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["get", "nodes", "-o", "wide"]), text)
}

/// Shows the events of all namespaces.
pub(crate) fn show_events(evidence: &Evidence, text: impl Into<String>) -> Step {
    Step::inspect(evidence.kubectl(&["get", "events", "--all-namespaces"]), text)
}

/// Shows which nodes load balancers leave out.
pub(crate) fn show_excluded(evidence: &Evidence) -> Step {
    let label = "node.kubernetes.io/exclude-from-external-load-balancers";
    let command = evidence.kubectl(&["get", "nodes", "-L", label]);
    Step::inspect(command, "shows which nodes have the label that keeps addresses from them")
}
