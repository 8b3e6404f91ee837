//! Searches for a packet that ends elsewhere by another set of rules.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::classes::{
    address_classes, group_classes, interface_classes, port_outcomes, source_port_classes,
    user_classes,
};
use super::packet::{ConnectionState, Family, Hook, Outcome, Packet};
use super::rules::{Match, Protocol, RuleSet};

/// The maximum number of rules that all walks of a search try: some seconds. Two sets of Istio's rules need less than a
/// million.
const MAX_WORK: usize = 20_000_000;

/// The interface by which a host reaches itself.
const LOOPBACK: &str = "lo";

/// Addresses of services, which are the most usual destinations: one of each family.
const USUAL_DESTINATIONS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 10)),
];

/// A packet that ends elsewhere by the second set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The packet.
    pub packet: Packet,
    /// Where it ends by the first set.
    pub first: Outcome,
    /// Where it ends by the second set.
    pub second: Outcome,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// A packet ends elsewhere.
    Found(Box<Witness>),
    /// No packet does, of all that the rules distinguish.
    None {
        /// The classes of packets that were compared, each with all ports.
        packets: usize,
    },
    /// It is unknown whether a packet does.
    Unknown {
        /// Why: a rule that is not understood, or too many classes.
        why: String,
    },
}

/// Searches for a packet that ends elsewhere by the second set of rules: of every address, port, protocol, user, group,
/// interface and connection state that either set distinguishes. The usual ports of a direction are tried first.
pub fn find_witness(
    first: &RuleSet,
    second: &RuleSet,
    family: Family,
    usual: fn(Hook) -> &'static [u16],
) -> Search {
    let packets = packets(first, second, family);
    let work = |rules: &RuleSet| port_classes(rules).saturating_mul(rules.rules().count());
    let of_both = work(first).saturating_add(work(second));
    if packets.len().saturating_mul(of_both) > MAX_WORK {
        let why = format!("the rules distinguish too many packets: {}", packets.len());
        return Search::Unknown { why };
    }
    let mut unsure = None;
    for packet in &packets {
        let (one, other) = (port_outcomes(first, packet), port_outcomes(second, packet));
        for (ports, outcome) in &one {
            for (other_ports, other_outcome) in &other {
                if outcome == other_outcome && !is_unjudged(outcome) {
                    continue;
                }
                let known = usual(packet.hook)
                    .iter()
                    .copied()
                    .find(|port| ports.contains(*port) && other_ports.contains(*port));
                let Some(port) = known.or_else(|| ports.first_common(other_ports)) else {
                    continue;
                };
                if let Some(why) = reason(outcome).or_else(|| reason(other_outcome)) {
                    unsure.get_or_insert(why);
                    continue;
                }
                return Search::Found(Box::new(Witness {
                    packet: Packet { destination_port: port, ..packet.clone() },
                    first: outcome.clone(),
                    second: other_outcome.clone(),
                }));
            }
        }
    }
    match unsure {
        Some(why) => Search::Unknown { why },
        None => Search::None { packets: packets.len() },
    }
}

fn is_unjudged(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unjudged { .. })
}

fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Unjudged { rule, why } => Some(format!("{why}: {rule}")),
        _ => None,
    }
}

/// Returns an upper limit of the ranges of ports that rules distinguish.
fn port_classes(rules: &RuleSet) -> usize {
    let ranges = rules.matches().map(|condition| match condition {
        Match::Ports { ranges, .. } | Match::EitherPort { ranges, .. } => 2 * ranges.len(),
        _ => 0,
    });
    ranges.sum::<usize>() + 1
}

/// Returns the values of both sets, in order, each once.
fn both<T: Ord>(rules: [&RuleSet; 2], values: impl Fn(&RuleSet) -> Vec<T>) -> Vec<T> {
    rules.into_iter().flat_map(values).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns a packet for each class that either set of rules distinguishes, apart from the destination port. The most usual
/// one comes first.
fn packets(first: &RuleSet, second: &RuleSet, family: Family) -> Vec<Packet> {
    let rules = [first, second];
    let mut all = Vec::new();
    for hook in [Hook::Inbound, Hook::Outbound] {
        for (protocol, state) in kinds(rules) {
            let usual = Packet { protocol, state, ..Packet::first(hook, family) };
            for source_port in both(rules, |it| source_port_classes(it, usual.source_port)) {
                let packet = Packet { source_port, ..usual.clone() };
                match hook {
                    Hook::Inbound => inbound(rules, &packet, &mut all),
                    Hook::Outbound => outbound(rules, &packet, family, &mut all),
                }
            }
        }
    }
    // Stable: what is usual in more ways comes first.
    all.sort_by_key(|packet| {
        let usual = Packet::first(packet.hook, family);
        [
            packet.protocol != Protocol::Tcp,
            packet.state != ConnectionState::New,
            packet.user != usual.user || packet.group != usual.group,
            packet.interface != usual.interface,
            packet.source_port != usual.source_port,
            !USUAL_DESTINATIONS.contains(&packet.destination) && packet.hook == Hook::Outbound,
        ]
    });
    all
}

/// Returns the protocols and connection states to try. Only the first packet of a connection passes the nat table.
fn kinds(rules: [&RuleSet; 2]) -> Vec<(Protocol, ConnectionState)> {
    let has_states = rules.iter().any(|it| {
        it.tables.iter().any(|table| {
            table.name != "nat" && table.chains.iter().any(|chain| !chain.rules.is_empty())
        })
    });
    let mut protocols = vec![Protocol::Tcp, Protocol::Udp, Protocol::Other("icmp".into())];
    for condition in rules.iter().flat_map(|it| it.matches()) {
        if let Match::Protocol { protocol, .. } = condition
            && !protocols.contains(protocol)
        {
            protocols.push(protocol.clone());
        }
    }
    let states: &[ConnectionState] = if has_states {
        &[ConnectionState::New, ConnectionState::Established, ConnectionState::Invalid]
    } else {
        &[ConnectionState::New]
    };
    let of_protocol =
        |protocol: Protocol| states.iter().map(move |state| (protocol.clone(), *state));
    protocols.into_iter().flat_map(of_protocol).collect()
}

fn inbound(rules: [&RuleSet; 2], packet: &Packet, all: &mut Vec<Packet>) {
    let family = Family::of(packet.destination);
    for interface in both(rules, |it| interface_classes(it, &packet.interface)) {
        all.push(Packet { interface: interface.clone(), ..packet.clone() });
        for source in both(rules, |it| address_classes(it, family)) {
            all.push(Packet { source, interface: interface.clone(), ..packet.clone() });
        }
    }
}

fn outbound(rules: [&RuleSet; 2], packet: &Packet, family: Family, all: &mut Vec<Packet>) {
    let own = packet.source;
    let passthrough: IpAddr = match family {
        Family::V4 => [127, 0, 0, 6].into(),
        Family::V6 => [0, 0, 0, 0, 0, 0, 0, 6_u16].into(),
    };
    for user in both(rules, user_classes) {
        for group in both(rules, group_classes) {
            let packet = Packet { user: Some(user), group: Some(group), ..packet.clone() };
            for interface in both(rules, |it| interface_classes(it, &packet.interface)) {
                for destination in both(rules, |it| address_classes(it, family)) {
                    all.push(Packet {
                        destination,
                        interface: interface.clone(),
                        ..packet.clone()
                    });
                }
            }
            for destination in [own, family.localhost()] {
                for source in [own, family.localhost(), passthrough] {
                    let interface = LOOPBACK.to_owned();
                    let here = Packet { source, destination, interface, ..packet.clone() };
                    all.push(Packet { to_this_host: true, ..here });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{parse, rules_in_log, walk};
    use rstest::rstest;

    const LIVE: &str =
        include_str!("../../../fixtures/observed/istio-1.20.3/live-iptables-echo-netns.txt");

    fn search(first: &str, second: &str) -> Search {
        find_witness(&parse(first).unwrap(), &parse(second).unwrap(), Family::V4, |_| &[5678, 80])
    }

    #[test]
    fn rules_of_istio_1_25_end_all_packets_at_the_same_place() {
        let new = LIVE.replacen("-A OUTPUT -p tcp -j ISTIO_OUTPUT", "-A OUTPUT -j ISTIO_OUTPUT", 1);
        assert!(new != LIVE);
        for found in [search(LIVE, &new), search(&new, LIVE), search(LIVE, LIVE)] {
            assert!(matches!(found, Search::None { packets } if packets > 100), "{found:?}");
        }
    }

    #[rstest]
    #[case::port(
        "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        "-A ISTIO_INBOUND -p tcp --dport 5678 -j RETURN\n-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        Hook::Inbound,
        5678
    )]
    #[case::other_port(
        "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        "-A ISTIO_INBOUND -p tcp --dport 9000 -j RETURN\n-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        Hook::Inbound,
        9000
    )]
    #[case::outbound_range(
        "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
        "-A ISTIO_OUTPUT -d 10.96.0.0/12 -j RETURN\n-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
        Hook::Outbound,
        5678
    )]
    #[case::source(
        "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        "-A ISTIO_INBOUND -p tcp -s 192.168.7.0/24 -j RETURN\n-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        Hook::Inbound,
        5678
    )]
    #[case::user(
        "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
        "-A ISTIO_OUTPUT -m owner --uid-owner 7 -j RETURN\n-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
        Hook::Outbound,
        5678
    )]
    #[case::udp(
        "-A OUTPUT -p tcp -j ISTIO_OUTPUT",
        "-A OUTPUT -p tcp -j ISTIO_OUTPUT\n-A OUTPUT -p udp --dport 53 -j REDIRECT --to-ports 15053",
        Hook::Outbound,
        53
    )]
    #[case::own_address(
        "-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN\n",
        "",
        Hook::Outbound,
        5678
    )]
    #[case::flushed("-A PREROUTING -p tcp -j ISTIO_INBOUND\n", "", Hook::Inbound, 5678)]
    fn packet_that_ends_elsewhere_is_found(
        #[case] old: &str,
        #[case] new: &str,
        #[case] hook: Hook,
        #[case] port: u16,
    ) {
        assert!(LIVE.contains(old), "{old}");
        let changed = LIVE.replacen(old, new, 1);
        let Search::Found(witness) = search(LIVE, &changed) else { panic!("no witness") };
        assert_eq!((witness.packet.hook, witness.packet.destination_port), (hook, port));
        let end = |text: &str| walk(&parse(text).unwrap(), &witness.packet).outcome;
        assert_eq!(end(LIVE), witness.first);
        assert_eq!(end(&changed), witness.second);
        assert!(witness.first != witness.second);
    }

    #[test]
    fn rule_that_is_not_understood_leaves_the_search_without_a_result() {
        let line = "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT";
        let unknown =
            format!("-A ISTIO_INBOUND -p tcp -m set --match-set good dst -j RETURN\n{line}");
        let changed = LIVE.replacen(line, &unknown, 1);
        for found in [search(LIVE, &changed), search(&changed, &changed)] {
            assert!(matches!(&found, Search::Unknown { why } if why.contains("good")), "{found:?}");
        }
    }

    /// A rule that distinguishes packets in each way, and changes none.
    const DISTINCT: &str = "-A OUTPUT -d 10.5.5.5/32 -o lo -p udp -m udp --sport 53 -m owner --uid-owner 0 --gid-owner 0 -j RETURN\n";

    /// The mangle table with these rules.
    fn mangle(rules: &str) -> String {
        format!("*mangle\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n{DISTINCT}{rules}COMMIT\n")
    }

    fn found(rules: &str) -> Packet {
        match search(&mangle(""), &mangle(rules)) {
            Search::Found(witness) => witness.packet,
            other => panic!("no witness of {rules}: {other:?}"),
        }
    }

    #[test]
    fn most_usual_packet_is_the_witness() {
        let first = |hook| Packet { destination_port: 5678, ..Packet::first(hook, Family::V4) };
        let usual = Packet { destination: USUAL_DESTINATIONS[0], ..first(Hook::Outbound) };
        assert_eq!(found("-A OUTPUT -j DROP\n"), usual);
        let both = "-A OUTPUT -j DROP\n-A PREROUTING -j DROP\n";
        assert_eq!(found(both), first(Hook::Inbound));
    }

    #[rstest]
    #[case::protocol("-A OUTPUT -p sctp -j DROP\n", |it: &Packet| it.protocol == Protocol::Other("sctp".into()))]
    #[case::state("-A OUTPUT -m conntrack --ctstate ESTABLISHED -j DROP\n", |it: &Packet| it.state == ConnectionState::Established)]
    #[case::user("-A OUTPUT -m owner --uid-owner 7 -j DROP\n", |it: &Packet| it.user == Some(7))]
    #[case::group("-A OUTPUT -m owner --gid-owner 7 -j DROP\n", |it: &Packet| it.group == Some(7))]
    #[case::interface("-A OUTPUT -o eth7 -j DROP\n", |it: &Packet| it.interface == "eth7")]
    #[case::arriving("-A PREROUTING -i eth7 -j DROP\n", |it: &Packet| it.interface == "eth7" && it.source == Packet::first(Hook::Inbound, Family::V4).source)]
    #[case::source("-A PREROUTING -i eth7 -s 10.7.7.7/32 -j DROP\n", |it: &Packet| it.source == IpAddr::from([10, 7, 7, 7]))]
    #[case::source_port("-A PREROUTING -p tcp -m tcp --sport 7 -j DROP\n", |it: &Packet| it.source_port == 7)]
    #[case::this_host("-A OUTPUT -d 127.0.0.1/32 -o lo -j DROP\n", |it: &Packet| it.destination == Family::V4.localhost())]
    fn rule_about_one_property_has_a_witness_with_it(
        #[case] rules: &str,
        #[case] has: fn(&Packet) -> bool,
    ) {
        let packet = found(rules);
        assert!(has(&packet), "{packet:?}");
    }

    #[test]
    fn states_are_compared_where_a_table_but_nat_has_rules() {
        let kinds = |text: &str| {
            let rules = parse(text).unwrap();
            kinds([&rules, &rules]).len()
        };
        let protocols = 3;
        assert_eq!(kinds(LIVE), protocols);
        let without_rules = "*mangle\n:OUTPUT ACCEPT\nCOMMIT\n";
        assert_eq!(kinds(&format!("{LIVE}{without_rules}")), protocols);
        assert_eq!(kinds(&mangle("")), protocols * 3);
    }

    #[rstest]
    #[case::addresses(300, |it| format!("-d 10.1.{}.{}/32 ", it / 250, it % 250))]
    #[case::ports(2000, |_| String::new())]
    fn too_many_classes_leave_the_search_without_a_result(
        #[case] rules: u16,
        #[case] to: fn(u16) -> String,
    ) {
        let rule = |it| format!("-A OUTPUT {}-p tcp --dport {} -j RETURN\n", to(it), 1000 + it);
        let many = mangle(&(0..rules).map(rule).collect::<String>());
        let found = search(&many, &many);
        assert!(matches!(&found, Search::Unknown { why } if why.contains("too many")), "{found:?}");
    }

    #[test]
    fn rules_that_drop_invalid_packets_have_a_witness() {
        let log = include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");
        let rules = rules_in_log(log, Family::V4).unwrap().rules;
        let table = "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n";
        let dropping = parse(&format!("{table}{LIVE}")).unwrap();
        let Search::Found(witness) = find_witness(&rules, &dropping, Family::V4, |_| &[80]) else {
            panic!("no witness")
        };
        assert_eq!(witness.second, Outcome::Dropped);
        assert_eq!(witness.packet.state, ConnectionState::Invalid);
    }
}
