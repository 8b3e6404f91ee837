//! The types of rules. `print` formats them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All tables of one address family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// The tables in the order of the text.
    pub tables: Vec<Table>,
}

/// A table: `nat`, `mangle`, `filter`, `raw`, `security`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// The policy of a built-in chain; user chains have none.
    pub policy: Option<Policy>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// The policy for a packet that reaches the end of a built-in chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It continues.
    Accept,
    /// It is dropped.
    Drop,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its line, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// Its conditions on a packet.
    pub matches: Vec<Match>,
    /// Its target; a rule without one only counts packets.
    pub target: Option<Target>,
}

/// The source or the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// One condition of a rule. `not` negates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `-s`, `-d`
    Address {
        /// Whether it is negated.
        not: bool,
        /// Which of the two.
        side: Side,
        /// The range.
        network: Network,
    },
    /// `-i`; a trailing `+` stands for any rest.
    InInterface {
        /// Whether it is negated.
        not: bool,
        /// Its name.
        name: String,
    },
    /// `-o`; a trailing `+` stands for any rest.
    OutInterface {
        /// Whether it is negated.
        not: bool,
        /// Its name.
        name: String,
    },
    /// `-p`
    Protocol {
        /// Whether it is negated.
        not: bool,
        /// Which one.
        protocol: Protocol,
    },
    /// `--sport`, `--dport`, `--sports`, `--dports`
    Ports {
        /// Whether it is negated.
        not: bool,
        /// Which of the two.
        side: Side,
        /// Ranges, both ends included.
        ranges: Vec<(u16, u16)>,
    },
    /// `-m multiport --ports`: source or destination port.
    EitherPort {
        /// Whether it is negated.
        not: bool,
        /// Ranges, both ends included.
        ranges: Vec<(u16, u16)>,
    },
    /// `-m owner --uid-owner`: the sending user.
    User {
        /// Whether it is negated.
        not: bool,
        /// Both ends included.
        range: (u32, u32),
    },
    /// `-m owner --gid-owner`: the sending group.
    Group {
        /// Whether it is negated.
        not: bool,
        /// Both ends included.
        range: (u32, u32),
    },
    /// `-m addrtype`
    AddressType {
        /// Whether it is negated.
        not: bool,
        /// Which of the two.
        side: Side,
        /// The kind of address.
        kind: AddressKind,
    },
    /// `-m conntrack --ctstate`, `-m state --state`: words in upper case.
    State {
        /// Whether it is negated.
        not: bool,
        /// `NEW`, `ESTABLISHED`, …
        states: Vec<String>,
    },
    /// `-m mark --mark VALUE/MASK`
    Mark {
        /// Whether it is negated.
        not: bool,
        /// The value.
        value: u32,
        /// The bits that count.
        mask: u32,
    },
    /// `-m connmark --mark VALUE/MASK`: the mark of the whole connection.
    ConnectionMark {
        /// Whether it is negated.
        not: bool,
        /// The value.
        value: u32,
        /// The bits that count.
        mask: u32,
    },
    /// An unknown condition, as text.
    Unknown(String),
}

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// An address of this host.
    Local,
    /// A unicast address of another host.
    Unicast,
}

/// A protocol above IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Another one, by its name or number.
    Other(String),
}

impl Protocol {
    /// Whether its packets have ports.
    pub(super) fn has_ports(&self) -> bool {
        match self {
            Self::Tcp | Self::Udp => true,
            Self::Other(name) => matches!(name.as_str(), "sctp" | "dccp" | "udplite"),
        }
    }
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// The length of the prefix, in bits.
    pub length: u8,
}

impl Network {
    /// Returns the first and the last address, as numbers.
    pub fn bounds(&self) -> (u128, u128) {
        let (bits, address) = match self.address {
            IpAddr::V4(address) => (32, u128::from(address.to_bits())),
            IpAddr::V6(address) => (128, address.to_bits()),
        };
        let free = bits - u32::from(self.length).min(bits);
        let mask = if free == 128 { u128::MAX } else { (1u128 << free) - 1 };
        (address & !mask, address | mask)
    }

    /// Whether the range contains an address. It never contains one of the other family.
    pub fn contains(&self, address: IpAddr) -> bool {
        let number = match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(address)) => u128::from(address.to_bits()),
            (IpAddr::V6(_), IpAddr::V6(address)) => address.to_bits(),
            _ => return false,
        };
        let (first, last) = self.bounds();
        (first..=last).contains(&number)
    }

    /// Returns the same range, written with its first address.
    #[must_use]
    pub fn normal(self) -> Self {
        let (first, _) = self.bounds();
        let address = match self.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(first).unwrap_or_default())),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(first)),
        };
        Self { address, length: self.length }
    }
}

/// The target of a rule: what happens to a packet that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The packet leaves the table unchanged.
    Accept,
    /// It is dropped.
    Drop,
    /// It is rejected, with the answer in the options.
    Reject(String),
    /// It returns to the calling chain.
    Return,
    /// It calls another chain.
    Jump(String),
    /// It continues in another chain, which returns to the chain before this one.
    Goto(String),
    /// It is redirected to a port of this host, by default its own.
    Redirect(Option<(u16, u16)>),
    /// It gets another destination, as text.
    DestinationNat(String),
    /// It gets another source: `SNAT`, `MASQUERADE`, as text. The destination stays.
    SourceNat(String),
    /// TPROXY: it is delivered to a port of this host with its original destination; the mark routes it there.
    TransparentProxy {
        /// The port.
        port: u16,
        /// The address; by default that at which the packet arrived.
        address: Option<IpAddr>,
        /// The change of the packet's mark.
        mark: SetMark,
    },
    /// Sets bits of the packet's mark.
    Mark(SetMark),
    /// Sets bits of the connection's mark.
    ConnectionMark(SetMark),
    /// Copies the packet's mark to its connection.
    SaveMark {
        /// The bits of the packet's mark that are copied.
        packet: u32,
        /// The bits of the connection's mark that are cleared before.
        connection: u32,
    },
    /// Copies the connection's mark to the packet.
    RestoreMark {
        /// The bits of the packet's mark that are cleared before.
        packet: u32,
        /// The bits of the connection's mark that are copied.
        connection: u32,
    },
    /// Its connection is not tracked, and therefore never translated.
    NoTrack,
    /// A target without effect on the packet: LOG, NFLOG, CT with a zone.
    Nothing(String),
    /// An unknown target, as text.
    Unknown(String),
}

/// How a mark is set: `(mark & !mask) ^ value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetMark {
    /// The value.
    pub value: u32,
    /// The bits that are cleared before.
    pub mask: u32,
}

impl SetMark {
    /// Returns the changed mark.
    pub fn apply(self, mark: u32) -> u32 {
        (mark & !self.mask) ^ self.value
    }
}

impl RuleSet {
    /// Returns a table.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Returns all rules.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules)
    }

    /// Returns the conditions of all rules.
    pub(crate) fn matches(&self) -> impl Iterator<Item = &Match> {
        self.rules().flat_map(|rule| &rule.matches)
    }
}

impl Table {
    /// Returns a chain.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }
}
