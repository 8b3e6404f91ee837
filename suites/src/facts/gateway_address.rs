//! The addresses of the ingress gateway: their ranges, whether this machine reaches them, and who answers there.

use super::gateway::{
    find_gateway_service, find_routed_reply, has_counted_requests, has_ready_endpoint,
    is_strangers_health,
};
use crate::evidence::{Evidence, HttpAnswer, Observation, Provider, Service};
use crate::net::{Network, is_private};
use std::net::IpAddr;

/// Whether another machine or gateway answers the health check at the gateway's address.
pub(crate) fn is_answered_by_another(evidence: &Evidence) -> bool {
    evidence.ingress.health.value().is_some_and(|health| {
        find_routed_reply(evidence).is_none()
            && match has_counted_requests(evidence) {
                _ if is_strangers_health(health) => !can_be_in_between(evidence, health),
                Some(counted) => !counted,
                None => has_ready_endpoint(evidence) == Some(false),
            }
    })
}

/// Whether a proxy or a filter before the gateway may have given this answer: the address is public, there is no route to
/// it, or the answer names a proxy. There is nothing in between where the address is this machine's own.
pub(crate) fn can_be_in_between(evidence: &Evidence, answer: &HttpAnswer) -> bool {
    let way = &evidence.ingress.way;
    let is_far = way.is_recorded() && way.value().is_none() || !has_private_address(evidence);
    answer.headers.contains_key("via") || is_far && !is_of_this_machine(evidence)
}

/// Whether the gateway's addresses are those of this machine, which runs the cluster: `localhost` of Docker Desktop.
pub(crate) fn is_of_this_machine(evidence: &Evidence) -> bool {
    let addresses = asked_addresses(evidence);
    has_local_server(evidence) && !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback)
}

/// Returns the requested IP addresses, or those of the service where the evidence does not have them.
fn asked_addresses(evidence: &Evidence) -> Vec<IpAddr> {
    let asked = &evidence.ingress.asked;
    let of_service =
        find_gateway_service(evidence).into_iter().flat_map(Service::external_addresses);
    let parse = |it: &str| it.parse().ok();
    if asked.is_empty() {
        of_service.filter_map(parse).collect()
    } else {
        asked.iter().map(String::as_str).filter_map(parse).collect()
    }
}

/// Whether the gateway has an address of a private range: a cloud gives others, or names.
pub(crate) fn has_private_address(evidence: &Evidence) -> bool {
    asked_addresses(evidence).into_iter().any(is_private)
}

/// Whether the API server is on the loopback interface of this machine.
pub(crate) fn has_local_server(evidence: &Evidence) -> bool {
    let server = evidence.subject.server.split_once("://").map_or("", |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|host| server.starts_with(host))
}

/// Whether this machine runs the cluster: the API server is on its loopback interface, or a node is a container here.
pub(crate) fn is_local_cluster(evidence: &Evidence) -> bool {
    let mut rules = evidence.mesh.live_rules.values();
    has_local_server(evidence) || rules.any(|it| it.value().is_some())
}

/// Whether no answer proves that no server is at the gateway's address: it is public, or there is a route to it.
pub(crate) fn is_reachable(evidence: &Evidence, reason: &str) -> bool {
    let addresses = asked_addresses(evidence);
    if is_unknown_name(reason) || find_network_address(evidence).is_some() {
        return true;
    }
    if lacks_ipv6(evidence, reason) {
        return false;
    }
    if addresses.is_empty() {
        // In an older file, the request went to the first address of a name: `localhost` has two.
        let mut names =
            find_gateway_service(evidence).into_iter().flat_map(Service::external_addresses);
        return names.any(|name| name != "localhost");
    }
    if addresses.iter().all(IpAddr::is_loopback) {
        return has_local_server(evidence) && !evidence.ingress.asked.is_empty();
    }
    addresses.into_iter().any(|it| !is_private(it) && !it.is_loopback())
        || match &evidence.ingress.way {
            Observation::Seen { .. } => true,
            Observation::Absent { .. } => false,
            // The container is on the cluster's network. The first name is that of older evidence.
            _ if ["a container of ours", "a meshcheck container"]
                .iter()
                .any(|it| reason.contains(it)) =>
            {
                reason.contains("curl: (")
            }
            way if way.is_recorded() => false,
            // In an older file, the error of this machine shows whether there was a route.
            _ => {
                reason.contains("No route to host")
                    || (evidence.subject.provider == Provider::Kind
                        && reason.contains("no answer within"))
            }
        }
}

/// Whether this machine has no IPv6 connection: the gateway has only IPv6 addresses, and there is no route to any of them.
pub(crate) fn lacks_ipv6(evidence: &Evidence, reason: &str) -> bool {
    // The messages of Linux and macOS, and of Windows.
    const WORDS: [&str; 2] = ["etwork is unreachable", "unreachable network"];
    let addresses = asked_addresses(evidence);
    !addresses.is_empty()
        && addresses.iter().all(IpAddr::is_ipv6)
        && WORDS.iter().any(|words| reason.contains(words))
}

/// Whether DNS does not know the requested name.
pub(crate) fn is_unknown_name(reason: &str) -> bool {
    const WORDS: [&str; 3] =
        ["Name or service not known", "Name does not resolve", "nodename nor servname"];
    WORDS.iter().any(|words| reason.contains(words))
}

fn octets(address: &IpAddr) -> Option<[u8; 4]> {
    match address {
        IpAddr::V4(address) => Some(address.octets()),
        IpAddr::V6(_) => None,
    }
}

/// The addresses of the nodes.
pub(crate) fn node_addresses(evidence: &Evidence) -> impl Iterator<Item = IpAddr> {
    let nodes = evidence.cluster.nodes.value().into_iter().flatten();
    nodes.flat_map(|node| &node.addresses).filter_map(|address| address.parse().ok())
}

/// Returns the address of the nodes' network itself, which no host can have.
pub(crate) fn find_network_address(evidence: &Evidence) -> Option<IpAddr> {
    let is_of_network = |address: &IpAddr| {
        let parts = octets(address).filter(|parts| parts[3] == 0);
        parts.is_some_and(|parts| {
            node_addresses(evidence).filter_map(|it| octets(&it)).any(|it| it[..3] == parts[..3])
        })
    };
    asked_addresses(evidence).into_iter().find(is_of_network)
}

/// Returns an address outside of the network of nodes that are containers: there is no route to it.
pub(crate) fn find_address_outside(evidence: &Evidence) -> Option<IpAddr> {
    let way = evidence.ingress.way.value();
    let networks: Vec<Network> =
        way.into_iter().flat_map(|way| &way.networks).filter_map(|it| it.parse().ok()).collect();
    let is_kind = evidence.subject.context.starts_with("kind-");
    let is_outside = |address: &IpAddr| {
        let beside = |node: &IpAddr| {
            let pair = octets(node).zip(octets(address));
            pair.is_none_or(|(node, address)| node[..2] == address[..2])
        };
        is_private(*address)
            && if networks.is_empty() {
                // Docker gives a network of kind a range of /16.
                is_kind && !node_addresses(evidence).any(|node| beside(&node))
            } else {
                !networks.iter().any(|network| network.contains(*address))
            }
    };
    asked_addresses(evidence).into_iter().find(is_outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::healthy;
    use rstest::rstest;

    #[test]
    fn cluster_is_local_by_its_server_or_its_nodes() {
        let mut evidence = healthy();
        assert!(is_local_cluster(&evidence));
        evidence.subject.server = "https://198.51.100.7:6443".into();
        assert!(is_local_cluster(&evidence), "the rules of its pods were read on this machine");
        evidence.mesh.live_rules.clear();
        assert!(!is_local_cluster(&evidence));
    }

    #[rstest]
    #[case::linux("2001:db8::1", "Network is unreachable (os error 101)", true)]
    #[case::windows(
        "2001:db8::1",
        "A socket operation was attempted to an unreachable network. (os error 10051)",
        true
    )]
    #[case::silent("2001:db8::1", "no answer within 2 s", false)]
    #[case::version_4("203.0.113.9", "Network is unreachable (os error 101)", false)]
    fn machine_without_ipv6_has_no_route_to_such_addresses(
        #[case] address: &str,
        #[case] reason: &str,
        #[case] lacks: bool,
    ) {
        let mut evidence = healthy();
        evidence.ingress.asked = vec![address.into()];
        assert_eq!(lacks_ipv6(&evidence, reason), lacks);
        assert_eq!(is_reachable(&evidence, reason), !lacks);
        evidence.ingress.asked.push("203.0.113.9".into());
        assert!(!lacks_ipv6(&evidence, reason));
    }

    #[test]
    fn loopback_is_this_machine_where_the_cluster_is_here() {
        let mut evidence = healthy();
        assert!(!is_of_this_machine(&evidence));
        evidence.ingress.asked = vec!["::1".into(), "127.0.0.1".into()];
        assert!(is_of_this_machine(&evidence));
        evidence.subject.server = "https://198.51.100.7:6443".into();
        assert!(!is_of_this_machine(&evidence));
    }
}
