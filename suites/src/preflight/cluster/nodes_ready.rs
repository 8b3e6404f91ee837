//! The nodes are ready and have room for the mesh.

use crate::claims::by_name;
use crate::entry::check;
use crate::judgement::Judged;
use crate::preflight::evidence::PreflightEvidence;

check! {
    /// The tutorial implies nodes that are Ready and have enough resources for the mesh.
    ///
    /// ## Why it matters
    /// On a full node istiod stays Pending.
    ///
    /// ## How it is checked
    /// Like the claim `prepare::nodes_ready`, before the install.
    ///
    /// ## What makes it fail
    /// - A node is NotReady, reports pressure, or is cordoned.
    /// - The nodes have too few free resources for the requests of the mesh.
    ///
    /// ## How to fix it
    /// Read the conditions of the node, uncordon it, or free resources.
    ///
    /// ## Check by hand
    ///     kubectl describe nodes
    cluster::nodes_ready: "the nodes are ready and have room for the mesh",
    needs: ClusterNamed,
    after: server_answers,
}

/// Judges by the claim of the same name.
fn judge(evidence: &PreflightEvidence) -> Judged {
    Ok(by_name::nodes_ready::CLAIM.judge(&evidence.cluster.seen))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;

    use crate::testing::of;

    cases! { PreflightEvidence:
        ready(|_| {}, Pass);
        cordoned(|e| of(&mut e.cluster.seen.cluster.nodes)[0].unschedulable = true, Fail);
        no_room(|e| of(&mut e.cluster.seen.cluster.nodes)[0].allocatable.cpu_millis = 1000, Fail);
        nodes_unknown(|e| e.cluster.seen.cluster.nodes = Observation::failed("forbidden"), Unjudged);
    }
}
