//! Where packets arrive: raw sockets on both hosts, which see what passed all rules.
//!
//! The kernel hands a raw socket every packet of its protocol behind the last hook, with the destination
//! that the rules have given it. So no port needs a listener, and no answer has to find its way back.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Instant;

use meshcheck_netfilter::Family;
use nix::libc::in6_pktinfo;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6,
    recv, recvmsg, setsockopt, socket, sockopt,
};

use crate::hosts::{Hosts, Place};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP_V6: u8 = 58;

/// What was seen of one packet. Packets differ by their source port; those of ICMP, which have
/// none, by the number of the echo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Where it arrived, with the port.
    pub(crate) arrived: Vec<(Place, IpAddr, u16)>,
    /// Whether its sender was told that it cannot.
    pub(crate) refused: bool,
}

pub(crate) type Sightings = BTreeMap<u16, Sighting>;

/// The sockets.
pub(crate) struct Lookout {
    family: Family,
    sockets: Vec<(Place, u8, OwnedFd)>,
}

impl Lookout {
    /// Looks out on both hosts for packets of a family.
    pub(crate) fn new(hosts: &Hosts, family: Family) -> Self {
        let (address_family, icmp) = match family {
            Family::V4 => (AddressFamily::Inet, (SockProtocol::Icmp, ICMP)),
            Family::V6 => (AddressFamily::Inet6, (SockProtocol::IcmpV6, ICMP_V6)),
        };
        let mut sockets = Vec::new();
        for place in [Place::Pod, Place::Peer] {
            hosts.enter(place);
            for (protocol, number) in [(SockProtocol::Tcp, TCP), (SockProtocol::Udp, UDP), icmp] {
                let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
                let raw = socket(address_family, SockType::Raw, flags, protocol).unwrap();
                setsockopt(&raw, sockopt::RcvBuf, &(1 << 20)).unwrap();
                if family == Family::V6 {
                    setsockopt(&raw, sockopt::Ipv6RecvPacketInfo, &true).unwrap();
                }
                sockets.push((place, number, raw));
            }
        }
        Self { family, sockets }
    }

    /// Takes in what has arrived, and waits for more until a moment. Whether anything came.
    pub(crate) fn take(&self, seen: &mut Sightings, until: Instant) -> bool {
        let mut waiting: Vec<_> = self
            .sockets
            .iter()
            .map(|(.., socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        poll(&mut waiting, PollTimeout::try_from(left).unwrap()).unwrap();
        let mut any = false;
        let mut buffer = [0; 2048];
        for (place, protocol, socket) in &self.sockets {
            match self.family {
                Family::V4 => {
                    while let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())
                    {
                        any = true;
                        if let Some((protocol, to, segment)) = opened(&buffer[..length]) {
                            note(seen, *place, (protocol, to, segment));
                        }
                    }
                }
                Family::V6 => {
                    while let Some((to, length)) = receive(socket, &mut buffer) {
                        any = true;
                        note(seen, *place, (*protocol, to.into(), &buffer[..length]));
                    }
                }
            }
        }
        any
    }
}

/// A packet of IPv6, which comes without its header: where it went to, and how long it is.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(Ipv6Addr, usize)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut space = nix::cmsg_space!(in6_pktinfo);
    let flags = MsgFlags::empty();
    let message =
        recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
    let mut told = message.cmsgs().unwrap();
    let to = told.find_map(|it| match it {
        ControlMessageOwned::Ipv6PacketInfo(it) => Some(Ipv6Addr::from(it.ipi6_addr.s6_addr)),
        _ => None,
    });
    Some((to.expect("where a packet went to"), message.bytes))
}

fn note(seen: &mut Sightings, place: Place, (protocol, address, segment): (u8, IpAddr, &[u8])) {
    let half = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    match (protocol, segment[0]) {
        (TCP, _) if is_ours(segment) => {
            arrived(seen.entry(half(0)).or_default(), (place, address, half(2)));
        }
        (UDP, _) => arrived(seen.entry(half(0)).or_default(), (place, address, half(2))),
        // An echo request.
        (ICMP, 8) | (ICMP_V6, 128) => {
            arrived(seen.entry(half(4)).or_default(), (place, address, 0));
        }
        // Unreachable: the packet that could not is quoted.
        (ICMP, 3) | (ICMP_V6, 1) => {
            if let Some((quoted, _, own)) = opened(&segment[8..]) {
                let at = if quoted == ICMP || quoted == ICMP_V6 { 4 } else { 0 };
                let number = u16::from_be_bytes([own[at], own[at + 1]]);
                seen.entry(number).or_default().refused = true;
            }
        }
        _ => {}
    }
}

/// The same packet comes twice where TCP asks again.
fn arrived(sighting: &mut Sighting, at: (Place, IpAddr, u16)) {
    if !sighting.arrived.contains(&at) {
        sighting.arrived.push(at);
    }
}

/// Whether a TCP segment is one that we send on purpose: a SYN, one that fits to nothing (SYN and FIN),
/// or one with data. The others are the kernel's answers, and their answers.
fn is_ours(segment: &[u8]) -> bool {
    let flags = segment[13] & 0b1_1111;
    let header = usize::from(segment[12] >> 4) * 4;
    matches!(flags, 0b00010 | 0b00011) || segment.len() > header
}

/// An IP packet's protocol, destination, and what is behind its header.
fn opened(packet: &[u8]) -> Option<(u8, IpAddr, &[u8])> {
    let (protocol, address, header) = if packet.first()? >> 4 == 6 {
        let address: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
        (packet[6], IpAddr::from(address), 40)
    } else {
        let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
        (packet[9], IpAddr::from(address), usize::from(packet[0] & 0xf) * 4)
    };
    let segment = packet.get(header..).filter(|segment| segment.len() >= 8)?;
    if protocol == TCP && packet.len() >= header + 20 && segment.len() < 20 {
        return None;
    }
    Some((protocol, address, segment))
}
