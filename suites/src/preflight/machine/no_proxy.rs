//! Requests to the cluster's addresses do not go through a proxy.

use crate::entry::check;
use crate::format::list;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that requests to the cluster's addresses do not go through a proxy.
    ///
    /// ## Why it matters
    /// A proxy answers instead of the cluster, with errors that are misleading.
    ///
    /// ## How it is checked
    /// Reads the proxy variables of the environment and compares NO_PROXY with the cluster's addresses.
    ///
    /// ## What makes it fail
    /// A proxy is set, and NO_PROXY does not contain the cluster's addresses.
    ///
    /// ## How to fix it
    /// Add the cluster's ranges to NO_PROXY and no_proxy.
    ///
    /// ## Check by hand
    ///     env | grep -i proxy
    machine::no_proxy: "requests to the cluster's addresses do not go through a proxy",
    needs: Always,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let proxies = evidence.machine.proxies.look("the proxy variables of the environment")?;
    if proxies.variables.is_empty() {
        return Ok(Judgement::pass("no proxy variable is set"));
    }
    let variables = list(&proxies.variables);
    let through: Vec<_> = proxies.ways.iter().filter(|way| way.through_proxy).collect();
    let Some(first) = through.first() else {
        return Ok(Judgement::pass(if proxies.ways.is_empty() {
            format!("{variables} set; no address of a cluster is known yet")
        } else {
            format!("{variables} set; NO_PROXY contains the cluster's addresses")
        }));
    };
    let mut exceptions: Vec<_> = through.iter().map(|way| way.exception.clone()).collect();
    exceptions.dedup();
    Err(Judgement::fail(format!(
        "requests to the cluster's address {} go through the proxy of {variables}",
        first.address
    ))
    .expected(format!("NO_PROXY with {}", list(&exceptions)))
    .observed(format!("NO_PROXY without {}", list(&exceptions)))
    .object("environment of this shell")
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
        in_no_proxy(|e| proxy(e, false), Pass);
        through_the_proxy(|e| proxy(e, true), Fail);
        no_address_known(|e| { proxy(e, true); of(&mut e.machine.proxies).ways.clear(); }, Pass);
        variables_unknown(|e| e.machine.proxies = Observation::failed("no environment"), Unjudged);
    }
}
