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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::parse;
    use crate::rules::{Chain, SetMark, Table, Target};
    use proptest::prelude::*;
    use rstest::rstest;

    fn a_range<T: Arbitrary + Ord + Copy>() -> impl Strategy<Value = (T, T)> {
        any::<(T, T)>().prop_map(|(one, other)| (one.min(other), one.max(other)))
    }

    fn a_side() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Source), Just(Side::Destination)]
    }

    fn a_network() -> impl Strategy<Value = Network> {
        (any::<u32>(), 1u8..=32).prop_map(|(bits, length)| {
            Network { address: IpAddr::V4(Ipv4Addr::from(bits)), length }.normal()
        })
    }

    fn a_match() -> impl Strategy<Value = Match> {
        let ranges = || proptest::collection::vec(a_range::<u16>(), 1..4);
        let unknown = prop_oneof![
            Just("-m set --match-set \"a name\" dst"),
            Just("-m bpf ! --bytecode 1,6"),
            Just("-m owner --uid-owner nobody"),
        ];
        prop_oneof![
            (any::<bool>(), a_side(), a_network())
                .prop_map(|(not, side, network)| Match::Address { not, side, network }),
            (any::<bool>(), "[a-z]{1,5}[0-9]?\\+?")
                .prop_map(|(not, name)| Match::InInterface { not, name }),
            (any::<bool>(), "[a-z]{1,5}[0-9]?\\+?")
                .prop_map(|(not, name)| Match::OutInterface { not, name }),
            (any::<bool>(), a_side(), ranges()).prop_map(|(not, side, ranges)| Match::Ports {
                not,
                side,
                ranges
            }),
            (any::<bool>(), ranges()).prop_map(|(not, ranges)| Match::EitherPort { not, ranges }),
            (any::<bool>(), a_range()).prop_map(|(not, range)| Match::User { not, range }),
            (any::<bool>(), a_range()).prop_map(|(not, range)| Match::Group { not, range }),
            (any::<bool>(), a_side()).prop_map(|(not, side)| Match::AddressType {
                not,
                side,
                kind: AddressKind::Local
            }),
            any::<bool>()
                .prop_map(|not| Match::State { not, states: vec!["NEW".into(), "INVALID".into()] }),
            any::<(bool, u32, u32)>().prop_map(|(not, value, mask)| Match::Mark {
                not,
                value,
                mask
            }),
            any::<(bool, u32, u32)>().prop_map(|(not, value, mask)| Match::ConnectionMark {
                not,
                value,
                mask
            }),
            unknown.prop_map(|text| Match::Unknown(text.into())),
        ]
    }

    fn a_target() -> impl Strategy<Value = Target> {
        let mark = || any::<(u32, u32)>().prop_map(|(value, mask)| SetMark { value, mask });
        let address = prop_oneof![Just(None), Just(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)))];
        prop_oneof![
            Just(Target::Accept),
            Just(Target::Drop),
            Just(Target::Reject("--reject-with tcp-reset".into())),
            Just(Target::Return),
            Just(Target::Jump("OWN".into())),
            Just(Target::Goto("OWN".into())),
            Just(Target::Redirect(None)),
            a_range().prop_map(|range| Target::Redirect(Some(range))),
            Just(Target::DestinationNat("10.0.0.1:80".into())),
            Just(Target::SourceNat("MASQUERADE".into())),
            (any::<u16>(), address, mark()).prop_map(|(port, address, mark)| {
                Target::TransparentProxy { port, address, mark }
            }),
            mark().prop_map(Target::Mark),
            mark().prop_map(Target::ConnectionMark),
            any::<(u32, u32)>()
                .prop_map(|(packet, connection)| Target::SaveMark { packet, connection }),
            any::<(u32, u32)>()
                .prop_map(|(packet, connection)| Target::RestoreMark { packet, connection }),
            Just(Target::NoTrack),
            Just(Target::Nothing("LOG --log-prefix \"a \\\"b\"".into())),
            Just(Target::Unknown("SYNPROXY --mss 1460".into())),
        ]
    }

    fn a_rule() -> impl Strategy<Value = Rule> {
        let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
        let matches = proptest::collection::vec(a_match(), 0..5);
        (protocol, matches, proptest::option::of(a_target())).prop_map(
            |(protocol, mut matches, target)| {
                matches.push(Match::Protocol { not: false, protocol });
                // Where they are written; the order says nothing.
                matches.sort_by_key(Match::place);
                Rule { line: 0, text: String::new(), matches, target }
            },
        )
    }

    #[test]
    fn saved_rules_are_printed_as_they_were_saved() {
        let saved =
            include_str!("../../../fixtures/observed/istio-1.20.3/live-iptables-echo-netns.txt");
        let without_comments: Vec<_> = saved.lines().filter(|it| !it.starts_with('#')).collect();
        let printed = parse(saved).unwrap().to_string();
        assert_eq!(printed.lines().collect::<Vec<_>>(), without_comments);
    }

    /// However a rule was written.
    #[rstest]
    #[case(
        "-m addrtype --dst-type LOCAL -p udp --dport 53 -o eth0 -d 10.1.0.0/16 -s 10.0.0.0/8 -j RETURN",
        "-s 10.0.0.0/8 -d 10.1.0.0/16 -o eth0 -p udp -m addrtype --dst-type LOCAL -m udp --dport 53 -j RETURN"
    )]
    #[case("-p tcp -i lo -j RETURN", "-i lo -p tcp -j RETURN")]
    #[case("-m owner --uid-owner 5 -p tcp -m tcp --syn", "-p tcp --syn -m owner --uid-owner 5")]
    #[case("-p tcp --dport 80,443", "-p tcp -m multiport --dports 80,443")]
    #[case("-m owner --uid-owner 5 --gid-owner 6", "-m owner --uid-owner 5 --gid-owner 6")]
    #[case(
        "-m owner --uid-owner 5 ! --uid-owner 6",
        "-m owner --uid-owner 5 -m owner ! --uid-owner 6"
    )]
    fn a_rule_is_printed_as_it_would_be_saved(#[case] written: &str, #[case] saved: &str) {
        let rules = parse(&format!("*nat\n:OUTPUT ACCEPT\n-A OUTPUT {written}\nCOMMIT\n")).unwrap();
        assert_eq!(rules.rules().next().unwrap().to_string(), saved);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_as_the_same(rules in proptest::collection::vec(a_rule(), 0..6)) {
            let chain = |name: &str, policy, rules| Chain { name: name.into(), policy, rules };
            let chains = vec![
                chain("OUTPUT", Some(Policy::Drop), rules),
                chain("OWN", None, Vec::new()),
            ];
            let rules = RuleSet { tables: vec![Table { name: "nat".into(), chains }] };
            let mut again = parse(&rules.to_string()).unwrap();
            for rule in again.tables.iter_mut().flat_map(|it| &mut it.chains).flat_map(|it| &mut it.rules) {
                // Where a rule stands, and how it was written, is no part of what it says.
                (rule.line, rule.text) = (0, String::new());
            }
            prop_assert_eq!(again, rules);
        }
    }
}
