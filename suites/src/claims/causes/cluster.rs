//! What nodes, cluster DNS and load balancer addresses explain.

use super::super::install;
use super::Case;
use crate::evidence::{Deployment, Evidence, Node, Observation, Pod};
use crate::judgement::Verdict;

/// What the scheduler says of a pod for which no node is well, or none has room.
const NO_NODE: [&str; 5] = [
    "Insufficient ",
    "Too many pods",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "-pressure",
];

fn is_ready(node: &Node) -> bool {
    node.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True")
}

/// Whether a pod is not well because its node is not, or because it finds none.
fn waits_for_node(evidence: &Evidence, pod: &Pod) -> bool {
    let Some(nodes) = evidence.cluster.nodes.value() else { return false };
    if let Some(name) = &pod.node {
        return nodes.iter().any(|node| node.name == *name && !is_ready(node));
    }
    let reason = pod.reason.as_deref().unwrap_or_default();
    pod.phase == "Pending"
        && (!nodes.iter().any(is_ready) || NO_NODE.iter().any(|it| reason.contains(it)))
}

/// Whether there are such pods, and no others.
fn all_wait<'p>(evidence: &Evidence, ill: impl IntoIterator<Item = &'p Pod>) -> bool {
    let mut ill = ill.into_iter().peekable();
    ill.peek().is_some() && ill.all(|pod| waits_for_node(evidence, pod))
}

pub(crate) fn dns_waits_for_nodes(case: &Case<'_>) -> bool {
    let pods = case.evidence.cluster.dns.value().into_iter().flat_map(|dns| &dns.pods);
    let staying: Vec<_> = pods.filter(|pod| !pod.terminating).collect();
    // The claim holds with one that is ready, unless that one's address is the trouble.
    !staying.iter().any(|pod| pod.is_running_and_ready()) && all_wait(case.evidence, staying)
}

pub(crate) fn control_plane_waits_for_nodes(case: &Case<'_>) -> bool {
    install::deployments_have_pods(case.evidence).is_ok()
        && all_wait(case.evidence, install::ill_pods(case.evidence))
}

/// Whether no pod keeps a deployment from being available but those that wait for a node.
pub(crate) fn deployment_waits(
    evidence: &Evidence,
    deployment: Option<&Deployment>,
    pods: &Observation<Vec<Pod>>,
) -> bool {
    deployment.is_some_and(|deployment| {
        let pods = pods.value().into_iter().flatten();
        let ill = pods
            .filter(|pod| deployment.selects(pod) && !pod.terminating)
            .filter(|pod| !pod.is_running_and_ready());
        deployment.replicas > 0 && all_wait(evidence, ill)
    })
}

pub(crate) fn deployment_waits_for_nodes(case: &Case<'_>) -> bool {
    super::demo::is_only_unavailable(case)
        && deployment_waits(
            case.evidence,
            super::demo::deployment_of(case),
            &case.evidence.demo.pods,
        )
}

/// Logs and commands go through the node's kubelet.
pub(crate) fn no_node_answers(case: &Case<'_>) -> bool {
    let nodes = case.evidence.cluster.nodes.value();
    case.judgement.verdict == Verdict::Unjudged
        && !case.judgement.summary.contains("forbidden")
        && nodes.is_some_and(|nodes| !nodes.is_empty() && !nodes.iter().any(is_ready))
}

pub(crate) fn others_hold_the_addresses(case: &Case<'_>) -> bool {
    let probe = case.evidence.cluster.load_balancer_probe.value();
    // An address that was free before the install explains nothing, unless another holds it now.
    probe.and_then(|probe| probe.address.as_ref()).is_none_or(|address| {
        let services = case.evidence.cluster.load_balancer_services.value();
        services
            .into_iter()
            .flatten()
            .any(|service| service.load_balancer_addresses.contains(address))
    })
}
