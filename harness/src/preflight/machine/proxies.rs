//! Proxies of the environment, and what would go through them. Their values are not kept.

use std::net::Ipv4Addr;

use meshcheck_suites::preflight::evidence::{ClusterLook, MachineEvidence, Proxies, Way};

use crate::connect::proxy::excepts;

/// The variables that name a proxy, and whether it is for plain HTTP, as the tutorial's requests are.
const VARIABLES: [(&str, bool); 6] = [
    ("http_proxy", true),
    ("HTTP_PROXY", true),
    ("https_proxy", false),
    ("HTTPS_PROXY", false),
    ("all_proxy", true),
    ("ALL_PROXY", true),
];

/// The range that docker gives the network of kind on most machines, where it is not there yet.
const USUAL: &str = "172.18.0.0/16";

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables that are set.
pub(super) fn named() -> Proxies {
    let variables = VARIABLES.iter().map(|(name, _)| *name).filter(|name| set(name).is_some());
    Proxies { variables: variables.map(str::to_owned).collect(), ways: Vec::new() }
}

/// Adds the addresses that the tutorial's requests go to: those of the load balancer, of the cluster that is
/// there or will be made.
pub(in super::super) fn collect_routes(machine: &mut MachineEvidence, cluster: &ClusterLook) {
    let exceptions: Vec<_> = ["NO_PROXY", "no_proxy"].into_iter().filter_map(set).collect();
    let services = cluster.seen.cluster.load_balancer_services.value().into_iter().flatten();
    let held: Vec<String> =
        services.flat_map(|service| service.load_balancer_addresses.clone()).collect();
    let named =
        !matches!(cluster.seen.subject.provider, meshcheck_suites::evidence::Provider::None);
    let of_kind = (!named || cluster.nodes_are_containers).then(|| {
        let range = machine
            .network
            .value()
            .and_then(|network| network.ranges.iter().find(|range| range.contains('.')).cloned());
        range.unwrap_or_else(|| USUAL.to_owned())
    });
    if let Some(proxies) = machine.proxies.value_mut() {
        let plain = proxies
            .variables
            .iter()
            .any(|name| VARIABLES.iter().any(|(known, plain)| known == name && *plain));
        proxies.ways = addresses(&held, of_kind.as_deref())
            .into_iter()
            .map(|(address, exception)| Way {
                through_proxy: plain && !is_excepted(&exceptions, &address),
                address,
                exception,
            })
            .collect();
    }
}

/// Programs differ in which of the two variables they read: all that are set must except it.
fn is_excepted(exceptions: &[String], address: &str) -> bool {
    const HTTP: u16 = 80;
    !exceptions.is_empty() && exceptions.iter().all(|it| excepts(it, address, HTTP))
}

/// The addresses, each with what would except it. Public ones may well be behind the proxy.
fn addresses(held: &[String], of_kind: Option<&str>) -> Vec<(String, String)> {
    let private = held.iter().filter(|address| {
        address.parse::<Ipv4Addr>().is_ok_and(|it| it.is_private() || it.is_link_local())
    });
    let own = of_kind.and_then(|range| Some((last_of(range)?, range.to_owned())));
    own.into_iter().chain(private.map(|it| (it.clone(), it.clone()))).collect()
}

/// The last address of a range but the broadcast's: the load balancer's are there.
fn last_of(range: &str) -> Option<String> {
    let (address, length) = range.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 30)?;
    let mask = u32::MAX.checked_shr(length).unwrap_or_default();
    Some(Ipv4Addr::from_bits((address.to_bits() | mask) - 1).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("172.18.0.0/16", Some("172.18.255.254"))]
    #[case("192.168.8.0/24", Some("192.168.8.254"))]
    #[case("fc00::/64", None)]
    #[case("10.0.0.0/31", None)]
    fn load_balancer_uses_the_upper_end_of_the_network(
        #[case] range: &str,
        #[case] last: Option<&str>,
    ) {
        assert_eq!(last_of(range).as_deref(), last);
    }

    #[rstest]
    #[case(&[], false)]
    #[case(&["172.18.0.0/16"], true)]
    #[case(&["localhost,172.18.255.254"], true)]
    #[case(&["172.18.0.0/16", "localhost"], false)]
    #[case(&["10.0.0.0/8"], false)]
    fn address_is_excepted_only_if_every_variable_excepts_it(
        #[case] exceptions: &[&str],
        #[case] excepted: bool,
    ) {
        let exceptions: Vec<_> = exceptions.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(is_excepted(&exceptions, "172.18.255.254"), excepted);
    }

    #[test]
    fn public_addresses_need_no_exception() {
        let held = ["10.0.0.9".to_owned(), "203.0.113.9".into(), "lb.example.com".into()];
        let found = addresses(&held, Some("172.18.0.0/16"));
        let found: Vec<_> = found.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!(found, ["172.18.255.254", "10.0.0.9"]);
        assert_eq!(addresses(&[], None), []);
    }
}
