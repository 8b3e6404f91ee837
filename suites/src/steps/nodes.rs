//! Steps on nodes.

use super::{Impact, Purpose, Step};
use crate::evidence::{Evidence, Node};
use crate::hint::escape_backquotes;

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

/// Removes a taint from a node: `node-role.kubernetes.io/control-plane=:NoSchedule`.
pub(crate) fn untaint(evidence: &Evidence, node: &Node, taint: &str) -> Step {
    // `kubectl` prints no `=` before an empty value, and takes none.
    let taint = format!("{}-", taint.replace("=:", ":"));
    let command = evidence.kubectl(&["taint", "nodes", &node.name, &taint]);
    Step::fix(Impact::Changes, command, "removes the taint, so that pods are placed there")
}

/// Says that a node's disk is full, and shows how full.
pub(crate) fn free_disk(evidence: &Evidence, node: &Node) -> Vec<Step> {
    let name = escape_backquotes(&node.name);
    let free =
        format!("free disk space on node {name}: its kubelet evicts pods until there is enough");
    let show = evidence.on_node(&node.name, &["df", "-h", "/"]);
    vec![Step::advice(Purpose::Fix, free), Step::inspect(show, "shows how full its disk is")]
}

/// Loads the kernel modules that istio-init's rules need, on a node.
pub(crate) fn load_nat_table(evidence: &Evidence, node: &str) -> Step {
    let modules = ["modprobe", "-a", "iptable_nat", "xt_REDIRECT", "xt_owner", "xt_conntrack"];
    let text = "loads the kernel modules that istio-init's rules need; the same names in \
                /etc/modules-load.d/istio.conf of the machine keep them loaded";
    Step::fix(Impact::Changes, evidence.on_node(node, &modules), text)
}

/// Shows which nodes load balancers leave out.
pub(crate) fn show_excluded(evidence: &Evidence) -> Step {
    let label = "node.kubernetes.io/exclude-from-external-load-balancers";
    let command = evidence.kubectl(&["get", "nodes", "-L", label]);
    Step::inspect(command, "shows which nodes have the label that keeps addresses from them")
}
