//! The matrix as text, and what its page shows too: the outcome, the columns, what changes from column to column.

use meshcheck_suites::Verdict;
use meshcheck_suites::report::Totals;

use super::diff::{compared, heading, verdict};
use super::outcome::counted;
use super::style::{SIGNS, Style};
use super::writer::Writer;
use crate::matrix::{Matrix, Tried};

/// Formats the matrix as text: the columns, the claims that do not pass in each of them, and what changes from column
/// to column.
pub(crate) fn matrix_human(matrix: &Matrix, style: Style) -> String {
    let mut to = Writer::new(style, None);
    to.wrapped(&style.paint("1", &outcome(matrix)), "", "  ");
    to.text.push('\n');
    write_columns(&mut to, matrix);
    write_table(&mut to, matrix);
    for (at, column) in matrix.columns.iter().enumerate().skip(1) {
        write_changes(&mut to, matrix, at, column);
    }
    to.text
}

/// The outcome in one sentence, without a full stop.
pub(super) fn outcome(matrix: &Matrix) -> String {
    let all = matrix.columns.len();
    let holds = matrix.columns.iter().filter(|it| it.holds()).count();
    let missing = matrix.columns.iter().filter(|it| it.report.is_none()).count();
    let missing = match missing {
        0 => String::new(),
        1 => "; 1 has no record".into(),
        number => format!("; {number} have no record"),
    };
    let noun = if all == 1 { "mesh" } else { "meshes" };
    format!("The tutorial holds on {holds} of {all} {noun}{missing}")
}

impl Tried {
    /// Whether every claim holds that was judged, its wording aside.
    fn holds(&self) -> bool {
        let counted = [Verdict::Fail, Verdict::Unjudged];
        self.report.as_ref().is_some_and(|report| report.exit_code_for(&counted) == 0)
    }

    /// Returns its counts, or why there are none.
    pub(super) fn state(&self) -> String {
        match (&self.report, &self.failed) {
            (Some(report), _) => counts(&report.totals),
            (None, Some(reason)) => {
                format!("no record: {}", reason.lines().next().unwrap_or_default())
            }
            (None, None) => "no record".into(),
        }
    }
}

/// `30 pass, 2 changed`
fn counts(totals: &Totals) -> String {
    let counts = SIGNS.iter().map(|(verdict, ..)| (totals.of_verdict(*verdict), verdict));
    let counts = counts.filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, verdict)| format!("{count} {verdict}")).collect();
    counts.join(", ")
}

fn write_columns(to: &mut Writer<'_>, matrix: &Matrix) {
    let width = matrix.columns.iter().map(|it| it.name.len()).max().unwrap_or_default();
    for (at, column) in matrix.columns.iter().enumerate() {
        let versions = column.versions().map(|it| it + ": ").unwrap_or_default();
        let text = to.style.detail(&format!("{versions}{}", column.state()));
        let first = format!("{:>3}  {:width$}  ", at + 1, column.name);
        to.wrapped(&text, &first, &format!("{:width$}", "", width = width + 7));
    }
}

/// Writes a row for each claim that does not pass everywhere; for each claim with `--verbose`.
fn write_table(to: &mut Writer<'_>, matrix: &Matrix) {
    let style = to.style;
    let claims = matrix.claims();
    let passes = |column: &Tried, id: &str| {
        column.report.is_none() || column.verdict(id) == Some(Verdict::Pass)
    };
    let is_shown =
        |id: &&str| style.verbose || !matrix.columns.iter().all(|column| passes(column, id));
    let shown: Vec<_> = claims.iter().copied().filter(is_shown).collect();
    let width = shown.iter().map(|id| id.len()).max().unwrap_or_default();
    to.text.push('\n');
    if !shown.is_empty() {
        let numbers = (1..=matrix.columns.len()).map(|it| format!("{it:>4}"));
        to.line(&format!("{:width$}{}", "claim", numbers.collect::<Vec<_>>().concat()));
    }
    for id in &shown {
        let cells: String = matrix.columns.iter().map(|it| cell(style, it.verdict(id))).collect();
        to.line(&format!("{id:width$}{cells}"));
    }
    let rest = claims.len() - shown.len();
    if rest > 0 {
        let all = if shown.is_empty() { "All" } else { "The other" };
        let verb = if rest == 1 { "passes" } else { "pass" };
        to.line(&format!("{all} {} {verb} on every mesh with a record", counted(rest, "claim")));
    }
    if !shown.is_empty() {
        let legend = SIGNS.map(|(verdict, ..)| format!("{} {verdict}", style.sign(verdict)));
        to.line(&legend.join("  "));
    }
}

/// A sign, three columns to the right.
fn cell(style: Style, verdict: Option<Verdict>) -> String {
    format!("   {}", verdict.map_or(" ".into(), |verdict| style.sign(verdict)))
}

/// Writes how a column differs from the column on its left.
fn write_changes(to: &mut Writer<'_>, matrix: &Matrix, at: usize, column: &Tried) {
    let style = to.style;
    let Some((left, old)) = left_of(matrix, at) else { return };
    let Some(diff) = &column.differences else { return };
    to.text.push('\n');
    let title = format!("From {} ({}) to {} ({})", left + 1, old.name, at + 1, column.name);
    to.line(&style.paint("1", &title));
    for difference in &diff.differences {
        let sign = style.sign(verdict(difference.class));
        to.wrapped(&style.detail(&heading(difference)), &format!("  {sign} "), "      ");
        if let Some(reason) = &difference.reason {
            let why = format!("{}: {}", reason.why, reason.source);
            to.wrapped(&style.detail(&why), "      why  ", "           ");
        }
    }
    to.wrapped(&compared(diff), "  ", "  ");
}

/// Returns the next column to the left that has a record, with its index.
pub(super) fn left_of(matrix: &Matrix, at: usize) -> Option<(usize, &Tried)> {
    let left = matrix.columns.iter().enumerate().take(at);
    left.rev().find(|(_, it)| it.report.is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use meshcheck_suites::Evidence;

    pub(crate) fn sample() -> Matrix {
        let healthy: Evidence =
            serde_json::from_str(include_str!("../../../fixtures/evidence/lab.json")).unwrap();
        let mut other = healthy.clone();
        other.expectations.istio_version = "1.31.1".into();
        other.demo.services.value_mut().unwrap().clear();
        let recorded = |name: &str, evidence: Evidence| {
            let report = meshcheck_suites::judge(&evidence, &[]);
            Tried::recorded(name, evidence, report)
        };
        let mut matrix = Matrix::new(vec![
            recorded("lab", healthy),
            Tried::failed("istio-1.32.0", "the disk is full <b>\nfix: free 4 GB".to_owned()),
            recorded("istio-1.31.1", other),
        ]);
        matrix.compare_columns();
        matrix
    }

    #[test]
    fn matrix_as_text() {
        insta::assert_snapshot!(matrix_human(&sample(), Style::plain()));
    }

    #[test]
    fn matrix_whose_claims_all_pass_is_short() {
        let mut matrix = sample();
        matrix.columns.truncate(1);
        insta::assert_snapshot!(matrix_human(&matrix, Style::plain()));
    }
}
