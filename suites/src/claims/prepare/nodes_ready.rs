//! The nodes are ready and have room for the mesh.

use crate::entry::{Effect, claim};
use crate::evidence::{Condition, Deployment, Evidence, Node, Pod, Resources};
use crate::facts::installation::{control_plane_elsewhere, gateway_elsewhere};
use crate::facts::scheduling::{Unschedulable, find_unschedulable, is_for_nodes, no_node_is_ready};
use crate::facts::webhooks::injects_from_elsewhere;
use crate::format::{NODE, POD, count, excerpt, list};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, nodes, pods};

claim! {
    /// The tutorial implies a cluster whose nodes are Ready and have room for istiod, the gateway and the demo.
    ///
    /// ## Why it matters
    /// On a small machine istiod stays Pending, and every later step of the tutorial fails because of it.
    ///
    /// ## How it is checked
    /// Lists nodes and pods (`list` on each). Every node must be Ready and report no pressure. No pod of the mesh or the
    /// demo may wait for a node because of CPU, memory, places, ports or taints: the scheduler's words count. Before
    /// the install, what the default profile requests must fit.
    ///
    /// ## What makes it fail
    /// - A node is NotReady or reports pressure.
    /// - Every node is cordoned.
    /// - A pod is Pending because no node has room for it, or what the mesh requests does not fit.
    /// - A pod is Pending because of a taint, as on a single node that is the control plane's, or of ports.
    ///
    /// ## How to fix it
    /// Read the conditions and events of the node. Uncordon it. Remove the taint. Free disk space. Remove pods that take
    /// the room, or give the machine more CPU and memory.
    ///
    /// ## Check by hand
    ///     kubectl get nodes
    ///     kubectl describe nodes
    prepare::nodes_ready: "the nodes are ready and have room for the mesh",
    beyond: true,
    needs: Reading,
    holds_without: [("/demo/pods", "before the demo no pod of it waits for room")],
    judge: judge,
}

const MEBIBYTE: u64 = 1024 * 1024;

/// What must find a place on a node, and what it requests in the default profile.
/// Source: `manifests/profiles/default.yaml` and the charts' `values.yaml` of Istio 1.20.
struct Piece {
    name: &'static str,
    /// How its pods are known.
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
    name: "a pod of the demo with its sidecar",
    label: ("", ""),
    requests: Resources { cpu_millis: 100, memory_bytes: 128 * MEBIBYTE, pods: 1 },
};

fn judge(evidence: &Evidence) -> Judged {
    let show = || nodes::list(evidence, "shows them");
    let nodes = require(&evidence.cluster.nodes, "the nodes", "the nodes", show)?;
    if nodes.is_empty() {
        return Err(Judgement::fail("the cluster has no node")
            .expected("at least one node that is Ready")
            .observed("none")
            .object("the nodes")
            .step(show()));
    }
    if let Some((node, trouble)) =
        nodes.iter().find_map(|node| find_trouble(node).map(|trouble| (node, trouble)))
    {
        return Err(Judgement::fail(format!("node {} is not well: {trouble}", node.name))
            .expected("Ready, without pressure")
            .observed(trouble)
            .object(Object::global("node", &node.name))
            .step(nodes::describe(evidence, node, "shows its conditions and events"))
            .steps(free_disk(evidence, node)));
    }
    // What runs goes on; what is restarted finds no place.
    if let Some(node) = nodes.first().filter(|_| nodes.iter().all(|node| node.unschedulable)) {
        return Err(Judgement::fail("no node takes pods: each is cordoned (unschedulable)")
            .expected("a node on which pods are placed")
            .observed(format!("{}, cordoned", count(nodes.len(), NODE)))
            .object(Object::global("node", &node.name))
            .step(nodes::uncordon(evidence, node, "lets pods be placed there again")));
    }
    let ready = format!("{} Ready", count(nodes.len(), NODE));
    if let Some((pod, reason)) = waiting_for_nodes(evidence) {
        return Err(no_node_takes(evidence, nodes, pod, reason));
    }
    // A pod that waits for room may be among those that were not seen.
    let others = others_are_known(evidence);
    let missing = pieces_without_a_place(evidence);
    if missing.is_empty() {
        others?;
        return Ok(Judgement::pass(format!("{ready}, and the mesh has its place on them")));
    }
    let requested = require(
        &evidence.cluster.requested,
        "what pods request of the nodes",
        "the nodes",
        || show_room(evidence),
    )?;
    let mut free: Vec<Resources> = nodes
        .iter()
        .filter(|node| takes_pods(node))
        .map(|node| left(node.allocatable, requested.get(&node.name).copied().unwrap_or_default()))
        .collect();
    for piece in &missing {
        // The node with the most CPU left, as the scheduler would.
        free.sort_by_key(|left| std::cmp::Reverse(left.cpu_millis));
        let Some(place) = free.iter_mut().find(|left| fits(piece.requests, **left)) else {
            // Without a look at the mesh's pods nobody knows whether it needs a place at all.
            require(&evidence.install.pods, "the pods of the control plane", "", Vec::new)?;
            return Err(no_room(evidence, piece, free.first()));
        };
        *place = left(*place, piece.requests);
    }
    others?;
    let names: Vec<_> = missing.iter().map(|piece| piece.name).collect();
    Ok(Judgement::pass(format!("{ready}, with room for {}", list(&names))))
}

/// The first condition of a node that keeps it from being well.
fn find_trouble(node: &Node) -> Option<String> {
    let Some(ready) = node.conditions.iter().find(|condition| condition.kind == "Ready") else {
        return Some("it has no condition Ready".to_owned());
    };
    if ready.status != "True" {
        let message = if ready.message.is_empty() { &ready.reason } else { &ready.message };
        return Some(
            format!("Ready is {}: {message}", ready.status).trim_end_matches(": ").to_owned(),
        );
    }
    let pressure = |kind: &str| kind.ends_with("Pressure") || kind == "NetworkUnavailable";
    node.conditions
        .iter()
        .find(|condition| pressure(&condition.kind) && condition.status == "True")
        .map(|condition| format!("it reports {}", condition.kind))
}

/// Shows how full the disk of a node is, where that keeps it from being well.
fn free_disk(evidence: &Evidence, node: &Node) -> Vec<Step> {
    let full = |it: &Condition| it.kind == "DiskPressure" && it.status == "True";
    if !node.conditions.iter().any(full) {
        return Vec::new();
    }
    nodes::free_disk(evidence, node)
}

fn takes_pods(node: &Node) -> bool {
    let keeps_away =
        |taint: &String| taint.ends_with(":NoSchedule") || taint.ends_with(":NoExecute");
    !node.unschedulable && !node.taints.iter().any(keeps_away)
}

/// A pod of the mesh or of the demo for which the scheduler finds no node, for a reason that lies with the nodes.
fn waiting_for_nodes(evidence: &Evidence) -> Option<(&Pod, Unschedulable<'_>)> {
    let pods = [&evidence.install.pods, &evidence.demo.pods];
    let pods = pods.into_iter().filter_map(|pods| pods.value()).flatten();
    let mut waiting = pods.filter_map(|pod| Some((pod, find_unschedulable(pod)?)));
    waiting.find(|(_, reason)| is_for_nodes(*reason))
}

fn no_node_takes(
    evidence: &Evidence,
    nodes: &[Node],
    pod: &Pod,
    reason: Unschedulable<'_>,
) -> Judgement {
    let name = &pod.name;
    let (summary, expected, steps) = match reason {
        Unschedulable::Taint(key) => (
            format!("no node takes pod {name}: it does not tolerate the taint {key}"),
            "a node without that taint",
            untaint(evidence, nodes, key),
        ),
        Unschedulable::Ports => (
            format!("no node takes pod {name}: the ports that it asks for are taken"),
            "a node whose ports are free",
            vec![pods::describe(evidence, pod, "shows the ports and the pod's events")],
        ),
        _ => (
            format!("there is no room for pod {name}"),
            "a node with room for it",
            vec![show_room(evidence)],
        ),
    };
    Judgement::fail(summary)
        .expected(expected)
        .observed(excerpt(pod.reason.as_deref().unwrap_or_default()))
        .object(Object::pod(pod))
        .steps(steps)
}

/// Removes a taint from the nodes that have it.
fn untaint(evidence: &Evidence, nodes: &[Node], key: &str) -> Vec<Step> {
    let is_it = |taint: &&String| taint.split(['=', ':']).next() == Some(key);
    let tainted = nodes.iter().filter_map(|it| Some((it, it.taints.iter().find(is_it)?)));
    let steps: Vec<_> = tainted.map(|(node, it)| nodes::untaint(evidence, node, it)).collect();
    if steps.is_empty() { vec![nodes::describe_all(evidence, "shows the taints")] } else { steps }
}

/// Whether the pods of the mesh and of the demo were looked at. That they are not there yet is an
/// answer too.
fn others_are_known(evidence: &Evidence) -> Result<(), Judgement> {
    for (what, pods) in [
        ("the pods of the control plane", &evidence.install.pods),
        ("the pods of the demo", &evidence.demo.pods),
    ] {
        if !pods.is_absent() {
            require(pods, what, "", Vec::new)?;
        }
    }
    Ok(())
}

/// What of the mesh neither has a node nor was scaled to zero, largest first.
fn pieces_without_a_place(evidence: &Evidence) -> Vec<&'static Piece> {
    // An istiod of another namespace has its place, and the gateway may stand beside it.
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
    // What runs elsewhere needs no place for itself here.
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

fn left(all: Resources, taken: Resources) -> Resources {
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

fn no_room(evidence: &Evidence, piece: &Piece, most: Option<&Resources>) -> Judgement {
    let fail = Judgement::fail(format!("the nodes have no room for {}", piece.name))
        .expected(format!("a node with {} to spare", format_resources(piece.requests)))
        .object("the nodes");
    let Some(most) = most else {
        return fail
            .observed("no node takes pods: each is cordoned or tainted")
            .step(nodes::describe_all(evidence, "shows the taints"));
    };
    fail.observed(format!("the emptiest node has {} left", format_resources(*most)))
        .step(show_room(evidence))
}

fn show_room(evidence: &Evidence) -> Step {
    nodes::describe_all(evidence, "shows under \"Allocated resources\" who takes the room")
}

/// Whether nothing could be observed because no node is ready: logs and commands go through its kubelet.
pub(crate) fn no_node_answers(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Unjudged
        && !effect.judgement.summary.contains("forbidden")
        && no_node_is_ready(effect.evidence)
}

#[cfg(test)]
mod cases;
