//! The report for people: the outcome, what to fix first, the sections as a bar, and the totals.

mod bar;
mod card;
#[cfg(test)]
pub(crate) mod tests;

use meshcheck_suites::report::{ClaimReport, PhaseTime};
use meshcheck_suites::{Report, Verdict};

use super::cards::groups;
use super::outcome::{counted, facts, outcome, totals};
use super::style::Style;
use super::writer::Writer;

/// Formats the report as text.
pub fn human(report: &Report, style: Style) -> String {
    let mut to = Writer::new(style, &report.cluster);
    let title = style.paint("1", &style.detail(&outcome(report)));
    to.wrapped(&title, "", "  ");
    if !style.quiet {
        to.wrapped(&style.detail(&facts(report)), "", "  ");
    }
    if let Some(caveat) = &report.caveat {
        to.wrapped(&style.detail(caveat), "", "  ");
    }
    if let Some(setup) = report.setup().filter(|_| !style.short) {
        to.line(&format!("Type once in your shell: {}", style.paint("1", &style.clean(&setup))));
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

/// Formats a claim that is judged while evidence is collected, as one line.
pub(crate) fn format_progress(claim: &ClaimReport, style: Style) -> String {
    let mut to = Writer::new(style, None);
    let sign = style.sign(claim.verdict);
    to.cut(&format!("{}  {}", claim.id, style.detail(&claim.statement)), &format!("{sign} "), "");
    to.text.trim_end().to_owned()
}

/// Writes the cards by their groups, then what was skipped.
fn write_cards(to: &mut Writer<'_>, report: &Report) {
    for group in groups(report) {
        to.text.push('\n');
        to.line(&to.style.paint("1", group.title));
        for (at, card) in group.cards.iter().enumerate() {
            if at > 0 && !to.style.short && !card.is_bare() {
                to.text.push('\n');
            }
            card::write_card(to, report, card);
        }
    }
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

/// Writes what a reader must know of the software. Of a lab's it is one line, and all with `--verbose`; of a release, whose
/// notes are few, all.
fn write_notes(to: &mut Writer<'_>, report: &Report) {
    let style = to.style;
    let Some(bundle) = report.cluster.bundle.as_ref().filter(|it| !it.notes.is_empty()) else {
        return;
    };
    if bundle.is_release() {
        to.line("About the software:");
    } else if style.verbose {
        to.line("Not an official Istio release:");
    } else {
        let number = counted(bundle.notes.len(), "note");
        return to.line(&format!("Not an official Istio release: {number} with --verbose"));
    }
    for note in &bundle.notes {
        to.wrapped(&style.detail(note), "  - ", "    ");
    }
}

/// The seconds of each phase, on one line.
pub fn phases(phases: &[PhaseTime]) -> String {
    let each: Vec<_> =
        phases.iter().map(|phase| format!("{} {:.1} s", phase.phase, phase.seconds)).collect();
    format!("Time: {}", each.join(", "))
}
