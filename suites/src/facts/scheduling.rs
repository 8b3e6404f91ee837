//! What keeps pods from a node: nodes that are not ready, and the scheduler's reasons.

use crate::evidence::{Deployment, Evidence, Node, Observation, Pod};

/// What the scheduler says of a pod for which no node is well, or none has room.
const NO_NODE: [&str; 5] = [
    "Insufficient ",
    "Too many pods",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "-pressure",
];

/// Whether a node is Ready.
pub(crate) fn is_node_ready(node: &Node) -> bool {
    node.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True")
}

/// Whether a pod is not well because its node is not, or because it finds none.
fn waits_for_node(evidence: &Evidence, pod: &Pod) -> bool {
    let Some(nodes) = evidence.cluster.nodes.value() else { return false };
    if let Some(name) = &pod.node {
        return nodes.iter().any(|node| node.name == *name && !is_node_ready(node));
    }
    let reason = pod.reason.as_deref().unwrap_or_default();
    pod.phase == "Pending"
        && (!nodes.iter().any(is_node_ready) || NO_NODE.iter().any(|it| reason.contains(it)))
}

/// Whether there are pods that wait for a node, and no others.
pub(crate) fn all_wait_for_nodes<'p>(
    evidence: &Evidence,
    ill: impl IntoIterator<Item = &'p Pod>,
) -> bool {
    let mut ill = ill.into_iter().peekable();
    ill.peek().is_some() && ill.all(|pod| waits_for_node(evidence, pod))
}

/// Whether no pod keeps a deployment from being available but those that wait for a node.
pub(crate) fn deployment_waits_for_nodes(
    evidence: &Evidence,
    deployment: Option<&Deployment>,
    pods: &Observation<Vec<Pod>>,
) -> bool {
    deployment.is_some_and(|deployment| {
        let pods = pods.value().into_iter().flatten();
        let ill = pods
            .filter(|pod| deployment.selects(pod) && !pod.terminating)
            .filter(|pod| !pod.is_running_and_ready());
        deployment.replicas > 0 && all_wait_for_nodes(evidence, ill)
    })
}

/// Whether there are nodes and none of them is Ready: logs and commands go through the node's kubelet.
pub(crate) fn no_node_is_ready(evidence: &Evidence) -> bool {
    let nodes = evidence.cluster.nodes.value();
    nodes.is_some_and(|nodes| !nodes.is_empty() && !nodes.iter().any(is_node_ready))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{demo_pod, healthy, of};

    #[test]
    fn pod_waits_for_a_node_that_is_not_ready() {
        let mut evidence = healthy();
        let pod = demo_pod(&mut evidence, "echo").clone();
        assert!(!all_wait_for_nodes(&evidence, [&pod]) && !no_node_is_ready(&evidence));
        assert!(!all_wait_for_nodes(&evidence, []));
        of(&mut evidence.cluster.nodes)[0].conditions.clear();
        assert!(all_wait_for_nodes(&evidence, [&pod]) && no_node_is_ready(&evidence));
        evidence.cluster.nodes = Observation::failed("forbidden");
        assert!(!all_wait_for_nodes(&evidence, [&pod]) && !no_node_is_ready(&evidence));
    }
}
