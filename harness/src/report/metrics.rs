//! Verdicts as Prometheus' text.

use std::fmt::Write as _;

use meshcheck_suites::{Report, Verdict};

/// Formats the verdicts on machines, each with its name: a gauge for each machine and claim, and the time of each look.
pub(crate) fn metrics<'r>(
    machines: impl IntoIterator<Item = (&'r str, Option<&'r Report>)>,
) -> String {
    let machines: Vec<_> =
        machines.into_iter().map(|(name, report)| (label(name), report)).collect();
    let mut text = head("meshcheck_reached", "Whether there are verdicts on the machine.");
    for (machine, report) in &machines {
        let value = u8::from(report.is_some());
        let _ = writeln!(text, "meshcheck_reached{{machine=\"{machine}\"}} {value}");
    }
    let reached = || machines.iter().filter_map(|(machine, report)| Some((machine, (*report)?)));
    let help = "Whether a claim holds: 1 holds or is changed, 0 fails, -1 is unjudged or skipped.";
    text += &head("meshcheck_claim", help);
    for (machine, report) in reached() {
        for claim in &report.claims {
            let value = match claim.verdict {
                Verdict::Pass | Verdict::Changed => 1,
                Verdict::Fail => 0,
                Verdict::Unjudged | Verdict::Skipped => -1,
            };
            let id = label(&claim.id);
            let _ =
                writeln!(text, "meshcheck_claim{{machine=\"{machine}\",claim=\"{id}\"}} {value}");
        }
    }
    let name = "meshcheck_look_timestamp_seconds";
    text += &head(name, "When the machine was looked at.");
    for (machine, report) in reached() {
        if let Ok(time) = report.cluster.recorded_at.parse::<jiff::Timestamp>() {
            let _ = writeln!(text, "{name}{{machine=\"{machine}\"}} {}", time.as_second());
        }
    }
    text
}

fn head(name: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n")
}

/// A text as the value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::class::tests::sample;

    #[test]
    fn metrics_have_a_line_for_each_machine_and_claim() {
        let (board, _) = sample();
        let text = metrics(board.machines.iter().map(|row| (row.name.as_str(), row.report())));
        assert_eq!(text.matches("\nmeshcheck_reached{").count(), 5);
        assert!(text.contains("meshcheck_reached{machine=\"vm02\"} 0"), "{text}");
        assert!(
            text.contains("meshcheck_claim{machine=\"vm01\",claim=\"demo::backend_service\"} 0")
        );
        assert!(
            text.contains("meshcheck_claim{machine=\"vm03\",claim=\"demo::backend_service\"} 1")
        );
        assert_eq!(text.matches("meshcheck_look_timestamp_seconds{").count(), 3);
    }

    #[test]
    fn name_stays_within_its_label() {
        assert_eq!(label("a\"} 1\n\\"), "a\\\"} 1\\n\\\\");
    }
}
