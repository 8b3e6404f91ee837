//! Verdicts as Markdown, for a job summary or a comment, and as annotations of GitHub Actions.

use std::fmt::Write as _;

use meshcheck_suites::{Report, Step, Verdict};

use super::cards::{Card, groups};
use super::diff::{compared, heading, verdict};
use super::markdown::text;
use super::outcome::{facts, outcome, totals};
use super::style::sign;
use crate::class::{Board, groups as class_groups, names};
use crate::matrix::{Matrix, Tried};
use crate::text::for_page;

/// The most cards of a report. The JSON report has all of them.
const CARDS: usize = 40;

/// The most annotations: GitHub shows ten of a step.
const ANNOTATIONS: usize = 10;

/// How much of one annotation is shown, in bytes.
const ANNOTATION: usize = 1000;

/// Formats verdicts as Markdown.
pub(crate) fn markdown(report: &Report) -> String {
    let mut to = format!("### {}\n\n{}\n\n", text(&outcome(report)), text(&facts(report)));
    let mut left = CARDS;
    for group in groups(report) {
        let shown = group.cards.get(..left.min(group.cards.len())).unwrap_or_default();
        if shown.is_empty() {
            continue;
        }
        left -= shown.len();
        let _ =
            writeln!(to, "**{}**\n\n| | claim | observed | step |\n|---|---|---|---|", group.title);
        for card in shown {
            let ids: Vec<_> = card.ids.iter().map(|id| text(id)).collect();
            let step = card.steps.first().map(step).unwrap_or_default();
            let sign = sign(card.verdict);
            let _ = writeln!(
                to,
                "| {sign} | {} | {} | {step} |",
                ids.join("<br>"),
                text(&card.summary)
            );
        }
        to.push('\n');
    }
    let _ = writeln!(to, "{}", text(&totals(report, |_, words| words.to_owned())));
    to
}

/// A step: what it does, and its command.
fn step(step: &Step) -> String {
    match &step.command {
        Some(command) => format!("{}: {}", text(&step.text), text(&format!("`{command}`"))),
        None => text(&step.text),
    }
}

/// Formats a matrix as Markdown: the meshes, the claims that do not pass on all of them, and how each mesh differs from
/// the one on its left.
pub(crate) fn matrix_markdown(matrix: &Matrix) -> String {
    let columns = &matrix.columns;
    let mut to = format!("### {}\n\n", text(&super::matrix::outcome(matrix)));
    let names: Vec<_> = columns.iter().map(|it| text(&it.name)).collect();
    let _ = writeln!(to, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let states: Vec<_> = columns
        .iter()
        .map(|it| format!("{}<br>{}", text(&it.versions().unwrap_or_default()), text(&it.state())))
        .collect();
    let _ = writeln!(to, "| versions | {} |", states.join(" | "));
    let passes =
        |it: &Tried, id: &str| it.report.is_none() || it.verdict(id) == Some(Verdict::Pass);
    for id in matrix.claims() {
        if columns.iter().all(|column| passes(column, id)) {
            continue;
        }
        let cells: Vec<_> = columns
            .iter()
            .map(|it| it.verdict(id).map(|it| format!("{} {it}", sign(it))).unwrap_or_default())
            .collect();
        let _ = writeln!(to, "| {} | {} |", text(id), cells.join(" | "));
    }
    for column in columns {
        let Some(diff) = &column.differences else { continue };
        let _ = writeln!(to, "\n**{}**, compared with its left neighbour\n", text(&column.name));
        for difference in diff.differences.iter().take(CARDS) {
            let sign = sign(verdict(difference.class));
            let _ = writeln!(to, "- {sign} {}", text(&heading(difference)));
        }
        let _ = writeln!(to, "- {}", text(&compared(diff)));
    }
    to
}

/// Formats a class as Markdown: what is wrong on how many machines.
pub(crate) fn class_markdown(board: &Board) -> String {
    let mut to = format!("### {}\n\n", text(&super::class::outcome(board)));
    let groups = class_groups(board);
    if !groups.is_empty() {
        to.push_str("| | machines | observed | step |\n|---|---|---|---|\n");
    }
    for group in groups.iter().take(CARDS) {
        let sign = group.verdict.map_or("?", sign);
        let step = group.cause.and_then(|cause| cause.steps.first()).map(step).unwrap_or_default();
        let names = text(&names(&group.machines));
        let _ = writeln!(to, "| {sign} | {names} | {} | {step} |", text(&group.summary));
    }
    to
}

/// Formats what does not hold as annotations of GitHub Actions, the worst first, ten at the most.
pub(crate) fn annotations(report: &Report) -> String {
    let cards: Vec<_> = groups(report).into_iter().flat_map(|group| group.cards).collect();
    let mut to = String::new();
    let open = |verdict| cards.iter().filter(move |card: &&Card<'_>| card.verdict == verdict);
    let kinds =
        [(Verdict::Fail, "error"), (Verdict::Changed, "warning"), (Verdict::Unjudged, "warning")];
    let all = kinds.into_iter().flat_map(|(verdict, kind)| open(verdict).map(move |it| (kind, it)));
    for (kind, card) in all.take(ANNOTATIONS) {
        let mut words = for_page(&card.summary);
        if let Some(command) = card.steps.iter().find_map(|step| step.command.as_deref()) {
            let _ = write!(words, "\n{}", for_page(command));
        }
        words.truncate(words.floor_char_boundary(ANNOTATION));
        let (title, words) = (property(&card.ids.join(", ")), data(&words));
        let _ = writeln!(to, "::{kind} title={title}::{words}");
    }
    to
}

/// A text as the message of a workflow command: one line, without the signs that end it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::tests::sample;
    use crate::report::matrix::tests::sample as matrix_sample;

    #[test]
    fn verdicts_as_markdown() {
        insta::assert_snapshot!(markdown(&sample()));
    }

    #[test]
    fn matrix_as_markdown() {
        insta::assert_snapshot!(matrix_markdown(&matrix_sample()));
    }

    #[test]
    fn class_as_markdown() {
        insta::assert_snapshot!(class_markdown(&crate::report::class::tests::sample().0));
    }

    #[test]
    fn annotations_begin_with_the_worst_and_are_ten_at_most() {
        insta::assert_snapshot!(annotations(&sample()));
        let mut report = sample();
        report.causes.clear();
        let claim = report.claims[1].clone();
        for number in 0..30 {
            let mut more = claim.clone();
            more.id = format!("mesh::number_{number}");
            report.claims.push(more);
        }
        assert_eq!(annotations(&report).lines().count(), ANNOTATIONS);
    }

    #[test]
    fn text_of_a_cluster_stays_in_its_annotation() {
        let mut report = sample();
        report.causes.clear();
        report.claims[1].summary = "a\n::error::b\r%0A".into();
        let text = annotations(&report);
        assert!(
            text.lines()
                .all(|line| line.starts_with("::error title=")
                    || line.starts_with("::warning title=")),
            "{text}"
        );
        assert!(text.contains("%0A::error::b"), "{text}");
        assert!(text.contains("%250A"), "{text}");
    }
}
