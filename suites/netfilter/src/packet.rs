//! A packet, and the trace of its walk.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rules::Protocol;

/// A family of addresses. Each has its own rules: those of `iptables` and those of `ip6tables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Returns the family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Returns the loopback address.
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

/// Where a packet enters the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A process of this host sends it.
    Outbound,
    /// It arrives at this host.
    Inbound,
}

/// The state of a packet's connection in the kernel's connection tracking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// The packet is the first of its connection. Only then it passes the nat table.
    #[default]
    New,
    /// The connection has packets in both directions. The first packet passed the nat table.
    Established,
    /// The connection belongs to another one.
    Related,
    /// The packet belongs to no connection.
    Invalid,
    /// The connection is not tracked.
    Untracked,
}

impl ConnectionState {
    /// Returns the word that rules use.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Established => "ESTABLISHED",
            Self::Related => "RELATED",
            Self::Invalid => "INVALID",
            Self::Untracked => "UNTRACKED",
        }
    }

    /// Whether such a packet passes the nat table.
    pub(super) fn is_translated(self) -> bool {
        matches!(self, Self::New | Self::Related)
    }
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it enters the rules.
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
    /// The interface through which it leaves or arrives.
    pub interface: String,
    /// The user of the sending process, on this host.
    pub user: Option<u32>,
    /// The group of the sending process, on this host.
    pub group: Option<u32>,
    /// Whether its destination is an address of this host.
    pub to_this_host: bool,
    /// Whether its source is an address of this host.
    pub from_this_host: bool,
    /// Its mark.
    pub mark: u32,
    /// The mark of its connection.
    pub connection_mark: u32,
    /// The state of its connection.
    pub state: ConnectionState,
}

impl Packet {
    /// Creates the first packet of a TCP connection between a pod and another host, to port 80.
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

/// The result of a walk: where the packet ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Redirected to a port of this host.
    Redirected {
        /// The port.
        port: u16,
    },
    /// Redirected to this host, at its own destination port.
    RedirectedHere,
    /// Sent to another destination.
    DestinationChanged {
        /// The destination, as the rule writes it.
        to: String,
    },
    /// Delivered to a port of this host by TPROXY, with its original destination.
    TransparentlyProxied {
        /// The port.
        port: u16,
    },
    /// Not redirected: it continues to its destination.
    Accepted,
    /// Dropped without an answer.
    Dropped,
    /// Rejected with an answer to its sender.
    Rejected,
    /// Unknown: a rule that is not understood may decide.
    Unjudged {
        /// The rule.
        rule: String,
        /// Why the result is unknown.
        why: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redirected { port } => write!(f, "redirected to port {port}"),
            Self::RedirectedHere => f.write_str("redirected to this host, same port"),
            Self::DestinationChanged { to } => write!(f, "sent to {to}"),
            Self::TransparentlyProxied { port } => write!(f, "redirected to port {port} (TPROXY)"),
            Self::Accepted => f.write_str("not redirected"),
            Self::Dropped => f.write_str("dropped"),
            Self::Rejected => f.write_str("rejected"),
            Self::Unjudged { rule, why } => write!(f, "unjudged, {why}: {rule}"),
        }
    }
}

/// Whether a rule matches a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The rule matches.
    Matched,
    /// The rule does not match.
    Failed {
        /// The first condition that certainly does not hold.
        condition: String,
    },
    /// It is unknown whether the rule matches.
    Unknown {
        /// The first condition that is not understood, where no other one certainly fails.
        condition: String,
    },
}

/// One rule that was compared with the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule, as it was written.
    pub rule: String,
    /// Its line.
    pub line: usize,
    /// Whether it matches.
    pub fit: Fit,
}

/// The trace of a packet through the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Where it ends.
    pub outcome: Outcome,
    /// Every rule that was compared with the packet, in order.
    pub trail: Vec<Step>,
}

impl Walk {
    /// Returns the rules that matched.
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

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn families_have_their_names() {
        assert_eq!([Family::V4, Family::V6].map(|it| it.to_string()), ["IPv4", "IPv6"]);
    }
}
