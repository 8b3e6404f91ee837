//! Lines of a terminal: words wrapped at the width, or cut to one line.

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::Style;
use crate::text::truncated;

/// One line as it is.
pub(super) fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

/// Words on as many lines as they need. They are parted at spaces alone: a path or a URL stays whole.
pub(super) fn wrapped(text: &mut String, words: &str, first: &str, rest: &str, style: Style) {
    let options = Options::new(style.width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    line(text, &textwrap::fill(words, options));
}

/// Words on one line, as many as there is room for, and what stands at its end in any case.
pub(super) fn cut(text: &mut String, words: &str, first: &str, end: &str, style: Style) {
    let room = style.width.saturating_sub(display_width(first) + display_width(end));
    let words = truncated(words, room, style.more());
    line(text, &format!("{first}{words}{end}"));
}
