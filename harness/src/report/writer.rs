//! Lines for a terminal: words wrapped at the width or cut to one line, and hints whose commands can be
//! copied as they stand.

use meshcheck_suites::hint::{Part, parts};
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::Style;
use crate::text::truncated;

/// The longest command that is shown, in columns. A part of one is none.
const COMMAND: usize = 4000;

/// A text in a style.
pub(super) struct Writer {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Writer {
    pub(super) fn new(style: Style) -> Self {
        Self { text: String::new(), style }
    }

    /// Writes one line as it is.
    pub(super) fn line(&mut self, words: &str) {
        self.text.push_str(words);
        self.text.push('\n');
    }

    /// Writes words on as many lines as they need. They are parted at spaces alone: a path or a URL stays
    /// whole.
    pub(super) fn wrapped(&mut self, words: &str, first: &str, rest: &str) {
        let options = Options::new(self.style.width)
            .initial_indent(first)
            .subsequent_indent(rest)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        self.line(&textwrap::fill(words, options));
    }

    /// Writes words on one line, as many as there is room for, and what stands at its end in any case.
    pub(super) fn cut(&mut self, words: &str, first: &str, end: &str) {
        let room = self.style.width.saturating_sub(display_width(first) + display_width(end));
        let words = truncated(words, room, self.style.more());
        self.line(&format!("{first}{words}{end}"));
    }

    /// Writes a hint behind its label. A command has its line for itself and is never broken: what a click
    /// on the line takes is what a shell is to get. What is said of it stands beneath, further in.
    pub(super) fn hint(&mut self, label: &str, hint: &str, indent: &str) {
        let style = self.style;
        let further = format!("{indent}    ");
        let label = format!("{indent}{}:", style.paint("36", label));
        let mut parts = parts(hint).into_iter().peekable();
        if let Some(Part::Words(first)) = parts.next_if(|part| matches!(part, Part::Words(_))) {
            self.wrapped(&style.detail(first), &format!("{label} "), &further);
        } else {
            self.line(&label);
        }
        for part in parts {
            match part {
                Part::Words(words) => self.wrapped(&style.detail(words), &further, &further),
                Part::Command(command) if is_shown(command, style) => {
                    self.line(&format!("{indent}  {}", style.paint("1", command)));
                }
                Part::Command(command) => {
                    let words = format!(
                        "`{}`: not to be copied from here, for it is too long or has characters that are not \
                         shown; --report json=FILE has it",
                        style.detail(command)
                    );
                    self.wrapped(&words, &format!("{indent}  "), &further);
                }
            }
        }
    }
}

/// A hint as text.
pub(crate) fn hint(label: &str, hint: &str, indent: &str, style: Style) -> String {
    let mut to = Writer::new(style);
    to.hint(label, hint, indent);
    to.text
}

/// Whether a command can be shown to its last character.
fn is_shown(command: &str, style: Style) -> bool {
    display_width(command) <= COMMAND && style.clean(command) == command
}
