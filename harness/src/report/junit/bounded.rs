//! Texts of a bounded size. What is left out is reported, and who has it.

use crate::text::for_xml;

/// Room for the words that say how much was left out.
const WORDS: usize = 128;

/// As much of a text as fits into so many bytes, fit for XML. Where something is left out, a last line
/// says how much.
pub(super) fn bounded(text: &str, bytes: usize) -> String {
    let text = for_xml(text);
    if text.len() <= bytes {
        return text;
    }
    let room = text.floor_char_boundary(bytes.saturating_sub(WORDS));
    let start = text.get(..room).unwrap_or_default();
    // Whole lines, unless a long one would take most of the room with it.
    let end = start.rfind('\n').filter(|end| *end >= room / 2).unwrap_or(room);
    let (kept, rest) = text.split_at_checked(end).unwrap_or_default();
    let rest = rest.trim_start_matches('\n');
    let lines = match rest.lines().count() {
        1 => "1 line".to_owned(),
        lines => format!("{lines} lines"),
    };
    let bytes = rest.len();
    format!(
        "{kept}\n[cut here: {bytes} bytes in {lines} left out; --report json=FILE has all of it]"
    )
}

/// The first line of a text, as much of it as fits into so many bytes.
pub(super) fn first_line(text: &str, bytes: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() <= bytes {
        return line.to_owned();
    }
    let end = line.floor_char_boundary(bytes.saturating_sub(WORDS));
    format!("{} … [{} bytes more]", line.get(..end).unwrap_or_default(), line.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn short_text_is_unchanged() {
        assert_eq!(bounded("a\nb\u{1b}", 1024), "a\nb");
        assert_eq!(first_line("a\nb", 1024), "a");
    }

    #[test]
    fn cut_text_has_whole_lines_and_the_number_of_missing_ones() {
        let lines: Vec<_> = (0..1000).map(|number| format!("line {number:03}")).collect();
        let text = lines.join("\n");
        let cut = bounded(&text, 1024);
        let (kept, words) = cut.rsplit_once('\n').unwrap();
        let lines = kept.lines().count();
        assert_eq!(kept.lines().last(), Some(format!("line {:03}", lines - 1).as_str()), "{cut}");
        let (bytes, left) = (text.len() - kept.len() - 1, 1000 - lines);
        assert!(words.contains(&format!("{bytes} bytes in {left} lines left out")), "{words}");
    }

    #[rstest]
    #[case("x")]
    #[case("é")]
    #[case("世")]
    #[case("x\n")]
    #[case("\n")]
    fn bounded_text_of_any_characters_fits_its_limit(#[case] piece: &str) {
        for bytes in [1024, 1025, 1026, 16 << 10] {
            let cut = bounded(&piece.repeat(1 << 16), bytes);
            assert!(cut.len() <= bytes && cut.len() > bytes / 2 - WORDS, "{}", cut.len());
            let line = first_line(&piece.trim().repeat(1 << 16), bytes);
            assert!(line.len() <= bytes, "{}", line.len());
        }
    }

    /// A line without end behind a short one takes not all of the room.
    #[test]
    fn long_line_behind_a_short_one_is_cut() {
        let cut = bounded(&format!("short\n{}", "x".repeat(1 << 20)), 4096);
        assert!(cut.starts_with("short\nxxx") && cut.len() > 3500, "{}", cut.len());
        assert!(cut.contains("bytes in 1 line left out"), "{cut}");
    }
}
