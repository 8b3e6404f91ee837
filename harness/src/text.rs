//! Text from a cluster is data: made harmless before it reaches a terminal or XML.

/// A text for one place on a terminal: control characters, escape sequences, characters that turn or
/// hide text, and line breaks become visible or vanish.
pub fn for_terminal(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\n' => clean.push('⏎'),
            '\t' => clean.push(' '),
            other if is_harmless(other) => clean.push(other),
            _ => {}
        }
    }
    clean
}

/// Skips what belongs to an escape sequence: `[…m`, `]…BEL`.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            for character in characters.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&character) {
                    return;
                }
            }
        }
        Some(']' | 'P' | '^' | '_') => {
            for character in characters.by_ref() {
                if matches!(character, '\u{7}' | '\u{1b}' | '\u{9c}') {
                    return;
                }
            }
        }
        _ => {}
    }
}

fn is_harmless(character: char) -> bool {
    let hidden = matches!(character,
        // Zero-width characters and marks of direction; bidirectional embedding, overriding, isolating.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        // Line and paragraph separators; tags.
        | '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}');
    !hidden && !character.is_control()
}

/// A text without the characters that XML 1.0 does not allow.
pub fn for_xml(text: &str) -> String {
    text.chars()
        .filter(|&character| match character {
            '\t' | '\n' => true,
            '\u{fffe}' | '\u{ffff}' => false,
            other => !other.is_control(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain é 世界", "plain é 世界")]
    #[case("a\u{1b}[31mred\u{1b}[0m", "ared")]
    #[case("title\u{1b}]0;gone\u{7}!", "title!")]
    #[case("one\r\ntwo", "one⏎two")]
    #[case("a\u{202e}b\u{200b}c", "abc")]
    #[case("half\u{1b}[", "half")]
    #[case("nul\0bell\u{7}", "nulbell")]
    fn nothing_reaches_the_terminal_but_text(#[case] text: &str, #[case] clean: &str) {
        assert_eq!(for_terminal(text), clean);
    }

    #[test]
    fn xml_gets_what_xml_allows() {
        assert_eq!(for_xml("a\u{0}\u{1b}[1m\n\tb\u{fffe}"), "a[1m\n\tb");
    }
}
