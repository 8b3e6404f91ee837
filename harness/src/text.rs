//! Text from a cluster is data: made harmless before it reaches a terminal, a page or XML.

use std::io;
use std::path::Path;

use meshcheck_suites::hint::quote;
use textwrap::core::display_width;

/// Returns why a file operation failed, without the number that the system has for it.
pub(crate) fn io_reason(error: &io::Error) -> String {
    without_error_numbers(&error.to_string())
}

/// Returns a message without ` (os error 2)`.
pub(crate) fn without_error_numbers(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(
            part.trim_start_matches(|it: char| it.is_ascii_digit()).trim_start_matches(')'),
        );
    }
    text
}

/// Returns the fix for a file that is there and cannot be read.
pub(crate) fn read_fix(path: &Path) -> String {
    if path.is_dir() {
        return "name a file in this directory".into();
    }
    format!("check who may read it: `ls -l {}`", quote(&path.to_string_lossy()))
}

/// A text for one place on a terminal: escape sequences, control characters and characters that turn
/// or hide text vanish, and line breaks become visible.
pub(crate) fn for_terminal(text: &str) -> String {
    harmless(text, "⏎")
}

/// The same without any character beyond ASCII: what has no likeness there is written as its number.
pub(crate) fn for_ascii_terminal(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in harmless(text, r"\n").chars() {
        match character {
            '…' => plain.push_str("..."),
            '–' | '—' | '−' => plain.push('-'),
            '→' => plain.push_str("->"),
            '‘' | '’' => plain.push('\''),
            '“' | '”' => plain.push('"'),
            ascii if ascii.is_ascii() => plain.push(ascii),
            other => plain.extend(other.escape_unicode()),
        }
    }
    plain
}

/// A text for a page, where lines stay lines. A carriage return ends one too: progress meters write
/// many states over each other.
pub(crate) fn for_page(text: &str) -> String {
    harmless(&text.replace("\r\n", "\n").replace('\r', "\n"), "\n")
}

/// As much of a text as fits into so many columns, with `more` in place of the rest.
pub(crate) fn truncated(text: &str, columns: usize, more: &str) -> String {
    // A column needs a byte at least: most texts are not measured at all.
    if text.len() <= columns || display_width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(display_width(more));
    let mut used = 0;
    let mut end = 0;
    for (at, character) in text.char_indices() {
        let mut bytes = [0; 4];
        used += display_width(character.encode_utf8(&mut bytes));
        if used > room {
            break;
        }
        end = at + character.len_utf8();
    }
    format!("{}{more}", text.get(..end).unwrap_or_default().trim_end())
}

/// The beginning of what may be a whole page, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    /// Longer than what an API server says of a right that is missing.
    const LENGTH: usize = 400;
    // A page may have megabytes.
    let start = text.get(..text.floor_char_boundary(8 * LENGTH)).unwrap_or(text);
    let words = start.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} …", words.get(..end).unwrap_or_default()),
        None if start.len() < text.len() => format!("{words} …"),
        None => words,
    }
}

fn harmless(text: &str, line_break: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '\u{1b}' => rest = after_escape(rest),
            '\n' => clean.push_str(line_break),
            '\t' => clean.push(' '),
            other if is_harmless(other) => clean.push(other),
            _ => {}
        }
    }
    clean
}

/// What stands behind an escape sequence: `[…m`, `]…BEL`, `(B`. One that does not end takes nothing
/// along: otherwise a name with half a sequence could hide the rest of its line.
fn after_escape(text: &str) -> &str {
    let mut characters = text.char_indices();
    match characters.next() {
        Some((_, '[')) => {
            for (at, character) in characters {
                match character {
                    '\u{40}'..='\u{7e}' => return text.get(at + 1..).unwrap_or_default(),
                    '\u{20}'..='\u{3f}' => {}
                    _ => break,
                }
            }
            text
        }
        Some((_, ']' | 'P' | 'X' | '^' | '_')) => {
            let end = text
                .char_indices()
                .find(|(_, it)| matches!(it, '\u{7}' | '\u{1b}' | '\u{9c}' | '\n'));
            match end {
                Some((at, '\u{1b}')) => {
                    let after = text.get(at + 1..).unwrap_or_default();
                    after.strip_prefix('\\').unwrap_or(text.get(at..).unwrap_or_default())
                }
                Some((at, end)) if end != '\n' => {
                    text.get(at + end.len_utf8()..).unwrap_or_default()
                }
                _ => text,
            }
        }
        // A character set: `(B`.
        Some((_, '(' | ')')) => characters.next().map_or(text, |_| characters.as_str()),
        _ => text,
    }
}

fn is_harmless(character: char) -> bool {
    let hidden = matches!(character,
        // Zero-width characters and marks of direction; bidirectional embedding, overriding, isolating.
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        // Soft hyphen, separators of vowels, fillers; line and paragraph separators; notes; tags.
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
        | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e0000}'..='\u{e007f}');
    !hidden && !character.is_control()
}

/// A text without the characters that XML 1.0 does not allow, and without those that turn or hide text.
pub(crate) fn for_xml(text: &str) -> String {
    text.chars().filter(|&it| matches!(it, '\t' | '\n') || is_harmless(it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain é 世界", "plain é 世界")]
    #[case("a\u{1b}[31mred\u{1b}[0m", "ared")]
    #[case("title\u{1b}]0;gone\u{7}!", "title!")]
    #[case("a\u{1b}]8;;http://x\u{1b}\\link", "alink")]
    #[case("one\r\ntwo", "one⏎two")]
    #[case("a\u{202e}b\u{200b}c\u{61c}d\u{ad}e", "abcde")]
    #[case("half\u{1b}[", "half[")]
    #[case("set\u{1b}(B.", "set.")]
    #[case("nul\0bell\u{7}c1\u{9b}", "nulbellc1")]
    fn terminal_text_has_no_control_characters(#[case] text: &str, #[case] clean: &str) {
        assert_eq!(for_terminal(text), clean);
    }

    #[rstest]
    #[case("pod\u{1b}]0; is broken")]
    #[case("pod\u{1b}P is broken")]
    #[case("pod\u{1b}[\u{1} is broken")]
    #[case("pod\u{1b} is broken")]
    fn incomplete_escape_sequence_leaves_the_text(#[case] text: &str) {
        let clean = for_terminal(text);
        assert!(clean.ends_with(" is broken"), "{clean}");
    }

    #[test]
    fn escape_sequence_ends_with_its_line() {
        assert_eq!(for_page("a\u{1b}]0;b\nc\u{7}"), "a]0;b\nc");
    }

    #[test]
    fn ascii_text_has_only_ascii() {
        assert_eq!(for_ascii_terminal("é → “x”…\ny"), r#"\u{e9} -> "x"...\ny"#);
    }

    #[test]
    fn progress_meter_is_split_into_lines() {
        assert_eq!(for_page("0%\r50%\r\n100%\u{202e}"), "0%\n50%\n100%");
    }

    #[rstest]
    #[case("short", 5, "short")]
    #[case("longer", 5, "long…")]
    #[case("世界世界", 5, "世界…")]
    #[case("ééééé", 5, "ééééé")]
    #[case("a b c", 3, "a…")]
    fn wide_text_is_truncated(#[case] text: &str, #[case] columns: usize, #[case] cut: &str) {
        assert_eq!(truncated(text, columns, "…"), cut);
    }

    #[test]
    fn web_page_is_cut_to_its_beginning() {
        assert_eq!(excerpt("<html>\n  <b>oops</b>\n"), "<html> <b>oops</b>");
        let page = excerpt(&"é ".repeat(1 << 20));
        assert!(page.ends_with(" …") && page.chars().count() < 410, "{page}");
        assert!(excerpt(&" ".repeat(1 << 20)).len() < 10);
    }

    #[test]
    fn characters_that_xml_forbids_are_removed() {
        assert_eq!(for_xml("a\u{0}\u{1b}[1m\n\tb\u{fffe}"), "a[1m\n\tb");
    }
}
