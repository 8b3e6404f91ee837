//! The nodes have the images, or can pull them.

use crate::entry::check;
use crate::evidence::Observation;
use crate::format::{OTHER, count, excerpt, list};
use crate::hint::escape_backquotes;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::object::Object;
use crate::preflight::evidence::Platform;
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::{Purpose, Step, nodes};

check! {
    /// The tutorial implies nodes that can pull its images.
    ///
    /// ## Why it matters
    /// A pod whose image cannot be pulled stays in ImagePullBackOff.
    ///
    /// ## How it is checked
    /// Compares the images that the kubelets list with the needed ones. With `--active` a test pod pulls one of them.
    ///
    /// ## What makes it fail
    /// A node lacks an image and cannot pull it.
    ///
    /// ## How to fix it
    /// Give the nodes access to the registry, or load the images into them.
    ///
    /// ## Check by hand
    ///     kubectl get events --all-namespaces
    cluster::images: "the nodes have the images, or can pull them",
    needs: ClusterNamed,
    after: server_answers,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let needed = &evidence.software.images;
    let nodes = evidence.cluster.platforms.look("the images of the nodes")?;
    if needed.is_empty() || nodes.is_empty() {
        return Err(Judgement::unjudged(if nodes.is_empty() {
            "the cluster has no node"
        } else {
            "the images of this Istio are not known to meshcheck"
        }));
    }
    let lacks = |node: &Platform| -> Vec<&String> {
        needed.iter().filter(|image| !node.images.iter().any(|it| it == *image)).collect()
    };
    let Some((node, missing)) =
        nodes.iter().map(|node| (node, lacks(node))).find(|(_, missing)| !missing.is_empty())
    else {
        return Ok(Judgement::pass(format!(
            "all {} images are on {}",
            needed.len(),
            if nodes.len() == 1 { "the node" } else { "every node" }
        )));
    };
    let more = if node.more_images { " (the kubelet lists at most fifty)" } else { "" };
    let there = format!(
        "{} of {} images are on node {}{more}",
        needed.len() - missing.len(),
        needed.len(),
        node.node
    );
    match &evidence.cluster.pull {
        Observation::Seen { value } if value.came => Ok(Judgement::pass(format!(
            "{there}; {} was pulled in {} ms",
            value.image, value.waited_ms
        ))),
        Observation::Seen { value } => {
            let images = escape_backquotes(&list(&missing));
            let text =
                format!("Give the nodes access to the registry, or load into them: {images}");
            Err(Judgement::fail(format!("the nodes cannot pull {}", value.image))
                .expected("all images on the nodes, or a registry that they can reach")
                .observed(format!("{}; {there}", excerpt(&value.words)))
                .object(Object::global("node", &node.node))
                .steps([
                    nodes::show_events(&evidence.cluster.seen, "Check the events of the pull"),
                    Step::advice(Purpose::Fix, text),
                ]))
        }
        Observation::NotAsked { reason } => Err(Judgement::skipped(format!(
            "{there}; pulling {} was not tested: {reason}",
            count(missing.len(), OTHER)
        ))),
        Observation::Failed { reason } | Observation::Absent { reason } => {
            Err(Judgement::unjudged(format!(
                "{there}; cannot test whether the nodes can pull the others: {reason}"
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
        all_on_the_node(|_| {}, Pass);
        pulled(fewer_images, Pass);
        pull_failed(|e| {
            fewer_images(e);
            let pull = of(&mut e.cluster.pull);
            pull.came = false;
            pull.words = "ErrImagePull: dial tcp: lookup registry-1.docker.io: no such host".into();
        }, Fail);
        pull_not_tested(|e| { fewer_images(e); e.cluster.pull = Observation::not_asked("--active tries"); }, Skipped);
        pull_unknown(|e| { fewer_images(e); e.cluster.pull = Observation::failed("forbidden"); }, Unjudged);
        kubelet_list_is_cut(|e| {
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
        images_not_known(|e| e.software.images.clear(), Unjudged);
        nodes_unknown(|e| e.cluster.platforms = Observation::failed("forbidden"), Unjudged);
    }
}
