//! Loads rules into the kernel, sends packets, and holds where they end against what the walker says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use meshcheck_netfilter::{
    ConnectionState, Family, Hook, Outcome, Packet, Policy, Protocol, RuleSet, Walk, parse, walk,
};

use crate::hosts::{Hosts, POD, POD_SECOND, Place, in_family, place_of, run};
use crate::packets::{IN, OUT, arriving, leaving, of_family};
use crate::rules;
use crate::sender::Sender;
use crate::sightings::{Lookout, Sighting, Sightings};

/// How long what should arrive may take.
const CEILING: Duration = Duration::from_secs(2);
/// How long two new hosts may take until they reach each other, and how often it is tried.
const BEGINNING: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(50);
/// How long what should not arrive is waited for, from the last arrival on. On one machine the kernel
/// delivers before the sender goes on.
const QUIET: Duration = Duration::from_millis(5);

/// Source ports begin here; each packet of a run has another one.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 60_000;
/// A random set of packets has fewer than this.
pub(crate) const MOST_PACKETS: u16 = 16;

/// All tables, empty.
const EMPTY: [(&str, &str); 4] = [
    ("raw", ":PREROUTING ACCEPT\n:OUTPUT ACCEPT\n"),
    (
        "mangle",
        ":PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n",
    ),
    ("nat", ":PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"),
    ("filter", ":INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n"),
];

/// Connections are only followed while a rule asks for them: one that does nothing.
const WATCHING: &str = "*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n\
                        -A PREROUTING -m conntrack --ctstate NEW\nCOMMIT\n";

/// Everything that is needed to compare.
pub(crate) struct Bench {
    /// `iptables-legacy` or `iptables-nft`.
    flavour: &'static str,
    family: Family,
    pub(crate) hosts: Hosts,
    lookout: Lookout,
    next_port: u16,
    /// How many packets were compared, by what they show.
    pub(crate) totals: BTreeMap<String, usize>,
}

impl Bench {
    /// With a program for the rules, `iptables-legacy` or `iptables-nft`, and what it is called for this family.
    pub(crate) fn new(flavour: &'static str, family: Family) -> Self {
        let hosts = Hosts::new();
        let lookout = Lookout::new(&hosts, family);
        let (next_port, totals) = (FIRST_PORT, BTreeMap::new());
        let mut bench = Self { flavour, family, hosts, lookout, next_port, totals };
        bench.load("").unwrap_or_else(|said| panic!("{flavour} does not work here: {said}"));
        bench.wait_until_connected();
        bench
    }

    /// What is sent before an interface is really up is lost: waits until both have let a packet through,
    /// each way.
    fn wait_until_connected(&self) {
        let out = OUT.into_iter().map(|(from, to)| leaving(from, to));
        let into = IN.into_iter().map(|(from, to, interface)| arriving(from, to, interface));
        let ways: Vec<_> = out.chain(into).collect();
        let first = FIRST_PORT - u16::try_from(ways.len()).unwrap();
        let until = Instant::now() + BEGINNING;
        let mut seen = Sightings::new();
        for (source_port, way) in (first..).zip(ways) {
            let packet = Packet { protocol: Protocol::Udp, source_port, ..way };
            let packet = of_family(self.family, &packet);
            let sender = Sender::new(&self.hosts, &packet);
            while !seen.contains_key(&source_port) {
                assert!(Instant::now() < until, "never arrived in {BEGINNING:?}: {packet:?}");
                sender.send();
                self.lookout.take(&mut seen, Instant::now() + AGAIN);
            }
        }
        self.settle(&mut seen);
    }

    /// Source ports for the next packets: the first of so many.
    pub(crate) fn ports(&mut self, count: usize) -> u16 {
        let count = u16::try_from(count).unwrap();
        if self.next_port + count > LAST_PORT {
            self.next_port = FIRST_PORT;
        }
        let first = self.next_port;
        self.next_port += count;
        first
    }

    /// Loads rules; tables that they do not name are emptied.
    pub(crate) fn load(&mut self, rules: &str) -> Result<(), String> {
        let mut all = rules.to_owned();
        for (table, chains) in EMPTY {
            if !rules.lines().any(|line| line.trim_start_matches(['*', ' ']) == table) {
                write!(all, "*{table}\n{chains}COMMIT\n").unwrap();
            }
        }
        self.hosts.enter(Place::Pod);
        run(&self.program("restore"), &["-w"], &all).map(drop)
    }

    fn saved(&self) -> String {
        self.hosts.enter(Place::Pod);
        run(&self.program("save"), &[], "").expect("saving the rules")
    }

    fn program(&self, verb: &str) -> String {
        let flavour = match self.family {
            Family::V4 => self.flavour.to_owned(),
            Family::V6 => self.flavour.replace("iptables", "ip6tables"),
        };
        format!("{flavour}-{verb}")
    }

    /// Sends packets through rules. Rules and packets of IPv4 stand for those of the other family. Every packet must end where the walker says; so must, for the
    /// walker, the rules as the kernel gives them back, and in their normal form.
    ///
    /// # Errors
    ///
    /// With the rules and the packet that end differently.
    pub(crate) fn compare(&mut self, rules: &str, packets: &[Packet]) -> Result<(), String> {
        let rules = &rules::of_family(self.family, rules);
        let packets: Vec<_> = packets.iter().map(|it| of_family(self.family, it)).collect();
        let packets = packets.as_slice();
        let tell = |packet: &Packet, what: String| format!("{what}\n{packet:?}\nrules:\n{rules}");
        let parsed = parse(rules).map_err(|error| format!("{error}\nrules:\n{rules}"))?;
        let mut senders: Vec<Option<Sender>> = packets.iter().map(|_| None).collect();
        if packets.iter().any(|packet| packet.state == ConnectionState::Established) {
            self.load(WATCHING).expect("a rule that does nothing");
            for (sender, packet) in senders.iter_mut().zip(packets) {
                if packet.state == ConnectionState::Established {
                    *sender = Some(Sender::new(&self.hosts, packet));
                }
            }
            self.settle(&mut Sightings::new());
        }
        self.load(rules).map_err(|said| format!("refused: {said}\nrules:\n{rules}"))?;
        let saved = parse(&self.saved()).map_err(|error| format!("{error}\nrules:\n{rules}"))?;
        let mut ways = Vec::new();
        for packet in packets {
            let way = walk(&parsed, packet);
            for (what, others) in [("saved", &saved), ("normal", &normal(&parsed)?)] {
                let other = walk(others, packet).outcome;
                if !same(&way.outcome, &other) {
                    let what = format!("{} as written, {other} in the form {what}", way.outcome);
                    return Err(tell(packet, what));
                }
            }
            ways.push(way);
        }
        for (sender, packet) in senders.iter_mut().zip(packets) {
            sender.get_or_insert_with(|| Sender::new(&self.hosts, packet)).send();
        }
        let mut seen = Sightings::new();
        let until = Instant::now() + CEILING;
        let missing = |seen: &Sightings| {
            packets.iter().zip(&ways).any(|(packet, way)| {
                let expected = expected(packet, way);
                !matches!(expected, None | Some(End::Nowhere))
                    && !seen.contains_key(&packet.source_port)
            })
        };
        while missing(&seen) && Instant::now() < until {
            self.lookout.take(&mut seen, until);
        }
        self.settle(&mut seen);
        for (packet, way) in packets.iter().zip(&ways) {
            let sighting = seen.remove(&packet.source_port).unwrap_or_default();
            let Some(end) = expected(packet, way) else { continue };
            let agree = match end {
                End::Nowhere => sighting == Sighting::default(),
                End::Refused => sighting.refused && sighting.arrived.is_empty(),
                End::At(place, address, port) => sighting.arrived == [(place, address, port)],
            };
            if !agree {
                let what = format!("the kernel: {sighting:?}\nthe walker: {}", way.summary());
                return Err(tell(packet, what));
            }
            self.count(packet, way);
        }
        // A packet of an earlier set that comes now was taken for one that never does.
        match seen.iter().find(|(_, sighting)| !sighting.arrived.is_empty()) {
            Some((port, late)) => Err(format!("from port {port} {late:?} came late")),
            None => Ok(()),
        }
    }

    /// Takes in what still comes, until nothing does.
    fn settle(&self, seen: &mut Sightings) {
        while self.lookout.take(seen, Instant::now() + QUIET) {}
    }

    fn count(&mut self, packet: &Packet, way: &Walk) {
        for word in words(packet, way) {
            *self.totals.entry(word.to_owned()).or_default() += 1;
        }
    }
}

/// Where a packet is to be seen.
#[derive(Debug)]
enum End {
    At(Place, IpAddr, u16),
    Nowhere,
    Refused,
}

/// Where a packet that goes this way is to be seen; nothing where that cannot be told.
fn expected(packet: &Packet, way: &Walk) -> Option<End> {
    let to = packet.destination;
    if goes_astray(packet, way) {
        return None;
    }
    let here = match (packet.hook, packet.interface.as_str()) {
        (Hook::Outbound, _) => Ipv4Addr::LOCALHOST,
        // The first address of the interface.
        (Hook::Inbound, "net1") => POD_SECOND,
        (Hook::Inbound, _) => POD,
    };
    let here = in_family(Family::of(to), here);
    let port = packet.destination_port;
    Some(match &way.outcome {
        Outcome::Accepted => End::At(place_of(to), to, port),
        Outcome::Redirected { port } => End::At(Place::Pod, here, *port),
        Outcome::RedirectedHere => End::At(Place::Pod, here, port),
        Outcome::DestinationChanged { to: changed } => {
            let (address, port) = destination(packet, changed);
            End::At(place_of(address), address, port)
        }
        Outcome::Dropped => End::Nowhere,
        Outcome::Rejected => End::Refused,
        Outcome::TransparentlyProxied { .. } | Outcome::Unjudged { .. } => return None,
    })
}

/// Address and port behind a rule that changes one of them or both.
fn destination(packet: &Packet, changed: &str) -> (IpAddr, u16) {
    let (address, port) = (packet.destination, packet.destination_port);
    let both = changed.parse().map(|both: SocketAddr| (both.ip(), both.port()));
    both.or_else(|_| changed.trim_matches(['[', ']']).parse().map(|address| (address, port)))
        .unwrap_or_else(|_| (address, changed.trim_start_matches(':').parse().unwrap()))
}

/// Whether the kernel drops the packet for its address, before the rules that follow: a loopback address
/// of IPv6 passes no other interface. For IPv4, `route_localnet` allows it.
fn goes_astray(packet: &Packet, way: &Walk) -> bool {
    let changed = |rule: &str| {
        let (_, rest) = rule.split_once("--to-destination ")?;
        rest.split_whitespace().next().map(ToOwned::to_owned)
    };
    packet.destination.is_ipv6()
        && way.matched().filter_map(|step| changed(&step.rule)).any(|changed| {
            let (address, _) = destination(packet, &changed);
            let comes_in = packet.hook == Hook::Inbound && address.is_loopback();
            let goes_out = packet.source.is_loopback() && place_of(address) == Place::Peer;
            comes_in || goes_out
        })
}

/// Whether two forms of the same rules lead to the same end. What cannot be told names the rule as it is
/// written, and that differs.
fn same(one: &Outcome, other: &Outcome) -> bool {
    let unjudged = |it: &Outcome| matches!(it, Outcome::Unjudged { .. });
    one == other || (unjudged(one) && unjudged(other))
}

/// The rules, each in its normal form: two that are written alike there must mean the same.
fn normal(rules: &RuleSet) -> Result<RuleSet, String> {
    let mut text = String::new();
    for table in &rules.tables {
        writeln!(text, "*{}", table.name).unwrap();
        for chain in &table.chains {
            let policy = match chain.policy {
                Some(Policy::Accept) => "ACCEPT",
                Some(Policy::Drop) => "DROP",
                None => "-",
            };
            writeln!(text, ":{} {policy}", chain.name).unwrap();
        }
        for chain in &table.chains {
            for rule in &chain.rules {
                writeln!(text, "-A {} {}", chain.name, rule.normal()).unwrap();
            }
        }
        text.push_str("COMMIT\n");
    }
    parse(&text).map_err(|error| format!("{error}\nin normal form:\n{text}"))
}

/// What a compared packet shows.
fn words(packet: &Packet, way: &Walk) -> Vec<&'static str> {
    let by_owner = |rule: &str| rule.contains("-owner") && rule.ends_with("-j RETURN");
    let mut words = vec![match &way.outcome {
        Outcome::Unjudged { .. } | Outcome::TransparentlyProxied { .. } => return vec!["unjudged"],
        Outcome::Accepted => "accepted",
        Outcome::Redirected { .. } => "redirected",
        Outcome::RedirectedHere => "redirected to the same port",
        Outcome::DestinationChanged { .. } => "sent elsewhere",
        Outcome::Dropped => "dropped",
        Outcome::Rejected => "rejected",
    }];
    words.push("compared");
    words.push(if packet.hook == Hook::Outbound { "outbound" } else { "inbound" });
    words.push(match packet.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Other(_) => "ICMP",
    });
    let matched = |holds: &dyn Fn(&str) -> bool| way.matched().any(|step| holds(&step.rule));
    if matched(&by_owner) {
        words.push("returned by owner");
    }
    if matched(&|rule| rule.contains(" -g ")) {
        words.push("by a goto");
    }
    if matched(&|rule| rule.contains("! ")) {
        words.push("by a negation");
    }
    match packet.state {
        ConnectionState::Established => words.push("established"),
        ConnectionState::Invalid => words.push("invalid"),
        _ => {}
    }
    if packet.hook == Hook::Inbound && !packet.to_this_host {
        words.push("forwarded");
    }
    words
}
