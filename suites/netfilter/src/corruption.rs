//! Tests on corrupted rules, logs and arguments: they are parsed or refused, without a panic.

use proptest::prelude::*;

use super::Family::{V4, V6};
use super::damaged_text::damaged;
use super::parse::tests::check_written_form;
use super::{Hook, Packet, RuleSet, arguments, parse, port_outcomes, rules_in_log, work};

const SAMPLES: &[&str] = &[
    include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log"),
    include_str!("../../../fixtures/observed/istio-1.20.3/live-iptables-echo-netns.txt"),
    include_str!("../../../fixtures/observed/istio-1.22-alpha/istio-init-echo.log"),
];

/// A pattern of words inside and outside of rules.
const WORDS: &str =
    "(!|-[a-zA-Z]|--[a-z-]{1,12}|[0-9./:,\"]{0,9}|[A-Z_]{2,12}|\\*nat|COMMIT|\n:|\\PC{0,3})";

fn check_rules(rules: &RuleSet) -> Result<(), TestCaseError> {
    rules.rules().try_for_each(check_written_form)?;
    for family in [V4, V6].into_iter().filter(|family| work(rules, *family) < 1_000_000) {
        for hook in [Hook::Inbound, Hook::Outbound] {
            port_outcomes(rules, &Packet::first(hook, family));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn corrupted_rules_are_read_or_refused(text in damaged(SAMPLES, WORDS)) {
        match parse(&text) {
            Ok(rules) => check_rules(&rules)?,
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn corrupted_log_is_read_or_refused(text in damaged(SAMPLES, WORDS)) {
        match rules_in_log(&text, V4).or_else(|_| rules_in_log(&text, V6)) {
            Ok(logged) => check_rules(&logged.rules)?,
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn random_bytes_cause_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (parse(&text), rules_in_log(&text, V4), rules_in_log(&text, V6));
    }

    #[test]
    fn unknown_argument_is_kept(
        words in proptest::collection::vec("(-[a-zA-Z]|-[a-z][=0-9]{1,4}|--[a-z-]{1,30}(=\\PC{0,4})?|\\PC{0,6})", 0..12),
        unknown in "--exclude-[a-z]{3,9}",
    ) {
        let words = [vec![unknown.clone()], words].concat();
        prop_assert!(arguments(&words).others.contains(&unknown));
    }
}
