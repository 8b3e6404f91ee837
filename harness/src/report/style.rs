//! How the report for people looks: colour, character set, width, and how much of a text is shown.

use std::env;
use std::io::{IsTerminal as _, stderr, stdout};
use std::ops::RangeInclusive;

use meshcheck_suites::Verdict;

use super::options::{ColorChoice, Format, OutputOptions};
use crate::text::{for_ascii_terminal, for_terminal, truncated};

/// The widths that a terminal's own is kept to: lines that are longer are hard to read.
const WIDTHS: RangeInclusive<usize> = 40..=120;

/// How many columns of one text a terminal gets. A log line can have millions; the JSON has all of it.
const DETAIL: usize = 800;

/// The same with `--verbose`, and where there is no terminal.
const LONG_DETAIL: usize = 8000;

/// The sign of each verdict, the same in ASCII, and its colour.
pub(super) const SIGNS: [(Verdict, &str, &str, &str); 5] = [
    (Verdict::Pass, "●", ".", "32"),
    (Verdict::Fail, "✗", "x", "31;1"),
    (Verdict::Changed, "≠", "!", "35;1"),
    (Verdict::Unjudged, "?", "?", "33;1"),
    (Verdict::Skipped, "–", "-", "2"),
];

/// Returns the sign of a verdict.
pub(super) fn sign(verdict: Verdict) -> &'static str {
    SIGNS.iter().find(|(of, ..)| *of == verdict).map_or("", |(_, sign, ..)| sign)
}

/// How a report looks.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Style {
    /// Whether to use colour.
    pub color: bool,
    /// Whether to keep to ASCII.
    pub ascii: bool,
    /// Only what does not hold.
    pub quiet: bool,
    /// Also statements, and what was seen where a claim holds.
    pub verbose: bool,
    /// Only one line for each cause, and the sections.
    pub short: bool,
    /// The columns of the terminal; none where there is no terminal: no line is broken or cut there.
    pub width: Option<usize>,
}

impl Style {
    /// For standard output as it is, and these options.
    pub fn for_stdout(options: &OutputOptions) -> Self {
        Self::of(options, stdout().is_terminal())
    }

    /// For standard error as it is, and these options.
    pub(crate) fn for_stderr(options: &OutputOptions) -> Self {
        Self::of(options, stderr().is_terminal())
    }

    fn of(options: &OutputOptions, terminal: bool) -> Self {
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match options.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !no_color,
        };
        Self {
            color,
            ascii: options.ascii,
            quiet: options.quiet,
            verbose: options.verbose,
            short: options.output == Format::Short,
            width: width(terminal),
        }
    }

    /// Returns the style of a pipe: no colour, no line broken or cut.
    pub fn plain() -> Self {
        Self { color: false, ascii: false, quiet: false, verbose: false, short: false, width: None }
    }

    /// A text of the cluster, as this terminal may get it.
    pub(super) fn clean(&self, text: &str) -> String {
        if self.ascii { for_ascii_terminal(text) } else { for_terminal(text) }
    }

    /// The same with a limit to its length.
    pub(super) fn detail(&self, text: &str) -> String {
        let is_long = self.verbose || self.width.is_none();
        let columns = if is_long { LONG_DETAIL } else { DETAIL };
        truncated(&self.clean(text), columns, " [the rest is in --report json=FILE]")
    }

    pub(super) fn more(&self) -> &'static str {
        if self.ascii { "..." } else { "…" }
    }

    pub(super) fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Returns the sign of a verdict.
    pub(super) fn sign(&self, verdict: Verdict) -> String {
        let sign = SIGNS.iter().find(|(of, ..)| *of == verdict);
        let sign = sign.map_or("", |(_, sign, ascii, _)| if self.ascii { ascii } else { sign });
        self.paint_as(verdict, sign)
    }

    /// Paints a text in the colour of a verdict.
    pub(super) fn paint_as(&self, verdict: Verdict, text: &str) -> String {
        let color = SIGNS.iter().find(|(of, ..)| *of == verdict).map_or("0", |(.., color)| color);
        self.paint(color, text)
    }
}

fn width(terminal: bool) -> Option<usize> {
    terminal.then(|| textwrap::termwidth().clamp(*WIDTHS.start(), *WIDTHS.end()))
}
