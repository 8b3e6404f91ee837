//! Walks a packet through the rules in the kernel's order.

mod conditions;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::packet::{ConnectionState, Fit, Hook, Outcome, Packet, Step, Walk};
use super::rules::{Policy, Rule, RuleSet, Table, Target};
use super::targets::destination;

/// Chains do not nest deeper than this. The kernel refuses loops when rules are loaded; a text may hold
/// one all the same.
const DEPTH: usize = 64;

/// The longest walk, in rules.
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

/// Walks a packet through these rules.
pub fn walk(rules: &RuleSet, packet: &Packet) -> Walk {
    let (outcome, trail) = Walker::new(rules, packet, true).run();
    Walk { outcome, trail }
}

/// Walks a packet without recording the trail, which takes longer than the walk itself.
pub(super) fn outcome(rules: &RuleSet, packet: &Packet) -> Outcome {
    Walker::new(rules, packet, false).run().0
}

#[derive(Clone)]
struct Walker<'a> {
    rules: &'a RuleSet,
    packet: Packet,
    /// Where it is written down.
    trail: Option<Vec<Step>>,
    steps: usize,
    /// What a table has done to the packet's destination.
    changed: Option<Outcome>,
    /// Whether its destination is another one since; nothing where that is not known.
    translated: Option<bool>,
    /// Whether an address that may be this host's is taken for one.
    assumed: bool,
    /// The rule that sent the packet to such an address.
    unsure: Option<String>,
    /// Whether the connection is known already: the raw table comes before that.
    tracked: bool,
    /// Whether it was sent to this host and left by the loopback interface: it arrives there.
    looped_back: bool,
    /// What the rules have put in that a text does not tell.
    unknown: Vec<Unknown>,
}

/// What is not known of a packet on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// Its interfaces: it passes through to another host.
    Interfaces,
    /// The interface by which it leaves for another destination.
    WayOut,
    /// Its source: another one was put in.
    Source,
    /// Its destination: the first address of the interface at which it arrived.
    Destination,
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

    /// The outcome and the trail. Where a rule sends the packet to an address that may be this host's or
    /// another's, both are tried: unless they end alike the packet is unjudged.
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

    /// What a host sends to itself arrives at its loopback interface, and passes what is asked of all
    /// that arrives. Its connection and its mark it keeps.
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

    /// Tables in order; the outcome where the packet ends in one.
    fn stages(&mut self, stages: Stages) -> Option<Outcome> {
        for (table, chain) in stages {
            // The nat table says once where a connection goes; a socket that was found stays.
            let asked =
                self.packet.state.is_translated() && !self.is_proxied() && !self.looped_back;
            if *table == "nat" && !asked {
                continue;
            }
            self.tracked = *table != "raw" || self.looped_back;
            // What was turned round to this host leaves by its loopback interface.
            if *chain == "POSTROUTING" && self.changed.is_some() && self.packet.to_this_host {
                "lo".clone_into(&mut self.packet.interface);
            }
            // It is routed anew for its new destination: which way is not in the rules.
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
                return unjudged(&rule.text, "it has an unknown match");
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
            // Where there is no connection, there is none to mark.
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
            // What has a connection keeps it.
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
            Some(_) => return unjudged(&rule.text, "it redirects to one of several ports"),
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
            // The first address of the interface, which may be the one that it was going to.
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
            return unjudged(&rule.text, "it sends to one of several destinations");
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

    /// Whether a rule is for the packet: nothing where it is not known. One condition that certainly
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
