//! What the nodes are made of.

use crate::entry::check;
use crate::format::{OTHER_NODE, count, list};
use std::collections::BTreeSet;

check! {
    /// TODO
    "cluster::platforms": "the images of Istio are made for what the nodes are",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: platforms,
}

#[cfg(test)]
use crate::preflight::tests::cluster::platforms as cases;

use super::super::evidence::{Platform, PreflightEvidence};
use crate::judgement::{Judged, Judgement, Look as _};

/// The processors that the images of Istio are built for.
/// Source: <https://istio.io/latest/news/releases/1.15.x/announcing-1.15/> (arm64 since 1.15).
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

fn platforms(evidence: &PreflightEvidence) -> Judged {
    let nodes = evidence.cluster.platforms.look("the nodes")?;
    let show = evidence.cluster.seen.kubectl(&["get", "nodes", "-o", "wide"]);
    let fit = |node: &&Platform| {
        node.os == "linux" && ARCHITECTURES.contains(&node.architecture.as_str())
    };
    let Some(first) = nodes.iter().find(fit) else {
        let observed: Vec<_> = nodes.iter().map(words).collect();
        return Err(Judgement::fail("Istio has no images for any of the nodes")
            .expected(format!("Linux on {}", ARCHITECTURES.join(" or ")))
            .observed(list(&observed))
            .object("the nodes")
            .legacy_hint(format!(
                "`{show}` shows them: the tutorial needs a node of Linux on amd64 or arm64"
            )));
    };
    let kernels: BTreeSet<_> = nodes.iter().map(|node| node.kernel.as_str()).collect();
    let kernels: Vec<_> = kernels.into_iter().collect();
    let others = nodes.iter().filter(|node| !fit(node)).count();
    let others = match others {
        0 => String::new(),
        number => format!("; {} that Istio has no images for", count(number, OTHER_NODE)),
    };
    Ok(Judgement::pass(format!(
        "{} ({}), {}, kernel {}{others}",
        first.image,
        first.architecture,
        first.runtime,
        list(&kernels)
    )))
}

fn words(node: &Platform) -> String {
    format!("{}: {} on {}", node.node, node.os, node.architecture)
}
