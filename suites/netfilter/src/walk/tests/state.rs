//! Tests on marks, connections and interfaces of a packet, and on the limits of a walk.

use rstest::rstest;

use super::{inbound, is_unjudged, outbound, outcome_of, passing_through, to_itself};
use crate::packet::{ConnectionState, Outcome, Packet};
use crate::rules::Protocol;
use crate::walk::{DEPTH, STEPS};

fn first() -> Packet {
    outbound(1000, 80)
}

fn in_state(state: ConnectionState) -> Packet {
    Packet { state, ..first() }
}

/// One mask clears bits, and the other selects bits to invert.
#[rstest]
#[case("--save-mark --nfmask 0x6 --ctmask 0x3", 0xc, 0x5, "-m connmark --mark 0x0")]
#[case("--restore-mark --nfmask 0x3 --ctmask 0x6", 0x5, 0xc, "-m mark --mark 0x0")]
#[case("--save-mark --nfmask 0xff --ctmask 0xff", 0xc, 0x105, "-m connmark --mark 0x10c")]
fn connmark_copies_bits_as_the_kernel_does(
    #[case] how: &str,
    #[case] mark: u32,
    #[case] connection_mark: u32,
    #[case] condition: &str,
) {
    let rules =
        format!("*mangle\n-A OUTPUT -j CONNMARK {how}\n-A OUTPUT {condition} -j DROP\nCOMMIT\n");
    assert_eq!(outcome_of(&rules, &Packet { mark, connection_mark, ..first() }), Outcome::Dropped);
}

#[rstest]
#[case("--set-mark 7")]
#[case("--save-mark")]
fn packet_without_connection_keeps_no_connection_mark(#[case] how: &str) {
    let rules = format!(
        "*mangle\n-A OUTPUT -j MARK --set-mark 7\n-A OUTPUT -j CONNMARK {how}\n\
         -A OUTPUT -j MARK --set-mark 0\n-A OUTPUT -j CONNMARK --restore-mark\n\
         -A OUTPUT -m mark --mark 7 -j DROP\nCOMMIT\n"
    );
    assert_eq!(outcome_of(&rules, &first()), Outcome::Dropped);
    assert_eq!(outcome_of(&rules, &in_state(ConnectionState::Invalid)), Outcome::Accepted);
}

/// The translation is known of the first packet, and of a packet without a connection.
#[rstest]
#[case(ConnectionState::New, "DNAT", false)]
#[case(ConnectionState::New, "SNAT", false)]
#[case(ConnectionState::Invalid, "DNAT,SNAT", false)]
#[case(ConnectionState::Untracked, "SNAT", false)]
#[case(ConnectionState::Established, "DNAT", true)]
#[case(ConnectionState::Established, "SNAT", true)]
#[case(ConnectionState::Related, "DNAT", true)]
fn translated_state_is_known_for_new_and_untracked_packets(
    #[case] state: ConnectionState,
    #[case] asked: &str,
    #[case] unjudged: bool,
) {
    let rules = format!("*filter\n-A OUTPUT -m conntrack --ctstate {asked} -j DROP\nCOMMIT\n");
    let outcome = outcome_of(&rules, &in_state(state));
    assert_eq!(is_unjudged(&outcome), unjudged, "{outcome:?}");
    assert_ne!(outcome, Outcome::Dropped);
}

#[test]
fn masqueraded_source_leaves_snat_state_unjudged() {
    let rules = "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n\
                 *filter\n-A INPUT -m conntrack --ctstate SNAT -j DROP\nCOMMIT\n";
    let outcome = outcome_of(rules, &to_itself());
    assert!(is_unjudged(&outcome), "{outcome:?}");
}

#[rstest]
#[case("MASQUERADE")]
#[case("SNAT --to-source 10.0.0.9")]
fn new_source_that_no_rule_reads_leaves_packet_judged(#[case] target: &str) {
    let rules = format!("*nat\n-A POSTROUTING -j {target}\nCOMMIT\n");
    assert_eq!(outcome_of(&rules, &outbound(1000, 80)), Outcome::Accepted);
}

#[test]
fn redirect_to_another_port_is_a_translation() {
    let rules = "*nat\n-A PREROUTING -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n\
                 *filter\n-A INPUT -m conntrack --ctstate DNAT -j DROP\nCOMMIT\n";
    assert_eq!(outcome_of(rules, &inbound(80)), Outcome::Dropped);
}

#[rstest]
#[case("NOTRACK", Outcome::Accepted)]
#[case("CT --notrack", Outcome::Accepted)]
#[case("CT --zone 5", Outcome::Redirected { port: 1 })]
#[case("CT --helper ftp", Outcome::Redirected { port: 1 })]
fn untracked_packet_is_not_translated(#[case] target: &str, #[case] outcome: Outcome) {
    let rules = format!(
        "*raw\n-A OUTPUT -j {target}\nCOMMIT\n*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n"
    );
    assert_eq!(outcome_of(&rules, &first()), outcome);
}

#[test]
fn unknown_ct_option_leaves_packet_unjudged() {
    let outcome = outcome_of("*raw\n-A OUTPUT -j CT --timeout short\nCOMMIT\n", &first());
    assert!(is_unjudged(&outcome), "{outcome:?}");
}

#[test]
fn notrack_takes_effect_at_the_next_rule() {
    let rules =
        "*raw\n-A OUTPUT -j NOTRACK\n-A OUTPUT -m conntrack --ctstate UNTRACKED -j DROP\nCOMMIT\n";
    assert_eq!(outcome_of(rules, &first()), Outcome::Dropped);
}

/// A packet of TPROXY is for this host, and later rules do not redirect it.
#[test]
fn tproxied_packet_is_for_this_host() {
    let proxied = "*mangle\n-A PREROUTING -p tcp -j TPROXY --on-port 15006\nCOMMIT\n";
    let dropped = format!("{proxied}*filter\n:INPUT DROP\n:FORWARD ACCEPT\nCOMMIT\n");
    assert_eq!(outcome_of(&dropped, &passing_through()), Outcome::Dropped);
    let translated =
        format!("{proxied}*nat\n-A PREROUTING -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n");
    assert_eq!(
        outcome_of(&translated, &passing_through()),
        Outcome::TransparentlyProxied { port: 15006 }
    );
}

const REDIRECT: &str = "REDIRECT --to-ports 1";
const TO_LOOPBACK: &str = "DNAT --to-destination 127.0.0.1";
const OTHER_PORT: &str = "DNAT --to-destination :9";

/// The outbound interface is that of the original destination in OUTPUT, and that of the new destination after it, where
/// known. `None` is unjudged.
#[rstest]
#[case("RETURN", "*mangle\n-A POSTROUTING -o eth0 -j DROP", Some(true))]
#[case("RETURN", "*mangle\n-A POSTROUTING -o lo -j DROP", Some(false))]
#[case(REDIRECT, "*filter\n-A OUTPUT -o eth0 -j DROP", Some(true))]
#[case(REDIRECT, "*filter\n-A OUTPUT -o lo -j DROP", Some(false))]
#[case(REDIRECT, "*mangle\n-A POSTROUTING -o lo -j DROP", Some(true))]
#[case(REDIRECT, "*mangle\n-A POSTROUTING -o eth0 -j DROP", Some(false))]
#[case(TO_LOOPBACK, "*mangle\n-A POSTROUTING -o lo -j DROP", Some(true))]
#[case(OTHER_PORT, "*filter\n-A OUTPUT -o eth0 -j DROP", Some(true))]
#[case(OTHER_PORT, "*mangle\n-A POSTROUTING -o eth0 -j DROP", None)]
#[case(OTHER_PORT, "*mangle\n-A POSTROUTING -o + -j DROP", Some(true))]
fn outgoing_interface_follows_the_new_destination(
    #[case] target: &str,
    #[case] asked: &str,
    #[case] dropped: Option<bool>,
) {
    let rules = format!("*nat\n-A OUTPUT -p tcp -j {target}\nCOMMIT\n{asked}\nCOMMIT\n");
    let outcome = outcome_of(&rules, &first());
    let found = (!is_unjudged(&outcome)).then_some(outcome == Outcome::Dropped);
    assert_eq!(found, dropped, "{outcome:?}");
}

#[rstest]
#[case("-i eth1", None)]
#[case("-o eth1", None)]
#[case("-i +", Some(true))]
#[case("-o +", Some(true))]
fn forwarded_packet_has_unknown_interfaces(#[case] condition: &str, #[case] dropped: Option<bool>) {
    let outcome = outcome_of(
        &format!("*filter\n-A FORWARD {condition} -j DROP\nCOMMIT\n"),
        &passing_through(),
    );
    let found = (!is_unjudged(&outcome)).then_some(outcome == Outcome::Dropped);
    assert_eq!(found, dropped, "{outcome:?}");
}

#[rstest]
#[case("icmp", Outcome::Accepted)]
#[case("sctp", Outcome::Dropped)]
fn port_condition_fails_for_protocols_without_ports(
    #[case] protocol: &str,
    #[case] outcome: Outcome,
) {
    let packet = Packet { protocol: Protocol::Other(protocol.into()), ..first() };
    for condition in ["--dports 80", "! --dports 81", "--ports 80"] {
        let rules = format!("*filter\n-A OUTPUT -m multiport {condition} -j DROP\nCOMMIT\n");
        assert_eq!(outcome_of(&rules, &packet), outcome, "{condition}");
    }
}

/// Returns chains that call each other to this depth; the last one drops the packet.
fn nested(depth: usize) -> String {
    let chains: Vec<_> = (1..=depth).map(|at| format!("-N C{at}\n")).collect();
    let jumps: Vec<_> = (1..depth).map(|at| format!("-A C{at} -j C{}\n", at + 1)).collect();
    let (chains, jumps) = (chains.concat(), jumps.concat());
    format!("*filter\n{chains}-A OUTPUT -j C1\n{jumps}-A C{depth} -j DROP\nCOMMIT\n")
}

#[test]
fn chains_nested_deeper_than_the_limit_are_unjudged() {
    assert_eq!(outcome_of(&nested(DEPTH), &first()), Outcome::Dropped);
    assert!(is_unjudged(&outcome_of(&nested(DEPTH + 1), &first())));
}

/// Returns this number of rules that do not match, and one that drops the packet.
fn long(rules: usize) -> String {
    format!("*filter\n{}-A OUTPUT -j DROP\nCOMMIT\n", "-A OUTPUT -p udp -j DROP\n".repeat(rules))
}

#[test]
fn walk_longer_than_the_limit_is_unjudged() {
    assert_eq!(outcome_of(&long(STEPS - 1), &first()), Outcome::Dropped);
    assert!(is_unjudged(&outcome_of(&long(STEPS), &first())));
}
