//! Random packets: every way in and out of a pod that Istio's rules tell apart.

use std::net::{IpAddr, Ipv4Addr};

use meshcheck_netfilter::{ConnectionState, Family, Hook, Packet, Protocol};
use proptest::prelude::*;
use proptest::sample::select;

use crate::hosts::{POD, POD_SECOND, Place, in_family, interface_to, place_of};

/// Ports that Istio's rules name, and others.
pub(crate) const PORTS: [u16; 14] =
    [80, 53, 443, 5678, 8080, 9080, 15001, 15006, 15007, 15008, 15020, 15021, 15053, 15090];
pub(crate) const OWNERS: [u32; 4] = [0, 1000, 1337, 1338];
pub(crate) const MARKS: [u32; 4] = [0, 1, 1337, 0x400];

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Where the proxy's own calls of its application come from.
const PASSTHROUGH: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
const SECOND_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 245, 0, 1);
pub(crate) const BEHIND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 5);

/// All addresses that packets have: the edges of networks lie around them.
pub(crate) const ADDRESSES: [Ipv4Addr; 10] = [
    LOOPBACK,
    PASSTHROUGH,
    POD,
    POD_SECOND,
    GATEWAY,
    SERVICE,
    OUTSIDE,
    SECOND,
    SECOND_GATEWAY,
    BEHIND,
];

/// From where to where a process of the pod sends.
pub(crate) const OUT: [(Ipv4Addr, Ipv4Addr); 11] = [
    (POD, SERVICE),
    (POD, OUTSIDE),
    (POD, GATEWAY),
    (LOOPBACK, LOOPBACK),
    (POD, POD),
    (PASSTHROUGH, POD),
    (PASSTHROUGH, LOOPBACK),
    (LOOPBACK, PASSTHROUGH),
    (POD_SECOND, SECOND),
    (POD_SECOND, SERVICE),
    (POD_SECOND, POD),
];

/// From where to where the peer sends, and where it arrives.
pub(crate) const IN: [(Ipv4Addr, Ipv4Addr, &str); 6] = [
    (GATEWAY, POD, "eth0"),
    (SERVICE, POD, "eth0"),
    (OUTSIDE, POD, "eth0"),
    (SECOND_GATEWAY, POD_SECOND, "net1"),
    (SECOND, POD_SECOND, "net1"),
    (GATEWAY, BEHIND, "eth0"),
];

/// The first packet of a connection from a process of the pod.
pub(crate) fn leaving(from: Ipv4Addr, to: Ipv4Addr) -> Packet {
    Packet {
        source: from.into(),
        destination: to.into(),
        interface: interface_to(to).into(),
        to_this_host: place_of(to.into()) == Place::Pod,
        ..Packet::first(Hook::Outbound, Family::V4)
    }
}

/// The first packet of a connection from the peer.
pub(crate) fn arriving(from: Ipv4Addr, to: Ipv4Addr, interface: &str) -> Packet {
    Packet {
        source: from.into(),
        destination: to.into(),
        interface: interface.into(),
        to_this_host: place_of(to.into()) == Place::Pod,
        ..Packet::first(Hook::Inbound, Family::V4)
    }
}

fn way() -> impl Strategy<Value = Packet> {
    prop_oneof![
        3 => select(&OUT[..]).prop_map(|(from, to)| leaving(from, to)),
        2 => select(&IN[..]).prop_map(|(from, to, interface)| arriving(from, to, interface)),
    ]
}

/// A packet. Its source port is a place in the set that it belongs to.
fn packet() -> impl Strategy<Value = Packet> {
    let protocol = prop_oneof![
        6 => Just(Protocol::Tcp),
        3 => Just(Protocol::Udp),
        1 => Just(Protocol::Other("icmp".into())),
    ];
    let state = prop_oneof![
        8 => Just(ConnectionState::New),
        1 => Just(ConnectionState::Established),
        1 => Just(ConnectionState::Invalid),
    ];
    let owner = (select(&OWNERS[..]), select(&OWNERS[..]));
    let mark = prop_oneof![3 => Just(0), 1 => select(&MARKS[..])];
    (way(), protocol, state, select(&PORTS[..]), owner, mark).prop_map(
        |(way, protocol, state, port, (user, group), mark)| {
            let outbound = way.hook == Hook::Outbound;
            // Only of TCP there are packets that fit to nothing; a ping is always new.
            let state = match (&protocol, state) {
                (Protocol::Other(_), _) | (Protocol::Udp, ConnectionState::Invalid) => {
                    ConnectionState::New
                }
                // The peer sends it on; there is nobody behind the pod to answer.
                (_, ConnectionState::Established) if !way.to_this_host && !outbound => {
                    ConnectionState::New
                }
                _ => state,
            };
            Packet {
                destination_port: if matches!(protocol, Protocol::Other(_)) { 0 } else { port },
                protocol,
                state,
                user: outbound.then_some(user),
                group: outbound.then_some(group),
                // A mark stays on its host.
                mark: if outbound { mark } else { 0 },
                ..way
            }
        },
    )
}

/// A set of packets.
pub(crate) fn packets() -> impl Strategy<Value = Vec<Packet>> {
    prop::collection::vec(packet(), 1..usize::from(crate::bench::MOST_PACKETS))
}

/// The packet of a family that stands for one of IPv4.
pub(crate) fn of_family(family: Family, packet: &Packet) -> Packet {
    let address = |address| match address {
        IpAddr::V4(address) => in_family(family, address),
        IpAddr::V6(_) => address,
    };
    let protocol = match &packet.protocol {
        Protocol::Other(_) if family == Family::V6 => Protocol::Other("ipv6-icmp".into()),
        known => known.clone(),
    };
    let (source, destination) = (address(packet.source), address(packet.destination));
    Packet { source, destination, protocol, ..packet.clone() }
}

/// Gives each its source port.
pub(crate) fn numbered(packets: &[Packet], first: u16) -> Vec<Packet> {
    (first..)
        .zip(packets)
        .map(|(source_port, packet)| Packet { source_port, ..packet.clone() })
        .collect()
}
