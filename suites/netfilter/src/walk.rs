//! Walks a packet through the rules in the kernel's order.

mod conditions;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::packet::{ConnectionState, Fit, Hook, Outcome, Packet, Step, Walk};
use super::rules::{Policy, Rule, RuleSet, Table, Target};
use super::targets::destination;

/// The maximum depth of chains. The kernel refuses loops when it loads rules; a text can contain one.
const DEPTH: usize = 64;

/// The maximum number of rules in a walk.
const STEPS: usize = 20_000;

/// Tables and chains, in the kernel's order.
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

/// Walks a packet through these rules.
pub fn walk(rules: &RuleSet, packet: &Packet) -> Walk {
    let (outcome, trail) = Walker::new(rules, packet, true).run();
    Walk { outcome, trail }
}

/// Walks a packet without recording the trail, which is faster.
pub(super) fn outcome(rules: &RuleSet, packet: &Packet) -> Outcome {
    Walker::new(rules, packet, false).run().0
}

#[derive(Clone)]
struct Walker<'a> {
    rules: &'a RuleSet,
    packet: Packet,
    /// The recorded trail.
    trail: Option<Vec<Step>>,
    steps: usize,
    /// The change of the packet's destination by a table.
    changed: Option<Outcome>,
    /// Whether the destination differs since then; none where that is unknown.
    translated: Option<bool>,
    /// Whether an address that may be of this host is assumed to be.
    assumed: bool,
    /// The rule that sent the packet to such an address.
    unsure: Option<String>,
    /// Whether the connection is known: the raw table comes before connection tracking.
    tracked: bool,
    /// Whether the packet was sent to this host and now arrives at the loopback interface.
    looped_back: bool,
    /// The unknown properties of the packet.
    unknown: Vec<Unknown>,
}

/// A property of the packet that the rules change to an unknown value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// Its interfaces: it is forwarded to another host.
    Interfaces,
    /// The interface to its new destination.
    WayOut,
    /// Its source, which a rule replaced.
    Source,
    /// Its destination, which is the first address of the inbound interface.
    Destination,
}

/// How a walk leaves a chain.
enum Left {
    /// The packet continues after the jump.
    Back,
    /// The packet leaves the table.
    Table,
    /// The walk ends.
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
            trail: record.then(Vec::new),
            steps: 0,
            changed: None,
            translated: Some(false),
            assumed: false,
            unsure: None,
            tracked: false,
            looped_back: false,
            unknown: Vec::new(),
        }
    }

    /// Returns the outcome and the trail. Where a rule sends the packet to an address that may be of this host or another
    /// one, both are tried. The packet is unjudged unless both have the same outcome.
    fn run(mut self) -> (Outcome, Vec<Step>) {
        let mut here = Self { assumed: true, ..self.clone() };
        let outcome = self.follow();
        let outcome = match self.unsure.take() {
            Some(rule) if here.follow() != outcome => {
                let why = "it is unknown whether that is an address of this host".to_owned();
                Outcome::Unjudged { rule, why }
            }
            _ => outcome,
        };
        (outcome, self.trail.unwrap_or_default())
    }

    fn follow(&mut self) -> Outcome {
        let ended = match self.packet.hook {
            Hook::Outbound => self.stages(OUTBOUND).or_else(|| self.loop_back()),
            Hook::Inbound => self.arrive(),
        };
        ended.or_else(|| self.changed.take()).unwrap_or(Outcome::Accepted)
    }

    /// Continues with a packet of this host to itself: it arrives at the loopback interface, with the same connection and
    /// mark.
    fn loop_back(&mut self) -> Option<Outcome> {
        if !self.packet.to_this_host {
            return None;
        }
        self.looped_back = true;
        self.packet.hook = Hook::Inbound;
        "lo".clone_into(&mut self.packet.interface);
        self.arrive()
    }

    fn arrive(&mut self) -> Option<Outcome> {
        self.stages(ARRIVING).or_else(|| {
            if self.packet.to_this_host || self.is_proxied() {
                return self.stages(TO_THIS_HOST);
            }
            self.unknown.push(Unknown::Interfaces);
            self.stages(ELSEWHERE)
        })
    }

    fn is_proxied(&self) -> bool {
        matches!(self.changed, Some(Outcome::TransparentlyProxied { .. }))
    }

    /// Walks the packet through tables in order. Returns the outcome where it ends in one.
    fn stages(&mut self, stages: Stages) -> Option<Outcome> {
        for (table, chain) in stages {
            // Only the first packet of a connection passes the nat table; a packet of TPROXY skips it.
            let passes_nat =
                self.packet.state.is_translated() && !self.is_proxied() && !self.looped_back;
            if *table == "nat" && !passes_nat {
                continue;
            }
            self.tracked = *table != "raw" || self.looped_back;
            // A packet that was redirected to this host leaves through the loopback interface.
            if *chain == "POSTROUTING" && self.changed.is_some() && self.packet.to_this_host {
                "lo".clone_into(&mut self.packet.interface);
            }
            // The kernel routes the packet again; rules do not contain the route.
            if *chain == "POSTROUTING"
                && matches!(self.changed, Some(Outcome::DestinationChanged { .. }))
                && !self.packet.to_this_host
            {
                self.unknown.push(Unknown::WayOut);
            }
            if let Some(outcome) = self.stage(table, chain) {
                return Some(outcome);
            }
        }
        None
    }

    /// Walks the packet through one table at one hook. Returns the outcome where it ends there.
    fn stage(&mut self, table: &str, chain: &str) -> Option<Outcome> {
        let table = self.rules.table(table)?;
        let base = table.chain(chain)?;
        match self.chain(table, chain, 0) {
            Left::End(outcome) => Some(outcome),
            Left::Table => None,
            // At the end of the chain and after RETURN the policy decides.
            Left::Back => (base.policy == Some(Policy::Drop)).then_some(Outcome::Dropped),
        }
    }

    fn chain(&mut self, table: &Table, name: &str, depth: usize) -> Left {
        let Some(chain) = table.chain(name) else {
            return unjudged(name, "it jumps to a missing chain");
        };
        if depth > DEPTH {
            return unjudged(name, "its chains form a loop");
        }
        for rule in &chain.rules {
            self.steps += 1;
            if self.steps > STEPS {
                return unjudged(&rule.text, "the walk is too long");
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
                return unjudged(&rule.text, "it has an unknown match");
            }
            match target {
                Target::Jump(to) => match self.chain(table, to, depth + 1) {
                    Left::Back => {}
                    left => return left,
                },
                // RETURN after a goto returns to the chain before this one.
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

    /// Applies a target to the packet. Returns none where the packet continues with the next rule.
    fn apply(&mut self, target: &Target, rule: &Rule) -> Option<Left> {
        let has_connection = self.has_connection();
        let packet = &mut self.packet;
        match target {
            Target::Accept => return Some(Left::Table),
            Target::SourceNat(_) => {
                self.unknown.push(Unknown::Source);
                return Some(Left::Table);
            }
            Target::Drop => return Some(Left::End(Outcome::Dropped)),
            Target::Reject(_) => return Some(Left::End(Outcome::Rejected)),
            Target::Return => return Some(Left::Back),
            Target::Mark(mark) => packet.mark = mark.apply(packet.mark),
            // Without a connection there is nothing to mark.
            Target::ConnectionMark(_) | Target::SaveMark { .. } | Target::RestoreMark { .. }
                if !has_connection => {}
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
            // A packet with a connection keeps it.
            Target::NoTrack if self.looped_back && packet.state != ConnectionState::Invalid => {}
            Target::NoTrack => packet.state = ConnectionState::Untracked,
            Target::Redirect(ports) => return Some(self.redirect(*ports, rule)),
            Target::DestinationNat(to) => return Some(self.translate(to, rule)),
            Target::TransparentProxy { port, mark, .. } => {
                packet.mark = mark.apply(packet.mark);
                self.changed = Some(Outcome::TransparentlyProxied { port: *port });
                return Some(Left::Table);
            }
            Target::Unknown(_) => return Some(unjudged(&rule.text, "its target is unknown")),
            Target::Nothing(_) | Target::Jump(_) | Target::Goto(_) => {}
        }
        None
    }

    fn redirect(&mut self, ports: Option<(u16, u16)>, rule: &Rule) -> Left {
        let before = (self.packet.destination, self.packet.destination_port);
        let outcome = match ports {
            None => Outcome::RedirectedHere,
            Some((first, last)) if first == last => {
                self.packet.destination_port = first;
                Outcome::Redirected { port: first }
            }
            Some(_) => return unjudged(&rule.text, "it redirects to a range of ports"),
        };
        let elsewhere = !self.packet.to_this_host;
        self.packet.to_this_host = true;
        if self.packet.hook == Hook::Outbound {
            self.packet.destination = match self.packet.destination {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
            self.translated =
                Some(before != (self.packet.destination, self.packet.destination_port));
        } else {
            // The first address of the interface may be the original destination.
            if elsewhere {
                self.unknown.push(Unknown::Destination);
            }
            let changed = elsewhere || before.1 != self.packet.destination_port;
            self.translated = changed.then_some(true);
        }
        self.changed = Some(outcome);
        Left::Table
    }

    fn translate(&mut self, to: &str, rule: &Rule) -> Left {
        let Some((address, port)) = destination(to) else {
            return unjudged(&rule.text, "it sends to a range of destinations");
        };
        let packet = &mut self.packet;
        let before = (packet.destination, packet.destination_port);
        if let Some(address) = address.filter(|address| *address != packet.destination) {
            let own = packet.from_this_host && address == packet.source;
            packet.to_this_host = address.is_loopback() || own || self.assumed;
            if !address.is_loopback() && !own {
                self.unsure = Some(rule.text.clone());
            }
            packet.destination = address;
        }
        packet.destination_port = port.unwrap_or(packet.destination_port);
        self.translated = Some(before != (packet.destination, packet.destination_port));
        self.changed = Some(Outcome::DestinationChanged { to: to.to_owned() });
        Left::Table
    }

    /// Whether a rule matches the packet; none where that is unknown. One condition that certainly fails decides.
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
        if let Some(trail) = &mut self.trail {
            let condition = decides.map(ToString::to_string).unwrap_or_default();
            trail.push(Step {
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
}

#[cfg(test)]
pub(crate) mod tests;
