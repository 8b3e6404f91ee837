//! Markdown: text of a cluster that stays text, and links. Reports for CI summaries and comments use it.

use crate::text::for_page;

/// How much of one text is shown, in bytes.
const TEXT: usize = 2000;

/// Makes a text harmless: no markup, no mention, no link, no line break. Pairs of backquotes become code.
pub(super) fn text(text: &str) -> String {
    let clean = for_page(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let end = clean.floor_char_boundary(TEXT);
    let more = if end < clean.len() { " \\[cut\\]" } else { "" };
    let mut markdown = String::with_capacity(clean.len() + 16);
    let mut rest = clean.get(..end).unwrap_or_default();
    while let Some((before, code, after)) = quoted(rest) {
        escape(&mut markdown, before);
        markdown.push_str("<code>");
        escape(&mut markdown, code);
        markdown.push_str("</code>");
        rest = after;
    }
    escape(&mut markdown, rest);
    markdown + more
}

/// Formats a link to an address of this program's own data. Anything but `https` stays text.
pub(super) fn link(label: &str, address: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-._~:/?#=&%".contains(character);
    if address.starts_with("https://") && address.chars().all(is_plain) {
        format!("[{}]({address})", text(label))
    } else {
        format!("{} {}", text(label), text(address))
    }
}

/// The text before the first pair of backquotes, the text between them, and the rest.
pub(super) fn quoted(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (code, after) = rest.split_once('`')?;
    Some((before, code, after))
}

fn escape(to: &mut String, text: &str) {
    let mut before = ' ';
    for character in text.chars() {
        match character {
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '&' => to.push_str("&amp;"),
            // A comment keeps GitHub from making a mention or a link of what follows.
            '@' => to.push_str("@<!-- -->"),
            '/' if before == ':' => to.push_str("<!-- -->/"),
            '.' if before == 'w' => to.push_str("<!-- -->."),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|'
            | '~' | '$' => {
                to.push('\\');
                to.push(character);
            }
            other => to.push(other),
        }
        before = character;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a | b\n* c", r"a \| b \* c")]
    #[case("<script>alert(1)</script>", r"&lt;script&gt;alert\(1\)&lt;/script&gt;")]
    #[case("200 `Hello <b>` now", "200 <code>Hello &lt;b&gt;</code> now")]
    #[case("one ` alone", r"one \` alone")]
    #[case("[x](https://evil.example)", r"\[x\]\(https:<!-- -->/<!-- -->/evil.example\)")]
    #[case("@team", "@<!-- -->team")]
    #[case("\u{1b}[31mred\u{202e}", "red")]
    fn text_of_a_cluster_stays_text(#[case] input: &str, #[case] expected: &str) {
        assert_eq!(text(input), expected.replace(":<!-- -->/<!-- -->/", ":<!-- -->//"));
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let long = text(&"ä".repeat(3000));
        assert!(long.len() < 2100 && long.ends_with("\\[cut\\]"), "{}", long.len());
    }

    #[rstest]
    #[case("https://github.com/istio/istio", "[note](https://github.com/istio/istio)")]
    #[case("javascript:alert(1)", r"note javascript:alert\(1\)")]
    #[case("https://x)<b>", r"note https:<!-- -->//x\)&lt;b&gt;")]
    fn only_plain_addresses_become_links(#[case] address: &str, #[case] expected: &str) {
        assert_eq!(link("note", address), expected);
    }
}
