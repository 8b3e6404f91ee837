//! Classes of ports, addresses and owners: one representative for all values that the rules do not distinguish.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::packet::{Family, Outcome, Packet};
use super::ports::PortSet;
use super::rules::{Match, RuleSet, Side};
use super::walk::outcome;

/// Returns the results of packets like this one for every destination port from 1 to 65535.
pub fn port_outcomes(rules: &RuleSet, packet: &Packet) -> Vec<(PortSet, Outcome)> {
    let mut starts: BTreeSet<u32> = BTreeSet::from([1]);
    for condition in rules.matches() {
        if let Match::Ports { ranges, .. } | Match::EitherPort { ranges, .. } = condition {
            for (first, last) in ranges {
                starts.insert(u32::from(*first).max(1));
                starts.insert(u32::from(*last) + 1);
            }
        }
    }
    starts.insert(u32::from(u16::MAX) + 1);
    let starts: Vec<_> = starts.into_iter().collect();
    let mut outcomes: Vec<(PortSet, Outcome)> = Vec::new();
    for pair in starts.windows(2) {
        let &[from, to] = pair else { continue };
        let Ok(port) = u16::try_from(from) else { continue };
        let packet = Packet { destination_port: port, ..packet.clone() };
        let outcome = outcome(rules, &packet);
        let at = outcomes.iter().position(|(_, known)| *known == outcome).unwrap_or_else(|| {
            outcomes.push((PortSet::default(), outcome));
            outcomes.len() - 1
        });
        outcomes[at].0.push(from, to);
    }
    outcomes
}

/// Returns an upper limit of the rules to compare for all classes of packets, so that callers can refuse too many.
pub fn work(rules: &RuleSet, family: Family) -> usize {
    let mut ranges = 1_usize;
    for condition in rules.matches() {
        if let Match::Ports { ranges: more, .. } | Match::EitherPort { ranges: more, .. } =
            condition
        {
            ranges = ranges.saturating_add(more.len());
        }
    }
    [
        rules.rules().count(),
        ranges.saturating_mul(2),
        address_classes(rules, family).len(),
        user_classes(rules).len(),
        group_classes(rules).len(),
        interface_classes(rules, "eth0").len(),
        source_port_classes(rules, 1).len(),
    ]
    .into_iter()
    .fold(1, usize::saturating_mul)
}

/// The first addresses of classes without any rule: a private and a public one, and those after excluded ranges. A class
/// may begin inside of an excluded range.
const FIRST_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(1, 0, 0, 0),
    Ipv4Addr::new(10, 96, 0, 10),
    Ipv4Addr::new(128, 0, 0, 0),
    Ipv4Addr::new(203, 0, 113, 7),
];
const FIRST_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0, 0, 0, 0, 0, 1, 0, 0),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7),
    Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 10),
];

/// Returns one address for each class of addresses that the rules distinguish. Loopback, multicast and reserved addresses
/// are excluded.
pub fn address_classes(rules: &RuleSet, family: Family) -> Vec<IpAddr> {
    let mut starts: BTreeSet<IpAddr> = match family {
        Family::V4 => FIRST_V4.map(IpAddr::from).into(),
        Family::V6 => FIRST_V6.map(IpAddr::from).into(),
    };
    for condition in rules.matches() {
        if let Match::Address { network, .. } = condition
            && Family::of(network.address) == family
        {
            let (first, last) = network.bounds();
            let address = |number: u128| match family {
                Family::V4 => u32::try_from(number).ok().map(Ipv4Addr::from).map(IpAddr::from),
                Family::V6 => Some(Ipv6Addr::from(number).into()),
            };
            starts.extend(address(first));
            starts.extend(last.checked_add(1).and_then(address));
        }
    }
    starts.retain(|address| is_host(*address));
    starts.into_iter().collect()
}

/// Like [`address_classes`], with known addresses first: each replaces the representative of its class.
pub fn address_classes_with(rules: &RuleSet, family: Family, known: &[IpAddr]) -> Vec<IpAddr> {
    let mut classes = address_classes(rules, family);
    let mut named = Vec::new();
    for address in known.iter().copied().filter(|it| Family::of(*it) == family) {
        // Classes are in order: the last one that begins at or before the address contains it.
        let class = classes.partition_point(|begin| *begin <= address);
        if let Some(at) = class.checked_sub(1) {
            classes.remove(at);
            named.push(address);
        }
    }
    named.extend(classes);
    named
}

/// Whether an address can be of another host. The first IPv6 addresses are local, as `::6` of a proxy.
fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => !it.is_loopback() && (1..224).contains(&it.octets()[0]),
        IpAddr::V6(it) => it.to_bits() >> 32 != 0 && !it.is_multicast(),
    }
}

/// Returns one source port for each class that the rules distinguish.
pub fn source_port_classes(rules: &RuleSet, usual: u16) -> Vec<u16> {
    let mut starts = BTreeSet::from([1, usual]);
    for condition in rules.matches() {
        if let Match::Ports { side: Side::Source, ranges, .. } | Match::EitherPort { ranges, .. } =
            condition
        {
            for (first, last) in ranges {
                starts.insert((*first).max(1));
                starts.extend(last.checked_add(1));
            }
        }
    }
    // Without such rules one port is enough.
    if starts.len() == 2 { vec![usual] } else { starts.into_iter().collect() }
}

/// Returns the interfaces that rules name, and the usual one, without loopback.
pub fn interface_classes(rules: &RuleSet, usual: &str) -> Vec<String> {
    let mut names = BTreeSet::from([usual.to_owned()]);
    for condition in rules.matches() {
        if let Match::InInterface { name, .. } | Match::OutInterface { name, .. } = condition {
            names.insert(match name.strip_suffix('+') {
                Some(start) => format!("{start}0"),
                None => name.clone(),
            });
        }
    }
    names.retain(|name| name != "lo" && name != "0");
    names.into_iter().collect()
}

/// Returns one number for each class of users that the rules distinguish.
pub fn user_classes(rules: &RuleSet) -> Vec<u32> {
    numbers(rules, |condition| match condition {
        Match::User { range, .. } => Some(*range),
        _ => None,
    })
}

/// Returns one number for each class of groups that the rules distinguish.
pub fn group_classes(rules: &RuleSet) -> Vec<u32> {
    numbers(rules, |condition| match condition {
        Match::Group { range, .. } => Some(*range),
        _ => None,
    })
}

fn numbers(rules: &RuleSet, range: impl Fn(&Match) -> Option<(u32, u32)>) -> Vec<u32> {
    let mut starts: BTreeSet<u32> = BTreeSet::from([0, 1000]);
    for (first, last) in rules.matches().filter_map(range) {
        starts.insert(first);
        starts.extend(last.checked_add(1));
    }
    starts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::Family::{V4, V6};
    use super::*;
    use crate::rules::Network;
    use crate::walk::tests::{inbound, outbound};
    use crate::{parse, rules_in_log, walk};
    use proptest::prelude::*;

    const LOG: &str = include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");

    #[test]
    fn istio_rules_split_ports_by_outcome() {
        let rules = rules_in_log(LOG, V4).unwrap().rules;
        let outcomes = port_outcomes(&rules, &inbound(1));
        let of = |outcome: Outcome| {
            outcomes.iter().find(|(_, known)| *known == outcome).unwrap().0.to_string()
        };
        assert_eq!(of(Outcome::Accepted), "15008, 15020-15021, 15090");
        assert_eq!(
            of(Outcome::Redirected { port: 15006 }),
            "1-15007, 15009-15019, 15022-15089, 15091-65535"
        );
        let all = port_outcomes(&rules, &outbound(1, 1));
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0.to_string(), "1-65535");
    }

    #[test]
    fn excluded_ports_stand_at_their_own_outcome() {
        let rules = parse(
            "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp -m multiport --dports 7,4000:4999 -j RETURN\n\
             -A PREROUTING -p tcp -j REDIRECT --to-ports 15006\nCOMMIT\n",
        )
        .unwrap();
        let outcomes = port_outcomes(&rules, &inbound(1));
        let accepted = outcomes.iter().find(|(_, it)| *it == Outcome::Accepted).unwrap();
        assert_eq!(accepted.0.to_string(), "7, 4000-4999");
        assert_eq!(accepted.0.without(&[7, 4500]).to_string(), "4000-4499, 4501-4999");
    }

    #[test]
    fn range_in_rule_makes_classes_inside_and_beyond() {
        let rules = parse(
            "*nat\n:OUTPUT ACCEPT\n-A OUTPUT -d 10.0.0.0/8 -m owner --uid-owner 5-9 -j RETURN\nCOMMIT\n",
        )
        .unwrap();
        let addresses = address_classes(&rules, V4);
        assert!(addresses.contains(&"10.0.0.0".parse().unwrap()));
        assert!(addresses.contains(&"11.0.0.0".parse().unwrap()));
        assert_eq!(user_classes(&rules), [0, 5, 10, 1000]);
        assert_eq!(group_classes(&rules), [0, 1000]);
    }

    #[test]
    fn known_address_represents_its_class() {
        let rules = parse("*nat\n:OUTPUT ACCEPT\n-A OUTPUT -d 10.0.0.0/8 -j RETURN\nCOMMIT\n");
        let rules = rules.unwrap();
        let known = ["10.97.1.2".parse().unwrap(), "fd00::1".parse().unwrap()];
        let classes = address_classes_with(&rules, V4, &known);
        assert_eq!(classes[0], known[0]);
        assert_eq!(classes.len(), address_classes(&rules, V4).len());
        assert!(classes.contains(&"10.0.0.0".parse().unwrap()));
        assert!(!classes.contains(&"10.96.0.10".parse().unwrap()));
    }

    #[test]
    fn network_that_begins_at_reserved_addresses_has_a_class() {
        let rules = parse("*nat\n:OUTPUT ACCEPT\n-A OUTPUT -d 0.0.0.0/5 -j RETURN\nCOMMIT\n");
        let excluded: Network = Network { address: Ipv4Addr::UNSPECIFIED.into(), length: 5 };
        let classes = address_classes(&rules.unwrap(), V4);
        assert!(classes.iter().any(|address| excluded.contains(*address)), "{classes:?}");
    }

    fn rules_with(condition: &str) -> RuleSet {
        parse(&format!("*nat\n:OUTPUT ACCEPT\n-A OUTPUT {condition} -j RETURN\nCOMMIT\n")).unwrap()
    }

    #[test]
    fn network_contains_all_addresses_of_its_prefix() {
        for (address, length, inside, outside) in [
            ("10.1.2.3", 16, ["10.1.0.0", "10.1.255.255"], ["10.0.255.255", "10.2.0.0"]),
            ("fd00:9::7", 32, ["fd00:9::", "fd00:9:ffff::"], ["fd00:8::1", "fd00:a::"]),
            ("0.0.0.0", 0, ["0.0.0.0", "255.255.255.255"], ["::", "::ffff:0.0.0.0"]),
            ("::", 0, ["::", "ffff::"], ["0.0.0.0", "10.0.0.1"]),
        ] {
            let network = Network { address: address.parse().unwrap(), length };
            assert!(inside.iter().all(|it| network.contains(it.parse().unwrap())), "{address}");
            assert!(!outside.iter().any(|it| network.contains(it.parse().unwrap())), "{address}");
        }
    }

    #[test]
    fn address_classes_leave_out_reserved_addresses() {
        for network in ["0.0.0.0/1", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"] {
            for address in address_classes(&rules_with(&format!("-d {network}")), V4) {
                let IpAddr::V4(it) = address else { panic!("{address}") };
                assert!(!it.is_loopback() && (1..224).contains(&it.octets()[0]), "{network}: {it}");
            }
        }
    }

    #[test]
    fn ipv6_classes_are_those_of_ipv6_networks() {
        let rules = rules_with("-d fd00:9::/32 -m owner --uid-owner 7");
        let classes = address_classes(&rules, V6);
        for begin in ["fd00:9::", "fd00:a::", "2001:db8::7"] {
            assert!(classes.contains(&begin.parse().unwrap()), "{begin}: {classes:?}");
        }
        assert_eq!(address_classes(&rules, V4).len(), FIRST_V4.len());
        for network in ["::6/128", "::/0", "::/8", "ff00::/8", "ffff::/16", "::1/128"] {
            for address in address_classes(&rules_with(&format!("-d {network}")), V6) {
                let IpAddr::V6(it) = address else { panic!("{address}") };
                assert!(!it.is_loopback() && !it.is_multicast() && it.to_bits() > 7, "{it}");
            }
        }
    }

    proptest! {
        /// The class of a port has the same result as a walk with that port.
        #[test]
        fn port_classes_agree_with_single_walks(
            ranges in proptest::collection::vec((1u16..2000, 0u16..300), 0..6),
            probes in proptest::collection::vec(1u16..2600, 1..20),
        ) {
            let mut text = String::from("*nat\n:PREROUTING ACCEPT\n");
            for (at, (first, length)) in ranges.iter().enumerate() {
                let target = if at % 2 == 0 { "RETURN" } else { "REDIRECT --to-ports 9" };
                let last = first + length;
                let _ = writeln!(text, "-A PREROUTING -p tcp --dport {first}:{last} -j {target}");
            }
            text.push_str("-A PREROUTING -p tcp -j REDIRECT --to-ports 15006\nCOMMIT\n");
            let rules = parse(&text).unwrap();
            let outcomes = port_outcomes(&rules, &inbound(1));
            for port in probes {
                let single = walk(&rules, &inbound(port)).outcome;
                let class = outcomes.iter().find(|(ports, _)| ports.contains(port)).unwrap();
                prop_assert_eq!(&class.1, &single);
            }
        }
    }
}
