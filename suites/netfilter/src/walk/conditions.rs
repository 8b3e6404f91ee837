//! Tests the conditions of rules on a packet.

use super::{Unknown, Walker};
use crate::packet::{ConnectionState, Hook};
use crate::rules::{AddressKind, Match, Network, Side};

impl Walker<'_> {
    /// Whether a condition holds; none where that is unknown.
    pub(super) fn holds(&self, condition: &Match) -> Option<bool> {
        let packet = &self.packet;
        let within = |ranges: &[(u16, u16)], port: u16| {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
        };
        let owner = |number: Option<u32>, (first, last): (u32, u32)| {
            number.is_some_and(|number| (first..=last).contains(&number))
        };
        let (not, holds) = match condition {
            Match::InInterface { name, .. } | Match::OutInterface { name, .. }
                if self.is_unknown(Unknown::Interfaces) && name != "+" =>
            {
                return None;
            }
            // The interface is only known for the original destination.
            Match::OutInterface { name, .. } if self.is_unknown(Unknown::WayOut) && name != "+" => {
                return None;
            }
            // The new source is unknown.
            Match::Address { side: Side::Source, .. }
            | Match::AddressType { side: Side::Source, .. }
            | Match::Ports { side: Side::Source, .. }
            | Match::EitherPort { .. }
                if self.is_unknown(Unknown::Source) =>
            {
                return None;
            }
            Match::Address { side: Side::Destination, .. }
                if self.is_unknown(Unknown::Destination) =>
            {
                return None;
            }
            Match::Address { not, side, network } => (not, self.lies_in(*side, network)),
            Match::InInterface { not, name } => (not, named(name, self.face(Hook::Inbound))),
            Match::OutInterface { not, name } => (not, named(name, self.face(Hook::Outbound))),
            Match::Protocol { not, protocol } => (not, *protocol == packet.protocol),
            // Without ports the match fails, negated or not.
            Match::Ports { .. } | Match::EitherPort { .. } if !packet.protocol.has_ports() => {
                return Some(false);
            }
            Match::Ports { not, side: Side::Source, ranges } => {
                (not, within(ranges, packet.source_port))
            }
            Match::Ports { not, side: Side::Destination, ranges } => {
                (not, within(ranges, packet.destination_port))
            }
            Match::EitherPort { not, ranges } => {
                let either = [packet.source_port, packet.destination_port];
                (not, either.into_iter().any(|port| within(ranges, port)))
            }
            // Without a socket there is no owner, and the kernel's match fails: negated, it holds.
            Match::User { not, range } => (not, owner(packet.user, *range)),
            Match::Group { not, range } => (not, owner(packet.group, *range)),
            Match::AddressType { not, side, kind: AddressKind::Local } => {
                let local = match side {
                    Side::Source => packet.from_this_host,
                    Side::Destination => packet.to_this_host,
                };
                (not, local)
            }
            Match::AddressType { kind: AddressKind::Unicast, .. } | Match::Unknown(_) => {
                return None;
            }
            Match::State { not, states } => (not, self.is_in(states)?),
            Match::Mark { not, value, mask } => (not, packet.mark & mask == *value),
            // Without a connection the match fails, negated or not.
            Match::ConnectionMark { .. } if !self.has_connection() => return Some(false),
            Match::ConnectionMark { not, value, mask } => {
                (not, packet.connection_mark & mask == *value)
            }
        };
        Some(holds != *not)
    }

    fn is_unknown(&self, what: Unknown) -> bool {
        self.unknown.contains(&what)
    }

    /// Whether the packet belongs to a tracked connection.
    pub(super) fn has_connection(&self) -> bool {
        use ConnectionState::{Invalid, Untracked};
        self.tracked && !matches!(self.packet.state, Invalid | Untracked)
    }

    /// Returns the interface of one direction; the other direction has none.
    fn face(&self, side: Hook) -> &str {
        if self.packet.hook == side { &self.packet.interface } else { "" }
    }

    /// Whether the connection is in one of these states; none where that is unknown.
    fn is_in(&self, states: &[String]) -> Option<bool> {
        let state = match self.packet.state {
            ConnectionState::Untracked => ConnectionState::Untracked,
            _ if !self.tracked => ConnectionState::Invalid,
            state => state,
        };
        let mut certain = true;
        for word in states {
            match word.as_str() {
                "DNAT" if state == ConnectionState::New => match self.translated {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => certain = false,
                },
                // The source is translated after all rules with this condition, except where the packet is redirected.
                "SNAT" if state == ConnectionState::New => {
                    certain &= !self.is_unknown(Unknown::Source);
                }
                // Without a connection there is no translation.
                "DNAT" | "SNAT"
                    if matches!(state, ConnectionState::Invalid | ConnectionState::Untracked) => {}
                "NEW" | "ESTABLISHED" | "RELATED" | "INVALID" | "UNTRACKED" => {
                    if word == state.word() {
                        return Some(true);
                    }
                }
                _ => certain = false,
            }
        }
        certain.then_some(false)
    }

    fn lies_in(&self, side: Side, network: &Network) -> bool {
        network.contains(match side {
            Side::Source => self.packet.source,
            Side::Destination => self.packet.destination,
        })
    }
}

fn named(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('+') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}
