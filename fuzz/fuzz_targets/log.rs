//! The init container's log: rules are found in it, or there is a reason why not; and they are walked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshcheck_netfilter::{Hook, Packet, rules_in_log, rules_in_log_6, walk};

fuzz_target!(|log: &str| {
    for logged in [rules_in_log(log), rules_in_log_6(log)].into_iter().flatten() {
        for hook in [Hook::Inbound, Hook::Outbound] {
            walk(&logged.rules, &Packet::first(hook));
        }
    }
});
