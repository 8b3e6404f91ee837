//! Compares two sets of rules by their meaning.

use std::collections::BTreeSet;
use std::fmt;

use super::rules::{Chain, Policy, RuleSet, Table};

/// A difference between two sets of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A rule that only the first set has.
    Missing {
        /// Table and chain: `nat/ISTIO_INBOUND`.
        chain: String,
        /// The rule.
        rule: String,
    },
    /// A rule that only the second set has.
    Extra {
        /// Table and chain.
        chain: String,
        /// The rule.
        rule: String,
    },
    /// The same rules in another order.
    Order {
        /// Table and chain.
        chain: String,
    },
    /// Another policy.
    Policy {
        /// Table and chain.
        chain: String,
    },
}

impl Difference {
    /// Returns its table.
    pub fn table(&self) -> &str {
        match self {
            Self::Missing { chain, .. }
            | Self::Extra { chain, .. }
            | Self::Order { chain }
            | Self::Policy { chain } => chain.split_once('/').map_or(chain, |(table, _)| table),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { chain, rule } => write!(f, "{chain} lacks `{rule}`"),
            Self::Extra { chain, rule } => write!(f, "{chain} also has `{rule}`"),
            Self::Order { chain } => write!(f, "{chain} has its rules in another order"),
            Self::Policy { chain } => write!(f, "{chain} has another policy"),
        }
    }
}

/// Returns the differences of the second set from the first. Counters, comments, the order of chains and conditions, and
/// empty chains are no differences.
pub fn differences(first: &RuleSet, second: &RuleSet) -> Vec<Difference> {
    let mut found = Vec::new();
    for (table, chain) in names(first).union(&names(second)) {
        let place = format!("{table}/{chain}");
        let chain = |rules: &RuleSet| {
            rules.table(table).and_then(|table| table.chain(chain)).cloned().unwrap_or_default()
        };
        let (one, other) = (chain(first), chain(second));
        if (one.policy == Some(Policy::Drop)) != (other.policy == Some(Policy::Drop)) {
            found.push(Difference::Policy { chain: place.clone() });
        }
        let normal =
            |chain: &Chain| chain.rules.iter().map(super::Rule::normal).collect::<Vec<_>>();
        let (one, other) = (normal(&one), normal(&other));
        if one == other {
            continue;
        }
        let missing = left_over(&one, &other);
        let extra = left_over(&other, &one);
        if missing.is_empty() && extra.is_empty() {
            found.push(Difference::Order { chain: place });
            continue;
        }
        let named = |rule| Difference::Missing { chain: place.clone(), rule };
        found.extend(missing.into_iter().map(named));
        let named = |rule| Difference::Extra { chain: place.clone(), rule };
        found.extend(extra.into_iter().map(named));
    }
    found
}

/// Returns the chains of a set of rules. An empty chain equals a missing one.
fn names(rules: &RuleSet) -> BTreeSet<(String, String)> {
    let chains = |table: &Table| {
        table
            .chains
            .iter()
            .map(|chain| (table.name.clone(), chain.name.clone()))
            .collect::<Vec<_>>()
    };
    rules.tables.iter().flat_map(chains).collect()
}

/// Returns the items that the first list has more often than the second.
fn left_over(one: &[String], other: &[String]) -> Vec<String> {
    let mut other: Vec<_> = other.iter().collect();
    let mut left = Vec::new();
    for rule in one {
        match other.iter().position(|known| *known == rule) {
            Some(at) => {
                other.swap_remove(at);
            }
            None => left.push(rule.clone()),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{parse, rules_in_log};
    use rstest::rstest;

    const LOG: &str = include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");
    const LIVE: &str =
        include_str!("../../../fixtures/observed/istio-1.20.3/live-iptables-echo-netns.txt");

    #[test]
    fn istio_log_and_live_rules_have_no_difference() {
        let logged = rules_in_log(LOG, crate::Family::V4).unwrap().rules;
        assert_eq!(differences(&logged, &parse(LIVE).unwrap()), []);
    }

    #[rstest]
    // No difference.
    #[case(":KUBE-IPTABLES-HINT - [0:0]\n-A PREROUTING", "-A PREROUTING", "")]
    #[case("[7:99] -A OUTPUT -p tcp -j ISTIO_OUTPUT", "-A OUTPUT -p tcp -j ISTIO_OUTPUT", "")]
    #[case("-A OUTPUT -j ISTIO_OUTPUT -p tcp", "-A OUTPUT -p tcp -j ISTIO_OUTPUT", "")]
    // A difference.
    #[case("", "-A OUTPUT -p tcp -j ISTIO_OUTPUT\n", "nat/OUTPUT lacks")]
    #[case(
        "-A ISTIO_OUTPUT -p tcp --dport 80 -j RETURN\n-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
        "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
        "nat/ISTIO_OUTPUT also has"
    )]
    #[case(
        "-A OUTPUT -p 6 -m comment --comment why -j ISTIO_OUTPUT",
        "-A OUTPUT -p tcp -j ISTIO_OUTPUT",
        ""
    )]
    #[case(
        "-A OUTPUT -p tcp -j REJECT",
        "-A OUTPUT -p tcp -j ISTIO_OUTPUT",
        "also has `-p tcp -j REJECT`"
    )]
    #[case(":OUTPUT DROP", ":OUTPUT ACCEPT", "another policy")]
    fn changed_rule_is_a_difference_unless_it_means_the_same(
        #[case] new: &str,
        #[case] old: &str,
        #[case] words: &str,
    ) {
        assert!(LIVE.contains(old), "{old}");
        let changed = parse(&LIVE.replacen(old, new, 1)).unwrap();
        let found = differences(&parse(LIVE).unwrap(), &changed);
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        if words.is_empty() {
            assert!(texts.is_empty(), "{texts:?}");
        } else {
            assert!(texts.iter().any(|it| it.contains(words)), "{texts:?}");
        }
    }

    /// A chain without rules changes a packet's result only by its policy.
    #[rstest]
    #[case("*nat\n:OWN - [0:0]\nCOMMIT\n", &[])]
    #[case("*filter\n:FORWARD ACCEPT\nCOMMIT\n", &[])]
    #[case("*filter\n:FORWARD DROP\nCOMMIT\n", &["filter/FORWARD has another policy"])]
    fn empty_chain_differs_by_its_policy_only(#[case] text: &str, #[case] words: &[&str]) {
        let (empty, chain) = (parse("*nat\nCOMMIT\n").unwrap(), parse(text).unwrap());
        for found in [differences(&empty, &chain), differences(&chain, &empty)] {
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), words);
        }
        assert_eq!(differences(&chain, &chain), []);
    }

    #[test]
    fn rules_in_another_order_are_a_difference() {
        let rules = |first: &str, second: &str| {
            parse(&format!("*nat\n:OUTPUT ACCEPT\n-A OUTPUT {first}\n-A OUTPUT {second}\nCOMMIT\n"))
                .unwrap()
        };
        let (one, other) = ("-p tcp -j RETURN", "-p udp -j RETURN");
        let found = differences(&rules(one, other), &rules(other, one));
        assert_eq!(found, [Difference::Order { chain: "nat/OUTPUT".into() }]);
        assert_eq!(found[0].table(), "nat");
    }

    #[test]
    fn flushed_rules_are_differences() {
        let flushed = parse("*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n").unwrap();
        assert!(differences(&parse(LIVE).unwrap(), &flushed).len() > 10);
    }
}
