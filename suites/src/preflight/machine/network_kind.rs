//! Docker's network kind has free addresses for a node and its load balancer.

use super::engine;
use crate::entry::check;
use crate::evidence::Observation;
use crate::format::{CONTAINER, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies a docker network with addresses for the node and its load balancer.
    ///
    /// ## Why it matters
    /// In a full network the node or the gateway gets no address.
    ///
    /// ## How it is checked
    /// Reads the ranges of docker's network `kind`, and counts its containers.
    ///
    /// ## What makes it fail
    /// - The network has no IPv4 range.
    /// - Its range has too few addresses for another cluster.
    ///
    /// ## How to fix it
    /// Delete the network if no cluster uses it, or create a larger one.
    ///
    /// ## Check by hand
    ///     docker network inspect kind
    machine::network_kind: "docker's network kind has free addresses for a node and its load balancer",
    needs: Provisioning,
    after: docker_usable,
}

/// The addresses of a cluster's load balancer, at the upper end of the network.
const POOL: u64 = 4;

fn judge(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let network = match &evidence.machine.network {
        Observation::Absent { .. } => {
            return Ok(Judgement::pass(
                "no docker network kind yet: kind creates it with its first cluster",
            ));
        }
        other => other.look("docker's network kind")?,
    };
    let fail = |what: String, observed: String| {
        Err(Judgement::fail(what)
            .expected("an IPv4 range with free addresses for a node and its load balancer")
            .observed(observed)
            .object("docker network kind")
            .steps(steps::replace_kind_network()))
    };
    let ranges = list(&network.ranges);
    let Some(size) = network.ranges.iter().find_map(|range| ipv4_size(range)) else {
        return fail("docker network kind has no IPv4 range".into(), ranges);
    };
    let containers = u64::try_from(network.containers).unwrap_or(u64::MAX);
    // Docker assigns addresses from the lower end, and each node has a pool at the upper end. Half of the range is for
    // containers.
    let pools = containers.saturating_add(1).saturating_mul(POOL);
    if pools.saturating_add(2) > size / 2 {
        return fail(
            format!("docker network kind has {size} addresses, too few for another cluster"),
            format!("{ranges}, {}", count(network.containers, CONTAINER)),
        );
    }
    Ok(Judgement::pass(format!(
        "docker network kind: {ranges}, {}",
        count(network.containers, CONTAINER)
    )))
}

/// Returns the number of addresses of an IPv4 range.
fn ipv4_size(range: &str) -> Option<u64> {
    let (address, length) = range.split_once('/')?;
    address.parse::<std::net::Ipv4Addr>().ok()?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    Some(1 << (32 - length))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        none_yet(|e| e.machine.network = Observation::absent("no network kind"), Pass);
        tiny(|e| of(&mut e.machine.network).ranges = vec!["172.18.0.0/28".into()], Fail);
        small(|e| of(&mut e.machine.network).ranges = vec!["172.18.0.0/27".into()], Pass);
        full(|e| {
            let network = of(&mut e.machine.network);
            network.ranges = vec!["192.168.8.0/24".into()];
            network.containers = 40;
        }, Fail);
        ipv6_only(|e| of(&mut e.machine.network).ranges = vec!["fc00::/64".into()], Fail);
        no_range(|e| of(&mut e.machine.network).ranges.clear(), Fail);
        network_unknown(|e| e.machine.network = Observation::failed("time-out"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
