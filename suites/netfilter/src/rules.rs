//! Rules as data. How they are written stands in `print`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All tables of one address family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// In the order in which they were written.
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
    /// What happens at the end of a built-in chain; user chains have none.
    pub policy: Option<Policy>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// What happens to a packet that reaches the end of a built-in chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It goes on.
    Accept,
    /// It is dropped.
    Drop,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The line that it stands on, from 1.
    pub line: usize,
    /// As it was written.
    pub text: String,
    /// What a packet must be.
    pub matches: Vec<Match>,
    /// What happens to it then; a rule without a target counts and does nothing.
    pub target: Option<Target>,
}

/// The source or the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

/// One condition of a rule. `not` turns it round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `-s`, `-d`
    Address {
        /// Turned round.
        not: bool,
        /// Which of the two.
        side: Side,
        /// The range.
        network: Network,
    },
    /// `-i`; a trailing `+` stands for any rest.
    InInterface {
        /// Turned round.
        not: bool,
        /// Its name.
        name: String,
    },
    /// `-o`; a trailing `+` stands for any rest.
    OutInterface {
        /// Turned round.
        not: bool,
        /// Its name.
        name: String,
    },
    /// `-p`
    Protocol {
        /// Turned round.
        not: bool,
        /// Which one.
        protocol: Protocol,
    },
    /// `--sport`, `--dport`, `--sports`, `--dports`
    Ports {
        /// Turned round.
        not: bool,
        /// Which of the two.
        side: Side,
        /// Ranges, both ends included.
        ranges: Vec<(u16, u16)>,
    },
    /// `-m multiport --ports`: one of the two, whichever.
    EitherPort {
        /// Turned round.
        not: bool,
        /// Ranges, both ends included.
        ranges: Vec<(u16, u16)>,
    },
    /// `-m owner --uid-owner`: who sends it.
    User {
        /// Turned round.
        not: bool,
        /// Both ends included.
        range: (u32, u32),
    },
    /// `-m owner --gid-owner`: whose group sends it.
    Group {
        /// Turned round.
        not: bool,
        /// Both ends included.
        range: (u32, u32),
    },
    /// `-m addrtype`
    AddressType {
        /// Turned round.
        not: bool,
        /// Which of the two.
        side: Side,
        /// Of what kind.
        kind: AddressKind,
    },
    /// `-m conntrack --ctstate`, `-m state --state`: words in upper case.
    State {
        /// Turned round.
        not: bool,
        /// `NEW`, `ESTABLISHED`, …
        states: Vec<String>,
    },
    /// `-m mark --mark VALUE/MASK`
    Mark {
        /// Turned round.
        not: bool,
        /// The value.
        value: u32,
        /// The bits that count.
        mask: u32,
    },
    /// `-m connmark --mark VALUE/MASK`: the mark of the whole connection.
    ConnectionMark {
        /// Turned round.
        not: bool,
        /// The value.
        value: u32,
        /// The bits that count.
        mask: u32,
    },
    /// What is not known, as it is written.
    Unknown(String),
}

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// One of this host's.
    Local,
    /// One of another host's.
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
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub length: u8,
}

impl Network {
    /// The first and the last address, as numbers.
    pub fn bounds(&self) -> (u128, u128) {
        let (bits, address) = match self.address {
            IpAddr::V4(address) => (32, u128::from(address.to_bits())),
            IpAddr::V6(address) => (128, address.to_bits()),
        };
        let free = bits - u32::from(self.length).min(bits);
        let mask = if free == 128 { u128::MAX } else { (1u128 << free) - 1 };
        (address & !mask, address | mask)
    }

    /// Whether an address lies in it. One of the other family never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        let number = match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(address)) => u128::from(address.to_bits()),
            (IpAddr::V6(_), IpAddr::V6(address)) => address.to_bits(),
            _ => return false,
        };
        let (first, last) = self.bounds();
        (first..=last).contains(&number)
    }

    /// The same range, with its first address.
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

/// What happens to a packet that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// It leaves the table as it is.
    Accept,
    /// It is dropped.
    Drop,
    /// It is refused, with the answer that the options name.
    Reject(String),
    /// Back to the chain that it came from.
    Return,
    /// Into another chain, and back.
    Jump(String),
    /// Into another chain, and back to the chain before this one.
    Goto(String),
    /// To a port of this host; without one, to the same port.
    Redirect(Option<(u16, u16)>),
    /// To another destination, as it is written.
    DestinationNat(String),
    /// From another source, as it is written: `SNAT`, `MASQUERADE`. Where it goes stays as it is.
    SourceNat(String),
    /// To a port of this host, with its destination as it was; the mark routes it there.
    TransparentProxy {
        /// The port.
        port: u16,
        /// The address; without one, that at which the packet arrived.
        address: Option<IpAddr>,
        /// What is done to the packet's mark.
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
    /// Something that lets the packet go on as it is: LOG, NFLOG, CT that chooses a zone.
    Nothing(String),
    /// What is not known, as it is written.
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
    /// The mark that comes of a mark.
    pub fn apply(self, mark: u32) -> u32 {
        (mark & !self.mask) ^ self.value
    }
}

impl RuleSet {
    /// A table.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules)
    }

    /// The conditions of all rules.
    pub(crate) fn matches(&self) -> impl Iterator<Item = &Match> {
        self.rules().flat_map(|rule| &rule.matches)
    }
}

impl Table {
    /// A chain.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }
}
