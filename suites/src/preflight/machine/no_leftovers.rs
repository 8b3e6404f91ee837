//! No run of meshcheck that was killed has left a cluster.

use super::engine;
use crate::entry::check;
use crate::format::{CLUSTER, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::machine::docker_usable;
use crate::steps::machine as steps;

check! {
    /// Nothing in the tutorial: meshcheck checks after itself.
    ///
    /// ## Why it matters
    /// A killed run may leave a cluster that takes memory and addresses.
    ///
    /// ## How it is checked
    /// Lists the clusters that carry meshcheck's mark and whose run has ended.
    ///
    /// ## What makes it fail
    /// A killed run has left a cluster.
    ///
    /// ## How to fix it
    /// Remove it with `meshcheck down`. The next run does so too.
    ///
    /// ## Check by hand
    ///     meshcheck down --leftovers
    machine::no_leftovers: "no run of meshcheck that was killed has left a cluster",
    needs: Provisioning,
    after: docker_usable,
    judge: judge,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let left = evidence.machine.leftovers.look("what runs of meshcheck have left")?;
    let Some(first) = left.first() else {
        return Ok(Judgement::pass("nothing is left of a run that was killed"));
    };
    Err(Judgement::fail(format!(
        "{} left by runs of meshcheck that were killed",
        format_clusters(left.len())
    ))
    .expected("nothing")
    .observed(list(left))
    .object(format!("the cluster {first}"))
    .step(steps::remove_leftover(first)))
}

fn format_clusters(number: usize) -> String {
    format!("{} {}", count(number, CLUSTER), if number == 1 { "was" } else { "were" })
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
        not_seen(|e| e.machine.leftovers = Observation::failed("permission denied"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
