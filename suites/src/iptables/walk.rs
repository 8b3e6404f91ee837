//! A packet's way through the rules, as the kernel takes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::packet::{ConnectionState, Fit, Hook, Outcome, Packet, Step, Walk};
use super::rules::{AddressKind, Match, Network, Policy, Rule, RuleSet, Side, Table, Target};
use super::targets::destination;

/// Chains do not nest deeper than this. The kernel refuses loops when rules are loaded; a text may hold
/// one all the same.
const DEPTH: usize = 64;

/// The longest way that is followed, in rules.
const STEPS: usize = 20_000;

/// Tables and chains, in the order in which the kernel asks them.
type Stages = &'static [(&'static str, &'static str)];

const OUTBOUND: Stages = &[
    ("raw", "OUTPUT"),
    ("mangle", "OUTPUT"),
    ("nat", "OUTPUT"),
    ("filter", "OUTPUT"),
    ("security", "OUTPUT"),
    ("mangle", "POSTROUTING"),
    ("nat", "POSTROUTING"),
];
const ARRIVING: Stages = &[("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("nat", "PREROUTING")];
const TO_THIS_HOST: Stages =
    &[("mangle", "INPUT"), ("filter", "INPUT"), ("security", "INPUT"), ("nat", "INPUT")];
const ELSEWHERE: Stages = &[
    ("mangle", "FORWARD"),
    ("filter", "FORWARD"),
    ("security", "FORWARD"),
    ("mangle", "POSTROUTING"),
    ("nat", "POSTROUTING"),
];

/// The way of a packet through these rules.
pub fn walk(rules: &RuleSet, packet: &Packet) -> Walk {
    let mut walker = Walker::new(rules, packet, true);
    let outcome = walker.way();
    Walk { outcome, trail: walker.trail }
}

/// Where a packet ends. Without the trail, which takes longer to write down than the way itself.
pub(super) fn outcome(rules: &RuleSet, packet: &Packet) -> Outcome {
    Walker::new(rules, packet, false).way()
}

struct Walker<'a> {
    rules: &'a RuleSet,
    packet: Packet,
    record: bool,
    trail: Vec<Step>,
    steps: usize,
    /// What a table has done to the packet's destination.
    changed: Option<Outcome>,
    /// Whether the connection is known already: the raw table comes before that.
    tracked: bool,
    /// Whether the packet passes through to another host, by an interface that is not known.
    forwarded: bool,
}

/// How a chain was left.
enum Left {
    /// The packet goes on behind the jump.
    Back,
    /// The packet is done with this table.
    Table,
    /// The packet is done altogether.
    End(Outcome),
}

fn unjudged(rule: &str, why: &str) -> Left {
    Left::End(Outcome::Unjudged { rule: rule.to_owned(), why: why.to_owned() })
}

impl<'a> Walker<'a> {
    fn new(rules: &'a RuleSet, packet: &Packet, record: bool) -> Self {
        Self {
            rules,
            packet: packet.clone(),
            record,
            trail: Vec::new(),
            steps: 0,
            changed: None,
            tracked: false,
            forwarded: false,
        }
    }

    fn way(&mut self) -> Outcome {
        let ended = match self.packet.hook {
            Hook::Outbound => self.stages(OUTBOUND),
            Hook::Inbound => self.stages(ARRIVING).or_else(|| {
                self.forwarded = !self.packet.to_this_host && !self.is_proxied();
                self.stages(if self.forwarded { ELSEWHERE } else { TO_THIS_HOST })
            }),
        };
        ended.or_else(|| self.changed.take()).unwrap_or(Outcome::Accepted)
    }

    fn is_proxied(&self) -> bool {
        matches!(self.changed, Some(Outcome::TransparentlyProxied { .. }))
    }

    /// Tables in order; the outcome where the packet ends in one.
    fn stages(&mut self, stages: Stages) -> Option<Outcome> {
        for (table, chain) in stages {
            // The nat table says once where a connection goes; a socket that was found stays.
            let asked = self.packet.state.is_translated() && !self.is_proxied();
            if *table == "nat" && !asked {
                continue;
            }
            self.tracked = *table != "raw";
            // What was turned round to this host leaves by its loopback interface.
            if *chain == "POSTROUTING" && self.changed.is_some() && self.packet.to_this_host {
                "lo".clone_into(&mut self.packet.interface);
            }
            if let Some(outcome) = self.stage(table, chain) {
                return Some(outcome);
            }
        }
        None
    }

    /// One table at one hook; the outcome where the packet ends there.
    fn stage(&mut self, table: &str, chain: &str) -> Option<Outcome> {
        let table = self.rules.table(table)?;
        let base = table.chain(chain)?;
        match self.chain(table, chain, 0) {
            Left::End(outcome) => Some(outcome),
            Left::Table => None,
            // Its end, or RETURN: the policy decides.
            Left::Back => (base.policy == Some(Policy::Drop)).then_some(Outcome::Dropped),
        }
    }

    fn chain(&mut self, table: &Table, name: &str, depth: usize) -> Left {
        let Some(chain) = table.chain(name) else {
            return unjudged(name, "it leads to a chain that is not there");
        };
        if depth > DEPTH {
            return unjudged(name, "chains call each other without end");
        }
        for rule in &chain.rules {
            self.steps += 1;
            if self.steps > STEPS {
                return unjudged(&rule.text, "the way does not end");
            }
            let matched = self.fits(table, name, rule);
            if matched == Some(false) {
                continue;
            }
            let Some(target) = &rule.target else { continue };
            if let Target::Nothing(_) = target {
                continue;
            }
            if matched.is_none() {
                return unjudged(&rule.text, "it has a match that is not known");
            }
            match target {
                Target::Jump(to) => match self.chain(table, to, depth + 1) {
                    Left::Back => {}
                    left => return left,
                },
                // Back from there leads to the chain before this one.
                Target::Goto(to) => return self.chain(table, to, depth + 1),
                target => {
                    if let Some(left) = self.apply(target, rule) {
                        return left;
                    }
                }
            }
        }
        Left::Back
    }

    /// What a target does to the packet; nothing where the packet goes on to the next rule.
    fn apply(&mut self, target: &Target, rule: &Rule) -> Option<Left> {
        let packet = &mut self.packet;
        match target {
            Target::Accept | Target::SourceNat(_) => return Some(Left::Table),
            Target::Drop => return Some(Left::End(Outcome::Dropped)),
            Target::Reject(_) => return Some(Left::End(Outcome::Rejected)),
            Target::Return => return Some(Left::Back),
            Target::Mark(mark) => packet.mark = mark.apply(packet.mark),
            // Before a connection is known there is none to mark.
            Target::ConnectionMark(_) | Target::SaveMark { .. } | Target::RestoreMark { .. }
                if !self.tracked || packet.state == ConnectionState::Untracked => {}
            Target::ConnectionMark(mark) => {
                packet.connection_mark = mark.apply(packet.connection_mark);
            }
            Target::SaveMark { packet: copied, connection } => {
                packet.connection_mark =
                    (packet.connection_mark & !connection) ^ (packet.mark & copied);
            }
            Target::RestoreMark { packet: cleared, connection } => {
                packet.mark = (packet.mark & !cleared) ^ (packet.connection_mark & connection);
            }
            Target::NoTrack => packet.state = ConnectionState::Untracked,
            Target::Redirect(ports) => return Some(self.redirect(*ports, rule)),
            Target::DestinationNat(to) => return Some(self.translate(to, rule)),
            Target::TransparentProxy { port, mark, .. } => {
                packet.mark = mark.apply(packet.mark);
                self.changed = Some(Outcome::TransparentlyProxied { port: *port });
                return Some(Left::Table);
            }
            Target::Unknown(_) => return Some(unjudged(&rule.text, "its target is not known")),
            Target::Nothing(_) | Target::Jump(_) | Target::Goto(_) => {}
        }
        None
    }

    fn redirect(&mut self, ports: Option<(u16, u16)>, rule: &Rule) -> Left {
        let outcome = match ports {
            None => Outcome::RedirectedHere,
            Some((first, last)) if first == last => {
                self.packet.destination_port = first;
                Outcome::Redirected { port: first }
            }
            Some(_) => return unjudged(&rule.text, "it redirects to one of several ports"),
        };
        self.packet.to_this_host = true;
        if self.packet.hook == Hook::Outbound {
            self.packet.destination = match self.packet.destination {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
        }
        self.changed = Some(outcome);
        Left::Table
    }

    fn translate(&mut self, to: &str, rule: &Rule) -> Left {
        let Some((address, port)) = destination(to) else {
            return unjudged(&rule.text, "it sends to one of several destinations");
        };
        let packet = &mut self.packet;
        if let Some(address) = address.filter(|address| *address != packet.destination) {
            let own = packet.from_this_host && address == packet.source;
            packet.to_this_host = address.is_loopback() || own;
            packet.destination = address;
        }
        packet.destination_port = port.unwrap_or(packet.destination_port);
        self.changed = Some(Outcome::DestinationChanged { to: to.to_owned() });
        Left::Table
    }

    /// Whether a rule is for the packet: nothing where it cannot be told. One condition that certainly
    /// does not hold is enough to tell.
    fn fits(&mut self, table: &Table, chain: &str, rule: &Rule) -> Option<bool> {
        let mut decides = None;
        let mut matched = Some(true);
        for condition in &rule.matches {
            match self.holds(condition) {
                Some(true) => {}
                Some(false) => {
                    (matched, decides) = (Some(false), Some(condition));
                    break;
                }
                None => {
                    matched = None;
                    decides = decides.or(Some(condition));
                }
            }
        }
        if self.record {
            let condition = decides.map(ToString::to_string).unwrap_or_default();
            self.trail.push(Step {
                table: table.name.clone(),
                chain: chain.to_owned(),
                rule: rule.text.clone(),
                line: rule.line,
                fit: match matched {
                    Some(true) => Fit::Matched,
                    Some(false) => Fit::Failed { condition },
                    None => Fit::Unknown { condition },
                },
            });
        }
        matched
    }

    fn holds(&self, condition: &Match) -> Option<bool> {
        let packet = &self.packet;
        let within = |ranges: &[(u16, u16)], port: u16| {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
        };
        let owner = |number: Option<u32>, (first, last): (u32, u32)| {
            number.is_some_and(|number| (first..=last).contains(&number))
        };
        let (not, holds) = match condition {
            Match::Address { not, side, network } => (not, self.lies_in(*side, network)),
            Match::InInterface { name, .. } | Match::OutInterface { name, .. }
                if self.forwarded && name != "+" =>
            {
                return None;
            }
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
            Match::ConnectionMark { .. }
                if !self.tracked || packet.state == ConnectionState::Untracked =>
            {
                return Some(false);
            }
            Match::ConnectionMark { not, value, mask } => {
                (not, packet.connection_mark & mask == *value)
            }
        };
        Some(holds != *not)
    }

    /// The interface on one side; there is none on the other.
    fn face(&self, side: Hook) -> &str {
        if self.packet.hook == side { &self.packet.interface } else { "" }
    }

    /// Whether the connection is in one of these states.
    fn is_in(&self, states: &[String]) -> Option<bool> {
        let state = match self.packet.state {
            ConnectionState::Untracked => ConnectionState::Untracked,
            _ if !self.tracked => ConnectionState::Invalid,
            state => state,
        };
        let mut certain = true;
        for word in states {
            match word.as_str() {
                "DNAT" if state == ConnectionState::New => {
                    if self.changed.is_some() && !self.is_proxied() {
                        return Some(true);
                    }
                }
                // The source is translated behind all rules that could ask.
                "SNAT" if state == ConnectionState::New => {}
                // Without a connection nothing was translated.
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

#[cfg(test)]
pub(super) mod tests;
