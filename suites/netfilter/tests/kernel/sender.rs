//! Sends packets, from real sockets of real users.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use meshcheck_netfilter::{ConnectionState, Hook, Packet, Protocol};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind,
    connect, listen, sendto, setsockopt, socket, sockopt,
};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use crate::hosts::{Hosts, Place, place_of};

/// A packet that is sent, or about to be. It keeps its sockets: one that is closed would send more.
pub(crate) struct Sender {
    socket: OwnedFd,
    /// Where it was to go, with what the application there holds.
    to: SockaddrStorage,
    payload: Vec<u8>,
    connects: bool,
    /// The other end, where a connection was to be known.
    other_end: Option<OwnedFd>,
}

impl Sender {
    /// Gets ready to send a packet. A connection that is to be known is made here: no rules may be in
    /// the way yet.
    pub(crate) fn new(hosts: &Hosts, packet: &Packet) -> Self {
        let source = SocketAddr::new(packet.source, packet.source_port);
        let destination = SocketAddr::new(packet.destination, packet.destination_port);
        let known = packet.state == ConnectionState::Established;
        let fits = packet.state != ConnectionState::Invalid;
        let (kind, protocol) = match &packet.protocol {
            Protocol::Tcp if fits => (SockType::Stream, SockProtocol::Tcp),
            Protocol::Tcp => (SockType::Raw, SockProtocol::Tcp),
            Protocol::Udp => (SockType::Datagram, SockProtocol::Udp),
            Protocol::Other(_) if source.is_ipv4() => (SockType::Raw, SockProtocol::Icmp),
            Protocol::Other(_) => (SockType::Raw, SockProtocol::IcmpV6),
        };
        let family = if source.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let from = SockaddrStorage::from(source);
        // A raw socket of IPv6 would take a port for a protocol.
        let port = if kind == SockType::Raw { 0 } else { packet.destination_port };
        let to = SockaddrStorage::from(SocketAddr::new(packet.destination, port));
        let listener = known.then(|| {
            hosts.enter(place_of(destination.ip()));
            let socket = open(family, kind, protocol);
            setsockopt(&socket, sockopt::ReuseAddr, &true).unwrap();
            setsockopt(&socket, sockopt::ReusePort, &true).unwrap();
            bind(socket.as_raw_fd(), &to).expect("listening");
            if kind == SockType::Stream {
                listen(&socket, Backlog::new(8).unwrap()).unwrap();
            }
            socket
        });
        hosts.enter(if packet.hook == Hook::Outbound { Place::Pod } else { Place::Peer });
        let socket = owned(packet, || open(family, kind, protocol));
        setsockopt(&socket, sockopt::Mark, &packet.mark).unwrap();
        if kind == SockType::Stream {
            // Closed is closed: nothing is sent again later on.
            let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&socket, sockopt::Linger, &at_once).unwrap();
        }
        setsockopt(&socket, sockopt::ReuseAddr, &true).unwrap();
        bind(socket.as_raw_fd(), &from).unwrap_or_else(|error| panic!("{source}: {error}"));
        let payload = match (&packet.protocol, fits) {
            (Protocol::Tcp, false) => misfit(source, destination),
            (Protocol::Other(_), _) => echo(packet.source_port, source.is_ipv4()),
            _ => b"x".to_vec(),
        };
        let connects = kind == SockType::Stream && !known;
        let mut sender = Self { socket, to, payload, connects, other_end: None };
        sender.other_end = listener.map(|listener| {
            if kind == SockType::Stream {
                connect(sender.socket.as_raw_fd(), &to).or_else(in_progress).expect("connecting");
                // One listener at a time: connections wait for nobody, and none is cut off.
                let mut connected = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
                let ceiling = PollTimeout::from(2000u16);
                assert_eq!(
                    poll(&mut connected, ceiling),
                    Ok(1),
                    "{source} to {destination}: no connection"
                );
                TcpListener::from(listener).accept().expect("a connection").0.into()
            } else {
                sender.send();
                // The answer comes from where the packet went, whoever took it.
                sendto(listener.as_raw_fd(), b"y", &from, MsgFlags::empty()).expect("answering");
                listener
            }
        });
        sender
    }

    /// Sends it. What the rules refuse is reported by an error: that is for others to see.
    pub(crate) fn send(&self) {
        let socket = self.socket.as_raw_fd();
        let sent = if self.connects {
            connect(socket, &self.to).or_else(in_progress)
        } else {
            sendto(socket, &self.payload, &self.to, MsgFlags::empty()).map(drop)
        };
        match sent {
            Ok(()) | Err(Errno::EPERM | Errno::ECONNREFUSED | Errno::EHOSTUNREACH) => {}
            Err(error) => panic!("sending to {}: {error}", self.to),
        }
    }
}

fn in_progress(error: Errno) -> nix::Result<()> {
    if error == Errno::EINPROGRESS { Ok(()) } else { Err(error) }
}

fn open(family: AddressFamily, kind: SockType, protocol: SockProtocol) -> OwnedFd {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(family, kind, flags, protocol).expect("a socket")
}

/// Opens a socket as the packet's user and group. The kernel's `owner` match asks for those of files,
/// which are a thread's own.
fn owned(packet: &Packet, open: impl FnOnce() -> OwnedFd) -> OwnedFd {
    let (user, group) = (packet.user.unwrap_or(0), packet.group.unwrap_or(0));
    setfsgid(Gid::from_raw(group));
    setfsuid(Uid::from_raw(user));
    let socket = open();
    setfsuid(Uid::from_raw(0));
    setfsgid(Gid::from_raw(0));
    socket
}

/// A TCP segment that fits to no connection: it opens one and ends it.
fn misfit(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    segment.extend([0; 8]);
    // Five words of header, SYN and FIN, a window.
    segment.extend([0x50, 0b00011, 0x10, 0, 0, 0, 0, 0]);
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    // Protocol and length stand in another order for IPv6, and in as many words: the sum is the same.
    let mut covered = [octets(from.ip()), octets(to.ip())].concat();
    covered.extend([0, 6, 0, 20]);
    covered.extend(&segment);
    segment[16..18].copy_from_slice(&checksum(&covered).to_be_bytes());
    segment
}

/// An ICMP echo request with this number. The kernel puts in the sum of IPv6.
fn echo(number: u16, v4: bool) -> Vec<u8> {
    let mut message = vec![if v4 { 8 } else { 128 }, 0, 0, 0];
    message.extend(number.to_be_bytes());
    message.extend([0, 1]);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
