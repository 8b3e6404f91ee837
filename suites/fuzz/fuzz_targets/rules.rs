//! Rules of iptables: read or refused; what was read has a normal form that can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshcheck_netfilter::parse;

fuzz_target!(|text: &str| {
    let Ok(rules) = parse(text) else { return };
    for rule in rules.rules() {
        let normal = format!("*nat\n-A OUTPUT {}\nCOMMIT\n", rule.normal());
        parse(&normal).expect("the normal form can be read");
    }
});
