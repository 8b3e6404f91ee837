//! The client's log: judged, whatever stands in it; and never green without the reply.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use meshcheck_suites::{CLAIMS, Evidence, Verdict};

static RECORDED: LazyLock<Evidence> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../fixtures/evidence/lab.json")).expect("it is evidence")
});

fuzz_target!(|text: &str| {
    let mut evidence = RECORDED.clone();
    let log = &mut evidence.demo.client_logs.value_mut().expect("it was seen")[0];
    let at = log.read_at;
    log.lines.clear();
    for line in text.split('\n') {
        let text = line.to_owned();
        log.lines.push(meshcheck_suites::evidence::LogLine { at, text });
    }
    let claim = CLAIMS.iter().find(|claim| claim.id == "demo::client_logs_show_reply");
    let judgement = claim.expect("it is claimed").judge(&evidence);
    let reply = &evidence.expectations.reply;
    assert!(judgement.verdict != Verdict::Pass || text.contains(reply.as_str()));
});
