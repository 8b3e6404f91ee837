//! No cluster of kind on this machine has a node that stands still.

use super::engine;
use crate::entry::check;
use crate::format::{NODE, count, excerpt};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::machine::docker_usable;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that a kind cluster of earlier still runs.
    ///
    /// ## Why it matters
    /// After a reboot its containers stand still, and kubectl gets no answer.
    ///
    /// ## How it is checked
    /// Lists the containers of kind on this engine with their state.
    ///
    /// ## What makes it fail
    /// A node of a kind cluster is stopped or paused.
    ///
    /// ## How to fix it
    /// Start its containers, or delete the cluster.
    ///
    /// ## Check by hand
    ///     docker ps --all --filter label=io.x-k8s.kind.cluster
    machine::kind_nodes_run: "no cluster of kind on this machine has a node that stands still",
    needs: Engine,
    after: docker_usable,
    judge: judge,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let nodes = evidence.machine.kind_nodes.look("the nodes of kind")?;
    let left = evidence.machine.leftovers.value();
    // What a killed run of ours left is told of elsewhere, with another hint.
    let left = |cluster: &String| left.is_some_and(|left| left.contains(cluster));
    // Where a cluster was named, the others are nobody's concern.
    let context = &evidence.cluster.seen.subject.context;
    let named = context.strip_prefix("kind-").filter(|_| evidence.cluster_named);
    let concerns = |cluster: &String| named.is_none_or(|named| named == cluster);
    let nodes: Vec<_> = nodes.iter().filter(|node| concerns(&node.cluster)).collect();
    let still: Vec<_> = nodes
        .iter()
        .copied()
        .filter(|node| node.state != "running" && !left(&node.cluster))
        .collect();
    let Some(first) = still.first() else {
        return Ok(Judgement::pass(match nodes.len() {
            0 => "there is no cluster of kind".to_owned(),
            number => format!("{} of kind, running", count(number, NODE)),
        }));
    };
    let of_it: Vec<_> = still
        .iter()
        .filter(|node| node.cluster == first.cluster)
        .map(|node| node.name.as_str())
        .collect();
    Err(Judgement::fail(format!(
        "the cluster {} of kind stands still: its node {} does not run, as after a reboot",
        first.cluster, first.name
    ))
    .expected("every node running")
    .observed(format!("{}: {}", first.state, excerpt(&first.words)))
    .object(format!("container {}", first.name))
    .steps(steps::wake_kind_cluster(&first.cluster, &of_it, first.state == "paused")))
}

/// The nodes of the kind cluster that was named which stand still.
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
        says_since_when(stopped, Fail);
        paused(|e| node(e).state = "paused".into(), Fail);
        two_of_one_cluster(|e| {
            stopped(e);
            let mut worker = node(e).clone();
            worker.name = "class-worker".into();
            of(&mut e.machine.kind_nodes).push(worker);
        }, Fail);
        left_by_us(|e| { stopped(e); e.machine.leftovers = Observation::seen(vec!["class".into()]); }, Pass);
        not_seen(|e| e.machine.kind_nodes = Observation::failed("time-out"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
