//! All nodes of kind clusters on this machine run.

use super::engine;
use crate::entry::check;
use crate::format::{NODE, count, excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::{KindNode, PreflightEvidence};
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that an existing kind cluster runs.
    ///
    /// ## Why it matters
    /// After a reboot its containers may be stopped, and kubectl gets no answer.
    ///
    /// ## How it is checked
    /// Lists the containers of kind on this engine, with their states.
    ///
    /// ## What makes it fail
    /// A node of a kind cluster is stopped or paused.
    ///
    /// ## How to fix it
    /// Start its containers. Delete the cluster only if you no longer need it.
    ///
    /// ## Check by hand
    ///     docker ps --all --filter label=io.x-k8s.kind.cluster
    machine::kind_nodes_run: "all nodes of kind clusters on this machine run",
    needs: Engine,
    after: docker_usable,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let nodes = evidence.machine.kind_nodes.look("the nodes of kind clusters")?;
    let left = evidence.machine.leftovers.value();
    // machine::no_leftovers reports the clusters of killed runs.
    let left = |cluster: &String| left.is_some_and(|left| left.contains(cluster));
    // Where a cluster was named, others do not matter.
    let context = &evidence.cluster.seen.subject.context;
    let named = context.strip_prefix("kind-").filter(|_| evidence.cluster_named);
    let concerns = |cluster: &String| named.is_none_or(|named| named == cluster);
    let nodes: Vec<_> = nodes.iter().filter(|node| concerns(&node.cluster)).collect();
    let stopped: Vec<_> = nodes
        .iter()
        .copied()
        .filter(|node| node.state != "running" && !left(&node.cluster))
        .collect();
    let Some(first) = stopped.first() else {
        return Ok(Judgement::pass(match nodes.len() {
            0 => "no kind cluster on this machine".to_owned(),
            number => format!("{} of kind clusters, all running", count(number, NODE)),
        }));
    };
    // machine::no_leftovers may report this cluster.
    evidence.machine.leftovers.look("the clusters that killed runs left behind")?;
    let is_of_it = |node: &&&KindNode| node.cluster == first.cluster;
    let of_it: Vec<_> = stopped.iter().filter(is_of_it).map(|node| node.name.as_str()).collect();
    let (nodes, are) = if of_it.len() == 1 { ("node", "is") } else { ("nodes", "are") };
    let mut states: Vec<_> =
        stopped.iter().filter(is_of_it).map(|node| format_stop(node)).collect();
    states.dedup();
    Err(Judgement::fail(format!(
        "{nodes} {} of kind cluster {} {are} not running: {}",
        list(&of_it),
        first.cluster,
        list(&states)
    ))
    .expected("running")
    .observed(excerpt(&first.state))
    .object(format!("container {}", first.name))
    .steps(steps::wake_kind_cluster(&first.cluster, &of_it, first.state == "paused")))
}

/// Formats why a node does not run: `exited (137) 9 hours ago`, `paused`.
fn format_stop(node: &KindNode) -> String {
    let words = excerpt(&node.words);
    match words.strip_prefix("Exited") {
        Some(rest) => format!("exited{rest}"),
        None => excerpt(&node.state),
    }
}

/// Returns the stopped nodes of the kind cluster that was named.
pub(crate) fn find_stopped_nodes(evidence: &PreflightEvidence) -> Vec<String> {
    let Some(cluster) = evidence.cluster.seen.subject.context.strip_prefix("kind-") else {
        return Vec::new();
    };
    let nodes = evidence.machine.kind_nodes.value().into_iter().flatten();
    nodes
        .filter(|node| node.cluster == cluster && node.state != "running")
        .map(|node| node.name.clone())
        .collect()
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        running(|_| {}, Pass);
        none(|e| of(&mut e.machine.kind_nodes).clear(), Pass);
        after_a_reboot(stopped, Fail);
        since_hours(stopped, Fail);
        paused(|e| node(e).state = "paused".into(), Fail);
        two_of_one_cluster(|e| {
            stopped(e);
            let mut worker = node(e).clone();
            worker.name = "class-worker".into();
            of(&mut e.machine.kind_nodes).push(worker);
        }, Fail);
        left_by_killed_run(|e| { stopped(e); e.machine.leftovers = Observation::seen(vec!["class".into()]); }, Pass);
        nodes_unknown(|e| e.machine.kind_nodes = Observation::failed("time-out"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
