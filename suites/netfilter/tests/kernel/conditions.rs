//! Random conditions of rules: what Istio asks for, and what lies beside it.

use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use crate::bench::MOST_PACKETS;
use crate::packets::{ADDRESSES, MARKS, OWNERS, PORTS};

pub(crate) fn negated(condition: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (prop_oneof![2 => Just(""), 1 => Just("! ")], condition)
        .prop_map(|(bang, condition)| format!("{bang}{condition}"))
}

/// A port, or a range that ends at one or beside it.
fn port_range() -> impl Strategy<Value = String> {
    let edge = || (select(&PORTS[..]), 0u16..3).prop_map(|(port, off)| port + off - 1);
    prop_oneof![
        3 => select(&PORTS[..]).prop_map(|port| port.to_string()),
        1 => (edge(), edge()).prop_map(|(one, other)| range(one, other, "")),
    ]
}

fn range(one: u16, other: u16, sign: &str) -> String {
    let (first, last) = (one.min(other), one.max(other));
    if first == last {
        format!("{sign}{first}{sign}")
    } else {
        format!("{sign}{first}{sign}:{sign}{last}{sign}")
    }
}

/// A range of source ports: `@N` stands for that of the packet at place N.
fn source_range() -> impl Strategy<Value = String> {
    (0..MOST_PACKETS, 0..MOST_PACKETS).prop_map(|(one, other)| range(one, other, "@"))
}

pub(crate) fn port_conditions() -> impl Strategy<Value = Vec<String>> {
    let list = || prop::collection::vec(port_range(), 1..4).prop_map(|list| list.join(","));
    let behind = |name: &'static str, value: BoxedStrategy<String>| {
        negated(value.prop_map(move |value| format!("{name} {value}")))
    };
    let own = weighted(0.25, behind("--dport", port_range().boxed()));
    let source = weighted(0.1, behind("--sport", source_range().boxed()));
    let multiport = prop_oneof![
        behind("--dports", list().boxed()),
        behind("--sports", source_range().boxed()),
        behind("--ports", (list(), source_range()).prop_map(|(a, b)| format!("{a},{b}")).boxed()),
    ];
    let multiport = multiport.prop_map(|it| format!("-m multiport {it}"));
    // `iptables-nft` 1.8.9 loads `! --sport 7 ! --dport 80` as "not both": it compares the two ports as one number.
    // The walker follows the manual, where each condition stands for itself.
    let is_merged = |it: &Option<String>| {
        it.as_ref().is_some_and(|it| it.starts_with('!') && !it.contains(':'))
    };
    (own, source, weighted(0.1, multiport)).prop_map(move |(one, two, three)| {
        let both = is_merged(&one) && is_merged(&two);
        let two = two.filter(|_| !both);
        [one, two, three].into_iter().flatten().collect()
    })
}

/// A network around an address that packets have, turned round or not. All addresses, turned round, are
/// no network: `iptables-nft` refuses that.
pub(crate) fn network() -> impl Strategy<Value = (bool, String)> {
    let length = select(&[32u8, 31, 24, 16, 12, 8, 1, 0][..]);
    (select(&ADDRESSES[..]), length, any::<bool>())
        .prop_map(|(address, length, not)| (not && length > 0, format!("{address}/{length}")))
}

pub(crate) fn other_condition() -> impl Strategy<Value = String> {
    let bits = || select(&["", "/0x1", "/0x400", "/0xff"][..]);
    let mark =
        || (select(&MARKS[..]), bits()).prop_map(|(mark, bits)| format!("--mark {mark:#x}{bits}"));
    let states = select(
        &[
            "NEW",
            "ESTABLISHED",
            "RELATED,ESTABLISHED",
            "INVALID",
            "UNTRACKED",
            "DNAT",
            "SNAT",
            "INVALID,NEW",
        ][..],
    );
    let kind = select(&["--dst-type LOCAL", "--src-type LOCAL"][..]);
    prop_oneof![
        negated(mark()).prop_map(|it| format!("-m mark {it}")),
        negated(mark()).prop_map(|it| format!("-m connmark {it}")),
        negated(states.prop_map(|it| format!("--ctstate {it}")))
            .prop_map(|it| format!("-m conntrack {it}")),
        Just("-m state --state NEW".to_owned()),
        negated(kind.prop_map(ToOwned::to_owned)).prop_map(|it| format!("-m addrtype {it}")),
        Just("-m comment --comment \"a word or two\"".to_owned()),
    ]
}

pub(crate) fn owner() -> impl Strategy<Value = String> {
    let number = || {
        prop_oneof![
            4 => select(&OWNERS[..]).prop_map(|it| it.to_string()),
            1 => Just("1000-1337".to_owned()),
        ]
    };
    let user = || negated(number().prop_map(|it| format!("--uid-owner {it}")));
    let group = || negated(number().prop_map(|it| format!("--gid-owner {it}")));
    prop_oneof![3 => user(), 2 => group(), 1 => (user(), group()).prop_map(|(a, b)| format!("{a} {b}"))]
        .prop_map(|it| format!("-m owner {it}"))
}
