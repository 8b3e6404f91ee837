//! Packets walked through rules, real ones and made-up ones.

use super::super::parse;
use super::*;
use proptest::prelude::*;
use rstest::rstest;

pub(in crate::iptables) fn outbound(user: u32, port: u16) -> Packet {
    let first = Packet::first(Hook::Outbound);
    Packet {
        source: "10.244.0.7".parse().unwrap(),
        destination: "10.96.1.1".parse().unwrap(),
        destination_port: port,
        user: Some(user),
        group: Some(user),
        ..first
    }
}

pub(in crate::iptables) fn inbound(port: u16) -> Packet {
    let first = Packet::first(Hook::Inbound);
    Packet {
        source: "10.244.0.9".parse().unwrap(),
        destination: "10.244.0.7".parse().unwrap(),
        destination_port: port,
        ..first
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
