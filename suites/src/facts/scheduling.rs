//! Pods that wait for a node: nodes that are not ready, and the scheduler's reasons.

use crate::evidence::{Deployment, Evidence, Node, Observation, Pod};
use crate::facts::workload::has_ended;

/// Why the scheduler finds no node for a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unschedulable<'p> {
    /// No node has enough CPU or memory left.
    Room,
    /// Each node has its maximum number of pods.
    Slots,
    /// Its host ports are in use.
    Ports,
    /// Its volume is not bound, or is on another node.
    Volume,
    /// Its node selector, its affinity or its spread constraints fit no node.
    Affinity,
    /// The nodes are cordoned.
    Cordoned,
    /// The nodes have a taint with this key, which it does not tolerate.
    Taint(&'p str),
    /// Another reason.
    Other,
}

/// The scheduler's message for each reason. Where nodes differ, the first reason counts: a taint of the control plane's
/// node is normal where another node is full.
const REASONS: [(Unschedulable<'_>, &[&str]); 6] = [
    (Unschedulable::Room, &["Insufficient "]),
    (Unschedulable::Slots, &["Too many pods"]),
    (Unschedulable::Ports, &["free ports"]),
    (
        Unschedulable::Volume,
        &["PersistentVolumeClaim", "persistentvolume", "volume node affinity", "max volume count"],
    ),
    (Unschedulable::Affinity, &["affinity", "node selector", "topology spread constraints"]),
    (Unschedulable::Cordoned, &["node(s) were unschedulable"]),
];

/// Returns why the scheduler finds no node for a pod, where its message shows the reason.
pub(crate) fn find_unschedulable(pod: &Pod) -> Option<Unschedulable<'_>> {
    let waits = pod.phase == "Pending" && pod.node.is_none() && !pod.terminating;
    let words = pod.reason.as_deref().filter(|_| waits)?;
    let contains = |(_, texts): &&(_, &[&str])| texts.iter().any(|it| words.contains(it));
    let taint = || {
        let key = words.split_once("taint {")?.1.split([':', '}', '=']).next()?;
        Some(Unschedulable::Taint(key.trim()))
    };
    let known = REASONS.iter().find(contains).map(|it| it.0);
    Some(known.or_else(taint).unwrap_or(Unschedulable::Other))
}

/// Returns the scheduler's reasons from a pod's own requirements, without the number of nodes and its words on preemption.
pub(crate) fn find_unmet_requirement(pod: &Pod) -> Option<&str> {
    find_unschedulable(pod).filter(|reason| !is_for_nodes(*reason))?;
    let words = pod.reason.as_deref()?.trim_start_matches("Unschedulable: ");
    let words = words.split_once("nodes are available: ").map_or(words, |(_, rest)| rest);
    Some(words.split(". preemption: ").next().unwrap_or(words).trim_end_matches('.'))
}

/// The programs that remove a taint by themselves, by the beginning of its key. Kubernetes sets these taints on a node that is
/// not ready for pods.
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>.
const OWNERS: [(&str, &str); 5] = [
    ("node.cloudprovider.kubernetes.io/", "the cloud controller manager"),
    ("node.kubernetes.io/network-unavailable", "the network plug-in"),
    ("node.cilium.io/agent-not-ready", "Cilium's agent"),
    ("karpenter.sh/", "Karpenter"),
    ("ToBeDeletedByClusterAutoscaler", "the cluster autoscaler"),
];

/// Returns the program that removes a taint with this key by itself.
pub(crate) fn find_taint_owner(key: &str) -> Option<&'static str> {
    OWNERS.iter().find(|(start, _)| key.starts_with(start)).map(|it| it.1)
}

/// Whether the nodes are the reason, and not the pod's own requirements.
pub(crate) fn is_for_nodes(reason: Unschedulable<'_>) -> bool {
    use Unschedulable::{Cordoned, Ports, Room, Slots, Taint};
    matches!(reason, Room | Slots | Ports | Cordoned | Taint(_))
}

/// Whether a node is Ready.
pub(crate) fn is_node_ready(node: &Node) -> bool {
    node.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True")
}

/// Whether a pod is not ready because its node is not, or because it finds none.
fn waits_for_node(evidence: &Evidence, pod: &Pod) -> bool {
    let Some(nodes) = evidence.cluster.nodes.value() else { return false };
    if let Some(name) = &pod.node {
        return nodes.iter().any(|node| node.name == *name && !is_node_ready(node));
    }
    pod.phase == "Pending"
        && (!nodes.iter().any(is_node_ready) || find_unschedulable(pod).is_some_and(is_for_nodes))
}

/// Whether all of these pods wait for a node, and there is at least one.
pub(crate) fn all_wait_for_nodes<'p>(
    evidence: &Evidence,
    ill: impl IntoIterator<Item = &'p Pod>,
) -> bool {
    // A pod that has ended stays listed: an evicted one has a successor.
    let mut ill = ill.into_iter().filter(|pod| !has_ended(pod)).peekable();
    ill.peek().is_some() && ill.all(|pod| waits_for_node(evidence, pod))
}

/// Whether all unready pods of a deployment wait for a node.
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
    use rstest::rstest;

    #[rstest]
    #[case("1 Insufficient memory", Unschedulable::Room, true)]
    #[case("1 Too many pods", Unschedulable::Slots, true)]
    #[case("1 Insufficient cpu, 1 node(s) had untolerated taint {a: }", Unschedulable::Room, true)]
    #[case(
        "1 node(s) didn't have free ports for the requested pod ports",
        Unschedulable::Ports,
        true
    )]
    #[case("pod has unbound immediate PersistentVolumeClaims", Unschedulable::Volume, false)]
    #[case("persistentvolumeclaim \"data\" not found", Unschedulable::Volume, false)]
    #[case("1 node(s) had volume node affinity conflict", Unschedulable::Volume, false)]
    #[case("1 node(s) didn't match Pod's node affinity/selector", Unschedulable::Affinity, false)]
    #[case("1 node(s) didn't match pod anti-affinity rules", Unschedulable::Affinity, false)]
    #[case(
        "1 node(s) didn't match pod topology spread constraints",
        Unschedulable::Affinity,
        false
    )]
    #[case("1 node(s) were unschedulable", Unschedulable::Cordoned, true)]
    #[case("1 node(s) had untolerated taint {team/a: b}", Unschedulable::Taint("team/a"), true)]
    #[case(
        "1 node(s) had taint {team: b}, that the pod didn't tolerate",
        Unschedulable::Taint("team"),
        true
    )]
    #[case("no nodes available to schedule pods", Unschedulable::Other, false)]
    fn scheduler_says_why_a_pod_finds_no_node(
        #[case] words: &str,
        #[case] reason: Unschedulable<'_>,
        #[case] is_for_the_nodes: bool,
    ) {
        let reason_text = Some(format!("Unschedulable: 0/1 nodes are available: {words}."));
        let mut pod = Pod { phase: "Pending".into(), reason: reason_text, ..Pod::default() };
        assert_eq!(find_unschedulable(&pod), Some(reason));
        assert_eq!(is_for_nodes(reason), is_for_the_nodes);
        pod.node = Some("node-1".into());
        assert_eq!(find_unschedulable(&pod), None);
    }

    #[rstest]
    #[case(
        "Unschedulable: 0/1 nodes are available: pod has unbound claims. preemption: 0/1 nodes are available: 1 no.",
        Some("pod has unbound claims")
    )]
    #[case("Unschedulable: running PreBind plugin failed", Some("running PreBind plugin failed"))]
    #[case("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.", None)]
    fn unmet_requirement_is_the_scheduler_s_reason(
        #[case] words: &str,
        #[case] requirement: Option<&str>,
    ) {
        let reason = Some(words.to_owned());
        let pod = Pod { phase: "Pending".into(), reason, ..Pod::default() };
        assert_eq!(find_unmet_requirement(&pod), requirement);
    }

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
