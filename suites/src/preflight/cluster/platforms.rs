//! Istio has images for the platform of the nodes.

use std::collections::BTreeSet;

use crate::entry::check;
use crate::format::{OTHER_NODE, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::Platform;
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::nodes;

check! {
    /// The tutorial implies Linux nodes on amd64 or arm64.
    ///
    /// ## Why it matters
    /// Istio has no images for other platforms.
    ///
    /// ## How it is checked
    /// Lists the nodes (`list` on nodes), with operating system and architecture.
    ///
    /// ## What makes it fail
    /// No node runs Linux on amd64 or arm64.
    ///
    /// ## How to fix it
    /// Add a node with Linux on amd64 or arm64.
    ///
    /// ## Check by hand
    ///     kubectl get nodes -o wide
    cluster::platforms: "Istio has images for the platform of the nodes",
    needs: ClusterNamed,
    after: server_answers,
}

/// The CPU architectures of Istio's images.
/// Source: <https://istio.io/latest/news/releases/1.15.x/announcing-1.15/> (arm64 since 1.15).
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

fn judge(evidence: &PreflightEvidence) -> Judged {
    let nodes = evidence.cluster.platforms.look("the nodes")?;
    let fit = |node: &&Platform| {
        node.os == "linux" && ARCHITECTURES.contains(&node.architecture.as_str())
    };
    let Some(first) = nodes.iter().find(fit) else {
        let observed: Vec<_> = nodes.iter().map(format_platform).collect();
        return Err(Judgement::fail(
            "no node runs Linux on amd64 or arm64: Istio has no images for them",
        )
        .expected(format!("a node with linux on {}", ARCHITECTURES.join(" or ")))
        .observed(list(&observed))
        .object("the nodes")
        .step(nodes::list_wide(
            &evidence.cluster.seen,
            "List the nodes with their operating systems",
        )));
    };
    let kernels: BTreeSet<_> = nodes.iter().map(|node| node.kernel.as_str()).collect();
    let kernels: Vec<_> = kernels.into_iter().collect();
    let others = nodes.iter().filter(|node| !fit(node)).count();
    let others = match others {
        0 => String::new(),
        number => format!("; Istio has no images for {}", count(number, OTHER_NODE)),
    };
    Ok(Judgement::pass(format!(
        "{} ({}), {}, kernel {}{others}",
        first.image,
        first.architecture,
        first.runtime,
        list(&kernels)
    )))
}

/// Formats the platform of a node: `class-worker: linux on arm`.
fn format_platform(node: &Platform) -> String {
    format!("{}: {} on {}", node.node, node.os, node.architecture)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::cluster::changes::*;
    use crate::preflight::evidence::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        amd64(|_| {}, Pass);
        arm64(|e| platform(e).architecture = "arm64".into(), Pass);
        arm(|e| platform(e).architecture = "arm".into(), Fail);
        windows(|e| platform(e).os = "windows".into(), Fail);
        mixed(|e| {
            let mut other = platform(e).clone();
            other.os = "windows".into();
            of(&mut e.cluster.platforms).insert(0, other);
        }, Pass);
        no_nodes(|e| of(&mut e.cluster.platforms).clear(), Fail);
        nodes_unknown(|e| e.cluster.platforms = Observation::failed("forbidden"), Unjudged);
    }
}
