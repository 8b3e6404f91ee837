//! Random rules, in the shapes that Istio uses: chains that call each other, owners, ports, networks.
//!
//! A rule is made of parts that do not know where it will stand. What iptables would refuse there is left
//! out when it is written: so a failing set shrinks part by part.

use std::fmt::Write as _;

use meshcheck_netfilter::Family;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use crate::bench::MOST_PACKETS;
use crate::conditions::{negated, network, other_condition, owner, port_conditions};
use crate::hosts::in_family;
use crate::packets::{MARKS, PORTS};

/// Tables with their built-in chains, and the chains of meshcheck. Those of `I` are for what arrives, those
/// of `O` for what leaves, those of `S` for both.
const TABLES: [(&str, &[&str], &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"], &["I1", "O1"]),
    (
        "mangle",
        &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        &["I1", "I2", "O1", "O2", "S1"],
    ),
    (
        "nat",
        &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        &["I1", "I2", "O1", "O2", "O3", "S1", "S2"],
    ),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"], &["I1", "I2", "O1", "O2", "S1"]),
];

/// A refusal has to reach its sender through the same rules.
const REFUSALS: &str = "-p icmp -m icmp --icmp-type destination-unreachable -j ACCEPT";

/// The parts of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    protocol: &'static str,
    /// Conditions that need a protocol with ports.
    ports: Vec<String>,
    source: Option<String>,
    destination: Option<String>,
    arriving: Option<String>,
    leaving: Option<String>,
    owner: Option<String>,
    /// Conditions that can stand anywhere.
    others: Vec<String>,
    target: u8,
    /// Which port, chain or mark the target has.
    which: u8,
}

/// Tables, chains, rules.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// One list for each chain of [`TABLES`], in that order.
    chains: Vec<Vec<Parts>>,
    /// Which built-in chain drops at its end, where one does.
    drops: Option<u8>,
    /// Whether the nat table leads on as Istio's does: without, most packets meet no rule.
    led: bool,
}

/// How Istio's nat table leads on: chains, with what stands before their other rules and behind them.
const LEADING: [(&str, &str, &str); 6] = [
    ("PREROUTING", "-p tcp -j I1", ""),
    ("OUTPUT", "-p tcp -j O1", ""),
    ("I1", "", "-j S2"),
    ("O1", "-p tcp -j O2", "-j O3"),
    ("O3", "-m owner --uid-owner 1337 -j RETURN", "-j S2"),
    ("S2", "", "-p tcp -j REDIRECT --to-ports 15001"),
];

fn parts() -> impl Strategy<Value = Parts> {
    let protocol = prop_oneof![
        3 => Just(""),
        9 => Just("-p tcp"),
        2 => Just("-p udp"),
        1 => Just("! -p tcp"),
        1 => Just("! -p udp"),
        1 => Just("-p icmp"),
    ];
    let name = || select(&["lo", "eth0", "net1", "eth+", "net+", "l+"][..]);
    let networks = |option: &'static str| {
        let written =
            move |(not, network)| format!("{}{option} {network}", if not { "! " } else { "" });
        weighted(0.15, network().prop_map(written))
    };
    let interfaces = |option: &'static str| {
        weighted(0.1, negated(name().prop_map(move |it| format!("{option} {it}"))))
    };
    let others = prop::collection::vec(other_condition(), 0..2);
    (
        (protocol, port_conditions(), networks("-s"), networks("-d")),
        (interfaces("-i"), interfaces("-o"), weighted(0.4, owner())),
        prop_oneof![4 => Just(Vec::new()), 1 => others],
        any::<u8>(),
        any::<u8>(),
    )
        .prop_map(|(ip, (arriving, leaving, owner), others, target, which)| {
            let (protocol, ports, source, destination) = ip;
            Parts {
                protocol,
                ports,
                source,
                destination,
                arriving,
                leaving,
                owner,
                others,
                target,
                which,
            }
        })
}

/// A set of rules. The nat table always has some, the others seldom.
pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let mut chains: Vec<BoxedStrategy<Vec<Parts>>> = Vec::new();
    let some = |most: usize| prop::collection::vec(parts(), 0..=most).boxed();
    for (table, built_in, own) in TABLES {
        for chain in built_in.iter().chain(own) {
            chains.push(match (table, *chain) {
                ("nat", "OUTPUT" | "PREROUTING") => some(5),
                ("nat", "INPUT" | "POSTROUTING") => some(1),
                ("nat", _) => some(3),
                ("raw", _) => prop_oneof![5 => Just(Vec::new()), 1 => some(2)].boxed(),
                (_, "I1" | "I2" | "O1" | "O2" | "S1") => some(2),
                ("filter", _) => prop_oneof![1 => Just(Vec::new()), 2 => some(2)].boxed(),
                _ => prop_oneof![2 => Just(Vec::new()), 1 => some(2)].boxed(),
            });
        }
    }
    (chains, weighted(0.05, any::<u8>()), any::<bool>()).prop_map(|(chains, drops, led)| Rules {
        chains,
        drops,
        led,
    })
}

impl Rules {
    /// As `iptables-restore` reads them; source ports count from `first_port`.
    pub(crate) fn written(&self, first_port: u16) -> String {
        let mut text = String::new();
        let mut chains = self.chains.iter();
        let mut at = 0;
        for (table, built_in, own) in TABLES {
            writeln!(text, "*{table}").unwrap();
            let mut rules = String::new();
            for chain in built_in {
                let drops = table != "nat" && self.drops.is_some_and(|drops| drops % 14 == at);
                at += 1;
                writeln!(text, ":{chain} {}", if drops { "DROP" } else { "ACCEPT" }).unwrap();
            }
            for chain in own {
                writeln!(text, ":{chain} -").unwrap();
            }
            for chain in built_in.iter().chain(own) {
                let all = chains.next().unwrap();
                let mut lines: Vec<_> =
                    all.iter().map(|parts| parts.written(table, chain, own)).collect();
                if self.led && table == "nat" {
                    lead(chain, &mut lines);
                }
                for line in lines {
                    writeln!(rules, "-A {chain} {line}").unwrap();
                }
            }
            if table != "nat" && self.refuses() {
                for chain in built_in {
                    writeln!(text, "-A {chain} {REFUSALS}").unwrap();
                }
            }
            writeln!(text, "{rules}COMMIT").unwrap();
        }
        for place in (0..MOST_PACKETS).rev() {
            text = text.replace(&format!("@{place}@"), &(first_port + place).to_string());
        }
        text
    }

    /// Whether a rule may refuse: the filter table comes last.
    fn refuses(&self) -> bool {
        let filter = TABLES[3].1.len() + TABLES[3].2.len();
        let rules = self.chains[self.chains.len() - filter..].iter().flatten();
        rules.into_iter().any(|parts| parts.written("filter", "I2", &[]).contains("REJECT"))
    }
}

/// Rules of a family that stand for these of IPv4.
pub(crate) fn of_family(family: Family, rules: &str) -> String {
    if family == Family::V4 {
        return rules.to_owned();
    }
    let lines = rules.lines().map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let word = |at: usize| match (words.get(at.wrapping_sub(1)), words[at]) {
            (Some(&"-p"), "icmp") => "ipv6-icmp".to_owned(),
            (Some(&"-m"), "icmp") => "icmp6".to_owned(),
            (_, "--icmp-type") => "--icmpv6-type".to_owned(),
            (_, word) => address_of_family(word).unwrap_or_else(|| word.to_owned()),
        };
        (0..words.len()).map(word).collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

/// An address of IPv6 in the place of one of IPv4, with a length or a port behind it.
fn address_of_family(word: &str) -> Option<String> {
    let v6 = |address: &str| Some(in_family(Family::V6, address.parse().ok()?));
    if let Some((address, length)) = word.split_once('/') {
        let length: u8 = length.parse().ok()?;
        let length = if length == 0 { 0 } else { 96 + length };
        return Some(format!("{}/{length}", v6(address)?));
    }
    if let Some((address, port)) = word.split_once(':').filter(|(address, _)| !address.is_empty()) {
        return Some(format!("[{}]:{port}", v6(address)?));
    }
    Some(v6(word)?.to_string())
}

fn lead(chain: &str, lines: &mut Vec<String>) {
    for (_, before, behind) in LEADING.iter().filter(|(name, ..)| *name == chain) {
        if !before.is_empty() {
            lines.insert(0, (*before).to_owned());
        }
        if !behind.is_empty() {
            lines.push((*behind).to_owned());
        }
    }
}

impl Parts {
    /// Without `-A` and the chain's name.
    fn written(&self, table: &str, chain: &str, own: &[&str]) -> String {
        let has_ports = matches!(self.protocol, "-p tcp" | "-p udp");
        let leaves = chain.starts_with('O') || chain == "POSTROUTING";
        let mut words: Vec<&str> = Vec::new();
        words.extend(self.source.as_deref());
        words.extend(self.destination.as_deref());
        if !matches!(chain, "OUTPUT" | "POSTROUTING") {
            words.extend(self.arriving.as_deref());
        }
        if !matches!(chain, "PREROUTING" | "INPUT") {
            words.extend(self.leaving.as_deref());
        }
        words.extend(Some(self.protocol).filter(|it| !it.is_empty()));
        if has_ports {
            words.extend(self.ports.iter().map(String::as_str));
        }
        if leaves {
            words.extend(self.owner.as_deref());
        }
        words.extend(self.others.iter().map(String::as_str));
        let target = self.target(table, chain, own, has_ports);
        words.extend(Some(target.as_str()).filter(|it| !it.is_empty()));
        words.join(" ")
    }

    fn target(&self, table: &str, chain: &str, own: &[&str], has_ports: bool) -> String {
        let which = usize::from(self.which);
        // What comes often stands here often.
        let kinds = match (table, chain) {
            ("nat", "INPUT" | "POSTROUTING") => "nothing ACCEPT RETURN mark",
            ("nat", _) => {
                "redirect redirect redirect redirect RETURN RETURN RETURN call call call call go go \
                 ACCEPT same elsewhere mark connection"
            }
            ("raw", _) => "nothing ACCEPT RETURN call mark connection NOTRACK DROP",
            ("mangle", _) => "mark mark connection connection RETURN ACCEPT call call go DROP",
            _ => "RETURN RETURN ACCEPT DROP REJECT REJECT call call go mark",
        };
        let kinds: Vec<_> = kinds.split_whitespace().collect();
        let port = PORTS[which % PORTS.len()];
        let mark = MARKS[which % MARKS.len()];
        match kinds[usize::from(self.target) % kinds.len()] {
            "nothing" => String::new(),
            "redirect" if has_ports => format!("-j REDIRECT --to-ports {port}"),
            "redirect" | "same" => "-j REDIRECT".into(),
            "elsewhere" => {
                let to = ["127.0.0.1", "10.96.0.12", "10.245.0.1", "203.0.113.8", "10.244.0.7", ""]
                    [which % 6];
                match (has_ports, to) {
                    (true, to) => format!("-j DNAT --to-destination {to}:{port}"),
                    (false, "") => "-j RETURN".into(),
                    (false, to) => format!("-j DNAT --to-destination {to}"),
                }
            }
            "mark" => {
                let how = ["--set-mark", "--set-xmark", "--or-mark", "--xor-mark"][which / 4 % 4];
                let bits =
                    if how.starts_with("--set") { ["", "/0xff"][which / 16 % 2] } else { "" };
                format!("-j MARK {how} {mark:#x}{bits}")
            }
            "connection" => match which % 3 {
                0 => format!("-j CONNMARK --set-mark {mark:#x}"),
                1 => "-j CONNMARK --save-mark".into(),
                _ => "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff".into(),
            },
            kind @ ("call" | "go") => {
                let option = if kind == "call" { "-j" } else { "-g" };
                callable(chain, own)
                    .get(which % 4)
                    .map_or("-j RETURN".into(), |to| format!("{option} {to}"))
            }
            name => format!("-j {name}"),
        }
    }
}

/// The chains that one may call: those behind it, so that there is no loop.
fn callable<'a>(chain: &str, own: &[&'a str]) -> Vec<&'a str> {
    let kinds = match chain {
        "OUTPUT" | "POSTROUTING" => "OS",
        "PREROUTING" | "INPUT" | "FORWARD" => "IS",
        _ if chain.starts_with('S') => "S",
        _ if chain.starts_with('O') => "OS",
        _ => "IS",
    };
    let start = own.iter().position(|it| *it == chain).map_or(0, |at| at + 1);
    own[start.min(own.len())..]
        .iter()
        .copied()
        .filter(|it| it.starts_with(|first| kinds.contains(first)))
        .collect()
}
