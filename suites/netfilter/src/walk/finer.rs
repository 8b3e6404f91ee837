//! Marks, states, interfaces and limits on a packet's way: what decides few rules, and those then wholly.

use rstest::rstest;

use super::tests::{inbound, outbound};
use super::{DEPTH, STEPS, walk};
use crate::packet::{ConnectionState, Outcome, Packet};
use crate::parse;
use crate::rules::Protocol;

fn end(rules: &str, packet: &Packet) -> Outcome {
    walk(&parse(rules).unwrap(), packet).outcome
}

fn first() -> Packet {
    outbound(1000, 80)
}

fn in_state(state: ConnectionState) -> Packet {
    Packet { state, ..first() }
}

/// To an address of the host that sends it.
fn to_itself() -> Packet {
    let own = "10.244.0.7".parse().unwrap();
    Packet { destination: own, interface: "lo".into(), to_this_host: true, ..first() }
}

/// Through this host, to another one.
fn passing() -> Packet {
    Packet { to_this_host: false, ..inbound(80) }
}

fn is_unjudged(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unjudged { .. })
}

/// Bits are cleared by one mask and turned round by what the other one lets through.
#[rstest]
#[case("--save-mark --nfmask 0x6 --ctmask 0x3", 0xc, 0x5, "-m connmark --mark 0x0")]
#[case("--restore-mark --nfmask 0x3 --ctmask 0x6", 0x5, 0xc, "-m mark --mark 0x0")]
#[case("--save-mark --nfmask 0xff --ctmask 0xff", 0xc, 0x105, "-m connmark --mark 0x10c")]
fn marks_are_copied_as_the_kernel_does(
    #[case] how: &str,
    #[case] mark: u32,
    #[case] connection_mark: u32,
    #[case] condition: &str,
) {
    let rules =
        format!("*mangle\n-A OUTPUT -j CONNMARK {how}\n-A OUTPUT {condition} -j DROP\nCOMMIT\n");
    assert_eq!(end(&rules, &Packet { mark, connection_mark, ..first() }), Outcome::Dropped);
}

#[rstest]
#[case("--set-mark 7")]
#[case("--save-mark")]
fn without_a_connection_there_is_none_to_mark(#[case] how: &str) {
    let rules = format!(
        "*mangle\n-A OUTPUT -j MARK --set-mark 7\n-A OUTPUT -j CONNMARK {how}\n\
         -A OUTPUT -j MARK --set-mark 0\n-A OUTPUT -j CONNMARK --restore-mark\n\
         -A OUTPUT -m mark --mark 7 -j DROP\nCOMMIT\n"
    );
    assert_eq!(end(&rules, &first()), Outcome::Dropped);
    assert_eq!(end(&rules, &in_state(ConnectionState::Invalid)), Outcome::Accepted);
}

/// Whether an address was translated is known of the first packet, and of one without a connection.
#[rstest]
#[case(ConnectionState::New, "DNAT", false)]
#[case(ConnectionState::New, "SNAT", false)]
#[case(ConnectionState::Invalid, "DNAT,SNAT", false)]
#[case(ConnectionState::Untracked, "SNAT", false)]
#[case(ConnectionState::Established, "DNAT", true)]
#[case(ConnectionState::Established, "SNAT", true)]
#[case(ConnectionState::Related, "DNAT", true)]
fn translations_are_told_where_they_are_known(
    #[case] state: ConnectionState,
    #[case] asked: &str,
    #[case] unjudged: bool,
) {
    let rules = format!("*filter\n-A OUTPUT -m conntrack --ctstate {asked} -j DROP\nCOMMIT\n");
    let outcome = end(&rules, &in_state(state));
    assert_eq!(is_unjudged(&outcome), unjudged, "{outcome:?}");
    assert_ne!(outcome, Outcome::Dropped);
}

#[test]
fn a_source_that_was_put_in_is_a_translation_that_cannot_be_told() {
    let rules = "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n\
                 *filter\n-A INPUT -m conntrack --ctstate SNAT -j DROP\nCOMMIT\n";
    let outcome = end(rules, &to_itself());
    assert!(is_unjudged(&outcome), "{outcome:?}");
}

#[test]
fn another_port_at_the_same_address_is_a_translation() {
    let rules = "*nat\n-A PREROUTING -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n\
                 *filter\n-A INPUT -m conntrack --ctstate DNAT -j DROP\nCOMMIT\n";
    assert_eq!(end(rules, &inbound(80)), Outcome::Dropped);
}

#[rstest]
#[case("NOTRACK", Outcome::Accepted)]
#[case("CT --notrack", Outcome::Accepted)]
#[case("CT --zone 5", Outcome::Redirected { port: 1 })]
#[case("CT --helper ftp", Outcome::Redirected { port: 1 })]
fn what_is_not_tracked_is_not_translated(#[case] target: &str, #[case] outcome: Outcome) {
    let rules = format!(
        "*raw\n-A OUTPUT -j {target}\nCOMMIT\n*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n"
    );
    assert_eq!(end(&rules, &first()), outcome);
}

#[test]
fn another_word_for_connection_tracking_is_not_guessed() {
    let outcome = end("*raw\n-A OUTPUT -j CT --timeout short\nCOMMIT\n", &first());
    assert!(is_unjudged(&outcome), "{outcome:?}");
}

#[test]
fn not_to_be_tracked_is_seen_at_once() {
    let rules =
        "*raw\n-A OUTPUT -j NOTRACK\n-A OUTPUT -m conntrack --ctstate UNTRACKED -j DROP\nCOMMIT\n";
    assert_eq!(end(rules, &first()), Outcome::Dropped);
}

/// A socket that was found stays: the packet is for this host, and nothing turns it round any more.
#[test]
fn what_is_proxied_transparently_arrives_here() {
    let proxied = "*mangle\n-A PREROUTING -p tcp -j TPROXY --on-port 15006\nCOMMIT\n";
    let dropped = format!("{proxied}*filter\n:INPUT DROP\n:FORWARD ACCEPT\nCOMMIT\n");
    assert_eq!(end(&dropped, &passing()), Outcome::Dropped);
    let translated =
        format!("{proxied}*nat\n-A PREROUTING -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n");
    assert_eq!(end(&translated, &passing()), Outcome::TransparentlyProxied { port: 15006 });
}

const REDIRECT: &str = "REDIRECT --to-ports 1";
const TO_LOOPBACK: &str = "DNAT --to-destination 127.0.0.1";
const OTHER_PORT: &str = "DNAT --to-destination :9";

/// By which interface a packet leaves: the one that it was routed by, and behind all rules of OUTPUT the
/// one of its new destination, where that is known. `None` is unjudged.
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
fn the_way_out_is_told(#[case] target: &str, #[case] asked: &str, #[case] dropped: Option<bool>) {
    let rules = format!("*nat\n-A OUTPUT -p tcp -j {target}\nCOMMIT\n{asked}\nCOMMIT\n");
    let outcome = end(&rules, &first());
    let found = (!is_unjudged(&outcome)).then_some(outcome == Outcome::Dropped);
    assert_eq!(found, dropped, "{outcome:?}");
}

#[rstest]
#[case("-i eth1", None)]
#[case("-o eth1", None)]
#[case("-i +", Some(true))]
#[case("-o +", Some(true))]
fn what_passes_through_has_interfaces_that_are_not_known(
    #[case] condition: &str,
    #[case] dropped: Option<bool>,
) {
    let outcome = end(&format!("*filter\n-A FORWARD {condition} -j DROP\nCOMMIT\n"), &passing());
    let found = (!is_unjudged(&outcome)).then_some(outcome == Outcome::Dropped);
    assert_eq!(found, dropped, "{outcome:?}");
}

#[rstest]
#[case("icmp", Outcome::Accepted)]
#[case("sctp", Outcome::Dropped)]
fn only_what_has_ports_is_asked_for_them(#[case] protocol: &str, #[case] outcome: Outcome) {
    let packet = Packet { protocol: Protocol::Other(protocol.into()), ..first() };
    for condition in ["--dports 80", "! --dports 81", "--ports 80"] {
        let rules = format!("*filter\n-A OUTPUT -m multiport {condition} -j DROP\nCOMMIT\n");
        assert_eq!(end(&rules, &packet), outcome, "{condition}");
    }
}

/// Chains that lead from one to the next, so many behind the first, and a packet dropped in the last.
fn nested(depth: usize) -> String {
    let chains: Vec<_> = (1..=depth).map(|at| format!("-N C{at}\n")).collect();
    let jumps: Vec<_> = (1..depth).map(|at| format!("-A C{at} -j C{}\n", at + 1)).collect();
    let (chains, jumps) = (chains.concat(), jumps.concat());
    format!("*filter\n{chains}-A OUTPUT -j C1\n{jumps}-A C{depth} -j DROP\nCOMMIT\n")
}

#[test]
fn chains_may_nest_so_deep() {
    assert_eq!(end(&nested(DEPTH), &first()), Outcome::Dropped);
    assert!(is_unjudged(&end(&nested(DEPTH + 1), &first())));
}

/// So many rules that are not for the packet, and one that drops it.
fn long(rules: usize) -> String {
    format!("*filter\n{}-A OUTPUT -j DROP\nCOMMIT\n", "-A OUTPUT -p udp -j DROP\n".repeat(rules))
}

#[test]
fn a_way_may_be_so_long() {
    assert_eq!(end(&long(STEPS - 1), &first()), Outcome::Dropped);
    assert!(is_unjudged(&end(&long(STEPS), &first())));
}
