//! The nodes are ready and have room for the mesh.

use super::require_pods;
use crate::entry::{Effect, claim};
use crate::evidence::{Condition, Deployment, Evidence, Node, Pod, Resources};
use crate::facts::gateway::has_no_gateway_deployment;
use crate::facts::installation::{control_plane_elsewhere, gateway_elsewhere};
use crate::facts::istiod::is_istiod;
use crate::facts::scheduling::{
    Unschedulable, find_taint_owner, find_unschedulable, is_for_nodes, no_node_is_ready,
};
use crate::facts::webhooks::injects_from_elsewhere;
use crate::facts::workload::owner_workload;
use crate::format::{NODE, POD, count, excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, istio, nodes, pods, workloads};

claim! {
    /// The tutorial implies a cluster whose nodes are Ready and have room for istiod, the gateway and the demo.
    ///
    /// ## Why it matters
    /// On a small machine istiod stays Pending, and every later step of the tutorial fails.
    ///
    /// ## How it is checked
    /// - Lists nodes and pods (`list` on each). Every node must be Ready, without pressure.
    /// - No pod of the mesh or the demo may be unschedulable because of CPU, memory, pod slots, ports or taints. The
    ///   scheduler's message in the pod's status counts.
    /// - Before the install, the requests of the default profile must fit on the nodes.
    ///
    /// ## What makes it fail
    /// - A node is NotReady or reports pressure.
    /// - Every node is cordoned.
    /// - A pod is Pending because no node has room or a free pod slot, or the requests of the mesh do not fit.
    /// - A pod is Pending because of a taint, as on a single control-plane node, or because its ports are in use.
    ///
    /// ## How to fix it
    /// - NotReady or pressure: read the node's conditions and events. Free disk space.
    /// - Cordoned or tainted: uncordon the node, or remove the taint. A cloud's controller, a network plug-in or an autoscaler
    ///   removes its own taint: get that program running.
    /// - No room: remove pods that are not needed, or give the machine more CPU and memory.
    ///
    /// ## Check by hand
    ///     kubectl get nodes
    ///     kubectl describe nodes
    prepare::nodes_ready: "the nodes are ready and have room for the mesh",
    beyond: true,
    needs: Reading,
    holds_without: [("/demo/pods", "before the demo exists, no pod of it waits for room")],
}

const MEBIBYTE: u64 = 1024 * 1024;

/// A part of the mesh that needs a node, with its requests in the default profile.
/// Source: `manifests/profiles/default.yaml` and the charts' `values.yaml` of Istio 1.20.
struct Piece {
    name: &'static str,
    /// The label of its pods.
    label: (&'static str, &'static str),
    requests: Resources,
}

const ISTIOD: Piece = Piece {
    name: "istiod",
    label: ("istio", "pilot"),
    requests: Resources { cpu_millis: 500, memory_bytes: 2048 * MEBIBYTE, pods: 1 },
};
const GATEWAY: Piece = Piece {
    name: "the ingress gateway",
    label: ("istio", "ingressgateway"),
    requests: Resources { cpu_millis: 100, memory_bytes: 128 * MEBIBYTE, pods: 1 },
};
const SIDECAR: Piece = Piece {
    name: "the demo's pods",
    label: ("", ""),
    requests: Resources { cpu_millis: 100, memory_bytes: 128 * MEBIBYTE, pods: 1 },
};

fn judge(evidence: &Evidence) -> Judged {
    let show = || nodes::list(evidence, "List the nodes");
    let nodes = require(&evidence.cluster.nodes, "the nodes", "the nodes", show)?;
    if nodes.is_empty() {
        return Err(Judgement::fail("the cluster has no nodes")
            .expected("1 or more Ready nodes")
            .observed("0 nodes")
            .object("the nodes")
            .step(show()));
    }
    if let Some((node, verb, state)) =
        nodes.iter().find_map(|node| find_trouble(node).map(|(verb, state)| (node, verb, state)))
    {
        return Err(Judgement::fail(format!("node {} {verb} {state}", node.name))
            .expected("Ready, without pressure")
            .observed(state)
            .object(Object::global("node", &node.name))
            .steps(free_disk(evidence, node))
            .step(nodes::describe(evidence, node, "Show the node's conditions and events")));
    }
    // Running pods stay; a restarted pod finds no node.
    if let Some(node) = nodes.first().filter(|_| nodes.iter().all(|node| node.unschedulable)) {
        let summary = match nodes.len() {
            1 => format!("node {} is cordoned (unschedulable)", node.name),
            number => format!("all {number} nodes are cordoned (unschedulable)"),
        };
        return Err(Judgement::fail(summary)
            .expected("a node that accepts pods")
            .observed(format!("{}, SchedulingDisabled", count(nodes.len(), NODE)))
            .object(Object::global("node", &node.name))
            .step(nodes::uncordon(evidence, node, "Allow scheduling on the node")));
    }
    let ready = format!("{0} of {0} nodes Ready", nodes.len());
    if let Some((pod, reason)) = waiting_for_nodes(evidence) {
        return Err(unschedulable(evidence, nodes, pod, reason));
    }
    // A pod that waits for room may be among those that could not be read.
    let others = require_pods(evidence);
    let missing = find_unplaced_pieces(evidence);
    if missing.is_empty() {
        others?;
        return Ok(Judgement::pass(format!("{ready}, no pod of the mesh waits for room")));
    }
    let requested = require(
        &evidence.cluster.requested,
        "the resource requests of the pods",
        "the nodes",
        || show_room(evidence),
    )?;
    let mut free: Vec<Resources> = nodes
        .iter()
        .filter(|node| accepts_pods(node))
        .map(|node| {
            subtract(node.allocatable, requested.get(&node.name).copied().unwrap_or_default())
        })
        .collect();
    for piece in &missing {
        // The node with the most free CPU comes first, as for the scheduler.
        free.sort_by_key(|left| std::cmp::Reverse(left.cpu_millis));
        let Some(place) = free.iter_mut().find(|left| fits(piece.requests, **left)) else {
            need_is_known(evidence)?;
            return Err(no_room(evidence, nodes, piece, free.first()));
        };
        *place = subtract(*place, piece.requests);
    }
    others?;
    let mut names: Vec<_> = missing.iter().map(|piece| piece.name).collect();
    names.dedup();
    Ok(Judgement::pass(format!("{ready}, with room for {}", list(&names))))
}

/// Finds the first bad condition of a node, with its verb: `is` `NotReady: …`, `has` `MemoryPressure`.
fn find_trouble(node: &Node) -> Option<(&'static str, String)> {
    let Some(ready) = node.conditions.iter().find(|condition| condition.kind == "Ready") else {
        return Some(("has", "no condition Ready".to_owned()));
    };
    if ready.status != "True" {
        let message = if ready.message.is_empty() { &ready.reason } else { &ready.message };
        let state = format!("NotReady: {message}");
        return Some(("is", state.trim_end_matches(": ").to_owned()));
    }
    let pressure = |kind: &str| kind.ends_with("Pressure") || kind == "NetworkUnavailable";
    node.conditions
        .iter()
        .find(|condition| pressure(&condition.kind) && condition.status == "True")
        .map(|condition| ("has", condition.kind.clone()))
}

/// Returns the steps that free the disk of a node, where it has `DiskPressure`.
fn free_disk(evidence: &Evidence, node: &Node) -> Vec<Step> {
    let full = |it: &Condition| it.kind == "DiskPressure" && it.status == "True";
    if !node.conditions.iter().any(full) {
        return Vec::new();
    }
    nodes::free_disk(evidence, node)
}

/// Finds the taint of a node that keeps new pods away.
fn find_taint(node: &Node) -> Option<&String> {
    let mut taints = node.taints.iter();
    taints.find(|taint| taint.ends_with(":NoSchedule") || taint.ends_with(":NoExecute"))
}

fn accepts_pods(node: &Node) -> bool {
    !node.unschedulable && find_taint(node).is_none()
}

/// Finds an unschedulable pod of the mesh or of the demo, where the reason is the nodes.
fn waiting_for_nodes(evidence: &Evidence) -> Option<(&Pod, Unschedulable<'_>)> {
    let pods = [&evidence.install.pods, &evidence.demo.pods];
    let pods = pods.into_iter().filter_map(|pods| pods.value()).flatten();
    let mut waiting = pods.filter_map(|pod| Some((pod, find_unschedulable(pod)?)));
    waiting.find(|(_, reason)| is_for_nodes(*reason))
}

fn unschedulable(
    evidence: &Evidence,
    nodes: &[Node],
    pod: &Pod,
    reason: Unschedulable<'_>,
) -> Judgement {
    let name = &pod.name;
    let (summary, expected, steps) = match reason {
        Unschedulable::Taint(key) => (
            format!("pod {name} is unschedulable: it does not tolerate the taint {key}"),
            format!("a node without the taint {key}"),
            match find_taint_owner(key) {
                Some(owner) => nodes::wait_for_untaint(evidence, key, owner),
                // It follows from a condition of the node.
                None if key.starts_with("node.kubernetes.io/") => vec![show_conditions(evidence)],
                None => untaint(evidence, nodes, key),
            },
        ),
        Unschedulable::Slots => (
            format!("pod {name} is unschedulable: each node has its maximum number of pods"),
            "a node with room for 1 more pod".to_owned(),
            nodes::free_pod_slot(evidence),
        ),
        Unschedulable::Ports => (
            format!("pod {name} is unschedulable: its host ports are in use"),
            "a node with free host ports".to_owned(),
            vec![pods::describe(evidence, pod, "Show the pod's ports and events")],
        ),
        _ => {
            let reduce = is_istiod(&pod.labels).then(|| reduce_istiods_requests(evidence, pod));
            let is_istiod = reduce.is_some();
            let defaults = format!(": {} (istiod's default)", format_resources(ISTIOD.requests));
            (
                format!("pod {name} is unschedulable: no node has room for it"),
                format!("a node with room{}", if is_istiod { defaults } else { String::new() }),
                reduce.into_iter().flatten().chain([show_room(evidence)]).collect(),
            )
        }
    };
    let words = excerpt(pod.reason.as_deref().unwrap_or_default());
    let room = format_free(evidence, nodes)
        .filter(|_| matches!(reason, Unschedulable::Room | Unschedulable::Slots));
    Judgement::fail(summary)
        .expected(expected)
        .observed([room, Some(words)].into_iter().flatten().collect::<Vec<_>>().join("; "))
        .object(Object::pod(pod))
        .steps(steps)
}

/// Reduces the requests of istiod, by a new installation or in its deployment.
fn reduce_istiods_requests(evidence: &Evidence, pod: &Pod) -> Option<Step> {
    // A first install that timed out at istiod has not created the gateway.
    if has_no_gateway_deployment(evidence) {
        return Some(istio::install_with_smaller_requests(evidence));
    }
    let workload = owner_workload(pod)?;
    Some(workloads::reduce_requests(evidence, &pod.namespace, &workload, "discovery"))
}

/// Formats the free resources of the only node: `free on the node: 1050m CPU, 1653 MiB memory, 101 pods`.
fn format_free(evidence: &Evidence, nodes: &[Node]) -> Option<String> {
    let [node] = nodes else { return None };
    let requested = evidence.cluster.requested.value()?.get(&node.name)?;
    let free = format_resources(subtract(node.allocatable, *requested));
    let all = node.allocatable.memory_bytes / MEBIBYTE;
    Some(format!("free on the node: {free} (of {all} MiB allocatable)"))
}

/// Removes a taint from the nodes that have it.
fn untaint(evidence: &Evidence, nodes: &[Node], key: &str) -> Vec<Step> {
    let is_it = |taint: &&String| taint.split(['=', ':']).next() == Some(key);
    let tainted = nodes.iter().filter_map(|it| Some((it, it.taints.iter().find(is_it)?)));
    let steps: Vec<_> = tainted.map(|(node, it)| nodes::untaint(evidence, node, it)).collect();
    if steps.is_empty() { vec![show_taints(evidence)] } else { steps }
}

/// Requires what shows whether the mesh needs room: its parts may have a node, be scaled to 0 or run in another namespace.
fn need_is_known(evidence: &Evidence) -> Result<(), Judgement> {
    let Evidence { install, cluster, .. } = evidence;
    require_pods(evidence)?;
    install.deployments.known("the deployments of the control plane")?;
    install.webhooks.look("the mutating webhooks")?;
    install.namespaces.look("the namespaces")?;
    install.mesh_pods.look("istiod's pods in all namespaces")?;
    cluster.load_balancer_services.look("the services of type LoadBalancer").map(drop)
}

/// Finds the parts of the mesh that have no node and are not scaled to 0, the largest first.
fn find_unplaced_pieces(evidence: &Evidence) -> Vec<&'static Piece> {
    // An istiod in another namespace has its node, and the gateway may be beside it.
    if injects_from_elsewhere(evidence) {
        return Vec::new();
    }
    let gateway = &evidence.expectations.gateway_labels;
    let carries = |labels: &std::collections::BTreeMap<String, String>, piece: &Piece| {
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|it| it == value);
        is(piece.label.0, piece.label.1)
            || piece.label == GATEWAY.label && gateway.iter().all(|(key, value)| is(key, value))
    };
    let placed = |piece: &&Piece| {
        let pods = evidence.install.pods.value();
        let scaled_down = |deployment: &Deployment| {
            carries(&deployment.template_labels, piece) && deployment.replicas == 0
        };
        pods.is_some_and(|pods| {
            pods.iter().any(|pod| carries(&pod.labels, piece) && pod.node.is_some())
                || evidence
                    .install
                    .deployments
                    .value()
                    .is_some_and(|all| all.iter().any(scaled_down))
        })
    };
    // A part that runs elsewhere needs no room here.
    let elsewhere = |piece: &&Piece| {
        control_plane_elsewhere(evidence).is_some()
            || piece.label == GATEWAY.label && gateway_elsewhere(evidence).is_some()
    };
    let mut missing: Vec<_> = [&ISTIOD, &GATEWAY]
        .into_iter()
        .filter(|piece| !elsewhere(piece) && !placed(piece))
        .collect();
    let demo_runs = evidence.demo.pods.value().is_some_and(|pods| pods.iter().any(Pod::is_running));
    if !missing.is_empty() && !demo_runs {
        missing.extend([&SIDECAR, &SIDECAR]);
    }
    missing
}

fn subtract(all: Resources, taken: Resources) -> Resources {
    Resources {
        cpu_millis: all.cpu_millis.saturating_sub(taken.cpu_millis),
        memory_bytes: all.memory_bytes.saturating_sub(taken.memory_bytes),
        pods: all.pods.saturating_sub(taken.pods),
    }
}

fn fits(wanted: Resources, free: Resources) -> bool {
    wanted.cpu_millis <= free.cpu_millis
        && wanted.memory_bytes <= free.memory_bytes
        && wanted.pods <= free.pods
}

fn format_resources(amount: Resources) -> String {
    let Resources { cpu_millis, memory_bytes, pods } = amount;
    format!(
        "{cpu_millis}m CPU, {} MiB memory, {}",
        memory_bytes / MEBIBYTE,
        count(usize::try_from(pods).unwrap_or(usize::MAX), POD)
    )
}

fn no_room(
    evidence: &Evidence,
    nodes: &[Node],
    piece: &Piece,
    most: Option<&Resources>,
) -> Judgement {
    let Piece { name, requests, .. } = piece;
    if let Some(most) = most {
        let slots = fits(Resources { pods: 0, ..*requests }, *most);
        let reason = if slots { ": each node has its maximum number of pods" } else { "" };
        let show = if slots { nodes::free_pod_slot(evidence) } else { vec![show_room(evidence)] };
        return Judgement::fail(format!("no node has room for {name}{reason}"))
            .expected(format!("free on a node: {}", format_resources(*requests)))
            .observed(format!("free on the emptiest node: {}", format_resources(*most)))
            .object("the nodes")
            .steps(show);
    }
    let taint = nodes.iter().find_map(find_taint).map_or("none", String::as_str);
    let state = match nodes.len() {
        1 => format!("the only node has the taint {taint}"),
        _ => "every node is cordoned or tainted".to_owned(),
    };
    Judgement::fail(format!("no node accepts {name}: {state}"))
        .expected("a node without a taint")
        .observed(format!("{}, taint {taint}", count(nodes.len(), NODE)))
        .object("the nodes")
        .step(show_taints(evidence))
}

fn show_room(evidence: &Evidence) -> Step {
    nodes::describe_all(evidence, "Show the requests of the pods under \"Allocated resources\"")
}

fn show_conditions(evidence: &Evidence) -> Step {
    nodes::describe_all(evidence, "Show the conditions of the nodes, from which the taint follows")
}

fn show_taints(evidence: &Evidence) -> Step {
    nodes::describe_all(evidence, "Show the taints of the nodes")
}

/// Whether a claim is unjudged because no node is ready: logs and commands go through a node's kubelet.
pub(crate) fn no_node_answers(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Unjudged
        && !effect.judgement.summary.contains("forbidden")
        && no_node_is_ready(effect.evidence)
}

#[cfg(test)]
mod cases;
