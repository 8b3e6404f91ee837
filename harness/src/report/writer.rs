//! Lines for a terminal: texts wrapped at the width or cut to one line, and steps whose commands can be copied.

use meshcheck_suites::Step;
use meshcheck_suites::hint::{Part, parts};
use meshcheck_suites::report::ClusterFacts;
use meshcheck_suites::steps::{Impact, Purpose};
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::Style;
use crate::text::truncated;

/// The longest command that is shown, in columns. A part of one is none.
const COMMAND: usize = 4000;

/// A text in a style.
pub(super) struct Writer<'r> {
    pub(super) text: String,
    pub(super) style: Style,
    /// The cluster whose options the commands leave out.
    cluster: Option<&'r ClusterFacts>,
}

impl<'r> Writer<'r> {
    pub(super) fn new(style: Style, cluster: impl Into<Option<&'r ClusterFacts>>) -> Self {
        Self { text: String::new(), style, cluster: cluster.into() }
    }

    /// Writes one line as it is.
    pub(super) fn line(&mut self, words: &str) {
        self.text.push_str(words);
        self.text.push('\n');
    }

    /// Writes a text on as many lines as it needs; on one, where there is no terminal. It is broken at spaces
    /// alone: a path or a URL stays whole.
    pub(super) fn wrapped(&mut self, words: &str, first: &str, rest: &str) {
        let Some(width) = self.style.width else {
            return self.line(&format!("{first}{words}"));
        };
        let options = Options::new(width)
            .initial_indent(first)
            .subsequent_indent(rest)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        self.line(&textwrap::fill(words, options));
    }

    /// Writes a text on one line, as much of it as the terminal has room for, and `end` in any case.
    pub(super) fn cut(&mut self, words: &str, first: &str, end: &str) {
        let words = match self.style.width {
            Some(width) if !self.style.verbose => {
                let room = width.saturating_sub(display_width(first) + display_width(end));
                truncated(words, room, self.style.more())
            }
            _ => words.to_owned(),
        };
        self.line(&format!("{first}{words}{end}"));
    }

    /// Writes names and texts in two columns, without the names that have no text.
    pub(super) fn pairs(&mut self, pairs: &[(&str, Option<&str>)], indent: &str) {
        let present = || pairs.iter().filter_map(|(name, text)| Some((*name, (*text)?)));
        let width = present().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, text) in present() {
            let first = format!("{indent}{name:width$}  ");
            self.wrapped(&self.style.detail(text), &first, &format!("{indent}{:width$}  ", ""));
        }
    }

    /// Writes a step: what it does, and the command on a line of its own, which is never broken: a click on the
    /// line takes what a shell is to get.
    pub(super) fn step(&mut self, step: &Step, indent: &str) {
        let style = self.style;
        let label = style.paint("36", &label(step));
        let Some(command) = &step.command else {
            return self.advice(&label, &step.text, indent);
        };
        self.wrapped(
            &style.detail(&step.text),
            &format!("{indent}{label}: "),
            &format!("{indent}  "),
        );
        self.command(command, indent);
    }

    /// Writes a text behind a label, with the commands in it on lines of their own.
    fn advice(&mut self, label: &str, text: &str, indent: &str) {
        let style = self.style;
        let further = format!("{indent}  ");
        let mut parts = parts(text).into_iter().peekable();
        let label = format!("{indent}{label}:");
        if let Some(Part::Words(first)) = parts.next_if(|part| matches!(part, Part::Words(_))) {
            self.wrapped(&style.detail(first), &format!("{label} "), &further);
        } else {
            self.line(&label);
        }
        for part in parts {
            match part {
                Part::Words(words) => self.wrapped(&style.detail(words), &further, &further),
                Part::Command(command) => self.command(command, indent),
            }
        }
    }

    fn command(&mut self, command: &str, indent: &str) {
        let style = self.style;
        let command = self.cluster.map_or(command.to_owned(), |it| it.shorten(command));
        if is_shown(&command, style) {
            return self.line(&format!("{indent}  {}", style.paint("1", &command)));
        }
        let text = format!(
            "`{}`: do not copy this line, it is too long or has invisible characters; --report json=FILE has \
             the command",
            style.detail(&command)
        );
        self.wrapped(&text, &format!("{indent}  "), &format!("{indent}    "));
    }
}

/// `Fix (restarts pods)`, `Inspect (reads)`; without a command, `Fix` or `Inspect`.
pub(super) fn label(step: &Step) -> String {
    let purpose = purpose(step);
    if step.command.is_some() {
        format!("{purpose} ({})", impact(step))
    } else {
        purpose.to_owned()
    }
}

/// `Fix` or `Inspect`.
pub(super) fn purpose(step: &Step) -> &'static str {
    match step.purpose {
        Purpose::Fix => "Fix",
        Purpose::Inspect => "Inspect",
    }
}

/// What a step does to the cluster.
pub(super) fn impact(step: &Step) -> &'static str {
    match step.impact {
        Impact::Reads => "reads",
        Impact::RestartsPods => "restarts pods",
        Impact::Changes if step.purpose == Purpose::Inspect => "creates temporary objects",
        Impact::Changes => "changes",
        Impact::Deletes => "deletes",
    }
}

/// Formats the steps of a claim, with whole commands.
pub(crate) fn steps(steps: &[Step], indent: &str) -> String {
    let mut to = Writer::new(Style::plain(), None);
    for step in steps {
        to.step(step, indent);
    }
    to.text
}

/// Whether a command can be shown to its last character.
fn is_shown(command: &str, style: Style) -> bool {
    display_width(command) <= COMMAND && style.clean(command) == command
}
