//! The bar of sections: one sign for each claim, and what the signs mean.

use meshcheck_suites::{Report, Verdict};

use crate::report::style::SIGNS;
use crate::report::writer::Writer;

/// How many columns of sections stand side by side, where the width allows it.
const COLUMNS: usize = 3;

/// The space between two columns.
const GAP: usize = 4;

/// Writes the sections with a sign for each of their claims, from top to bottom in columns, and the legend.
pub(super) fn write_bar(to: &mut Writer<'_>, report: &Report) {
    let style = to.style;
    let sections = report.sections();
    let name_width = sections.iter().map(|it| it.word().len()).max().unwrap_or_default();
    let cells: Vec<(String, usize)> = sections
        .into_iter()
        .map(|section| {
            let claims = report.claims.iter().filter(|claim| claim.section == section);
            let signs: Vec<_> = claims.map(|claim| style.sign(claim.verdict)).collect();
            let width = name_width + 2 + signs.len();
            (format!("{:name_width$}  {}", section.word(), signs.concat()), width)
        })
        .collect();
    let widest = cells.iter().map(|(_, width)| *width).max().unwrap_or_default();
    let fits = |columns: usize| style.width.is_none_or(|it| columns * (widest + GAP) <= it + GAP);
    let columns = (1..=COLUMNS).rev().find(|it| fits(*it)).unwrap_or(1);
    let rows = cells.len().div_ceil(columns);
    for row in 0..rows {
        let mut line = String::new();
        let mut padding = 0;
        for (cell, width) in cells.iter().skip(row).step_by(rows) {
            line.push_str(&" ".repeat(padding));
            line.push_str(cell);
            padding = widest - width + GAP;
        }
        to.line(&line);
    }
    let occurring = SIGNS.iter().filter(|(verdict, ..)| {
        *verdict == Verdict::Pass || report.claims.iter().any(|claim| claim.verdict == *verdict)
    });
    let legend: Vec<_> =
        occurring.map(|(verdict, ..)| format!("{} {verdict}", style.sign(*verdict))).collect();

    to.line(&legend.join("  "));
}
