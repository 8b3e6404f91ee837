//! A packet, and the trace of its walk.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rules::Protocol;

/// A family of addresses. Each has rules of its own: those of `iptables` and those of `ip6tables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The address by which a host calls itself.
    pub fn localhost(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::V4 { "IPv4" } else { "IPv6" })
    }
}

/// Where a packet comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A process of this host sends it.
    Outbound,
    /// It arrives, for this host.
    Inbound,
}

/// What the kernel knows of a packet's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// The packet is its first. Only then the nat table is asked.
    #[default]
    New,
    /// Packets went in both directions. The nat table was asked for the first one.
    Established,
    /// It belongs to another connection.
    Related,
    /// The packet fits to no connection.
    Invalid,
    /// It is not tracked.
    Untracked,
}

impl ConnectionState {
    /// The word that rules use.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Established => "ESTABLISHED",
            Self::Related => "RELATED",
            Self::Invalid => "INVALID",
            Self::Untracked => "UNTRACKED",
        }
    }

    /// Whether the nat table is asked where such a packet goes.
    pub(super) fn is_translated(self) -> bool {
        matches!(self, Self::New | Self::Related)
    }
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes in.
    pub hook: Hook,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// Its source port.
    pub source_port: u16,
    /// Its destination port.
    pub destination_port: u16,
    /// The interface that it leaves by, or arrives at.
    pub interface: String,
    /// Who sends it, where a process of this host does.
    pub user: Option<u32>,
    /// Whose group sends it, where a process of this host does.
    pub group: Option<u32>,
    /// Whether its destination is an address of this host.
    pub to_this_host: bool,
    /// Whether its source is an address of this host.
    pub from_this_host: bool,
    /// Its mark.
    pub mark: u32,
    /// The mark of its connection.
    pub connection_mark: u32,
    /// What is known of its connection.
    pub state: ConnectionState,
}

impl Packet {
    /// The first packet of a TCP connection between a pod and another host, to port 80.
    pub fn first(hook: Hook, family: Family) -> Self {
        let host = |number: u8| match family {
            Family::V4 => IpAddr::from([10, 244, 0, number]),
            Family::V6 => IpAddr::from([0xfd00, 0x10, 0x244, 0, 0, 0, 0, number.into()]),
        };
        let (pod, other) = (host(250), host(251));
        let outbound = hook == Hook::Outbound;
        Self {
            hook,
            protocol: Protocol::Tcp,
            source: if outbound { pod } else { other },
            destination: if outbound { other } else { pod },
            source_port: 40_000,
            destination_port: 80,
            interface: "eth0".into(),
            user: outbound.then_some(1000),
            group: outbound.then_some(1000),
            to_this_host: !outbound,
            from_this_host: outbound,
            mark: 0,
            connection_mark: 0,
            state: ConnectionState::New,
        }
    }
}

/// Where a packet ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At a port of this host, instead of where it was to go.
    Redirected {
        /// The port.
        port: u16,
    },
    /// At this host, at the port that it was to go to.
    RedirectedHere,
    /// At another destination, as the rule writes it.
    DestinationChanged {
        /// Where to.
        to: String,
    },
    /// At a port of this host, with its destination as it was.
    TransparentlyProxied {
        /// The port.
        port: u16,
    },
    /// Where it was to go.
    Accepted,
    /// Nowhere.
    Dropped,
    /// Nowhere, and its sender gets an answer.
    Rejected,
    /// Unknown: a rule that is not understood may decide.
    Unjudged {
        /// The rule.
        rule: String,
        /// Why it is not known.
        why: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redirected { port } => write!(f, "redirected to port {port}"),
            Self::RedirectedHere => f.write_str("redirected to the same port of this host"),
            Self::DestinationChanged { to } => write!(f, "sent to {to}"),
            Self::TransparentlyProxied { port } => write!(f, "proxied by port {port}"),
            Self::Accepted => f.write_str("not redirected"),
            Self::Dropped => f.write_str("dropped"),
            Self::Rejected => f.write_str("rejected"),
            Self::Unjudged { rule, why } => write!(f, "unjudged, {why}: {rule}"),
        }
    }
}

/// Whether a rule is for a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is.
    Matched,
    /// It is not.
    Failed {
        /// The first condition that certainly does not hold.
        condition: String,
    },
    /// It is not known.
    Unknown {
        /// The first condition that is not understood, with none that certainly fails beside it.
        condition: String,
    },
}

/// One rule that the packet was held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule, as it was written.
    pub rule: String,
    /// The line that it stands on.
    pub line: usize,
    /// Whether it is for the packet.
    pub fit: Fit,
}

/// The trace of a packet through the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Where it ends.
    pub outcome: Outcome,
    /// Every rule that it came by, in order, with those that were not for it.
    pub trail: Vec<Step>,
}

impl Walk {
    /// The rules that were for the packet.
    pub fn matched(&self) -> impl Iterator<Item = &Step> {
        self.trail.iter().filter(|step| step.fit == Fit::Matched)
    }

    /// Formats the trace: `PREROUTING → ISTIO_INBOUND → ISTIO_IN_REDIRECT → port 15006`.
    pub fn summary(&self) -> String {
        let mut words: Vec<&str> = Vec::new();
        for step in self.matched() {
            if words.last() != Some(&step.chain.as_str()) {
                words.push(&step.chain);
            }
        }
        let end = self.outcome.to_string();
        words.push(&end);
        words.join(" → ")
    }
}
