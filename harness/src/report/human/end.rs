//! The end of the report: what was looked at, how long it took, and the line that sums it up.

use std::fmt::Write as _;

use meshcheck_suites::report::PhaseTime;
use meshcheck_suites::{Report, Verdict};

use super::super::lines::{line, wrapped};
use super::super::style::Style;

/// The lines of a small terminal: who reads the end there does not see what stands above them.
const SCREEN: usize = 24;

/// What is to be known of the software: the first of it, which weighs most, and all with `--verbose`.
pub(super) fn notes(text: &mut String, report: &Report, style: Style) {
    let notes = report.cluster.bundle.as_ref().map(|it| it.notes.as_slice()).unwrap_or_default();
    let Some((first, more)) = notes.split_first().filter(|_| !style.quiet) else { return };
    line(text, &style.paint("1", "this software is not the official release as it is"));
    let shown = if style.verbose { notes } else { std::slice::from_ref(first) };
    for note in shown {
        wrapped(text, &style.detail(note), "  - ", "    ", style);
    }
    if !style.verbose && !more.is_empty() {
        wrapped(text, &format!("and {} more with --verbose", more.len()), "  - ", "    ", style);
    }
    text.push('\n');
}

/// The last lines, after what stands below the causes.
pub(super) fn end(text: &mut String, report: &Report, below: &str, style: Style) {
    let more = style.more();
    if !style.verbose && below.lines().any(|line| line.ends_with(more)) {
        wrapped(
            text,
            &format!("lines that end in {more} are whole with --verbose"),
            "",
            "  ",
            style,
        );
    }
    if let Some(cause) = report.causes.first().filter(|_| below.lines().count() > SCREEN) {
        let words = format!("mend first: {}, at the top", style.clean(&cause.claim));
        wrapped(text, &words, "", "  ", style);
    }
    if !report.phases.is_empty() {
        wrapped(text, &phases(&report.phases), "", "  ", style);
    }
    wrapped(text, &facts(report, style), "", "  ", style);
    // The last line is one line, whatever its width: logs are searched for it.
    line(text, &summary(report, style));
}

/// The seconds of each phase, on one line.
pub fn phases(phases: &[PhaseTime]) -> String {
    let each: Vec<_> =
        phases.iter().map(|phase| format!("{} {:.1}", phase.phase, phase.seconds)).collect();
    format!("seconds: {}", each.join(", "))
}

fn summary(report: &Report, style: Style) -> String {
    let totals = &report.totals;
    let counts = [
        (totals.pass, Verdict::Pass, "32"),
        (totals.fail, Verdict::Fail, "31;1"),
        (totals.changed, Verdict::Changed, "35;1"),
        (totals.unjudged, Verdict::Unjudged, "33;1"),
        (totals.skipped, Verdict::Skipped, "2"),
    ];
    let number = report.claims.len();
    let thing = if report.is_preflight() { "check" } else { "claim" };
    let mut words = format!("{number} {thing}{}: ", if number == 1 { "" } else { "s" });
    let counted: Vec<_> = counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, verdict, code)| style.paint(code, &format!("{count} {verdict}")))
        .collect();
    let causes = match report.causes.len() {
        0 => String::new(),
        1 => " (1 cause)".to_owned(),
        number => format!(" ({number} causes)"),
    };
    let context = style.detail(&report.cluster.context);
    let _ = write!(words, "{}{causes}; {context}", counted.join(", "));
    words
}

/// What was looked at, and how long that took.
fn facts(report: &Report, style: Style) -> String {
    let mut words = format!("Istio {}", style.clean(&report.istio_version));
    if let Some(version) = &report.cluster.kubernetes_version {
        let _ = write!(words, ", Kubernetes {}", style.detail(version));
    }
    let milliseconds = report.cluster.collection_ms;
    let _ = write!(words, ", looked at in {}.{} s", milliseconds / 1000, milliseconds / 100 % 10);
    words
}
