//! Rules as data, and how they are written.

use std::fmt;
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
    /// It is dropped, or refused.
    Drop,
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
    /// To a port of this host, with its destination as it was.
    TransparentProxy(u16),
    /// Sets bits of the packet's mark: `mark = (mark & !mask) ^ value`.
    Mark {
        /// The value.
        value: u32,
        /// The bits that are cleared before.
        mask: u32,
    },
    /// Something that lets the packet go on as it is: LOG, NFLOG, CONNMARK that saves.
    Nothing(String),
    /// What is not known, as it is written.
    Unknown(String),
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
}

impl Table {
    /// A chain.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }
}

fn bang(not: bool) -> &'static str {
    if not { "! " } else { "" }
}

fn range<T: fmt::Display + PartialEq>((first, last): &(T, T), between: char) -> String {
    if first == last { first.to_string() } else { format!("{first}{between}{last}") }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { not, side: Side::Source, network } => {
                write!(f, "{}-s {network}", bang(*not))
            }
            Self::Address { not, side: Side::Destination, network } => {
                write!(f, "{}-d {network}", bang(*not))
            }
            Self::InInterface { not, name } => write!(f, "{}-i {name}", bang(*not)),
            Self::OutInterface { not, name } => write!(f, "{}-o {name}", bang(*not)),
            Self::Protocol { not, protocol } => write!(f, "{}-p {protocol}", bang(*not)),
            Self::Ports { not, side, ranges } => {
                let name = if *side == Side::Source { "--sports" } else { "--dports" };
                let ranges: Vec<_> = ranges.iter().map(|it| range(it, ':')).collect();
                write!(f, "-m multiport {}{name} {}", bang(*not), ranges.join(","))
            }
            Self::User { not, range: users } => {
                write!(f, "-m owner {}--uid-owner {}", bang(*not), range(users, '-'))
            }
            Self::Group { not, range: groups } => {
                write!(f, "-m owner {}--gid-owner {}", bang(*not), range(groups, '-'))
            }
            Self::AddressType { not, side, kind } => {
                let name = if *side == Side::Source { "--src-type" } else { "--dst-type" };
                let kind = if *kind == AddressKind::Local { "LOCAL" } else { "UNICAST" };
                write!(f, "-m addrtype {}{name} {kind}", bang(*not))
            }
            Self::State { not, states } => {
                write!(f, "-m conntrack {}--ctstate {}", bang(*not), states.join(","))
            }
            Self::Mark { not, value, mask } => {
                write!(f, "-m mark {}--mark {value:#x}/{mask:#x}", bang(*not))
            }
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("-j ACCEPT"),
            Self::Drop => f.write_str("-j DROP"),
            Self::Return => f.write_str("-j RETURN"),
            Self::Jump(chain) => write!(f, "-j {chain}"),
            Self::Goto(chain) => write!(f, "-g {chain}"),
            Self::Redirect(None) => f.write_str("-j REDIRECT"),
            Self::Redirect(Some(ports)) => {
                write!(f, "-j REDIRECT --to-ports {}", range(ports, '-'))
            }
            Self::DestinationNat(to) => write!(f, "-j DNAT --to-destination {to}"),
            Self::TransparentProxy(port) => write!(f, "-j TPROXY --on-port {port}"),
            Self::Mark { value, mask } => write!(f, "-j MARK --set-xmark {value:#x}/{mask:#x}"),
            Self::Nothing(text) | Self::Unknown(text) => write!(f, "-j {text}"),
        }
    }
}

impl Rule {
    /// The rule in one form, however it was written: for comparing and for showing.
    pub fn normal(&self) -> String {
        let mut matches: Vec<_> = self.matches.iter().map(ToString::to_string).collect();
        matches.sort();
        matches.extend(self.target.as_ref().map(ToString::to_string));
        matches.join(" ")
    }
}

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "*{}", table.name)?;
            for chain in &table.chains {
                let policy = match chain.policy {
                    Some(Policy::Accept) => "ACCEPT",
                    Some(Policy::Drop) => "DROP",
                    None => "-",
                };
                writeln!(f, ":{} {policy} [0:0]", chain.name)?;
            }
            for chain in &table.chains {
                for rule in &chain.rules {
                    write!(f, "-A {}", chain.name)?;
                    for condition in &rule.matches {
                        write!(f, " {condition}")?;
                    }
                    if let Some(target) = &rule.target {
                        write!(f, " {target}")?;
                    }
                    writeln!(f)?;
                }
            }
            writeln!(f, "COMMIT")?;
        }
        Ok(())
    }
}
