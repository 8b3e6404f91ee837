//! A packet's way through the rules, as the kernel takes it.

use std::net::IpAddr;

use super::rules::{
    AddressKind, Match, Network, Policy, Protocol, Rule, RuleSet, Side, Table, Target,
};

/// Chains do not nest deeper than this. The kernel refuses loops when rules are loaded; a text may hold
/// one all the same.
const DEPTH: usize = 64;

/// The longest way that is followed, in rules.
const STEPS: usize = 20_000;

/// Where a packet comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A process of this host sends it.
    Outbound,
    /// It arrives, for this host.
    Inbound,
}

/// A packet, the first of its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes in.
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
    /// The interface that it leaves by, or arrives at.
    pub interface: String,
    /// Who sends it, where a process of this host does.
    pub user: Option<u32>,
    /// Whose group sends it, where a process of this host does.
    pub group: Option<u32>,
    /// Whether its destination is an address of this host.
    pub to_this_host: bool,
    /// Whether its source is an address of this host.
    pub from_this_host: bool,
    /// Its mark.
    pub mark: u32,
}

/// Where a packet ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At a port of this host, instead of where it was to go.
    Redirected {
        /// The port.
        port: u16,
    },
    /// At another destination, as the rule writes it.
    DestinationChanged {
        /// Where to.
        to: String,
    },
    /// At a port of this host, with its destination as it was.
    TransparentlyProxied {
        /// The port.
        port: u16,
    },
    /// Where it was to go.
    Accepted,
    /// Nowhere.
    Dropped,
    /// It cannot be told: a rule that is not understood may decide.
    Unjudged {
        /// The rule.
        rule: String,
        /// Why it cannot be told.
        why: String,
    },
}

/// One rule on the way that could have been for the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule, as it was written.
    pub rule: String,
    /// The line that it stands on.
    pub line: usize,
}

/// A packet's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Where it ends.
    pub outcome: Outcome,
    /// The rules that it matched, in order.
    pub trail: Vec<Step>,
}

impl Walk {
    /// The way in a few words: `PREROUTING → ISTIO_INBOUND → ISTIO_IN_REDIRECT → port 15006`.
    pub fn summary(&self) -> String {
        let mut words: Vec<&str> = Vec::new();
        for step in &self.trail {
            if words.last() != Some(&step.chain.as_str()) {
                words.push(&step.chain);
            }
        }
        let end = self.outcome.to_string();
        words.push(&end);
        words.join(" → ")
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redirected { port } => write!(f, "redirected to port {port}"),
            Self::DestinationChanged { to } => write!(f, "sent to {to}"),
            Self::TransparentlyProxied { port } => write!(f, "proxied by port {port}"),
            Self::Accepted => f.write_str("let through"),
            Self::Dropped => f.write_str("dropped"),
            Self::Unjudged { rule, why } => write!(f, "unjudged, {why}: {rule}"),
        }
    }
}

/// The way of the first packet of a connection through these rules.
pub fn walk(rules: &RuleSet, packet: &Packet) -> Walk {
    let mut walker =
        Walker { rules, packet: packet.clone(), trail: Vec::new(), steps: 0, changed: None };
    let stages: &[(&str, &str)] = match packet.hook {
        Hook::Outbound => &[
            ("raw", "OUTPUT"),
            ("mangle", "OUTPUT"),
            ("nat", "OUTPUT"),
            ("filter", "OUTPUT"),
            ("mangle", "POSTROUTING"),
        ],
        Hook::Inbound => &[
            ("raw", "PREROUTING"),
            ("mangle", "PREROUTING"),
            ("nat", "PREROUTING"),
            ("mangle", "INPUT"),
            ("filter", "INPUT"),
        ],
    };
    for (table, chain) in stages {
        // A packet whose destination was taken by a proxy is not translated as well.
        if *table == "nat" && matches!(walker.changed, Some(Outcome::TransparentlyProxied { .. })) {
            continue;
        }
        if let Some(outcome) = walker.stage(table, chain) {
            return Walk { outcome, trail: walker.trail };
        }
    }
    Walk { outcome: walker.changed.unwrap_or(Outcome::Accepted), trail: walker.trail }
}

struct Walker<'a> {
    rules: &'a RuleSet,
    packet: Packet,
    trail: Vec<Step>,
    steps: usize,
    /// What a table has done to the packet's destination.
    changed: Option<Outcome>,
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

impl Walker<'_> {
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
        let unjudged = |rule: &str, why: &str| {
            Left::End(Outcome::Unjudged { rule: rule.to_owned(), why: why.to_owned() })
        };
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
            let matched = self.matches(rule);
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
            self.trail.push(Step {
                table: table.name.clone(),
                chain: name.to_owned(),
                rule: rule.text.clone(),
                line: rule.line,
            });
            match target {
                Target::Accept => return Left::Table,
                Target::Drop => return Left::End(Outcome::Dropped),
                Target::Return => return Left::Back,
                Target::Jump(to) => match self.chain(table, to, depth + 1) {
                    Left::Back => {}
                    left => return left,
                },
                // Back from there leads to the chain before this one.
                Target::Goto(to) => return self.chain(table, to, depth + 1),
                Target::Mark { value, mask } => {
                    self.packet.mark = (self.packet.mark & !mask) ^ value;
                }
                Target::Redirect(ports) => {
                    let port = match ports {
                        None => self.packet.destination_port,
                        Some((first, last)) if first == last => *first,
                        Some(_) => {
                            return unjudged(&rule.text, "it redirects to one of several ports");
                        }
                    };
                    self.packet.destination_port = port;
                    self.packet.to_this_host = true;
                    if self.packet.hook == Hook::Outbound && self.packet.destination.is_ipv4() {
                        self.packet.destination = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
                    }
                    self.changed = Some(Outcome::Redirected { port });
                    return Left::Table;
                }
                Target::DestinationNat(to) => {
                    self.changed = Some(Outcome::DestinationChanged { to: to.clone() });
                    return Left::Table;
                }
                Target::TransparentProxy(port) => {
                    self.changed = Some(Outcome::TransparentlyProxied { port: *port });
                    return Left::Table;
                }
                Target::Nothing(_) => {}
                Target::Unknown(_) => return unjudged(&rule.text, "its target is not known"),
            }
        }
        Left::Back
    }

    /// Whether a rule is for the packet: nothing where it cannot be told. One condition that certainly
    /// does not hold is enough to tell.
    fn matches(&self, rule: &Rule) -> Option<bool> {
        let mut certain = true;
        for condition in &rule.matches {
            match self.holds(condition) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => certain = false,
            }
        }
        certain.then_some(true)
    }

    fn holds(&self, condition: &Match) -> Option<bool> {
        let packet = &self.packet;
        let has_ports = matches!(packet.protocol, Protocol::Tcp | Protocol::Udp);
        let (not, holds) = match condition {
            Match::Address { not, side, network } => (not, self.lies_in(*side, network)),
            Match::InInterface { not, name } => {
                (not, packet.hook == Hook::Inbound && named(name, &packet.interface))
            }
            Match::OutInterface { not, name } => {
                (not, packet.hook == Hook::Outbound && named(name, &packet.interface))
            }
            Match::Protocol { not, protocol } => (not, *protocol == packet.protocol),
            // Without ports the match fails, negated or not.
            Match::Ports { .. } if !has_ports => return Some(false),
            Match::Ports { not, side, ranges } => {
                let port = match side {
                    Side::Source => packet.source_port,
                    Side::Destination => packet.destination_port,
                };
                (not, ranges.iter().any(|(first, last)| (first..=last).contains(&&port)))
            }
            // Without a socket there is no owner, and the kernel's match fails: negated, it holds.
            Match::User { not, range: (first, last) } => {
                (not, packet.user.is_some_and(|user| (*first..=*last).contains(&user)))
            }
            Match::Group { not, range: (first, last) } => {
                (not, packet.group.is_some_and(|group| (*first..=*last).contains(&group)))
            }
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
            Match::State { not, states } => (not, states.iter().any(|state| state == "NEW")),
            Match::Mark { not, value, mask } => (not, packet.mark & mask == *value),
        };
        Some(holds != *not)
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
pub(super) mod tests {
    use super::super::parse;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    pub(in crate::iptables) fn outbound(user: u32, port: u16) -> Packet {
        Packet {
            hook: Hook::Outbound,
            protocol: Protocol::Tcp,
            source: "10.244.0.7".parse().unwrap(),
            destination: "10.96.1.1".parse().unwrap(),
            source_port: 40_000,
            destination_port: port,
            interface: "eth0".into(),
            user: Some(user),
            group: Some(user),
            to_this_host: false,
            from_this_host: true,
            mark: 0,
        }
    }

    pub(in crate::iptables) fn inbound(port: u16) -> Packet {
        Packet {
            hook: Hook::Inbound,
            source: "10.244.0.9".parse().unwrap(),
            destination: "10.244.0.7".parse().unwrap(),
            user: None,
            group: None,
            to_this_host: true,
            from_this_host: false,
            ..outbound(0, port)
        }
    }

    fn end(rules: &str, packet: &Packet) -> Outcome {
        walk(&parse(rules).unwrap(), packet).outcome
    }

    fn nat(rules: &str) -> String {
        let chains = ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]";
        format!("*nat\n{chains}\n{rules}\nCOMMIT\n")
    }

    const TO_1: Outcome = Outcome::Redirected { port: 1 };

    #[rstest]
    // The end of a user chain, and RETURN in it, lead back behind the jump.
    #[case("-A OUTPUT -j A\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", TO_1)]
    #[case("-A OUTPUT -j A\n-A A -j RETURN\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", TO_1)]
    // RETURN in a built-in chain is its policy, ACCEPT ends the table.
    #[case("-A OUTPUT -j RETURN\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", Outcome::Accepted)]
    #[case(
        "-A OUTPUT -j A\n-A A -j ACCEPT\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1",
        Outcome::Accepted
    )]
    // Back from a goto leads to the chain before the one that went.
    #[case(
        "-A OUTPUT -j A\n-A A -g B\n-A A -p tcp -j REDIRECT --to-ports 2\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1",
        TO_1
    )]
    // The first rule that matches wins.
    #[case(
        "-A OUTPUT -p tcp -j REDIRECT --to-ports 1\n-A OUTPUT -p tcp -j REDIRECT --to-ports 2",
        TO_1
    )]
    // LOG lets it go on, MARK as well, and the mark is there afterwards.
    #[case("-A OUTPUT -j LOG --log-prefix x\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", TO_1)]
    #[case(
        "-A OUTPUT -j MARK --set-mark 7\n-A OUTPUT -m mark --mark 7 -p tcp -j REDIRECT --to-ports 1",
        TO_1
    )]
    // An unknown match decides nothing where another one fails for certain.
    #[case(
        "-A OUTPUT -p udp -m set --match-set x dst -j ACCEPT\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1",
        TO_1
    )]
    #[case("-A OUTPUT -o eth+ -p tcp -j REDIRECT --to-ports 1", TO_1)]
    #[case("-A OUTPUT -o lo -p tcp -j REDIRECT --to-ports 1", Outcome::Accepted)]
    #[case("-A OUTPUT -i eth0 -p tcp -j REDIRECT --to-ports 1", Outcome::Accepted)]
    #[case(
        "-A OUTPUT -m conntrack --ctstate ESTABLISHED -p tcp -j REDIRECT --to-ports 1",
        Outcome::Accepted
    )]
    fn the_kernels_ways_are_taken(#[case] rules: &str, #[case] outcome: Outcome) {
        assert_eq!(end(&nat(rules), &outbound(1000, 80)), outcome);
    }

    #[rstest]
    #[case("-A OUTPUT -m set --match-set x dst -j ACCEPT", "match that is not known")]
    #[case("-A OUTPUT -j SYNPROXY", "target is not known")]
    #[case("-A OUTPUT -p tcp -j REDIRECT --to-ports 1-9", "one of several ports")]
    #[case("-A OUTPUT -j A\n-A A -j B\n-A B -j A", "without end")]
    #[case("-A OUTPUT -g NOWHERE", "not there")]
    fn what_is_not_understood_is_never_guessed(#[case] rules: &str, #[case] words: &str) {
        match end(&nat(rules), &outbound(1000, 80)) {
            Outcome::Unjudged { why, .. } => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn policies_and_later_tables_count() {
        let dropped = "*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n";
        assert_eq!(end(dropped, &outbound(1, 80)), Outcome::Dropped);
        let both = format!(
            "{}*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp --dport 1 -j DROP\nCOMMIT\n",
            nat("-A OUTPUT -p tcp -j REDIRECT --to-ports 1")
        );
        assert_eq!(end(&both, &outbound(1, 80)), Outcome::Dropped, "the filter sees the new port");
    }

    const LOGGED: [&str; 2] = [
        include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log"),
        include_str!("../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log"),
    ];

    #[rstest]
    #[case(inbound(5678), Outcome::Redirected { port: 15006 })]
    #[case(inbound(1), Outcome::Redirected { port: 15006 })]
    #[case(inbound(15090), Outcome::Accepted)]
    #[case(inbound(15021), Outcome::Accepted)]
    #[case(outbound(100, 80), Outcome::Redirected { port: 15001 })]
    #[case(outbound(1337, 80), Outcome::Accepted)]
    fn real_rules_lead_where_istio_says(#[case] packet: Packet, #[case] outcome: Outcome) {
        for log in LOGGED {
            let rules = super::super::rules_in_log(log).unwrap().rules;
            assert_eq!(walk(&rules, &packet).outcome, outcome);
        }
    }

    #[test]
    fn the_way_is_told() {
        let rules = super::super::rules_in_log(LOGGED[0]).unwrap().rules;
        assert_eq!(
            walk(&rules, &inbound(5678)).summary(),
            "PREROUTING → ISTIO_INBOUND → ISTIO_IN_REDIRECT → redirected to port 15006"
        );
    }

    #[rstest]
    // The application speaks to itself by its pod's address, through the loopback interface.
    #[case("127.0.0.1", 1000, Outcome::Accepted)]
    #[case("10.244.0.7", 1000, Outcome::Accepted)]
    #[case("127.0.0.1", 1337, Outcome::Accepted)]
    // The proxy calls its own application by the pod's address: that is inbound traffic.
    #[case("10.244.0.7", 1337, Outcome::Redirected { port: 15006 })]
    fn loopback_is_told_apart(#[case] to: &str, #[case] user: u32, #[case] outcome: Outcome) {
        let rules = super::super::rules_in_log(LOGGED[0]).unwrap().rules;
        let packet = Packet {
            destination: to.parse().unwrap(),
            interface: "lo".into(),
            to_this_host: true,
            ..outbound(user, 8080)
        };
        assert_eq!(walk(&rules, &packet).outcome, outcome);
    }

    proptest! {
        #[test]
        fn every_walk_ends(
            rules in proptest::collection::vec(
                "-A (OUTPUT|A|B) (-p tcp |-o lo |! -o lo |-m x )?-[jg] (A|B|RETURN|ACCEPT|LOG|X)", 0..30)
        ) {
            let rules = parse(&nat(&rules.join("\n"))).unwrap();
            let walk = walk(&rules, &outbound(1, 80));
            prop_assert!(walk.trail.len() <= STEPS);
        }
    }
}
