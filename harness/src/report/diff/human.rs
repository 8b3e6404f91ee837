//! A comparison on a terminal.

use meshcheck_suites::diff::{Diff, View};

use super::{below, compared, heading, not_compared, outcome, side, unofficial, verdict};
use crate::report::Style;
use crate::report::writer::Writer;

/// The widest name of a class: `now-unjudged`.
const CLASS: usize = 12;

/// Formats a comparison as text.
pub fn human(diff: &Diff, style: Style) -> String {
    let mut to = Writer::new(style, None);
    let clean = |text: &str| style.detail(text);
    to.wrapped(&style.paint("1", &clean(&outcome(diff))), "", "  ");
    if !style.quiet {
        to.wrapped(&clean(&side(&diff.old)), "old  ", "     ");
        to.wrapped(&clean(&side(&diff.new)), "new  ", "     ");
        if let Some(note) = unofficial(diff) {
            to.wrapped(&format!("note: {note}: a difference can come from the build"), "", "  ");
        }
    }
    to.text.push('\n');
    for difference in &diff.differences {
        let verdict = verdict(difference.class);
        let class = style.paint_as(verdict, &format!("{:CLASS$}", difference.class.word()));
        let first = format!("{} {class}  ", style.sign(verdict));
        to.wrapped(&clean(&heading(difference)), &first, "  ");
        for (label, text) in below(difference, style.verbose) {
            let first = format!("    {label:7}  ");
            to.wrapped(&clean(&text), &first, &format!("    {:7}  ", ""));
        }
    }
    if !diff.differences.is_empty() {
        to.text.push('\n');
    }
    let items = not_compared(diff);
    if !items.is_empty() {
        to.line(&style.paint("1", "Not compared"));
        for item in items {
            to.wrapped(&clean(&item), "  ", "    ");
        }
        to.text.push('\n');
    }
    if diff.view == View::All {
        write_noise(&mut to, diff);
    }
    // The last line is one line, whatever its width: logs are searched for it.
    to.line(&compared(diff));
    to.text
}

fn write_noise(to: &mut Writer<'_>, diff: &Diff) {
    if diff.noise.is_empty() {
        return;
    }
    to.line(&to.style.paint("1", "Noise (values that differ, left out by these rules)"));
    let count = |noise: &meshcheck_suites::diff::Noise| noise.count.to_string().len();
    let width = diff.noise.iter().map(count).max().unwrap_or_default();
    for noise in &diff.noise {
        let line = format!("  {:width$}  {:10}{}", noise.count, noise.id, noise.what);
        to.line(line.trim_end());
    }
    to.text.push('\n');
}
