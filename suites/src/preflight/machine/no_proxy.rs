//! No proxy stands between this machine and the cluster's addresses.

use crate::entry::check;
use crate::format::list;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that requests to the cluster's addresses do not go through a proxy.
    ///
    /// ## Why it matters
    /// A proxy answers in the cluster's place, with errors that point elsewhere.
    ///
    /// ## How it is checked
    /// Reads the proxy variables of the environment and compares NO_PROXY with the cluster's addresses.
    ///
    /// ## What makes it fail
    /// A proxy is set and NO_PROXY does not except an address of the cluster.
    ///
    /// ## How to fix it
    /// Add the cluster's ranges to NO_PROXY and no_proxy.
    ///
    /// ## Check by hand
    ///     env | grep -i proxy
    machine::no_proxy: "no proxy stands between this machine and the cluster's addresses",
    needs: Always,
    judge: judge,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let proxies = evidence.machine.proxies.look("the proxies of the environment")?;
    if proxies.variables.is_empty() {
        return Ok(Judgement::pass("the environment names no proxy"));
    }
    let variables = list(&proxies.variables);
    let through: Vec<_> = proxies.ways.iter().filter(|way| way.through_proxy).collect();
    let Some(first) = through.first() else {
        return Ok(Judgement::pass(if proxies.ways.is_empty() {
            format!("{variables} set, and no address of a cluster is known yet")
        } else {
            format!("{variables} set, and NO_PROXY excepts the cluster's addresses")
        }));
    };
    let mut exceptions: Vec<_> = through.iter().map(|way| way.exception.clone()).collect();
    exceptions.dedup();
    Err(Judgement::fail(format!(
        "a request to {}, an address of the cluster, would go to the proxy",
        first.address
    ))
    .expected(format!("NO_PROXY with {}", list(&exceptions)))
    .observed(format!("{variables} set, and NO_PROXY does not except it"))
    .object("the environment of this shell")
    .step(steps::except_from_proxy(&exceptions)))
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
        excepted(|e| proxy(e, false), Pass);
        in_between(|e| proxy(e, true), Fail);
        nowhere_to_go(|e| { proxy(e, true); of(&mut e.machine.proxies).ways.clear(); }, Pass);
        not_seen(|e| e.machine.proxies = Observation::failed("no environment"), Unjudged);
    }
}
