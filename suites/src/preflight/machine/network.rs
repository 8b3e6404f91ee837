//! The network of kind, and proxies in front of it.

use super::super::evidence::PreflightEvidence;
use super::engine;
use crate::evidence::Observation;
use crate::format::{CONTAINER, count, list};
use crate::hint::quote;
use crate::judgement::{Judged, Judgement, Look as _};

/// How many addresses a cluster's load balancer gets, at the upper end of the network.
const POOL: u64 = 4;

pub(in super::super) fn network_kind(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let network = match &evidence.machine.network {
        Observation::Absent { .. } => {
            return Ok(Judgement::pass("there is none yet: kind makes it with its first cluster"));
        }
        other => other.look("the network `kind` of the engine")?,
    };
    let fail = |what: String, observed: String| {
        Err(Judgement::fail(what)
            .expected("a range of IPv4 with addresses left for a node and its load balancer")
            .observed(observed)
            .object("the network kind of the engine")
            .legacy_hint(
                "`docker network rm kind` removes it where no cluster uses it, and kind makes a new \
                 one; `docker network create kind --subnet 172.30.0.0/16` makes a larger one",
            ))
    };
    let ranges = list(&network.ranges);
    let Some(size) = network.ranges.iter().find_map(|range| ipv4_size(range)) else {
        return fail("the network of kind has no range of IPv4".into(), ranges);
    };
    let containers = u64::try_from(network.containers).unwrap_or(u64::MAX);
    // The gateway has the first address, the next container gets the one after those that are there; every
    // node has a pool at the upper end. Half of the range is for nodes.
    let pools = containers.saturating_add(1).saturating_mul(POOL);
    if pools.saturating_add(2) > size / 2 {
        return fail(
            format!("the network of kind has no addresses left for another cluster: {size} in all"),
            format!("{ranges}, {}", count(network.containers, CONTAINER)),
        );
    }
    Ok(Judgement::pass(format!("{ranges}, {} in it", count(network.containers, CONTAINER))))
}

/// How many addresses a range of IPv4 has.
fn ipv4_size(range: &str) -> Option<u64> {
    let (address, length) = range.split_once('/')?;
    address.parse::<std::net::Ipv4Addr>().ok()?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    Some(1 << (32 - length))
}

pub(in super::super) fn no_proxy(evidence: &PreflightEvidence) -> Judged {
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
    let addresses = quote(&exceptions.join(","));
    Err(Judgement::fail(format!(
        "a request to {}, an address of the cluster, would go to the proxy",
        first.address
    ))
    .expected(format!("NO_PROXY with {}", list(&exceptions)))
    .observed(format!("{variables} set, and NO_PROXY does not except it"))
    .object("the environment of this shell")
    .legacy_hint(format!(
        "`export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}\"{addresses} no_proxy=\"${{no_proxy:+$no_proxy,}}\"{addresses}` excepts it"
    )))
}
