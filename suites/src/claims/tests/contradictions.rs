//! Observations that contradict each other: no report has both without a sentence on it.

use crate::claims::prepare::addresses::changes::{kong, pending, tried, used_up};
use crate::evidence::Evidence;
use crate::judge;
use crate::testing::healthy;

/// Two observations that cannot both hold.
struct Pair {
    /// Makes both.
    change: fn(&mut Evidence),
    /// What the report says on it.
    says: &'static str,
    /// What it must not say.
    never_says: &'static str,
}

const PAIRS: &[Pair] = &[
    // A probe got an address, and the pool is used up.
    Pair {
        change: |it| {
            pending(it);
            kong(it);
            tried(it);
        },
        says: "got 198.51.100.8, which is free",
        never_says: "is used up",
    },
    Pair {
        change: |it| {
            used_up(it);
            tried(it);
        },
        says: "got 198.51.100.8, which is free",
        never_says: "is used up",
    },
];

#[test]
fn contradicting_observations_have_a_sentence() {
    for (number, pair) in PAIRS.iter().enumerate() {
        let mut evidence = healthy();
        (pair.change)(&mut evidence);
        let report = judge(&evidence, &[]);
        let all: String = report.claims.iter().map(|it| format!("{}\n", it.summary)).collect();
        assert!(all.contains(pair.says), "{number}: {all}");
        assert!(!all.contains(pair.never_says), "{number}: {all}");
    }
}
