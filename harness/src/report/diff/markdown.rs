//! A comparison as Markdown, for a job summary or a comment on a pull request.

use std::fmt::Write as _;

use meshcheck_suites::diff::{Diff, Difference, View};

use super::{below, compared, heading, not_compared, outcome, side, unofficial};
use crate::report::markdown::{link, text};

/// The most differences that stand open; the others are folded.
const OPEN: usize = 12;

/// The most differences at all: a summary has at most 1 MiB. The JSON has all of them.
const MOST: usize = 200;

/// The most items of a list.
const ITEMS: usize = 100;

/// Formats a comparison as Markdown.
pub fn markdown(diff: &Diff) -> String {
    let mut to = format!("### {}\n\n", text(&outcome(diff)));
    let _ = writeln!(to, "- old: {}\n- new: {}", text(&side(&diff.old)), text(&side(&diff.new)));
    if let Some(note) = unofficial(diff) {
        let _ = writeln!(to, "- note: {note}: a difference can come from the build");
    }
    to.push('\n');
    let (open, rest) = diff.differences.split_at(OPEN.min(diff.differences.len()));
    write_table(&mut to, open);
    let (folded, left) = rest.split_at((MOST - OPEN).min(rest.len()));
    if !folded.is_empty() {
        let _ = writeln!(to, "<details><summary>{} more differences</summary>\n", folded.len());
        write_table(&mut to, folded);
        to.push_str("</details>\n\n");
    }
    if !left.is_empty() {
        let _ = writeln!(to, "{} more differences stand in the JSON report.\n", left.len());
    }
    write_list(&mut to, "Not compared", not_compared(diff).iter().map(|item| text(item)));
    if diff.view == View::All {
        let noise = diff.noise.iter().map(|it| format!("{}: {} ({})", it.id, it.count, it.what));
        write_list(&mut to, "Noise that is left out", noise);
    }
    let _ = writeln!(to, "{}", text(&compared(diff)));
    to
}

fn write_table(to: &mut String, differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    to.push_str("| class | difference |\n|---|---|\n");
    for difference in differences {
        let mut cell = text(&heading(difference));
        for (label, line) in below(difference, false) {
            let line = match (&difference.reason, label) {
                (Some(reason), "why") => link(&reason.why, &reason.source),
                _ => text(&line),
            };
            let _ = write!(cell, "<br>{label}: {line}");
        }
        let _ = writeln!(to, "| {} | {cell} |", difference.class.word());
    }
    to.push('\n');
}

fn write_list(to: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let items: Vec<_> = items.take(ITEMS).map(|item| format!("- {item}\n")).collect();
    if items.is_empty() {
        return;
    }
    let _ = writeln!(
        to,
        "<details><summary>{title}: {}</summary>\n\n{}\n</details>\n",
        items.len(),
        items.concat()
    );
}
