//! How the report for people looks: colour, character set, width, and how much of a text is shown.

use std::env;
use std::io::{IsTerminal as _, stdout};
use std::ops::RangeInclusive;

use meshcheck_suites::Verdict;

use super::options::{ColorChoice, OutputOptions};
use crate::text::{for_ascii_terminal, for_terminal, truncated};

/// The width where there is no terminal to ask.
const WIDTH: usize = 80;

/// The widths that a terminal's own is kept to: lines that are longer are hard to read.
const WIDTHS: RangeInclusive<usize> = 40..=120;

/// How many columns of one detail are shown. A log line can have millions; the JSON has all of it.
const DETAIL: usize = 800;

/// The same with `--verbose`.
const VERBOSE_DETAIL: usize = 8000;

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
    /// Columns.
    pub width: usize,
}

impl Style {
    /// For standard output as it is, and these options.
    pub fn for_stdout(options: &OutputOptions) -> Self {
        let terminal = stdout().is_terminal();
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
            width: width(terminal),
        }
    }

    /// Without colour, at the width of what is no terminal.
    pub(crate) fn plain() -> Self {
        Self { color: false, ascii: false, quiet: false, verbose: false, width: WIDTH }
    }

    /// A text of the cluster, as this terminal may get it.
    pub(super) fn clean(&self, text: &str) -> String {
        if self.ascii { for_ascii_terminal(text) } else { for_terminal(text) }
    }

    /// The same, and not without end.
    pub(super) fn detail(&self, text: &str) -> String {
        let columns = if self.verbose { VERBOSE_DETAIL } else { DETAIL };
        let more = format!(" {} (--report json=FILE has all)", self.more());
        truncated(&self.clean(text), columns, &more)
    }

    /// What stands below a claim's mark.
    pub(super) fn indent(&self) -> &'static str {
        if self.ascii { "       " } else { "    " }
    }

    pub(super) fn more(&self) -> &'static str {
        if self.ascii { "..." } else { "…" }
    }

    pub(super) fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn mark(&self, verdict: Verdict) -> String {
        let (unicode, ascii, code) = match verdict {
            Verdict::Pass => ("✓", "ok  ", "32"),
            Verdict::Fail => ("✗", "FAIL", "31;1"),
            Verdict::Changed => ("≠", "CHGD", "35;1"),
            Verdict::Unjudged => ("?", "????", "33;1"),
            Verdict::Skipped => ("-", "skip", "2"),
        };
        self.paint(code, if self.ascii { ascii } else { unicode })
    }
}

fn width(terminal: bool) -> usize {
    if terminal { textwrap::termwidth().clamp(*WIDTHS.start(), *WIDTHS.end()) } else { WIDTH }
}
