//! What a support file holds, as text: for who writes it, and for who gets it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use meshcheck_suites::Evidence;
use meshcheck_suites::evidence::Observation;

use crate::text::{for_page, for_terminal, truncated};

/// How many places of one kind are named.
const PLACES: usize = 8;

/// The widest line of what was not seen.
const COLUMNS: usize = 300;

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{}.{} MiB", bytes >> 20, (bytes >> 10) % 1024 * 10 / 1024),
    }
}

/// What a file holds: who recorded it, which looks were made, what could not be read, what was
/// redacted, which logs there are. Fit for a terminal.
pub(crate) fn summary(evidence: &Evidence) -> String {
    let subject = &evidence.subject;
    let mut text = format!(
        "by: {} on {}, {}, in {} ms\ncluster: {} at {} (context {})\n",
        for_terminal(&evidence.recorder),
        for_terminal(&subject.collected_on),
        evidence.recorded_at,
        evidence.took_ms,
        for_terminal(&subject.name),
        for_terminal(&subject.server),
        for_terminal(&subject.context),
    );
    write_observations(&mut text, evidence);
    write_redactions(&mut text, evidence);
    if !evidence.logs.is_empty() {
        let bytes: usize =
            evidence.logs.iter().filter_map(|it| it.text.value()).map(String::len).sum();
        let size = size(u64::try_from(bytes).unwrap_or(u64::MAX));
        let _ = writeln!(text, "logs: {}, {size}", evidence.logs.len());
        for log in &evidence.logs {
            let name = for_terminal(&log.name());
            let _ = match &log.text {
                Observation::Seen { value } => {
                    let cut = if log.cut { "the last " } else { "" };
                    writeln!(text, "  {name}: {cut}{} lines", value.lines().count())
                }
                other => {
                    let why = for_terminal(other.reason().unwrap_or_default());
                    writeln!(text, "  {name}: could not be read: {}", truncated(&why, COLUMNS, "…"))
                }
            };
        }
    }
    text
}

fn write_observations(text: &mut String, evidence: &Evidence) {
    let mut all = evidence.observations();
    // Logs are reported of by themselves.
    all.failed.retain(|(place, _)| !place.starts_with("/logs/"));
    let _ = writeln!(text, "observations: {}, {} of them failed", all.count, all.failed.len());
    // One reason may have ended many looks.
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (place, reason) in &all.failed {
        by_reason.entry(reason).or_default().push(place);
    }
    for (reason, places) in by_reason {
        let line = format!("{}: {}", some(&places), for_terminal(reason));
        let _ = writeln!(text, "  cannot read {}", truncated(&line, COLUMNS, "…"));
    }
}

fn write_redactions(text: &mut String, evidence: &Evidence) {
    if evidence.redactions.is_empty() {
        text.push_str("redacted: nothing looked like a secret\n");
        return;
    }
    let mut by_kind: BTreeMap<&str, (u32, Vec<&str>)> = BTreeMap::new();
    for redaction in &evidence.redactions {
        let (count, places) = by_kind.entry(&redaction.kind).or_default();
        *count = count.saturating_add(redaction.count);
        places.push(&redaction.place);
    }
    text.push_str("redacted:\n");
    for (kind, (count, places)) in by_kind {
        let _ = writeln!(text, "  {}: {count}, in {}", for_terminal(kind), some(&places));
    }
}

/// The first of these places, and how many more there are.
fn some(places: &[&str]) -> String {
    let mut named: Vec<_> = places.iter().take(PLACES).map(|place| for_terminal(place)).collect();
    if places.len() > PLACES {
        named.push(format!("{} more", places.len() - PLACES));
    }
    named.join(", ")
}

/// The logs whose name holds `part`, each under its name.
pub(crate) fn logs(evidence: &Evidence, part: &str) -> String {
    let mut text = String::new();
    for log in evidence.logs.iter().filter(|log| log.name().contains(part)) {
        let cut = if log.cut { ", older lines were left out" } else { "" };
        let _ = writeln!(text, "── {}{cut}", for_terminal(&log.name()));
        match &log.text {
            Observation::Seen { value } => {
                text.push_str(&for_page(value));
                if !value.ends_with('\n') {
                    text.push('\n');
                }
            }
            other => {
                let _ = writeln!(
                    text,
                    "cannot read the log: {}",
                    for_terminal(other.reason().unwrap_or_default())
                );
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshcheck_suites::evidence::{ContainerLog, Redaction};
    use rstest::rstest;

    fn evidence() -> Evidence {
        let text = include_str!("../../fixtures/evidence/lab.json");
        serde_json::from_str(text).unwrap()
    }

    #[rstest]
    #[case(0, "0 bytes")]
    #[case(1023, "1023 bytes")]
    #[case(1025, "2 KiB")]
    #[case(1 << 20, "1.0 MiB")]
    #[case((5 << 20) + (512 << 10), "5.5 MiB")]
    fn sizes_are_readable(#[case] bytes: u64, #[case] words: &str) {
        assert_eq!(size(bytes), words);
    }

    #[test]
    fn summary_of_a_file_has_no_control_characters() {
        let mut evidence = evidence();
        assert!(summary(&evidence).contains("redacted: nothing"), "{}", summary(&evidence));
        evidence.demo.client_logs =
            Observation::failed("forbidden: needs `get` on `pods/log`\u{1b}[2J");
        evidence.redactions = vec![
            Redaction { place: "/logs/0/text/value".into(), kind: "jwt".into(), count: 2 },
            Redaction { place: "/demo/x".into(), kind: "jwt".into(), count: 1 },
        ];
        evidence.logs = vec![ContainerLog {
            namespace: "istio-system".into(),
            pod: "istiod-1".into(),
            container: "discovery".into(),
            previous: true,
            text: Observation::seen("a\u{1b}[31mb\nc".into()),
            cut: true,
        }];
        let text = summary(&evidence);
        for words in [
            ", 1 of them failed\n",
            "cannot read /demo/client_logs: forbidden: needs `get` on `pods/log`\n",
            "jwt: 3, in /logs/0/text/value, /demo/x\n",
            "istio-system/istiod-1/discovery (before its restart): the last 2 lines\n",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains('\u{1b}'));
        let shown = logs(&evidence, "istiod");
        assert!(shown.ends_with("older lines were left out\nab\nc\n"), "{shown}");
        assert_eq!(logs(&evidence, "kiali"), "");
    }

    #[test]
    fn many_places_are_counted() {
        let places: Vec<_> = (0..20).map(|_| "/x").collect();
        assert!(some(&places).ends_with("/x, 12 more"));
    }
}
