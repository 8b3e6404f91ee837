//! The init container's log: rules are found in it, or there is a reason why not; and they are walked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshcheck_netfilter::{Family, Hook, Packet, rules_in_log, walk};

fuzz_target!(|log: &str| {
    for family in [Family::V4, Family::V6] {
        let Ok(logged) = rules_in_log(log, family) else { continue };
        for hook in [Hook::Inbound, Hook::Outbound] {
            walk(&logged.rules, &Packet::first(hook, family));
        }
    }
});
