//! Quotes words and parses numbers of a rule.

/// Joins words to a text that is parsed to the same words.
pub(super) fn join_quoted(start: &str, name: &str, words: &[String]) -> String {
    let mut all: Vec<String> = [start.trim(), name]
        .into_iter()
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    all.extend(words.iter().map(|word| quote(word)));
    all.join(" ")
}

fn quote(word: &str) -> String {
    if !word.is_empty() && !word.contains(|it: char| it.is_whitespace() || it == '"' || it == '\\')
    {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Parses a number, decimal or hexadecimal.
pub(super) fn parse_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Parses `VALUE[/MASK]`; without a mask all bits count.
pub(super) fn parse_value_and_mask(value: &str) -> Option<(u32, u32)> {
    match value.split_once('/') {
        Some((value, mask)) => Some((parse_number(value)?, parse_number(mask)?)),
        None => Some((parse_number(value)?, u32::MAX)),
    }
}
