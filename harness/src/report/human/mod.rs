//! The report for people: the outcome, what to fix first, the sections as a bar, and the totals.

mod bar;
mod card;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;

use meshcheck_suites::report::{ClaimReport, PhaseTime};
use meshcheck_suites::{Report, Verdict};

use super::outcome::{counted, facts, outcome, totals};
use super::style::Style;
use super::writer::Writer;
use card::Card;

/// Formats the report as text.
pub fn human(report: &Report, style: Style) -> String {
    let mut to = Writer::new(style, &report.cluster);
    let title = style.paint("1", &style.detail(&outcome(report)));
    to.wrapped(&title, "", "  ");
    if !style.quiet {
        to.wrapped(&style.detail(&facts(report)), "", "  ");
    }
    if let Some(setup) = report.setup().filter(|_| !style.short) {
        to.line(&format!("Commands below use: {}", style.paint("1", &style.clean(&setup))));
    }
    write_cards(&mut to, report);
    if style.verbose {
        write_claims(&mut to, report);
    }
    to.text.push('\n');
    if !style.quiet {
        bar::write_bar(&mut to, report);
        write_notes(&mut to, report);
        if !report.phases.is_empty() {
            to.wrapped(&phases(&report.phases), "", "  ");
        }
    }
    // The last line is one line, whatever its width: logs are searched for it.
    let context = style.detail(&report.cluster.context);
    to.line(&format!(
        "{}; {context}",
        totals(report, |verdict, text| style.paint_as(verdict, text))
    ));
    to.text
}

/// Writes the causes, then what stands alone: not judged, changed, allowed to fail, skipped.
fn write_cards(to: &mut Writer<'_>, report: &Report) {
    let (updates, fixes): (Vec<_>, Vec<_>) =
        report.causes.iter().map(|cause| Card::of_cause(report, cause)).partition(Card::is_update);
    let shown: BTreeSet<_> = report.causes.iter().map(|cause| cause.claim.as_str()).collect();
    let alone = |verdict, may_fail| {
        let is_alone = move |claim: &&ClaimReport| {
            (claim.verdict, claim.may_fail.is_some()) == (verdict, may_fail)
        };
        let claims = report.claims.iter().filter(|it| it.because.is_none());
        let claims = claims.filter(|it| !shown.contains(it.id.as_str()));
        Card::of_claims(claims.filter(is_alone))
    };
    let mut number = 0;
    let mut write = |title: &str, cards: Vec<Card<'_>>| {
        if cards.is_empty() {
            return;
        }
        to.text.push('\n');
        to.line(&to.style.paint("1", title));
        for (at, card) in cards.iter().enumerate() {
            number += 1;
            if at > 0 && !to.style.short {
                to.text.push('\n');
            }
            card.write(to, report, number);
        }
    };
    write("Fix first", fixes);
    write("Fails", alone(Verdict::Fail, false));
    write("Not judged", alone(Verdict::Unjudged, false));
    let changed = updates.into_iter().chain(alone(Verdict::Changed, false)).collect();
    write("Update the tutorial (nothing to do on the cluster)", changed);
    let verdicts = [Verdict::Fail, Verdict::Changed, Verdict::Unjudged];
    let allowed = verdicts.into_iter().flat_map(|verdict| alone(verdict, true)).collect();
    write("Allowed to fail", allowed);
    if report.totals.skipped > 0 && !to.style.quiet {
        to.text.push('\n');
        to.line(&to.style.paint("1", "Skipped"));
        card::write_skipped(to, report);
    }
}

/// Writes every claim with its statement, and what was seen.
fn write_claims(to: &mut Writer<'_>, report: &Report) {
    let style = to.style;
    for section in report.sections() {
        to.text.push('\n');
        to.line(&style.paint("1", section.word()));
        for claim in report.claims.iter().filter(|claim| claim.section == section) {
            let mark = format!("  {} ", style.sign(claim.verdict));
            to.wrapped(
                &format!("{}  {}", claim.id, style.detail(&claim.statement)),
                &mark,
                "      ",
            );
            to.wrapped(&style.detail(&claim.summary), "      ", "      ");
            if claim.verdict == Verdict::Pass {
                to.pairs(&[("observed", claim.observed.as_deref())], "        ");
            }
        }
    }
}

/// Writes how the software differs from the official release: one line, and all with `--verbose`.
fn write_notes(to: &mut Writer<'_>, report: &Report) {
    let style = to.style;
    let notes = report.cluster.bundle.as_ref().map(|it| it.notes.as_slice()).unwrap_or_default();
    if notes.is_empty() {
        return;
    }
    if !style.verbose {
        let number = counted(notes.len(), "note");
        return to.line(&format!("Not an official Istio release: {number} with --verbose"));
    }
    to.line("Not an official Istio release:");
    for note in notes {
        to.wrapped(&style.detail(note), "  - ", "    ");
    }
}

/// The seconds of each phase, on one line.
pub fn phases(phases: &[PhaseTime]) -> String {
    let each: Vec<_> =
        phases.iter().map(|phase| format!("{} {:.1} s", phase.phase, phase.seconds)).collect();
    format!("Time: {}", each.join(", "))
}
