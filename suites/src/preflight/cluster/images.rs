//! Whether the nodes have the images, or can get them.

use super::super::evidence::{Platform, PreflightEvidence};
use crate::entry::check;
use crate::evidence::Observation;
use crate::format::{OTHER, count, excerpt, list};
use crate::hint::said;
use crate::judgement::{Judged, Judgement, Look as _};

check! {
    /// TODO
    "cluster::images": "the nodes have the images, or can get them",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: images,
}

#[cfg(test)]
use crate::preflight::tests::cluster::images as cases;

fn images(evidence: &PreflightEvidence) -> Judged {
    let needed = &evidence.software.images;
    let nodes = evidence.cluster.platforms.look("the images of the nodes")?;
    if needed.is_empty() || nodes.is_empty() {
        return Err(Judgement::unjudged(if nodes.is_empty() {
            "the cluster has no node"
        } else {
            "which images are needed is not known here"
        }));
    }
    let lacks = |node: &Platform| -> Vec<&String> {
        needed.iter().filter(|image| !node.images.iter().any(|it| it == *image)).collect()
    };
    let Some((node, missing)) =
        nodes.iter().map(|node| (node, lacks(node))).find(|(_, missing)| !missing.is_empty())
    else {
        return Ok(Judgement::pass(format!(
            "all {} are on {}",
            needed.len(),
            if nodes.len() == 1 { "the node" } else { "every node" }
        )));
    };
    let more = if node.more_images { " (the kubelet names fifty images at the most)" } else { "" };
    let there = format!(
        "{} of {} images are on node {}{more}",
        needed.len() - missing.len(),
        needed.len(),
        node.node
    );
    match &evidence.cluster.pull {
        Observation::Seen { value } if value.came => Ok(Judgement::pass(format!(
            "{there}; {} was pulled in {} ms: the registry can be reached",
            value.image, value.waited_ms
        ))),
        Observation::Seen { value } => {
            let events = evidence.cluster.seen.kubectl(&["get", "events", "--all-namespaces"]);
            Err(Judgement::fail(format!("the nodes cannot pull {}", value.image))
                .expected("the images on the nodes, or a registry that they can reach")
                .observed(format!("{}; {there}", excerpt(&value.words)))
                .object(format!("node {}", node.node))
                .legacy_hint(format!(
                    "`{events}` shows what the nodes say; they need a way to the registry (their \
                     proxy, a mirror), or the images must be loaded into them: {}",
                    said(&list(&missing))
                )))
        }
        Observation::NotAsked { reason } => Err(Judgement::skipped(format!(
            "{there}; whether {} can be pulled was not tried: {reason}",
            count(missing.len(), OTHER)
        ))),
        Observation::Failed { reason } | Observation::Absent { reason } => {
            Err(Judgement::unjudged(format!(
                "{there}; whether the others can be pulled could not be tried: {reason}"
            )))
        }
    }
}
