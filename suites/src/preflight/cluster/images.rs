//! The nodes have the images, or can get them.

use crate::entry::check;
use crate::evidence::Observation;
use crate::format::{OTHER, count, excerpt, list};
use crate::hint::escape_backquotes;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::object::Object;
use crate::preflight::cluster::server_answers;
use crate::preflight::evidence::Platform;
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::nodes;

check! {
    /// The tutorial implies nodes that can pull its images.
    ///
    /// ## Why it matters
    /// A pod whose image cannot be pulled stays in ImagePullBackOff.
    ///
    /// ## How it is checked
    /// Compares the images that the kubelet lists with those that are needed. With `--active` a pod of meshcheck's own pulls
    /// one of them.
    ///
    /// ## What makes it fail
    /// A node cannot pull an image that is missing on it.
    ///
    /// ## How to fix it
    /// Give the nodes a way to the registry, or load the images into them.
    ///
    /// ## Check by hand
    ///     kubectl get events --all-namespaces
    cluster::images: "the nodes have the images, or can get them",
    needs: ClusterNamed,
    after: server_answers,
    judge: judge,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
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
            Err(Judgement::fail(format!("the nodes cannot pull {}", value.image))
                .expected("the images on the nodes, or a registry that they can reach")
                .observed(format!("{}; {there}", excerpt(&value.words)))
                .object(Object::global("node", &node.node))
                .step(nodes::show_events(&evidence.cluster.seen, format!("shows what the nodes say; they need a way to the registry (their proxy, a mirror), or the images must be loaded into them: {}", escape_backquotes(&list(&missing))))))
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

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::cluster::changes::*;
    use crate::preflight::evidence::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        all(|_| {}, Pass);
        pulled(fewer_images, Pass);
        not_pulled(|e| {
            fewer_images(e);
            let pull = of(&mut e.cluster.pull);
            pull.came = false;
            pull.words = "ErrImagePull: dial tcp: lookup registry-1.docker.io: no such host".into();
        }, Fail);
        not_tried_where_some_lack(|e| { fewer_images(e); e.cluster.pull = Observation::not_asked("--active tries"); }, Skipped);
        could_not_be_tried(|e| { fewer_images(e); e.cluster.pull = Observation::failed("forbidden"); }, Unjudged);
        more_than_the_kubelet_names(|e| {
            fewer_images(e);
            platform(e).more_images = true;
            e.cluster.pull = Observation::not_asked("--active tries");
        }, Skipped);
        on_one_node_only(|e| {
            let mut other = platform(e).clone();
            other.node = "class-worker".into();
            other.images.clear();
            of(&mut e.cluster.platforms).push(other);
            e.cluster.pull = Observation::failed("forbidden");
        }, Unjudged);
        no_node(|e| of(&mut e.cluster.platforms).clear(), Unjudged);
        none_known(|e| e.software.images.clear(), Unjudged);
        not_seen(|e| e.cluster.platforms = Observation::failed("forbidden"), Unjudged);
    }
}
