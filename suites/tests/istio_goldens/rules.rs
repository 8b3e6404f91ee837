//! The rules that istio-init sets: each rule is understood, and packets end where they ended in other versions.

use meshcheck_netfilter::{
    Family, Hook, Match, Outcome, Packet, Protocol, RuleSet, Target, parse, walk,
};

use crate::{Module, assert_lines, files, modules};

/// Targets that do not change where a packet goes.
const NOT_UNDERSTOOD: [&str; 2] = ["-j NFLOG", "-j CT"];

/// Groups by name: `iptables-save` prints their numbers.
const GROUPS: [(&str, &str); 2] =
    [("--gid-owner java", "--gid-owner 2001"), ("--gid-owner ftp", "--gid-owner 2002")];

#[test]
#[ignore = "needs the Go module of Istio: `cargo xtask test` runs it where the lab was built"]
fn needs_istio_module_packets_end_where_they_do_in_other_versions() {
    let said: Vec<_> = modules()
        .into_iter()
        .map(|module| {
            let folder = module.directory.join("tools/istio-iptables/pkg/capture/testdata");
            let goldens = files(&folder, "golden");
            assert!(goldens.len() > 20, "{}", folder.display());
            let lines =
                goldens.iter().flat_map(|(name, text)| lines(&module, name, text)).collect();
            (module, lines)
        })
        .collect();
    assert_lines("rules.txt", &said);
}

/// Returns where packets end by the rules of a golden file, a line for each family.
fn lines(module: &Module, name: &str, text: &str) -> Vec<(String, String)> {
    let jumps: Vec<_> = text
        .lines()
        .filter(|line| {
            line.ends_with("-A OUTPUT -j ISTIO_OUTPUT")
                || line.ends_with("-A OUTPUT -p tcp -j ISTIO_OUTPUT")
        })
        .collect();
    let expected = &module.profile.output_jump;
    let by_profile = jumps.iter().all(|line| line.ends_with(expected.as_str()));
    assert!(!jumps.is_empty() && by_profile, "{name} of Istio {}: {jumps:?}", module.version);
    let numbers =
        |text: String| GROUPS.iter().fold(text, |text, (name, number)| text.replace(name, number));
    let rules = [(Family::V4, numbers(v4(text))), (Family::V6, numbers(v6(text)))];
    let present = rules.into_iter().filter(|(_, text)| text.contains("-A "));
    present
        .map(|(family, text)| {
            let rules = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert_understood(name, &rules);
            (format!("{name} {family}"), outcomes(&rules, family))
        })
        .collect()
}

fn assert_understood(name: &str, rules: &RuleSet) {
    for rule in rules.rules() {
        let unknown = rule.matches.iter().any(|it| matches!(it, Match::Unknown(_)))
            || matches!(rule.target, Some(Target::Unknown(_)));
        let known = NOT_UNDERSTOOD.iter().any(|it| rule.text.contains(it));
        assert!(!unknown || known, "{name}: the walker does not understand `{}`", rule.text);
    }
}

/// The rules of IPv4 as a table after the other. Until Istio 1.23 the files have commands, later what restores the rules.
fn v4(text: &str) -> String {
    commands(text, "iptables").unwrap_or_else(|| restored(text).0)
}

fn v6(text: &str) -> String {
    commands(text, "ip6tables").unwrap_or_else(|| restored(text).1)
}

/// Writes commands as tables: `iptables -t nat -A …`. None where the text has no commands.
fn commands(text: &str, program: &str) -> Option<String> {
    if !text.lines().any(|line| line.contains("tables -t ")) {
        return None;
    }
    let start = format!("{program} -t ");
    let all = text.lines().filter_map(|line| line.strip_prefix(&start)?.split_once(' '));
    let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
    for (table, rule) in all {
        match tables.iter_mut().find(|(name, _)| *name == table) {
            Some((_, rules)) => rules.push(rule),
            None => tables.push((table, vec![rule])),
        }
    }
    let texts =
        tables.iter().map(|(name, rules)| format!("*{name}\n{}\nCOMMIT\n", rules.join("\n")));
    Some(texts.collect())
}

/// Splits what restores the rules by family: the tables of IPv6 follow, and a table that comes again is theirs.
fn restored(text: &str) -> (String, String) {
    let (mut v4, mut v6) = (String::new(), String::new());
    let mut seen = Vec::new();
    for table in text.split_inclusive("COMMIT\n").filter(|it| it.contains("* ")) {
        let table = &table[table.find("* ").unwrap_or_default()..];
        let name = table.lines().next().unwrap_or_default();
        let is_v6 = seen.contains(&name) || !v6.is_empty();
        if is_v6 { &mut v6 } else { &mut v4 }.push_str(table);
        seen.push(name);
    }
    (v4, v6)
}

/// Where packets end: those of the application, those of the proxy, and those from outside.
fn outcomes(rules: &RuleSet, family: Family) -> String {
    let outbound = Packet::first(Hook::Outbound, family);
    let inbound = Packet::first(Hook::Inbound, family);
    let tcp = |packet: &Packet, port| Packet { destination_port: port, ..packet.clone() };
    let udp = |packet: &Packet, port| Packet { protocol: Protocol::Udp, ..tcp(packet, port) };
    let by = |packet: Packet, id| Packet { user: Some(id), group: Some(id), ..packet };
    let own = Packet {
        interface: "lo".into(),
        destination: outbound.source,
        to_this_host: true,
        ..outbound.clone()
    };
    // The name server in the files: DNS is captured for it alone.
    let resolver = match family {
        Family::V4 => "127.0.0.53",
        Family::V6 => "::127.0.0.53",
    };
    let resolver = Packet { destination: resolver.parse().unwrap(), ..own.clone() };
    let packets = [
        ("application tcp 80", tcp(&outbound, 80)),
        ("tcp 53", tcp(&outbound, 53)),
        ("tcp 31000", tcp(&outbound, 31000)),
        ("udp 53", udp(&outbound, 53)),
        ("udp 9000", udp(&outbound, 9000)),
        ("resolver tcp 53", tcp(&resolver, 53)),
        ("resolver udp 53", udp(&resolver, 53)),
        ("itself", own.clone()),
        ("group 888", by(tcp(&outbound, 80), 888)),
        ("proxy tcp 80", by(tcp(&outbound, 80), 1337)),
        ("proxy to itself", by(own, 1337)),
        ("inbound tcp 80", tcp(&inbound, 80)),
        ("tcp 4000", tcp(&inbound, 4000)),
        ("tcp 15008", tcp(&inbound, 15008)),
        ("tcp 15021", tcp(&inbound, 15021)),
        ("udp 53", udp(&inbound, 53)),
    ];
    let words: Vec<_> = packets
        .iter()
        .map(|(name, packet)| format!("{name} {}", short(&walk(rules, packet).outcome)))
        .collect();
    words.join(", ")
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Redirected { port } => format!("→{port}"),
        Outcome::TransparentlyProxied { port } => format!("⇒{port}"),
        Outcome::Accepted => "✓".to_owned(),
        Outcome::Unjudged { .. } => "?".to_owned(),
        other => other.to_string(),
    }
}
