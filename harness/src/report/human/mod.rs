//! The report for people: what to mend first, then sections, one line a claim, failures with what to do.

mod causes;
mod claim;
mod end;
#[cfg(test)]
pub(crate) mod tests;

use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Report, Verdict};

use super::style::Style;
use super::writer::Writer;
pub use end::phases;

/// The report as text.
pub fn human(report: &Report, style: Style) -> String {
    let mut to = Writer::new(style);
    causes::write_causes(&mut to, &report.causes);
    let causes_end = to.text.len();
    for section in report.sections() {
        let claims: Vec<_> = report
            .claims
            .iter()
            .filter(|claim| claim.section == section)
            .filter(|claim| !style.quiet || !holds(claim))
            .collect();
        if claims.is_empty() {
            continue;
        }
        to.line(&style.paint("1", section.word()));
        if let Some(why) = left_out(&claims).filter(|_| report.is_preflight() && !style.verbose) {
            let mark = format!("  {} ", style.mark(Verdict::Skipped));
            let words = format!("all {}: {}", claims.len(), style.detail(why));
            to.wrapped(&words, &mark, style.indent());
        } else {
            for claim in claims {
                claim::write_claim(&mut to, claim, &report.causes);
            }
        }
        to.text.push('\n');
    }
    end::write_notes(&mut to, report);
    let below = to.text.get(causes_end..).unwrap_or_default().to_owned();
    end::write_end(&mut to, report, &below);
    to.text
}

/// Why all of these were left out, where it is one reason: it is said once.
fn left_out<'r>(claims: &[&'r ClaimReport]) -> Option<&'r str> {
    let [first, _, ..] = claims else { return None };
    let same = |it: &&ClaimReport| it.verdict == Verdict::Skipped && it.summary == first.summary;
    claims.iter().all(same).then_some(first.summary.as_str())
}

fn holds(claim: &ClaimReport) -> bool {
    matches!(claim.verdict, Verdict::Pass | Verdict::Skipped)
}
