//! Whether the nodes are well, and have room for the mesh.

use crate::evidence::{Deployment, Evidence, Node, Pod, Resources};
use crate::format::{NODE, POD, count, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;

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

pub(in super::super) fn nodes_ready(evidence: &Evidence) -> Judged {
    let show = || format!("`{}` shows them", evidence.kubectl(&["get", "nodes"]));
    let nodes = require(&evidence.cluster.nodes, "the nodes", "the nodes", show)?;
    if nodes.is_empty() {
        return Err(Judgement::fail("the cluster has no node")
            .expected("at least one node that is Ready")
            .observed("none")
            .object("the nodes")
            .legacy_hint(show()));
    }
    if let Some((node, trouble)) =
        nodes.iter().find_map(|node| trouble(node).map(|trouble| (node, trouble)))
    {
        let describe = evidence.kubectl(&["describe", "node", &node.name]);
        return Err(Judgement::fail(format!("node {} is not well: {trouble}", node.name))
            .expected("Ready, without pressure")
            .observed(trouble)
            .object(format!("node {}", node.name))
            .legacy_hint(format!("`{describe}` shows its conditions and events")));
    }
    // What runs goes on; what is restarted finds no place.
    if let Some(node) = nodes.first().filter(|_| nodes.iter().all(|node| node.unschedulable)) {
        let uncordon = evidence.kubectl(&["uncordon", &node.name]);
        return Err(Judgement::fail("no node takes pods: each is cordoned (unschedulable)")
            .expected("a node on which pods are placed")
            .observed(format!("{}, cordoned", count(nodes.len(), NODE)))
            .object(format!("node {}", node.name))
            .legacy_hint(format!("`{uncordon}` lets pods be placed there again")));
    }
    let ready = format!("{} Ready", count(nodes.len(), NODE));
    if let Some(pod) = waiting_for_room(evidence) {
        let reason = pod.reason.clone().unwrap_or_default();
        return Err(Judgement::fail(format!("there is no room for pod {}", pod.name))
            .expected("a node with room for it")
            .observed(reason)
            .object(Object::pod(pod))
            .legacy_hint(room_hint(evidence)));
    }
    // A pod that waits for room may be among those that were not seen.
    let others = others_seen(evidence);
    let missing = pieces_without_a_place(evidence);
    if missing.is_empty() {
        others?;
        return Ok(Judgement::pass(format!("{ready}, and the mesh has its place on them")));
    }
    let requested = require(
        &evidence.cluster.requested,
        "what pods request of the nodes",
        "the nodes",
        || room_hint(evidence),
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
            require(&evidence.install.pods, "the pods of the control plane", "", String::new)?;
            return Err(no_room(evidence, piece, free.first()));
        };
        *place = left(*place, piece.requests);
    }
    others?;
    let names: Vec<_> = missing.iter().map(|piece| piece.name).collect();
    Ok(Judgement::pass(format!("{ready}, with room for {}", list(&names))))
}

/// The first condition of a node that keeps it from being well.
fn trouble(node: &Node) -> Option<String> {
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

fn takes_pods(node: &Node) -> bool {
    let keeps_away =
        |taint: &String| taint.ends_with(":NoSchedule") || taint.ends_with(":NoExecute");
    !node.unschedulable && !node.taints.iter().any(keeps_away)
}

/// A pod of the mesh or of the demo for which the scheduler finds no room.
fn waiting_for_room(evidence: &Evidence) -> Option<&Pod> {
    let full =
        |reason: &String| reason.contains("Insufficient ") || reason.contains("Too many pods");
    let waits = |pod: &&Pod| {
        pod.phase == "Pending"
            && pod.node.is_none()
            && !pod.terminating
            && pod.reason.as_ref().is_some_and(full)
    };
    [&evidence.install.pods, &evidence.demo.pods]
        .into_iter()
        .filter_map(|pods| pods.value())
        .flatten()
        .find(waits)
}

/// Whether the pods of the mesh and of the demo were looked at. That they are not there yet is an
/// answer too.
fn others_seen(evidence: &Evidence) -> Result<(), Judgement> {
    for (what, pods) in [
        ("the pods of the control plane", &evidence.install.pods),
        ("the pods of the demo", &evidence.demo.pods),
    ] {
        if !pods.is_absent() {
            require(pods, what, "", String::new)?;
        }
    }
    Ok(())
}

/// What of the mesh neither has a node nor was scaled to zero, largest first.
fn pieces_without_a_place(evidence: &Evidence) -> Vec<&'static Piece> {
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
    let mut missing: Vec<_> =
        [&ISTIOD, &GATEWAY].into_iter().filter(|piece| !placed(piece)).collect();
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

fn words(amount: Resources) -> String {
    let Resources { cpu_millis, memory_bytes, pods } = amount;
    format!(
        "{cpu_millis}m CPU, {} MiB memory, {}",
        memory_bytes / MEBIBYTE,
        count(usize::try_from(pods).unwrap_or(usize::MAX), POD)
    )
}

fn no_room(evidence: &Evidence, piece: &Piece, most: Option<&Resources>) -> Judgement {
    let observed = most
        .map_or("no node takes pods: each is cordoned or tainted".to_owned(), |most| {
            format!("the emptiest node has {} left", words(*most))
        });
    Judgement::fail(format!("the nodes have no room for {}", piece.name))
        .expected(format!("a node with {} to spare", words(piece.requests)))
        .observed(observed)
        .object("the nodes")
        .legacy_hint(room_hint(evidence))
}

fn room_hint(evidence: &Evidence) -> String {
    let describe = evidence.kubectl(&["describe", "nodes"]);
    format!("`{describe}` shows under \"Allocated resources\" who takes the room")
}
