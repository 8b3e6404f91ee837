//! The rules of real versions of Istio, and every kind of packet through them.

use meshcheck_netfilter::{ConnectionState, Family, Hook, Packet, Protocol};
use rstest::rstest;

use crate::bench::Bench;
use crate::hosts::in_own_thread;
use crate::packets::{IN, OUT, OWNERS, PORTS, arriving, leaving, numbered};

const ECHO: &str = include_str!("../../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");
const CLIENT: &str =
    include_str!("../../../../fixtures/observed/istio-1.20.3/istio-init-client.log");
const NEWER: &str =
    include_str!("../../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log");
const DUAL_STACK: &str =
    include_str!("../../../../fixtures/observed/istio-1.22-alpha/istio-init-dual-stack.log");
const LIVE: &str =
    include_str!("../../../../fixtures/observed/istio-1.20.3/live-iptables-echo-netns.txt");

/// How many packets are sent before any is looked for.
const AT_ONCE: usize = 100;

/// Rules of a log, as they stand there.
fn part(log: &'static str, from: &str) -> &'static str {
    let start = log.find(from).unwrap_or_else(|| panic!("no {from}"));
    let end = start + log[start..].find("\nCOMMIT\n").expect("whole rules");
    &log[start..end + "\nCOMMIT\n".len()]
}

/// What istio-init asked for.
fn asked_for(log: &'static str) -> &'static str {
    part(log, "\n* nat\n")
}

/// What was in force afterwards.
fn in_force(log: &'static str) -> &'static str {
    part(log, "\n*nat\n")
}

/// The part of a log that is about IPv6.
fn of_ipv6(log: &'static str, from: &str) -> &'static str {
    &log[log.find(from).expect("rules of IPv6")..]
}

/// Every way, port and owner.
fn all_packets() -> Vec<Packet> {
    let mut all = Vec::new();
    for port in PORTS {
        for (from, to) in OUT {
            // User and group apart: each has its own rules.
            for (user, group) in
                OWNERS.into_iter().map(|it| (it, 0)).chain([(0, 1337), (1337, 1337)])
            {
                let (user, group) = (Some(user), Some(group));
                all.push(Packet { destination_port: port, user, group, ..leaving(from, to) });
            }
        }
        for (from, to, interface) in IN {
            all.push(Packet { destination_port: port, ..arriving(from, to, interface) });
        }
    }
    let udp = |packet: &Packet| Packet { protocol: Protocol::Udp, ..packet.clone() };
    let known = |packet: &Packet| Packet { state: ConnectionState::Established, ..packet.clone() };
    let misfit = |packet: &Packet| Packet { state: ConnectionState::Invalid, ..packet.clone() };
    let more: Vec<_> = all
        .iter()
        .filter(|packet| packet.destination_port == 8080)
        .flat_map(|packet| [udp(packet), known(packet), misfit(packet)])
        .filter(|packet| packet.to_this_host || packet.hook == Hook::Outbound)
        .collect();
    all.extend(more);
    all
}

#[rstest]
#[ignore = "needs root, iptables and network namespaces: `cargo xtask test` runs it"]
fn needs_netns_istios_own_rules_lead_where_the_walker_says(
    #[values("iptables-legacy", "iptables-nft")] flavour: &'static str,
    #[values(
        (Family::V4, asked_for(ECHO)),
        (Family::V4, in_force(ECHO)),
        (Family::V4, in_force(CLIENT)),
        (Family::V4, LIVE),
        (Family::V4, asked_for(NEWER)),
        (Family::V4, in_force(NEWER)),
        (Family::V6, asked_for(of_ipv6(DUAL_STACK, "ip6tables-restore"))),
        (Family::V6, in_force(of_ipv6(DUAL_STACK, "ip6tables-save")))
    )]
    (family, rules): (Family, &'static str),
) {
    in_own_thread(|| {
        let mut bench = Bench::new(flavour, family);
        let all = all_packets();
        for packets in all.chunks(AT_ONCE) {
            let packets = numbered(packets, bench.ports(packets.len()));
            bench.compare(rules, &packets).unwrap_or_else(|why| panic!("{flavour}: {why}"));
        }
        assert_eq!(bench.totals["compared"], all.len(), "{:#?}", bench.totals);
    });
}

/// What random rules meet too seldom.
#[rstest]
#[case::redirected_to_where_it_was_going(
    "*nat\n-A PREROUTING -j REDIRECT\n-A OUTPUT -j REDIRECT\nCOMMIT\n\
     *filter\n-A INPUT -m conntrack --ctstate DNAT -j DROP\nCOMMIT\n"
)]
#[case::translated_to_where_it_was_going(
    "*nat\n-A PREROUTING -p tcp -j DNAT --to-destination 10.244.0.7:8080\n\
     -A OUTPUT -p tcp -j DNAT --to-destination 10.244.0.7:8080\nCOMMIT\n\
     *filter\n-A INPUT -m conntrack --ctstate DNAT -j DROP\nCOMMIT\n"
)]
#[case::from_another_source(
    "*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 15001\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n\
     *filter\n-A INPUT -s 127.0.0.1 -j DROP\nCOMMIT\n"
)]
#[case::source_translated(
    "*nat\n-A POSTROUTING -o lo -j MASQUERADE\nCOMMIT\n\
     *filter\n-A INPUT -m conntrack --ctstate SNAT -j DROP\nCOMMIT\n"
)]
#[case::not_tracked_when_it_is_turned_round(
    "*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n\
     *nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n\
     *filter\n-A INPUT -m conntrack --ctstate UNTRACKED -j DROP\nCOMMIT\n"
)]
#[case::known_when_it_is_turned_round(
    "*raw\n-A PREROUTING -m conntrack --ctstate NEW -j DROP\nCOMMIT\n"
)]
#[case::marked_on_both_ways(
    "*mangle\n-A OUTPUT -j MARK --set-mark 7\n-A OUTPUT -j CONNMARK --save-mark\n\
     -A PREROUTING -m mark --mark 7 -j MARK --set-mark 8\n\
     -A INPUT -m connmark --mark 7 -m mark --mark 8 -j DROP\nCOMMIT\n"
)]
#[case::another_interface(
    "*nat\n-A OUTPUT -p tcp -j DNAT --to-destination 198.51.100.1:80\nCOMMIT\n\
     *filter\n-A OUTPUT -o eth0 -p tcp -m owner --uid-owner 1337 -j DROP\nCOMMIT\n\
     *mangle\n-A POSTROUTING -o net1 -j DROP\nCOMMIT\n"
)]
#[case::invalid_dropped("*mangle\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n")]
#[ignore = "needs root, iptables and network namespaces: `cargo xtask test` runs it"]
fn needs_netns_rare_ways_lead_where_the_walker_says(
    #[case] rules: &str,
    #[values("iptables-legacy", "iptables-nft")] flavour: &'static str,
    #[values(Family::V4, Family::V6)] family: Family,
) {
    in_own_thread(|| {
        let mut bench = Bench::new(flavour, family);
        let mut all = all_packets();
        all.retain(|packet| matches!(packet.destination_port, 8080 | 15001));
        for packets in all.chunks(AT_ONCE) {
            let packets = numbered(packets, bench.ports(packets.len()));
            bench.compare(rules, &packets).unwrap_or_else(|why| panic!("{flavour}: {why}"));
        }
        println!("{flavour}: {:?}\n{rules}", bench.totals);
        assert!(bench.totals.contains_key("compared"), "nothing was compared");
    });
}
