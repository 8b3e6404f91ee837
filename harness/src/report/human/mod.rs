//! The report for people: what to mend first, then sections, one line a claim, failures with what to do.

mod causes;
mod claim;
mod end;
#[cfg(test)]
pub(super) mod tests;

use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Report, Verdict};

use super::lines::{line, wrapped};
use super::style::Style;
pub use end::phases;

/// The report as text.
pub fn human(report: &Report, style: Style) -> String {
    let mut text = String::new();
    causes::causes(&mut text, &report.causes, style);
    let causes_end = text.len();
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
        line(&mut text, &style.paint("1", section.word()));
        if let Some(why) = left_out(&claims).filter(|_| report.is_preflight() && !style.verbose) {
            let mark = format!("  {} ", style.mark(Verdict::Skipped));
            let words = format!("all {}: {}", claims.len(), style.detail(why));
            wrapped(&mut text, &words, &mark, style.indent(), style);
        } else {
            for claim in claims {
                claim::claim(&mut text, claim, &report.causes, style);
            }
        }
        text.push('\n');
    }
    end::notes(&mut text, report, style);
    let below = text.get(causes_end..).unwrap_or_default().to_owned();
    end::end(&mut text, report, &below, style);
    text
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
