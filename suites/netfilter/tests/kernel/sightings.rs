//! Where packets arrive: raw sockets on both hosts, which see what passed all rules.
//!
//! The kernel hands a raw socket every packet of its protocol behind the last hook, with the destination
//! that the rules have given it. So no port needs a listener, and no answer has to find its way back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt,
};

use crate::hosts::{Hosts, Place};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What was seen of one packet. Packets are told apart by their source port; those of ICMP, which have
/// none, by the number of the echo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Where it arrived, with the port.
    pub(crate) arrived: Vec<(Place, Ipv4Addr, u16)>,
    /// Whether its sender was told that it cannot.
    pub(crate) refused: bool,
}

pub(crate) type Sightings = BTreeMap<u16, Sighting>;

/// The sockets.
pub(crate) struct Lookout {
    sockets: Vec<(Place, OwnedFd)>,
}

impl Lookout {
    /// Looks out on both hosts.
    pub(crate) fn new(hosts: &Hosts) -> Self {
        let mut sockets = Vec::new();
        for place in [Place::Pod, Place::Peer] {
            hosts.enter(place);
            for protocol in [SockProtocol::Tcp, SockProtocol::Udp, SockProtocol::Icmp] {
                let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
                let raw = socket(AddressFamily::Inet, SockType::Raw, flags, protocol).unwrap();
                setsockopt(&raw, sockopt::RcvBuf, &(1 << 20)).unwrap();
                sockets.push((place, raw));
            }
        }
        Self { sockets }
    }

    /// Takes in what has arrived, and waits for more until a moment. Whether anything came.
    pub(crate) fn take(&self, seen: &mut Sightings, until: Instant) -> bool {
        let mut waiting: Vec<_> = self
            .sockets
            .iter()
            .map(|(_, socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        poll(&mut waiting, PollTimeout::try_from(left).unwrap()).unwrap();
        let mut any = false;
        let mut buffer = [0; 2048];
        for (place, socket) in &self.sockets {
            while let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                any = true;
                note(seen, *place, &buffer[..length]);
            }
        }
        any
    }
}

fn note(seen: &mut Sightings, place: Place, packet: &[u8]) {
    let Some((protocol, address, segment)) = opened(packet) else { return };
    let half = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    match protocol {
        TCP if is_ours(segment) => {
            arrived(seen.entry(half(0)).or_default(), (place, address, half(2)));
        }
        UDP => arrived(seen.entry(half(0)).or_default(), (place, address, half(2))),
        // An echo request.
        ICMP if segment[0] == 8 => {
            arrived(seen.entry(half(4)).or_default(), (place, address, 0));
        }
        // Unreachable: the packet that could not is quoted.
        ICMP if segment[0] == 3 => {
            if let Some((quoted, _, own)) = opened(&segment[8..]) {
                let at = if quoted == ICMP { 4 } else { 0 };
                let number = u16::from_be_bytes([own[at], own[at + 1]]);
                seen.entry(number).or_default().refused = true;
            }
        }
        _ => {}
    }
}

/// The same packet comes twice where TCP asks again.
fn arrived(sighting: &mut Sighting, at: (Place, Ipv4Addr, u16)) {
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
fn opened(packet: &[u8]) -> Option<(u8, Ipv4Addr, &[u8])> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let segment = packet.get(header..).filter(|segment| segment.len() >= 8)?;
    if packet[9] == TCP && packet.len() >= 40 && segment.len() < 20 {
        return None;
    }
    Some((packet[9], address.into(), segment))
}
