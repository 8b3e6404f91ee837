//! Rules of iptables: read or refused; what was read is printed and reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshcheck_netfilter::{differences, parse};

fuzz_target!(|text: &str| {
    let Ok(rules) = parse(text) else { return };
    let again = parse(&rules.to_string()).expect("what is printed can be read");
    assert_eq!(differences(&rules, &again), []);
});
