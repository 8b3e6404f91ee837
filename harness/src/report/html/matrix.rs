//! The matrix as a page: columns are meshes, rows are claims, and a cell opens to what was seen.

use askama::Template;
use meshcheck_suites::Verdict;
use meshcheck_suites::diff::Diff;
use meshcheck_suites::report::ClaimReport;

use super::{filters, hash};
use crate::matrix::{Matrix, Tried};
use crate::report::ReportError;
use crate::report::diff::{compared, heading, verdict};
use crate::report::matrix::{left_of, outcome};
use crate::report::style::{SIGNS, sign};

/// The style of every page, and what this one adds.
const STYLE: &str = concat!(
    include_str!("../../../templates/report.css"),
    include_str!("../../../templates/matrix.css")
);

#[derive(Template)]
#[template(path = "matrix.html")]
struct Page<'m> {
    style: &'static str,
    style_hash: String,
    outcome: String,
    columns: &'m [Tried],
    rows: Vec<Row<'m>>,
    /// How many claims pass on every mesh that has a record.
    passing: usize,
    changes: Vec<Changes<'m>>,
    legend: Vec<(Verdict, &'static str)>,
    version: &'static str,
}

/// A claim on every mesh.
struct Row<'m> {
    id: &'m str,
    statement: &'m str,
    /// Whether it passes on every mesh that has a record.
    passes: bool,
    cells: Vec<Cell<'m>>,
}

struct Cell<'m> {
    claim: Option<&'m ClaimReport>,
    /// Whether the verdict is not that of the column on the left.
    differs: bool,
}

/// How a column differs from the column on its left.
struct Changes<'m> {
    from: &'m str,
    to: &'m str,
    diff: &'m Diff,
}

/// Formats the matrix as a page.
///
/// # Errors
///
/// When the template cannot be filled, which is a bug.
pub(crate) fn matrix_html(matrix: &Matrix) -> Result<String, ReportError> {
    let rows: Vec<_> = matrix.claims().into_iter().filter_map(|id| row(matrix, id)).collect();
    let page = Page {
        style: STYLE,
        style_hash: hash(STYLE),
        outcome: outcome(matrix),
        columns: &matrix.columns,
        passing: rows.iter().filter(|row| row.passes).count(),
        rows,
        changes: changes(matrix),
        legend: SIGNS.iter().map(|(verdict, ..)| (*verdict, sign(*verdict))).collect(),
        version: env!("CARGO_PKG_VERSION"),
    };
    page.render().map(|text| text + "\n").map_err(|error| ReportError::Format(error.to_string()))
}

fn row<'m>(matrix: &'m Matrix, id: &'m str) -> Option<Row<'m>> {
    let statement = &matrix.columns.iter().find_map(|column| column.claim(id))?.statement;
    let cell = |(at, column): (usize, &'m Tried)| {
        let claim = column.claim(id);
        let left = left_of(matrix, at).and_then(|(_, left)| left.verdict(id));
        let differs = claim.is_some_and(|it| left.is_some_and(|left| left != it.verdict));
        Cell { claim, differs }
    };
    let cells: Vec<_> = matrix.columns.iter().enumerate().map(cell).collect();
    let passes = cells.iter().filter_map(|it| it.claim).all(|it| it.verdict == Verdict::Pass);
    Some(Row { id, statement, passes, cells })
}

fn changes(matrix: &Matrix) -> Vec<Changes<'_>> {
    let columns = matrix.columns.iter().enumerate();
    let changes = columns.filter_map(|(at, column)| {
        let (_, old) = left_of(matrix, at)?;
        Some(Changes { from: &old.name, to: &column.name, diff: column.differences.as_ref()? })
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::matrix::tests::sample;

    #[test]
    fn page_has_a_column_for_each_mesh_and_a_row_for_each_claim() {
        let matrix = sample();
        let text = matrix_html(&matrix).unwrap();
        for column in &matrix.columns {
            assert!(text.contains(&format!(">{}<", column.name)), "{}", column.name);
        }
        assert_eq!(text.matches("<th scope=\"row\"").count(), matrix.claims().len());
    }

    #[test]
    fn text_of_a_run_is_escaped() {
        let text = matrix_html(&sample()).unwrap();
        assert!(text.contains("the disk is full &#60;b&#62;"), "{text}");
        assert!(!text.contains("<b>"));
    }

    #[test]
    fn cells_that_differ_from_the_left_are_marked() {
        let text = matrix_html(&sample()).unwrap();
        assert!(text.contains("class=\"differs\""));
        let mut matrix = sample();
        matrix.columns.truncate(2);
        assert!(!matrix_html(&matrix).unwrap().contains("class=\"differs\""));
    }
}
