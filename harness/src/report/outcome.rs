//! The outcome in one sentence: what every report begins with.

use std::fmt::Write as _;

use meshcheck_suites::report::Totals;
use meshcheck_suites::{CHECKS, CLAIMS, Report};

/// `1 claim`, `2 claims`.
pub(super) fn counted(number: usize, noun: &str) -> String {
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
    let claims = format!("of {number} {noun}s");
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
    let mut text = if fail > 0 && report.exit_code() != 0 {
        let causes = match report.causes.len() {
            0 => String::new(),
            causes => format!("{}, ", counted(causes, "cause")),
        };
        format!("{fails} {cluster}: {causes}{fail} {claims} fail")
    } else if pass == 0 {
        format!("Nothing was judged on {cluster}: {unjudged} {claims} are unjudged")
    } else if unjudged > 0 {
        format!("Not everything could be checked on {cluster}: {unjudged} {claims} are unjudged")
    } else if changed > 0 {
        let sentences = counted(changed, "sentence");
        let need = if changed == 1 { "needs" } else { "need" };
        format!("{holds} {cluster}, except for {sentences} that {need} an update")
    } else {
        format!("{holds} {cluster}: {pass} {claims}")
    };
    if fail > 0 && report.exit_code() == 0 {
        let _ = write!(text, "; {} fail as allowed", counted(fail, noun));
    }
    text
}
