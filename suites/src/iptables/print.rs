//! How rules are written: as `iptables-save` prints them, and `iptables-restore` reads them.

use std::fmt;

use super::rules::{AddressKind, Match, Network, Policy, Protocol, Rule, RuleSet, Side, Target};

fn bang(not: bool) -> &'static str {
    if not { "! " } else { "" }
}

fn range<T: fmt::Display + PartialEq>((first, last): &(T, T), between: char) -> String {
    if first == last { first.to_string() } else { format!("{first}{between}{last}") }
}

fn list(ranges: &[(u16, u16)]) -> String {
    ranges.iter().map(|it| range(it, ':')).collect::<Vec<_>>().join(",")
}

/// Words behind a name, where there are any.
fn behind(options: &str) -> String {
    if options.is_empty() { String::new() } else { format!(" {options}") }
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

impl Match {
    /// The module that the condition belongs to; generic options have none.
    fn module(&self) -> Option<&'static str> {
        match self {
            Self::Ports { .. } | Self::EitherPort { .. } => Some("multiport"),
            Self::User { .. } | Self::Group { .. } => Some("owner"),
            Self::AddressType { .. } => Some("addrtype"),
            Self::State { .. } => Some("conntrack"),
            Self::Mark { .. } => Some("mark"),
            Self::ConnectionMark { .. } => Some("connmark"),
            _ => None,
        }
    }

    /// Where `iptables-save` writes the condition: generic options first.
    fn place(&self) -> u8 {
        match self {
            Self::Address { side: Side::Source, .. } => 0,
            Self::Address { side: Side::Destination, .. } => 1,
            Self::InInterface { .. } => 2,
            Self::OutInterface { .. } => 3,
            Self::Protocol { .. } => 4,
            // What is not known may be an option of the protocol.
            Self::Unknown(_) => 5,
            _ => 6,
        }
    }

    /// The condition without its module's name.
    fn options(&self) -> String {
        match self {
            Self::Address { not, side: Side::Source, network } => {
                format!("{}-s {network}", bang(*not))
            }
            Self::Address { not, side: Side::Destination, network } => {
                format!("{}-d {network}", bang(*not))
            }
            Self::InInterface { not, name } => format!("{}-i {name}", bang(*not)),
            Self::OutInterface { not, name } => format!("{}-o {name}", bang(*not)),
            Self::Protocol { not, protocol } => format!("{}-p {protocol}", bang(*not)),
            Self::Ports { not, side, ranges } => {
                let name = if *side == Side::Source { "--sports" } else { "--dports" };
                format!("{}{name} {}", bang(*not), list(ranges))
            }
            Self::EitherPort { not, ranges } => format!("{}--ports {}", bang(*not), list(ranges)),
            Self::User { not, range: users } => {
                format!("{}--uid-owner {}", bang(*not), range(users, '-'))
            }
            Self::Group { not, range: groups } => {
                format!("{}--gid-owner {}", bang(*not), range(groups, '-'))
            }
            Self::AddressType { not, side, kind } => {
                let name = if *side == Side::Source { "--src-type" } else { "--dst-type" };
                let kind = if *kind == AddressKind::Local { "LOCAL" } else { "UNICAST" };
                format!("{}{name} {kind}", bang(*not))
            }
            Self::State { not, states } => format!("{}--ctstate {}", bang(*not), states.join(",")),
            Self::Mark { not, value, mask } | Self::ConnectionMark { not, value, mask } => {
                format!("{}--mark {value:#x}/{mask:#x}", bang(*not))
            }
            Self::Unknown(text) => text.clone(),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module() {
            Some(module) => write!(f, "-m {module} {}", self.options()),
            None => f.write_str(&self.options()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("-j ACCEPT"),
            Self::Drop => f.write_str("-j DROP"),
            Self::Reject(options) => write!(f, "-j REJECT{}", behind(options)),
            Self::Return => f.write_str("-j RETURN"),
            Self::Jump(chain) => write!(f, "-j {chain}"),
            Self::Goto(chain) => write!(f, "-g {chain}"),
            Self::Redirect(None) => f.write_str("-j REDIRECT"),
            Self::Redirect(Some(ports)) => {
                write!(f, "-j REDIRECT --to-ports {}", range(ports, '-'))
            }
            Self::DestinationNat(to) => write!(f, "-j DNAT --to-destination {to}"),
            Self::TransparentProxy { port, address, mark } => {
                write!(f, "-j TPROXY --on-port {port}")?;
                if let Some(address) = address {
                    write!(f, " --on-ip {address}")?;
                }
                write!(f, " --tproxy-mark {:#x}/{:#x}", mark.value, mark.mask)
            }
            Self::Mark(mark) => {
                write!(f, "-j MARK --set-xmark {:#x}/{:#x}", mark.value, mark.mask)
            }
            Self::ConnectionMark(mark) => {
                write!(f, "-j CONNMARK --set-xmark {:#x}/{:#x}", mark.value, mark.mask)
            }
            Self::SaveMark { packet, connection } => {
                write!(f, "-j CONNMARK --save-mark --nfmask {packet:#x} --ctmask {connection:#x}")
            }
            Self::RestoreMark { packet, connection } => write!(
                f,
                "-j CONNMARK --restore-mark --nfmask {packet:#x} --ctmask {connection:#x}"
            ),
            Self::NoTrack => f.write_str("-j CT --notrack"),
            Self::SourceNat(text) | Self::Nothing(text) | Self::Unknown(text) => {
                write!(f, "-j {text}")
            }
        }
    }
}

impl Rule {
    /// The rule in one form, however it was written: for comparing.
    pub fn normal(&self) -> String {
        let mut matches: Vec<_> = self.matches.iter().map(ToString::to_string).collect();
        matches.sort();
        matches.extend(self.target.as_ref().map(ToString::to_string));
        matches.join(" ")
    }

    /// The protocol whose own module takes a single range of ports.
    fn port_module(&self) -> Option<&'static str> {
        self.matches.iter().find_map(|condition| match condition {
            Match::Protocol { not: false, protocol: Protocol::Tcp } => Some("tcp"),
            Match::Protocol { not: false, protocol: Protocol::Udp } => Some("udp"),
            _ => None,
        })
    }
}

/// Without `-A` and the chain's name, in the order of `iptables-save`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        let mut matches: Vec<_> = self.matches.iter().collect();
        matches.sort_by_key(|condition| condition.place());
        let mut module = None;
        for condition in matches {
            let (own, options) = match (condition, self.port_module()) {
                (Match::Ports { not, side, ranges }, Some(protocol)) if ranges.len() == 1 => {
                    let name = if *side == Side::Source { "--sport" } else { "--dport" };
                    (Some(protocol), format!("{}{name} {}", bang(*not), list(ranges)))
                }
                _ => (condition.module(), condition.options()),
            };
            // An option stands behind its own module's name; one that comes twice needs it twice.
            let twice = words.iter().any(|word| option_of(word) == option_of(&options));
            if let Some(own) = own
                && (module != Some(own) || twice)
            {
                words.push(format!("-m {own}"));
            }
            module = own;
            words.push(options);
        }
        words.extend(self.target.as_ref().map(ToString::to_string));
        f.write_str(&words.join(" "))
    }
}

/// The name of an option: the first of its words that is no negation.
fn option_of(words: &str) -> Option<&str> {
    words.split(' ').find(|word| *word != "!")
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
                    let rule = rule.to_string();
                    writeln!(f, "-A {}{}", chain.name, behind(&rule))?;
                }
            }
            writeln!(f, "COMMIT")?;
        }
        Ok(())
    }
}
