//! The end of the report: what was looked at, how long it took, and the line that sums it up.

use std::fmt::Write as _;

use meshcheck_suites::report::PhaseTime;
use meshcheck_suites::{Report, Verdict};

use crate::report::style::Style;
use crate::report::writer::Writer;

/// The lines of a small terminal: who reads the end there does not see what stands above them.
const SCREEN: usize = 24;

/// Writes what is to be known of the software: the first of it, which weighs most, and all with
/// `--verbose`.
pub(super) fn write_notes(to: &mut Writer, report: &Report) {
    let style = to.style;
    let notes = report.cluster.bundle.as_ref().map(|it| it.notes.as_slice()).unwrap_or_default();
    let Some((first, more)) = notes.split_first().filter(|_| !style.quiet) else { return };
    to.line(&style.paint("1", "this software is not the official release as it is"));
    let shown = if style.verbose { notes } else { std::slice::from_ref(first) };
    for note in shown {
        to.wrapped(&style.detail(note), "  - ", "    ");
    }
    if !style.verbose && !more.is_empty() {
        to.wrapped(&format!("and {} more with --verbose", more.len()), "  - ", "    ");
    }
    to.text.push('\n');
}

/// Writes the last lines, after what stands below the causes.
pub(super) fn write_end(to: &mut Writer, report: &Report, below: &str) {
    let style = to.style;
    let more = style.more();
    if !style.verbose && below.lines().any(|line| line.ends_with(more)) {
        to.wrapped(&format!("lines that end in {more} are whole with --verbose"), "", "  ");
    }
    if let Some(cause) = report.causes.first().filter(|_| below.lines().count() > SCREEN) {
        let words = format!("mend first: {}, at the top", style.clean(&cause.claim));
        to.wrapped(&words, "", "  ");
    }
    if !report.phases.is_empty() {
        to.wrapped(&phases(&report.phases), "", "  ");
    }
    to.wrapped(&facts(report, style), "", "  ");
    // The last line is one line, whatever its width: logs are searched for it.
    to.line(&summary(report, style));
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
