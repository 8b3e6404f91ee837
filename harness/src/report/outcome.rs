//! The outcome in one sentence, the facts about the cluster, and the totals: what every report begins or ends with.

use std::fmt::Write as _;

use meshcheck_suites::report::{ClaimReport, Totals};
use meshcheck_suites::{CHECKS, CLAIMS, Report, Verdict};

use super::cards::has_fix;
use super::style::SIGNS;

/// `1 claim`, `2 claims`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// What the report is about: claims of the tutorial, or checks before its start.
pub(super) fn noun(report: &Report) -> &'static str {
    if report.is_preflight() { "check" } else { "claim" }
}

/// The outcome in one sentence, without a full stop.
pub(super) fn outcome(report: &Report) -> String {
    let Totals { pass, fail, changed, unjudged, .. } = report.totals;
    let number = report.claims.len();
    let noun = noun(report);
    let cluster = &report.cluster.context;
    let all = if report.is_preflight() { CHECKS.len() } else { CLAIMS.len() };
    // A part of the claims says nothing about the tutorial as a whole.
    let (holds, fails) = if number < all {
        (
            format!("The selected {noun}s hold on"),
            format!("The selected {noun}s do not all hold on"),
        )
    } else if report.is_preflight() {
        ("Ready for the tutorial:".to_owned(), "Not ready for the tutorial:".to_owned())
    } else {
        ("The tutorial holds on".to_owned(), "The tutorial does not hold on".to_owned())
    };
    let of_all = |count: usize, one: &str, more: &str| {
        format!("{count} of {number} {noun}s {}", if count == 1 { one } else { more })
    };
    let unknown = of_all(unjudged, "is unjudged", "are unjudged");
    let is_cleaned =
        |claim: &ClaimReport| claim.verdict == Verdict::Changed && has_fix(&claim.steps);
    let cleaned = report.claims.iter().filter(|claim| is_cleaned(claim)).count();
    let mut text = if fail > 0 && report.exit_code() != 0 {
        let causes = match report.causes.len() {
            0 => String::new(),
            causes => format!("{}, ", counted(causes, "cause")),
        };
        format!("{fails} {cluster}: {causes}{}", of_all(fail, "fails", "fail"))
    } else if pass == 0 {
        format!("Nothing was judged on {cluster}: {unknown}")
    } else if changed > cleaned {
        let sentences = counted(changed - cleaned, "sentence");
        let need = if changed - cleaned == 1 { "needs" } else { "need" };
        let also = if unjudged > 0 && fail == 0 { format!("; {unknown}") } else { String::new() };
        format!("{holds} {cluster}, except for {sentences} that {need} an update{also}")
    } else if unjudged > 0 {
        format!("Not everything could be checked on {cluster}: {unknown}")
    } else {
        let skipped = match report.totals.skipped {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        format!("{holds} {cluster}: {pass} of {}{skipped}", counted(number, noun))
    };
    let unproven = report.claims.iter().filter(|claim| claim.caveat.is_some()).count();
    for (count, what) in [
        (cleaned, "to clean up"),
        (unproven, "not proven"),
        (if report.exit_code() == 0 { fail } else { 0 }, "allowed to fail"),
    ] {
        if count > 0 {
            let _ = write!(text, "; {} {what}", counted(count, noun));
        }
    }
    text
}

/// The versions, and how long the collection took.
pub(super) fn facts(report: &Report) -> String {
    let mut facts = vec![format!("Istio {}", report.istio_version)];
    facts.extend(report.cluster.kubernetes_version.iter().map(|it| format!("Kubernetes {it}")));
    let milliseconds = report.cluster.collection_ms;
    if milliseconds > 0 {
        facts.push(checked_in(milliseconds));
    }
    facts.join(" · ")
}

/// `checked in 0.7 s`
pub(super) fn checked_in(milliseconds: u64) -> String {
    format!("checked in {}.{} s", milliseconds / 1000, milliseconds / 100 % 10)
}

/// How many claims got which verdict: `32 claims: 28 pass, 4 fail (1 cause)`.
pub(super) fn totals(report: &Report, paint: impl Fn(Verdict, &str) -> String) -> String {
    let counts = SIGNS.map(|(verdict, ..)| (verdict, report.totals.of_verdict(verdict)));
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let counts: Vec<_> =
        counts.map(|(verdict, count)| paint(verdict, &format!("{count} {verdict}"))).collect();
    let causes = match report.causes.len() {
        0 => String::new(),
        number => format!(" ({})", counted(number, "cause")),
    };
    format!("{}: {}{causes}", counted(report.claims.len(), noun(report)), counts.join(", "))
}
