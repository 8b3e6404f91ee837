//! What istiod and the proxies answer: read, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|page: &str| {
    meshcheck::collect::read_page(page);
});
