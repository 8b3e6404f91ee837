//! Tests on parsing: known rules, unknown conditions and targets, malformed text.

use super::*;
use crate::rules::{AddressKind, Match, Side};
use proptest::prelude::*;
use rstest::rstest;

fn only(rule: &str) -> Rule {
    let text = format!("*nat\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n{rule}\nCOMMIT\n");
    parse(&text).unwrap().rules().next().unwrap().clone()
}

#[rstest]
#[case("-A OUTPUT -p tcp -m tcp --dport 80 -j OWN", "-m multiport --dports 80 -p tcp -j OWN")]
#[case("[1:60] -A OUTPUT -o lo -j RETURN", "-o lo -j RETURN")]
#[case("-A OUTPUT ! -d 127.0.0.1/32 -j OWN", "! -d 127.0.0.1/32 -j OWN")]
#[case("-A OUTPUT -d ! 127.0.0.1 -j OWN", "! -d 127.0.0.1/32 -j OWN")]
#[case("-A OUTPUT -d 10.1.2.3/255.255.0.0 -j OWN", "-d 10.1.0.0/16 -j OWN")]
#[case("-A OUTPUT -s 0.0.0.0/0 -p all -j OWN", "-j OWN")]
#[case("-A OUTPUT -m owner ! --uid-owner 1337 -j RETURN", "-m owner ! --uid-owner 1337 -j RETURN")]
#[case("-A OUTPUT -m owner --gid-owner 5-7 -j RETURN", "-m owner --gid-owner 5-7 -j RETURN")]
#[case("-A OUTPUT -m comment --comment \"a -j \\\"b\\\"\" -j ACCEPT", "-j ACCEPT")]
#[case(
    "-A OUTPUT -p tcp --sport 1024: -j ACCEPT",
    "-m multiport --sports 1024:65535 -p tcp -j ACCEPT"
)]
#[case("-A OUTPUT -j REDIRECT --to-port 15001", "-j REDIRECT --to-ports 15001")]
#[case(
    "-A OUTPUT -m mark --mark 0x539 -j MARK --set-xmark 0x1/0xff",
    "-m mark --mark 0x539/0xffffffff -j MARK --set-xmark 0x1/0xff"
)]
#[case(
    "-A OUTPUT -p tcp --syn ! --dport 80 -j OWN",
    "--syn -m multiport ! --dports 80 -p tcp -j OWN"
)]
#[case("-A OUTPUT -g OWN", "-g OWN")]
#[case(
    "-A OUTPUT -p tcp -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff",
    "-p tcp -j TPROXY --on-port 15006 --tproxy-mark 0x1/0xff"
)]
#[case("-A OUTPUT -p 132 -j OWN", "-p sctp -j OWN")]
#[case("-A OUTPUT -c 7 99 -4 -j OWN", "-j OWN")]
#[case("-A OUTPUT -4", "")]
#[case("-A OUTPUT -m addrtype --dst-type UNICAST -j OWN", "-m addrtype --dst-type UNICAST -j OWN")]
#[case("-A OUTPUT", "")]
fn known_rule_has_one_normal_form(#[case] rule: &str, #[case] normal: &str) {
    assert_eq!(only(rule).normal(), normal);
}

#[rstest]
#[case("-A OUTPUT -m set --match-set bad dst -p tcp -j ACCEPT", "-m set --match-set bad dst")]
#[case("-A OUTPUT -p tcp -m tcp --tcp-flags SYN,RST SYN -j ACCEPT", "--tcp-flags SYN,RST SYN")]
#[case("-A OUTPUT -m owner --uid-owner nobody -j ACCEPT", "-m owner --uid-owner nobody")]
#[case("-A OUTPUT -m bpf ! --bytecode \"1,6\" ! -o lo -j ACCEPT", "-m bpf ! --bytecode 1,6")]
#[case("-A OUTPUT -d example.org -j ACCEPT", "-d example.org")]
// A negation after an option without a value belongs to the next option.
#[case("-A OUTPUT -p tcp --syn ! --dport 80 -j ACCEPT", "--syn")]
#[case("-A OUTPUT -p tcp ! --syn -j ACCEPT", "! --syn")]
// A generic option does not belong to the last module.
#[case("-A OUTPUT -m owner --uid-owner 5 -s example.org -j ACCEPT", "-s example.org")]
#[case("-A OUTPUT -m bpf --bytecode \"1\\\"6\" -j ACCEPT", "-m bpf --bytecode \"1\\\"6\"")]
#[case("-A OUTPUT -f -j ACCEPT", "-f")]
// Options of another module.
#[case("-A OUTPUT --comment why -j ACCEPT", "--comment why")]
#[case("-A OUTPUT -p tcp --ports 80 -j ACCEPT", "--ports 80")]
#[case("-A OUTPUT --mark 0x1 -j ACCEPT", "--mark 0x1")]
fn unknown_condition_is_kept(#[case] rule: &str, #[case] kept: &str) {
    let rule = only(rule);
    assert!(rule.matches.contains(&Match::Unknown(kept.into())), "{:?}", rule.matches);
    assert_eq!(rule.target, Some(Target::Accept));
}

#[test]
fn address_types_are_known() {
    for (word, kind) in [("LOCAL", AddressKind::Local), ("UNICAST", AddressKind::Unicast)] {
        let rule = only(&format!("-A OUTPUT -m addrtype --src-type {word} -j ACCEPT"));
        assert_eq!(rule.matches, [Match::AddressType { not: false, side: Side::Source, kind }]);
    }
}

#[test]
fn unknown_target_is_kept() {
    for text in [
        "SYNPROXY --mss 1460",
        // Known targets with unknown options.
        "ACCEPT --later",
        "DROP --later",
        "RETURN --later",
        "REDIRECT --to-destination 10.0.0.1",
    ] {
        let target = only(&format!("-A OUTPUT -j {text}")).target;
        assert_eq!(target, Some(Target::Unknown(text.into())));
    }
}

#[rstest]
#[case("*nat\n:OUTPUT ACCEPT\n-A OUTPUT -j ACCEPT\n", "no COMMIT")]
#[case("*nat\n*filter\nCOMMIT\n", "no COMMIT")]
#[case("*nat\ngarbage\nCOMMIT\n", "line 2")]
#[case("*nat\n-A OUTPUT --comment \"open\nCOMMIT\n", "line 2")]
#[case("-A OUTPUT -j ACCEPT\n", "line 1")]
#[case("*nat\n:OUTPUT MAYBE\nCOMMIT\n", "line 2")]
#[case("*nat\n:OUTPUT ACCEPT zero\nCOMMIT\n", "line 2")]
#[case("*nat\n:OUTPUT ACCEPT [0:0] more\nCOMMIT\n", "line 2")]
#[case("*nat\n\n[1:x] -A OUTPUT -j ACCEPT\nCOMMIT\n", "line 3")]
#[case("*nat\n[ -A OUTPUT -j ACCEPT\nCOMMIT\n", "line 2")]
#[case("*nat\n-A OUTPUT ! -d ! 10.0.0.1 -j ACCEPT\nCOMMIT\n", "negated twice")]
#[case("*nat\n-A OUTPUT -j ACCEPT -j DROP\nCOMMIT\n", "a second target")]
#[case("*nat\n-A OUTPUT stray -j DROP\nCOMMIT\n", "line 2")]
#[case("# nothing\n", "no rules")]
#[case("*nat\n:OUTPUT ACCEPT\n-A OUTPUT ! -m tcp -j ACCEPT\nCOMMIT\n", "cannot be negated")]
#[case("*nat\n-A OUTPUT ! -j ACCEPT\nCOMMIT\n", "expected a target")]
#[case("*nat\n-A OUTPUT -j \"\"\nCOMMIT\n", "expected a target")]
#[case("*nat\n-A OUTPUT -j -p\nCOMMIT\n", "expected a target")]
#[case("*nat\n-A OUTPUT -j !OWN\nCOMMIT\n", "expected a target")]
#[case("*nat\n-A OUTPUT -m \"t p\" -j ACCEPT\nCOMMIT\n", "expected a module")]
#[case("*nat\n-A OUTPUT -j \"A\\\"B\"\nCOMMIT\n", "expected a target")]
#[case("*nat\n-A OUTPUT -j A\u{1b}B\nCOMMIT\n", "expected a target")]
#[case("*nat\n-N -X\nCOMMIT\n", "expected the name of a chain")]
#[case("*nat\n-A OUTPUT --a:b -j DROP\nCOMMIT\n", "expected an option")]
#[case("*nat\n-A OUTPUT -f stray -j DROP\nCOMMIT\n", "expected an option")]
// Printed hyphens would be parsed as the value of another option.
#[case("*nat\n-A OUTPUT -m bpf -m udp - -j DROP\nCOMMIT\n", "expected an option")]
#[case("*nat\n-A OUTPUT -m bpf -m udp -- -j DROP\nCOMMIT\n", "expected an option")]
#[case("*nat\n-A OUTPUT -m bpf --bytecode 1 !\nCOMMIT\n", "it ends with")]
#[case("*nat extra\nCOMMIT\n", "expected the name of a table")]
#[case("*\nCOMMIT\n", "expected the name of a table")]
#[case("*nat\n-P OUTPUT MAYBE\nCOMMIT\n", "expected a policy")]
#[case("*nat\n-I OUTPUT 0 -j DROP\nCOMMIT\n", "position to insert at does not exist")]
#[case("*nat\n-I OUTPUT 2 -j DROP\nCOMMIT\n", "position to insert at does not exist")]
#[case("*nat\n-R OUTPUT 1 -j DROP\nCOMMIT\n", "expected a rule: -A CHAIN …")]
fn malformed_rules_are_refused_with_line_and_reason(#[case] text: &str, #[case] words: &str) {
    let error = parse(text).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn input_of_iptables_restore_is_read() {
    let rules = parse("* nat\n-N OWN\n-A OWN -j RETURN\n-A OUTPUT -j OWN\nCOMMIT\n").unwrap();
    let nat = rules.table("nat").unwrap();
    assert_eq!(nat.chain("OUTPUT").unwrap().policy, Some(Policy::Accept));
    assert_eq!(nat.chain("OUTPUT").unwrap().rules[0].target, Some(Target::Jump("OWN".into())));
}

#[rstest]
#[case("-P OUTPUT DROP", Some(Policy::Drop))]
#[case("--policy OUTPUT DROP", Some(Policy::Drop))]
#[case("-P OUTPUT DROP\n-P OUTPUT ACCEPT", Some(Policy::Accept))]
fn policy_command_sets_the_policy(#[case] lines: &str, #[case] policy: Option<Policy>) {
    let rules = parse(&format!("*nat\n{lines}\nCOMMIT\n")).unwrap();
    assert_eq!(rules.table("nat").unwrap().chain("OUTPUT").unwrap().policy, policy);
}

/// Each rule has a port of its own: the order in which they come to stand.
#[rstest]
#[case("-I OUTPUT", "3 1 2")]
#[case("--insert OUTPUT", "3 1 2")]
#[case("-I OUTPUT 1", "3 1 2")]
#[case("-I OUTPUT 2", "1 3 2")]
#[case("-I OUTPUT 3", "1 2 3")]
#[case("--append OUTPUT", "1 2 3")]
fn inserted_rule_is_at_its_position(#[case] command: &str, #[case] order: &str) {
    let first = "-A OUTPUT -p tcp --dport 1\n-A OUTPUT -p tcp --dport 2";
    let text = format!("*nat\n{first}\n{command} -p tcp --dport 3\nCOMMIT\n");
    let rules = parse(&text).unwrap();
    let port = |rule: &Rule| rule.text.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(rules.rules().map(port).collect::<Vec<_>>().join(" "), order);
}

#[test]
fn flushed_rules_and_deleted_chains_are_removed() {
    let start = "*nat\n-N OWN\n-A OWN -j RETURN\n-A OUTPUT -p tcp -j OWN\n";
    let rules = |more: &str| parse(&format!("{start}{more}\nCOMMIT\n")).unwrap();
    assert_eq!(rules("-F OWN").rules().count(), 1);
    assert_eq!(rules("-F").rules().count(), 0);
    assert!(rules("-F\n-X OWN").table("nat").unwrap().chain("OWN").is_none());
    let nat = rules("-F\n-X");
    assert!(nat.table("nat").unwrap().chain("OUTPUT").is_some());
}

/// Checks that a printed rule is parsed to the same rule.
pub(crate) fn check_written_form(rule: &Rule) -> Result<(), TestCaseError> {
    let mut matches = rule.matches.clone();
    // An unknown option without a module would be parsed as one of the module before it.
    matches.sort_by_key(|it| !matches!(it, Match::Unknown(text) if !text.starts_with("-m ")));
    let mut words: Vec<_> = matches.iter().map(ToString::to_string).collect();
    words.extend(rule.target.as_ref().map(ToString::to_string));
    let chain = match &rule.target {
        Some(Target::Jump(name)) => format!(":{name} -\n"),
        _ => String::new(),
    };
    let text = format!("*nat\n{chain}-A OUTPUT {}\nCOMMIT\n", words.join(" "));
    let again = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
    let again = again.rules().next().cloned();
    let again = again.ok_or_else(|| TestCaseError::fail(format!("no rule: {text}")))?;
    prop_assert_eq!(again.matches, matches, "{}", &text);
    prop_assert_eq!(&again.target, &rule.target, "{}", &text);
    Ok(())
}

const CONDITIONS: [&str; 20] = [
    "-s 10.0.0.0/8",
    "! -d 10.1.2.3",
    "-i eth+",
    "! -o lo",
    "-p udp",
    "! -p sctp",
    "--dport 80",
    "! --sport 1024:",
    "-m multiport --dports 1,3:5",
    "-m multiport ! --ports 9",
    "-m owner --uid-owner 5-7",
    "-m owner ! --gid-owner 1337",
    "-m addrtype ! --dst-type LOCAL",
    "-m addrtype --src-type UNICAST",
    "-m conntrack ! --ctstate NEW,INVALID",
    "-m mark ! --mark 0x1/0xff",
    "-m connmark --mark 7",
    "-m set --match-set \"a name\" dst",
    "-m owner --uid-owner nobody",
    "--syn",
];

const TARGETS: [&str; 22] = [
    "",
    "-j ACCEPT",
    "-j DROP",
    "-j REJECT",
    "-j REJECT --reject-with tcp-reset",
    "-j RETURN",
    "-j OWN",
    "-g OWN",
    "-j REDIRECT",
    "-j REDIRECT --to-ports 1-9",
    "-j DNAT --to-destination 10.0.0.1:80",
    "-j MASQUERADE",
    "-j TPROXY --on-port 15006 --tproxy-mark 1337/0xff",
    "-j TPROXY --on-port 1 --on-ip 127.0.0.1",
    "-j MARK --set-mark 7/0xf0",
    "-j CONNMARK --set-xmark 1",
    "-j CONNMARK --save-mark --nfmask 0xff",
    "-j CONNMARK --restore-mark --ctmask 0xf",
    "-j CT --notrack",
    "-j CT --zone 5",
    "-j LOG --log-prefix \"a \\\"b\"",
    "-j SYNPROXY --mss 1460",
];

proptest! {
    #[test]
    fn printed_rule_is_parsed_to_the_same_rule(
        conditions in proptest::sample::subsequence(&CONDITIONS[..], 0..6).prop_shuffle(),
        target in proptest::sample::select(&TARGETS[..]),
    ) {
        let rule = only(&format!("-A OUTPUT {} {target}", conditions.join(" ")));
        check_written_form(&rule)?;
    }

    #[test]
    fn random_text_causes_no_panic(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn random_words_in_a_rule_are_refused_or_kept(
        words in proptest::collection::vec("(!|-[a-zA-Z]|--[a-z-]{1,12}|[0-9./:,\"]{0,9}|[A-Z]{2,9})", 0..12)
    ) {
        let text = format!("*nat\n-A OUTPUT {}\nCOMMIT\n", words.join(" "));
        if let Ok(rules) = parse(&text) {
            rules.rules().try_for_each(check_written_form)?;
        }
    }
}
