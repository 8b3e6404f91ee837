//! No cluster of a killed meshcheck run is left.

use super::engine;
use crate::entry::check;
use crate::format::{CLUSTER, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial says nothing about this: meshcheck checks for clusters of its own.
    ///
    /// ## Why it matters
    /// A killed run can leave a cluster that uses memory and addresses.
    ///
    /// ## How it is checked
    /// Lists the clusters with meshcheck's mark whose run has ended.
    ///
    /// ## What makes it fail
    /// A killed run has left a cluster.
    ///
    /// ## How to fix it
    /// Delete it with `meshcheck down`. The next run also deletes it.
    ///
    /// ## Check by hand
    ///     meshcheck down --leftovers
    machine::no_leftovers: "no cluster of a killed meshcheck run is left",
    needs: Provisioning,
    after: docker_usable,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let left = evidence.machine.leftovers.look("the clusters of earlier meshcheck runs")?;
    let Some(first) = left.first() else {
        return Ok(Judgement::pass("no cluster of a killed run is left"));
    };
    Err(Judgement::fail(format!(
        "{} of killed meshcheck runs left: {}",
        count(left.len(), CLUSTER),
        list(left)
    ))
    .expected("no cluster")
    .observed(list(left))
    .object(format!("cluster {first}"))
    .step(steps::remove_leftovers(left)))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        none(|_| {}, Pass);
        one(|e| of(&mut e.machine.leftovers).push("meshcheck-1".into()), Fail);
        two(|e| of(&mut e.machine.leftovers).extend(["meshcheck-1".into(), "meshcheck-2".into()]), Fail);
        leftovers_unknown(|e| e.machine.leftovers = Observation::failed("permission denied"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
