//! Packets walked through rules, real ones and made-up ones.

mod kernel_findings;
mod state;

use super::*;
use crate::{Family, parse, rules_in_log};
use proptest::prelude::*;
use rstest::rstest;

pub(crate) fn outbound(user: u32, port: u16) -> Packet {
    let first = Packet::first(Hook::Outbound, Family::V4);
    Packet {
        source: "10.244.0.7".parse().unwrap(),
        destination: "10.96.1.1".parse().unwrap(),
        destination_port: port,
        user: Some(user),
        group: Some(user),
        ..first
    }
}

pub(crate) fn inbound(port: u16) -> Packet {
    let first = Packet::first(Hook::Inbound, Family::V4);
    Packet {
        source: "10.244.0.9".parse().unwrap(),
        destination: "10.244.0.7".parse().unwrap(),
        destination_port: port,
        ..first
    }
}

/// Returns a packet to an address of its own host.
fn to_itself() -> Packet {
    let own = "10.244.0.7".parse().unwrap();
    Packet { destination: own, interface: "lo".into(), to_this_host: true, ..outbound(1000, 80) }
}

/// Returns a packet that this host forwards to another one.
fn passing_through() -> Packet {
    Packet { to_this_host: false, ..inbound(80) }
}

fn outcome_of(rules: &str, packet: &Packet) -> Outcome {
    walk(&parse(rules).unwrap(), packet).outcome
}

fn is_unjudged(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unjudged { .. })
}

fn nat(rules: &str) -> String {
    let chains = ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]";
    format!("*nat\n{chains}\n{rules}\nCOMMIT\n")
}

const TO_1: Outcome = Outcome::Redirected { port: 1 };

#[rstest]
// The end of a user chain and RETURN return to the calling chain.
#[case("-A OUTPUT -j A\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", TO_1)]
#[case("-A OUTPUT -j A\n-A A -j RETURN\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", TO_1)]
// RETURN in a built-in chain applies its policy, ACCEPT ends the table.
#[case("-A OUTPUT -j RETURN\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", Outcome::Accepted)]
#[case(
    "-A OUTPUT -j A\n-A A -j ACCEPT\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1",
    Outcome::Accepted
)]
// RETURN after a goto returns to the chain before the calling one.
#[case(
    "-A OUTPUT -j A\n-A A -g B\n-A A -p tcp -j REDIRECT --to-ports 2\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1",
    TO_1
)]
// The first rule that matches wins.
#[case(
    "-A OUTPUT -p tcp -j REDIRECT --to-ports 1\n-A OUTPUT -p tcp -j REDIRECT --to-ports 2",
    TO_1
)]
// LOG and MARK continue with the next rule, and the mark stays.
#[case("-A OUTPUT -j LOG --log-prefix x\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1", TO_1)]
#[case(
    "-A OUTPUT -j MARK --set-mark 7\n-A OUTPUT -m mark --mark 7 -p tcp -j REDIRECT --to-ports 1",
    TO_1
)]
// An unknown match does not decide where another one certainly fails.
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
fn rules_are_followed_in_the_kernels_order(#[case] rules: &str, #[case] outcome: Outcome) {
    assert_eq!(outcome_of(&nat(rules), &outbound(1000, 80)), outcome);
}

#[rstest]
#[case("-A OUTPUT -m set --match-set x dst -j ACCEPT", "unknown match")]
#[case("-A OUTPUT -j SYNPROXY", "target is unknown")]
#[case("-A OUTPUT -p tcp -j REDIRECT --to-ports 1-9", "range of ports")]
#[case("-A OUTPUT -j A\n-A A -j B\n-A B -j A", "form a loop")]
#[case("-A OUTPUT -g NOWHERE", "missing chain")]
fn rule_not_understood_leaves_packet_unjudged(#[case] rules: &str, #[case] words: &str) {
    match outcome_of(&nat(rules), &outbound(1000, 80)) {
        Outcome::Unjudged { why, .. } => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn chain_policy_and_later_tables_decide() {
    let dropped = "*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n";
    assert_eq!(outcome_of(dropped, &outbound(1, 80)), Outcome::Dropped);
    let both = format!(
        "{}*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp --dport 1 -j DROP\nCOMMIT\n",
        nat("-A OUTPUT -p tcp -j REDIRECT --to-ports 1")
    );
    assert_eq!(
        outcome_of(&both, &outbound(1, 80)),
        Outcome::Dropped,
        "the filter sees the new port"
    );
}

const LOGGED: [&str; 2] = [
    include_str!("../../../../fixtures/observed/istio-1.20.3/istio-init-echo.log"),
    include_str!("../../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log"),
];

#[rstest]
#[case(inbound(5678), Outcome::Redirected { port: 15006 })]
#[case(inbound(1), Outcome::Redirected { port: 15006 })]
#[case(inbound(15090), Outcome::Accepted)]
#[case(inbound(15021), Outcome::Accepted)]
#[case(outbound(100, 80), Outcome::Redirected { port: 15001 })]
#[case(outbound(1337, 80), Outcome::Accepted)]
fn istio_rules_redirect_to_istios_ports(#[case] packet: Packet, #[case] outcome: Outcome) {
    for log in LOGGED {
        let rules = rules_in_log(log, Family::V4).unwrap().rules;
        assert_eq!(walk(&rules, &packet).outcome, outcome);
    }
}

#[test]
fn summary_names_chains_and_outcome() {
    let rules = rules_in_log(LOGGED[0], Family::V4).unwrap().rules;
    assert_eq!(
        walk(&rules, &inbound(5678)).summary(),
        "PREROUTING → ISTIO_INBOUND → ISTIO_IN_REDIRECT → redirected to port 15006"
    );
}

#[rstest]
// The application connects to itself through the loopback interface.
#[case("127.0.0.1", 1000, Outcome::Accepted)]
#[case("10.244.0.7", 1000, Outcome::Accepted)]
#[case("127.0.0.1", 1337, Outcome::Accepted)]
// The proxy connects to its own application by the pod's address: that is inbound traffic.
#[case("10.244.0.7", 1337, Outcome::Redirected { port: 15006 })]
fn traffic_over_loopback_has_its_own_rules(
    #[case] to: &str,
    #[case] user: u32,
    #[case] outcome: Outcome,
) {
    let rules = rules_in_log(LOGGED[0], Family::V4).unwrap().rules;
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
    fn walk_of_random_rules_ends(
        rules in proptest::collection::vec(
            "-A (OUTPUT|A|B) (-p tcp |-o lo |! -o lo |-m x )?-[jg] (A|B|RETURN|ACCEPT|LOG|X)", 0..30)
    ) {
        let rules = parse(&nat(&rules.join("\n"))).unwrap();
        let walk = walk(&rules, &outbound(1, 80));
        prop_assert!(walk.trail.len() <= STEPS);
    }
}

#[rstest]
// --set-mark sets its bits: 0x5/0x2 is --set-xmark 0x5/0x7.
#[case("--set-mark 0x5/0x2", 0x7, 0x5)]
#[case("--set-mark 0x5/0x4", 0x7, 0x7)]
#[case("--set-xmark 0x5/0x2", 0x7, 0x0)]
#[case("--and-mark 0x6", 0x7, 0x6)]
#[case("--or-mark 0x8", 0x7, 0xf)]
#[case("--xor-mark 0x8", 0xf, 0x7)]
fn mark_target_sets_bits_as_the_kernel_does(
    #[case] how: &str,
    #[case] before: u32,
    #[case] after: u32,
) {
    let rules = format!("-A OUTPUT -j MARK {how}\n-A OUTPUT -m mark --mark {after} -j ACCEPT\n");
    let rules = nat(&format!("{rules}-A OUTPUT -p tcp -j REDIRECT --to-ports 1"));
    let packet = Packet { mark: before, ..outbound(1, 80) };
    assert_eq!(outcome_of(&rules, &packet), Outcome::Accepted);
}

#[rstest]
#[case("-p tcp -m multiport --ports 80", TO_1)]
#[case("-p tcp -m multiport ! --ports 80", Outcome::Accepted)]
#[case("-p tcp -m multiport --ports 40000,1:5", TO_1)]
#[case("-p tcp --dport http", TO_1)]
#[case("-i + -p tcp", TO_1)]
#[case("! -i + -p tcp", Outcome::Accepted)]
#[case("! -i eth0 -p tcp", TO_1)]
#[case("-p tcp -m connmark --mark 7", Outcome::Accepted)]
#[case("-p tcp -m conntrack ! --ctstate ESTABLISHED,RELATED", TO_1)]
fn condition_holds_as_in_the_kernel(#[case] condition: &str, #[case] outcome: Outcome) {
    let rules = nat(&format!("-A OUTPUT {condition} -j REDIRECT --to-ports 1"));
    assert_eq!(outcome_of(&rules, &outbound(1, 80)), outcome);
}

#[test]
fn established_or_untracked_packet_is_not_translated() {
    let rules = nat("-A OUTPUT -p tcp -j REDIRECT --to-ports 1");
    let packet = Packet { state: ConnectionState::Established, ..outbound(1, 80) };
    assert_eq!(outcome_of(&rules, &packet), Outcome::Accepted);
    let untracked = format!("*raw\n-A OUTPUT -p tcp -j CT --notrack\nCOMMIT\n{rules}");
    assert_eq!(outcome_of(&untracked, &outbound(1, 80)), Outcome::Accepted);
}

/// The raw table comes before connection tracking: no packet has a connection there.
#[rstest]
#[case("--ctstate NEW", Outcome::Accepted)]
#[case("--ctstate INVALID", Outcome::Dropped)]
#[case("--ctstate DNAT", Outcome::Accepted)]
fn packet_in_raw_table_has_no_connection(#[case] state: &str, #[case] outcome: Outcome) {
    let rules = format!("*raw\n-A OUTPUT -m conntrack {state} -j DROP\nCOMMIT\n");
    assert_eq!(outcome_of(&rules, &outbound(1, 80)), outcome);
}

#[rstest]
#[case("10.0.0.9:1", "-d 10.0.0.9 --dport 1", Outcome::Dropped)]
#[case("10.0.0.9:1", "-d 10.96.1.1", Outcome::DestinationChanged { to: "10.0.0.9:1".into() })]
#[case(":9", "-d 10.96.1.1 --dport 9", Outcome::Dropped)]
#[case("127.0.0.1:1", "-m addrtype --dst-type LOCAL", Outcome::Dropped)]
fn later_table_sees_the_new_destination(
    #[case] to: &str,
    #[case] condition: &str,
    #[case] outcome: Outcome,
) {
    let rules = nat(&format!("-A OUTPUT -p tcp -j DNAT --to-destination {to}"));
    let filter = format!("*filter\n-A OUTPUT -p tcp {condition} -j DROP\nCOMMIT\n");
    assert_eq!(outcome_of(&format!("{rules}{filter}"), &outbound(1, 80)), outcome);
}

#[test]
fn packet_for_another_host_is_forwarded() {
    let rules = "*filter\n:INPUT DROP\n-A FORWARD -j REJECT\nCOMMIT\n";
    assert_eq!(outcome_of(rules, &passing_through()), Outcome::Rejected);
    assert_eq!(outcome_of(rules, &inbound(80)), Outcome::Dropped);
}

/// The rules of istio-init with `-m TPROXY`.
const TRANSPARENT: &str = "\
*mangle
-N ISTIO_DIVERT
-N ISTIO_TPROXY
-N ISTIO_INBOUND
-A ISTIO_DIVERT -j MARK --set-mark 1337
-A ISTIO_DIVERT -j ACCEPT
-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp -m mark --mark 1337 -j RETURN
-A ISTIO_INBOUND -p tcp -s 127.0.0.6/32 -i lo -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT
-A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY
-A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
COMMIT
* nat
-N ISTIO_OUTPUT
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -p tcp -j REDIRECT --to-ports 15001
COMMIT
";

#[test]
fn tproxy_rules_redirect_to_the_proxy() {
    let rules = parse(TRANSPARENT).unwrap();
    let outcome = |packet: Packet| walk(&rules, &packet).outcome;
    assert_eq!(outcome(inbound(5678)), Outcome::TransparentlyProxied { port: 15006 });
    assert_eq!(outcome(inbound(15090)), Outcome::Accepted);
    let known = Packet { state: ConnectionState::Established, ..inbound(5678) };
    let known = walk(&rules, &known);
    assert_eq!(known.outcome, Outcome::Accepted);
    assert!(known.matched().any(|step| step.chain == "ISTIO_DIVERT"), "{known:?}");
    assert_eq!(outcome(outbound(1000, 80)), Outcome::Redirected { port: 15001 });
    assert_eq!(outcome(outbound(1337, 80)), Outcome::Accepted);
}

#[test]
fn trail_names_the_failed_condition() {
    let rules = rules_in_log(LOGGED[0], Family::V4).unwrap().rules;
    let way = walk(&rules, &inbound(5678));
    let excluded = way.trail.iter().find(|step| step.rule.contains("--dport 15090")).unwrap();
    let condition = "-m multiport --dports 15090".to_owned();
    assert_eq!(excluded.fit, Fit::Failed { condition });
    assert_eq!(excluded.table, "nat");
}

/// Faults that a claim must find: a part of the logged rules, its replacement, and a packet with another outcome.
#[rstest]
#[case::port_excluded(
    "-A ISTIO_INBOUND -p tcp -m tcp --dport 15090 -j RETURN",
    "-A ISTIO_INBOUND -p tcp -m multiport --dports 15090,5678 -j RETURN",
    inbound(5678),
    Outcome::Accepted
)]
#[case::reordered(
    "-A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN",
    "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
    inbound(15090),
    Outcome::Redirected { port: 15006 }
)]
#[case::owner_rules_missing(
    "-m owner --uid-owner 1337 -j RETURN\n",
    "-m owner --uid-owner 4711 -j RETURN\n",
    Packet { group: Some(0), ..outbound(1337, 80) },
    Outcome::Redirected { port: 15001 }
)]
#[case::another_target(
    "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
    "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15007",
    inbound(5678),
    Outcome::Redirected { port: 15007 }
)]
#[case::dropped(
    "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
    "-A ISTIO_IN_REDIRECT -p tcp -j DROP",
    inbound(5678),
    Outcome::Dropped
)]
fn changed_rule_changes_the_outcome(
    #[case] part: &str,
    #[case] fault: &str,
    #[case] packet: Packet,
    #[case] outcome: Outcome,
) {
    let (start, saved) = LOGGED[0].split_at(LOGGED[0].find("# Generated").unwrap());
    assert!(saved.contains(part), "{part}");
    let end = |log: &str| walk(&rules_in_log(log, Family::V4).unwrap().rules, &packet).outcome;
    assert_ne!(end(LOGGED[0]), outcome);
    assert_eq!(end(&format!("{start}{}", saved.replacen(part, fault, 1))), outcome);
}

#[test]
fn unknown_match_that_could_decide_leaves_packet_unjudged() {
    let unknown =
        "-A ISTIO_INBOUND -m set --match-set some dst -j RETURN\n-A ISTIO_INBOUND -p tcp -j I";
    let log = LOGGED[0].replace("-A ISTIO_INBOUND -p tcp -j I", unknown);
    let rules = rules_in_log(&log, Family::V4).unwrap().rules;
    let way = walk(&rules, &inbound(5678));
    assert!(matches!(&way.outcome, Outcome::Unjudged { rule, .. } if rule.contains("some dst")));
    let condition = "-m set --match-set some dst".to_owned();
    assert_eq!(way.trail.last().unwrap().fit, Fit::Unknown { condition });
    assert_eq!(walk(&rules, &inbound(15090)).outcome, Outcome::Accepted, "decided before it");
}
