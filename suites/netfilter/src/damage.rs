//! Tests on rules, logs and arguments that are nearly right: they are read or refused, without a panic.

use proptest::prelude::*;

use super::damaged_text::damaged;
use super::{
    Hook, Packet, Rule, RuleSet, arguments, differences, parse, port_outcomes, rules_in_log,
    rules_in_log_6, work,
};

const SAMPLES: &[&str] = &[
    include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log"),
    include_str!("../../../fixtures/observed/istio-1.20.3/live-iptables-echo-netns.txt"),
    include_str!("../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log"),
];

/// What rules are made of, and what they are not.
const WORDS: &str =
    "(!|-[a-zA-Z]|--[a-z-]{1,12}|[0-9./:,\"]{0,9}|[A-Z_]{2,12}|\\*nat|COMMIT|\n:|\\PC{0,3})";

/// What is done with rules that were read.
fn use_them(rules: &RuleSet) -> Result<(), TestCaseError> {
    let printed = rules.to_string();
    let again = parse(&printed);
    prop_assert!(again.is_ok() || rules.tables.is_empty(), "{printed}: {again:?}");
    if let Ok(again) = again {
        let normal = |rules: &RuleSet| rules.rules().map(Rule::normal).collect::<Vec<_>>();
        prop_assert_eq!(normal(&again), normal(rules), "{}", printed);
        prop_assert_eq!(differences(rules, &again), vec![], "{}", printed);
    }
    if work(rules) < 1_000_000 {
        for hook in [Hook::Inbound, Hook::Outbound] {
            port_outcomes(rules, &Packet::first(hook));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rules_are_read_or_refused(text in damaged(SAMPLES, WORDS)) {
        match parse(&text) {
            Ok(rules) => use_them(&rules)?,
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn logs_are_read_or_refused(text in damaged(SAMPLES, WORDS)) {
        for read in [rules_in_log(&text), rules_in_log_6(&text)] {
            match read {
                Ok(logged) => use_them(&logged.rules)?,
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn any_bytes_are_no_rules_or_some(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (parse(&text), rules_in_log(&text), rules_in_log_6(&text));
    }

    /// Nothing that the init container is told gets lost: it is understood, or kept as it is.
    #[test]
    fn arguments_are_understood_or_kept(
        words in proptest::collection::vec("(-[a-zA-Z]|-[a-z][=0-9]{1,4}|--[a-z-]{1,30}(=\\PC{0,4})?|\\PC{0,6})", 0..12),
        unknown in "--exclude-[a-z]{3,9}",
    ) {
        let words = [vec![unknown.clone()], words].concat();
        prop_assert!(arguments(&words).others.contains(&unknown));
    }
}
