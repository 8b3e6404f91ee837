//! The addresses that the load balancer may hand out, derived from the node's own address.

use std::net::Ipv4Addr;

use super::InstallError;

/// How many addresses a cluster gets: the gateway's, the probe's, and two for who plays with it.
const SIZE: u32 = 4;

/// A range of addresses at the upper end of the network.
///
/// The engine hands addresses out from the lower end, one to each node. The node's place from the
/// lower end decides the pool's place from the upper end: two clusters on one machine never have
/// the same node address, so never the same pool, without knowing of each other.
pub(super) fn pool(node: &str, ranges: &[String]) -> Result<(Ipv4Addr, Ipv4Addr), InstallError> {
    let fail = |reason: String| InstallError::Pool(reason);
    let node: Ipv4Addr =
        node.parse().map_err(|_| fail(format!("the node has no IPv4 address there: `{node}`")))?;
    let (base, size) = ranges
        .iter()
        .filter_map(|range| network(range))
        .find(|(base, size)| {
            node.to_bits().checked_sub(*base).is_some_and(|place| u64::from(place) < *size)
        })
        .ok_or_else(|| fail(format!("none of its ranges ({}) holds {node}", ranges.join(", "))))?;
    let place = u64::from(node.to_bits() - base);
    // The last address is for broadcasts.
    let last = size.checked_sub(2 + place.saturating_sub(2) * u64::from(SIZE));
    let first = last.and_then(|last| last.checked_sub(u64::from(SIZE) - 1));
    match (first, last) {
        // Leave the lower half to nodes.
        (Some(first), Some(last)) if first > size / 2 && first > place => {
            let at =
                |offset: u64| u32::try_from(offset).map(|offset| Ipv4Addr::from(base + offset));
            match (at(first), at(last)) {
                (Ok(first), Ok(last)) => Ok((first, last)),
                _ => Err(fail(format!("its range is too large: {size} addresses"))),
            }
        }
        _ => Err(fail(format!("{size} addresses are too few for node number {place}"))),
    }
}

/// The first address of a range, and how many there are.
fn network(range: &str) -> Option<(u32, u64)> {
    let (address, length) = range.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    let size = 1u64 << (32 - length);
    let mask = u32::try_from(size - 1).ok()?;
    Some((address.to_bits() & !mask, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("172.18.0.2", "172.18.0.0/16", "172.18.255.251", "172.18.255.254")]
    #[case("172.18.0.3", "172.18.0.0/16", "172.18.255.247", "172.18.255.250")]
    #[case("192.168.8.2", "192.168.8.0/24", "192.168.8.251", "192.168.8.254")]
    #[case("10.1.2.18", "10.1.2.16/28", "10.1.2.27", "10.1.2.30")]
    fn pool_lies_at_the_upper_end(
        #[case] node: &str,
        #[case] range: &str,
        #[case] first: &str,
        #[case] last: &str,
    ) {
        let ranges = ["fc00:f853:ccd:e793::/64".to_owned(), range.to_owned()];
        let (low, high) = pool(node, &ranges).unwrap();
        assert_eq!((low.to_string().as_str(), high.to_string().as_str()), (first, last));
    }

    #[rstest]
    #[case("172.18.0.2", "172.19.0.0/16")]
    #[case("", "172.18.0.0/16")]
    #[case("172.18.0.7", "172.18.0.0/28")]
    #[case("172.18.0.2", "172.18.0.0/30")]
    #[case("172.18.0.2", "fc00::/64")]
    fn pool_without_room_is_an_error(#[case] node: &str, #[case] range: &str) {
        assert!(pool(node, &[range.to_owned()]).is_err());
    }

    #[test]
    fn no_two_nodes_share_an_address() {
        let ranges = ["172.18.0.0/24".to_owned()];
        let mut taken = std::collections::BTreeSet::new();
        for host in 2..30 {
            let (first, last) = pool(&format!("172.18.0.{host}"), &ranges).unwrap();
            for address in first.to_bits()..=last.to_bits() {
                assert!(taken.insert(address), "{}", Ipv4Addr::from(address));
            }
        }
    }
}
