//! Evidence: refused, or judged with a report whose exit code follows from its verdicts.
//!
//! The recorded evidence is a good seed: `cp fixtures/evidence/lab.json suites/fuzz/corpus/evidence/`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshcheck_suites::{Evidence, Verdict, evidence::SCHEMA, judge};

fuzz_target!(|bytes: &[u8]| {
    let Ok(evidence) = serde_json::from_slice::<Evidence>(bytes) else { return };
    if evidence.schema > SCHEMA {
        return;
    }
    let report = judge(&evidence, &[]);
    let red = |claim: &meshcheck_suites::report::ClaimReport| {
        matches!(claim.verdict, Verdict::Fail | Verdict::Changed)
    };
    assert_eq!(report.exit_code() == 1, report.claims.iter().any(red));
});
