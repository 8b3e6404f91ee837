//! The rules of real versions of Istio, and every kind of packet through them.

use meshcheck_suites::iptables::{ConnectionState, Hook, Packet, Protocol};
use rstest::rstest;

use crate::bench::{Bench, MOST_PACKETS};
use crate::hosts::in_own_thread;
use crate::packets::{IN, OUT, OWNERS, PORTS, arriving, leaving, numbered};

const ECHO: &str = include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");
const CLIENT: &str = include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-client.log");
const NEWER: &str = include_str!("../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log");
const LIVE: &str =
    include_str!("../../../fixtures/observed/istio-1.20.3/live-iptables-echo-netns.txt");

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
    let more: Vec<_> = all
        .iter()
        .filter(|packet| packet.destination_port == 8080)
        .flat_map(|packet| [udp(packet), known(packet)])
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
        asked_for(ECHO),
        in_force(ECHO),
        in_force(CLIENT),
        LIVE,
        asked_for(NEWER),
        in_force(NEWER)
    )]
    rules: &'static str,
) {
    in_own_thread(|| {
        let mut bench = Bench::new(flavour);
        let all = all_packets();
        for packets in all.chunks(usize::from(MOST_PACKETS) - 1) {
            let packets = numbered(packets, bench.ports());
            bench.compare(rules, &packets).unwrap_or_else(|why| panic!("{flavour}: {why}"));
        }
        assert_eq!(bench.totals["compared"], all.len(), "{:#?}", bench.totals);
    });
}
