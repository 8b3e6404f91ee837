//! Differences from the kernel that `tests/kernel` found, as unit tests.

use rstest::rstest;

use super::{inbound, is_unjudged, outbound, outcome_of, passing_through, to_itself};
use crate::packet::{ConnectionState, Outcome, Packet};

const REDIRECT: &str = "*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n";

#[rstest]
#[case("*filter\n:INPUT DROP\nCOMMIT\n")]
#[case("*mangle\n-A PREROUTING -i lo -d 127.0.0.1 -p tcp --dport 15001 -j DROP\nCOMMIT\n")]
#[case("*filter\n-A INPUT -m conntrack --ctstate DNAT -j DROP\nCOMMIT\n")]
// Its connection is known before the raw table, and stays.
#[case("*raw\n-A PREROUTING -m conntrack --ctstate NEW -j DROP\nCOMMIT\n")]
#[case(
    "*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n\
     *filter\n-A INPUT -m conntrack --ctstate NEW -j DROP\nCOMMIT\n"
)]
// Its mark also stays.
#[case("*mangle\n-A OUTPUT -j MARK --set-mark 7\n-A INPUT -m mark --mark 7 -j DROP\nCOMMIT\n")]
fn packet_redirected_to_this_host_arrives_there(#[case] rules: &str) {
    let rules = format!("{rules}{REDIRECT}");
    assert_eq!(outcome_of(&rules, &outbound(1000, 80)), Outcome::Dropped);
}

#[rstest]
#[case(to_itself(), Outcome::Dropped)]
#[case(outbound(1000, 80), Outcome::Accepted)]
fn only_packet_to_this_host_passes_its_input_chain(
    #[case] packet: Packet,
    #[case] outcome: Outcome,
) {
    assert_eq!(outcome_of("*filter\n:INPUT DROP\nCOMMIT\n", &packet), outcome);
}

#[test]
fn packet_over_loopback_is_not_translated_again() {
    let rules = "*nat\n-A PREROUTING -p tcp -j REDIRECT --to-ports 15006\nCOMMIT\n";
    assert_eq!(outcome_of(rules, &to_itself()), Outcome::Accepted);
}

/// The kernel counts a redirect to the original destination as no translation.
#[rstest]
#[case("REDIRECT", Outcome::RedirectedHere)]
#[case("REDIRECT --to-ports 80", Outcome::Redirected { port: 80 })]
#[case("DNAT --to-destination 127.0.0.1", Outcome::DestinationChanged { to: "127.0.0.1".into() })]
fn redirect_to_the_same_destination_is_no_translation(
    #[case] target: &str,
    #[case] outcome: Outcome,
) {
    let rules = format!(
        "*nat\n-A OUTPUT -p tcp -j {target}\nCOMMIT\n\
         *filter\n-A INPUT -m conntrack --ctstate DNAT -j DROP\nCOMMIT\n"
    );
    let loopback = Packet { destination: "127.0.0.1".parse().unwrap(), ..to_itself() };
    assert_eq!(outcome_of(&rules, &loopback), outcome);
    assert_eq!(outcome_of(&rules, &to_itself()), Outcome::Dropped);
}

#[rstest]
#[case("-A INPUT -m connmark ! --mark 1 -j DROP")]
#[case("-A INPUT -m connmark --mark 0 -j DROP")]
fn invalid_packet_has_no_connection_mark(#[case] rule: &str) {
    let rules = format!("*filter\n{rule}\nCOMMIT\n");
    let invalid = Packet { state: ConnectionState::Invalid, ..inbound(80) };
    assert_eq!(outcome_of(&rules, &invalid), Outcome::Accepted);
    assert_eq!(outcome_of(&rules, &inbound(80)), Outcome::Dropped);
}

/// Addresses and interfaces that rules change to unknown values.
#[rstest]
// Whether an address is this host's.
#[case(
    "*nat\n-A OUTPUT -p tcp -j DNAT --to-destination 10.0.0.9\nCOMMIT\n*filter\n:INPUT DROP\nCOMMIT\n",
    outbound(1000, 80)
)]
#[case(
    "*nat\n-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.9\nCOMMIT\n*filter\n:INPUT DROP\nCOMMIT\n",
    inbound(80)
)]
// The outbound interface.
#[case(
    "*nat\n-A OUTPUT -p tcp -j DNAT --to-destination 10.0.0.9\nCOMMIT\n\
     *mangle\n-A POSTROUTING -o eth0 -j DROP\nCOMMIT\n",
    outbound(1000, 80)
)]
// The address of its interface.
#[case(
    "*nat\n-A PREROUTING -j REDIRECT\nCOMMIT\n*filter\n-A INPUT -d 10.244.0.7 -j DROP\nCOMMIT\n",
    Packet { destination: "192.0.2.5".parse().unwrap(), ..passing_through() }
)]
#[case(
    "*nat\n-A PREROUTING -j REDIRECT\nCOMMIT\n\
     *filter\n-A INPUT -m conntrack --ctstate DNAT -j DROP\nCOMMIT\n",
    inbound(80)
)]
// Its new source.
#[case(
    "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*filter\n-A INPUT -s 10.244.0.7 -j DROP\nCOMMIT\n",
    to_itself()
)]
fn unknown_address_or_interface_leaves_packet_unjudged(
    #[case] rules: &str,
    #[case] packet: Packet,
) {
    let outcome = outcome_of(rules, &packet);
    assert!(is_unjudged(&outcome), "{outcome:?}");
}

#[test]
fn unknown_address_is_judged_where_both_walks_end_alike() {
    let rules = "*nat\n-A OUTPUT -p tcp -j DNAT --to-destination 10.0.0.9\nCOMMIT\n";
    let to = "10.0.0.9".to_owned();
    assert_eq!(outcome_of(rules, &outbound(1000, 80)), Outcome::DestinationChanged { to });
}
