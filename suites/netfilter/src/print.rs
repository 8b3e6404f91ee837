//! Formats rules as `iptables-restore` reads them.

use std::fmt;

use super::rules::{AddressKind, Match, Network, Protocol, Rule, SetMark, Side, Target};
use super::text::join_quoted;

fn bang(not: bool) -> &'static str {
    if not { "! " } else { "" }
}

fn by_side(side: Side, source: &'static str, destination: &'static str) -> &'static str {
    if side == Side::Source { source } else { destination }
}

fn range<T: fmt::Display + PartialEq>((first, last): &(T, T), between: char) -> String {
    if first == last { first.to_string() } else { format!("{first}{between}{last}") }
}

fn list(ranges: &[(u16, u16)]) -> String {
    ranges.iter().map(|it| range(it, ':')).collect::<Vec<_>>().join(",")
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
            Self::Address { not, side, network } => {
                write!(f, "{}{} {network}", bang(*not), by_side(*side, "-s", "-d"))
            }
            Self::InInterface { not, name } => write!(f, "{}-i {name}", bang(*not)),
            Self::OutInterface { not, name } => write!(f, "{}-o {name}", bang(*not)),
            Self::Protocol { not, protocol } => write!(f, "{}-p {protocol}", bang(*not)),
            Self::Ports { not, side, ranges } => {
                let option = by_side(*side, "--sports", "--dports");
                write!(f, "-m multiport {}{option} {}", bang(*not), list(ranges))
            }
            Self::EitherPort { not, ranges } => {
                write!(f, "-m multiport {}--ports {}", bang(*not), list(ranges))
            }
            Self::User { not, range: users } => {
                write!(f, "-m owner {}--uid-owner {}", bang(*not), range(users, '-'))
            }
            Self::Group { not, range: groups } => {
                write!(f, "-m owner {}--gid-owner {}", bang(*not), range(groups, '-'))
            }
            Self::AddressType { not, side, kind } => {
                let option = by_side(*side, "--src-type", "--dst-type");
                let kind = if *kind == AddressKind::Local { "LOCAL" } else { "UNICAST" };
                write!(f, "-m addrtype {}{option} {kind}", bang(*not))
            }
            Self::State { not, states } => {
                write!(f, "-m conntrack {}--ctstate {}", bang(*not), states.join(","))
            }
            Self::Mark { not, value, mask } => {
                write!(f, "-m mark {}--mark {value:#x}/{mask:#x}", bang(*not))
            }
            Self::ConnectionMark { not, value, mask } => {
                write!(f, "-m connmark {}--mark {value:#x}/{mask:#x}", bang(*not))
            }
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for SetMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}/{:#x}", self.value, self.mask)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("-j ACCEPT"),
            Self::Drop => f.write_str("-j DROP"),
            Self::Reject(options) => write!(f, "-j {}", join_quoted("REJECT", options, &[])),
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
                write!(f, " --tproxy-mark {mark}")
            }
            Self::Mark(mark) => write!(f, "-j MARK --set-xmark {mark}"),
            Self::ConnectionMark(mark) => write!(f, "-j CONNMARK --set-xmark {mark}"),
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
    /// Returns the rule in a normal form, for comparison.
    pub fn normal(&self) -> String {
        let mut matches: Vec<_> = self.matches.iter().map(ToString::to_string).collect();
        matches.sort();
        matches.extend(self.target.as_ref().map(ToString::to_string));
        matches.join(" ")
    }
}
