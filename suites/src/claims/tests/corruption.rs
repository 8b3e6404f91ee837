//! Tests on evidence that is corrupted at random: it is refused or judged without a panic, and each judgement is complete.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::judge;
use crate::judgement::Verdict;
use crate::report::{Report, Totals};
use crate::testing::{places, recorded};

/// A change to any part of a document.
#[derive(Clone, Debug)]
enum Corruption {
    /// A list loses its last element, an object a field.
    Remove(prop::sample::Index),
    /// Two elements of a list, or the values of two fields, are swapped.
    Swap(prop::sample::Index, prop::sample::Index),
    /// An element of a list is repeated.
    Repeat(prop::sample::Index),
    /// A list, an object or a text becomes empty.
    Empty,
    /// Any value becomes this one.
    Become(Value),
}

impl Corruption {
    /// Changes a value; a value of another type stays as it is.
    fn apply(&self, part: &mut Value) {
        match (self, part) {
            (Self::Remove(which), Value::Array(items)) if !items.is_empty() => {
                items.remove(which.index(items.len()));
            }
            (Self::Remove(which), Value::Object(fields)) if !fields.is_empty() => {
                let key = which.get(&fields.keys().cloned().collect::<Vec<_>>()).clone();
                fields.remove(&key);
            }
            (Self::Swap(one, other), Value::Array(items)) if !items.is_empty() => {
                let (one, other) = (one.index(items.len()), other.index(items.len()));
                items.swap(one, other);
            }
            (Self::Swap(one, other), Value::Object(fields)) if !fields.is_empty() => {
                let keys: Vec<_> = fields.keys().cloned().collect();
                let (one, other) = (one.get(&keys), other.get(&keys));
                let value = fields[one].clone();
                fields[one] = std::mem::replace(&mut fields[other], value);
            }
            (Self::Repeat(which), Value::Array(items)) if !items.is_empty() => {
                items.push(which.get(items).clone());
            }
            (Self::Empty, Value::Array(items)) => items.clear(),
            (Self::Empty, Value::Object(fields)) => fields.clear(),
            (Self::Empty, Value::String(text)) => text.clear(),
            (Self::Become(other), part) => *part = other.clone(),
            _ => {}
        }
    }
}

fn a_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![0u64, 1, 4, 80, 1337, 65_535, u64::from(u32::MAX), u64::MAX])
            .prop_map(Value::from),
        prop::sample::select(vec![-1i64, i64::MIN]).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        // The first and the last timestamp, and texts that other parsers read.
        prop::sample::select(vec![
            "-009999-01-02T01:59:59Z",
            "9999-12-30T22:00:00Z",
            "Pending",
            "Failed",
            "\u{1b}[31m\r\n",
            "::1",
            "*",
            "*nat\n-A OUTPUT -j RETURN\nCOMMIT\n",
        ])
        .prop_map(Value::from),
        prop::sample::select(vec!["seen", "absent", "failed", "not_asked"])
            .prop_map(|state| json!({"state": state, "reason": "", "value": ""})),
    ]
}

fn a_corruption() -> impl Strategy<Value = Corruption> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Corruption::Remove),
        (index(), index()).prop_map(|(one, other)| Corruption::Swap(one, other)),
        index().prop_map(Corruption::Repeat),
        Just(Corruption::Empty),
        a_value().prop_map(Corruption::Become),
    ]
}

/// Checks totals, exit code and completeness of a report.
fn check(report: &Report) -> Result<(), TestCaseError> {
    prop_assert_eq!(report.totals, Totals::of(&report.claims));
    let any = |verdict| report.claims.iter().any(|claim| claim.verdict == verdict);
    let code = match () {
        () if any(Verdict::Fail) || any(Verdict::Changed) => 1,
        () if any(Verdict::Unjudged) || !any(Verdict::Pass) => 3,
        () => 0,
    };
    prop_assert_eq!(report.exit_code(), code);
    for claim in &report.claims {
        prop_assert!(!claim.summary.trim().is_empty(), "{claim:#?}");
        if claim.verdict == Verdict::Fail {
            for part in [&claim.expected, &claim.observed, &claim.object, &claim.hint] {
                prop_assert!(part.as_ref().is_some_and(|it| !it.trim().is_empty()), "{claim:#?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn corrupted_evidence_is_refused_or_judged(
        all in proptest::collection::vec((any::<prop::sample::Index>(), a_corruption()), 1..5),
    ) {
        let mut document = recorded();
        for (place, corruption) in all {
            let places = places(&document, |_| true);
            if let Some(part) = document.pointer_mut(&places[place.index(places.len())]) {
                corruption.apply(part);
            }
        }
        match serde_json::from_value::<Evidence>(document) {
            // Readers of files refuse a newer schema.
            Ok(evidence) if evidence.schema <= crate::evidence::SCHEMA => {
                check(&judge(&evidence, &[]))?;
            }
            Ok(_) => {}
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
