//! Secrets longer than a word: private keys, and manifests of Secrets.

use std::sync::LazyLock;

use regex::Regex;

use super::{Secret, is_no_secret};

/// The kind of a private key.
const KEY: &str = "private-key";

/// The kind of the values in a manifest of a Secret.
const DATA: &str = "secret-data";

static BEGIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----").ok());
static END: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----").ok());

/// Finds private keys in PEM, complete or cut at either end. A key without an end extends to the end of the text.
pub(super) fn private_keys(text: &str) -> Vec<Secret> {
    let (Some(begin), Some(end)) = (BEGIN.as_ref(), END.as_ref()) else { return Vec::new() };
    let mut found = Vec::new();
    let mut at = 0;
    // One pass over the text, with any number of keys.
    let (mut start, mut stop) = (begin.find(text), end.find(text));
    while at < text.len() {
        if start.is_some_and(|it| it.start() < at) {
            start = begin.find_at(text, at);
        }
        if stop.is_some_and(|it| it.start() < at) {
            stop = end.find_at(text, at);
        }
        let (from, to) = match (start, stop) {
            (Some(start), Some(stop)) if stop.start() < start.start() => {
                (body_before(text, at, stop.start()), stop.end())
            }
            (Some(start), _) => {
                let stop = end.find_at(text, start.end()).map_or(text.len(), |it| it.end());
                (start.start(), stop)
            }
            (None, Some(stop)) => (body_before(text, at, stop.start()), stop.end()),
            (None, None) => break,
        };
        found.push(Secret { start: from, end: to, kind: KEY });
        at = to;
    }
    found
}

/// Finds where a key without its first line begins: at the first of the base64 lines before its end. A line may have a
/// timestamp.
fn body_before(text: &str, from: usize, end: usize) -> usize {
    let mut start = end;
    // Text before the end mark on the same line belongs to the key.
    while let Some(before) = text.get(from..start).map(|it| it.strip_suffix('\n').unwrap_or(it)) {
        let line = before.rsplit('\n').next().unwrap_or_default();
        // A line of a log begins with its time.
        let stamped =
            |time: &str| time.ends_with('Z') && time.starts_with(|it: char| it.is_ascii_digit());
        let body = line.split_once(' ').filter(|(time, _)| stamped(time)).map_or(line, |it| it.1);
        let is_body = !body.trim().is_empty() && is_base64(body);
        if !is_body && start != end {
            break;
        }
        let next = from + before.len() - line.len();
        if next >= start {
            break;
        }
        start = next;
    }
    start
}

fn is_base64(text: &str) -> bool {
    text.trim().bytes().all(|it| it.is_ascii_alphanumeric() || b"+/=\r".contains(&it))
}

/// Whether a text begins a private key without ending it: the next line of the log continues it.
pub(super) fn key_stays_open(text: &str) -> bool {
    let last = BEGIN.as_ref().and_then(|begin| begin.find_iter(text).last());
    last.is_some_and(|last| !text.get(last.end()..).unwrap_or_default().contains("-----END"))
}

/// Returns the kind of a text that continues a private key of an earlier line.
pub(super) fn rest_of_key(text: &str) -> Option<&'static str> {
    let body = !text.trim().is_empty() && is_base64(text);
    (body || text.contains("-----END")).then_some(KEY)
}

static SECRET_JSON: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\\*["']kind\\*["']\s*:\s*\\*["']Secret\\*["']"#).ok());
static DATA_JSON: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\\*["'](?:data|stringData)\\*["']\s*:\s*\{"#).ok());
static SECRET_YAML: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t-]*kind:[ \t]*Secret[ \t\r]*$").ok());
static DATA_YAML: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^([ \t]*)(?:data|stringData):[ \t\r]*$").ok());

/// Finds the values in manifests of Secrets, also in the annotation that `kubectl apply` writes.
pub(super) fn manifests(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    if SECRET_JSON.as_ref().is_some_and(|it| it.is_match(text)) {
        for data in DATA_JSON.iter().flat_map(|it| it.find_iter(text)) {
            let start = data.end();
            if found.last().is_some_and(|last: &Secret| last.end > start) {
                continue;
            }
            let rest = text.get(start..).unwrap_or_default();
            // The values of a Secret are texts: the next brace outside of quotes ends them. A cut manifest extends to
            // the end of the text.
            let end = start + closing_brace(rest);
            let inside = text.get(start..end).unwrap_or_default();
            if !is_no_secret(inside) {
                found.push(Secret { start, end, kind: DATA });
            }
        }
    }
    if found.is_empty() && SECRET_YAML.as_ref().is_some_and(|it| it.is_match(text)) {
        for data in DATA_YAML.iter().flat_map(|it| it.captures_iter(text)) {
            let (Some(whole), Some(indent)) = (data.get(0), data.get(1)) else { continue };
            if found.last().is_some_and(|last| last.end > whole.start()) {
                continue;
            }
            below(text, whole.end(), indent.len(), &mut found);
        }
    }
    found
}

/// Returns the position of the next closing brace outside of quotes.
fn closing_brace(text: &str) -> usize {
    let mut quoted = false;
    let mut backslashes = 0;
    let mut opened_by = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\\' => {
                backslashes += 1;
                continue;
            }
            b'"' if !quoted => (quoted, opened_by) = (true, backslashes),
            b'"' if backslashes == opened_by => quoted = false,
            b'}' if !quoted => return at,
            _ => {}
        }
        backslashes = 0;
    }
    text.len()
}

/// Adds the values of a YAML map whose lines are indented deeper than this.
fn below(text: &str, from: usize, indent: usize, found: &mut Vec<Secret>) {
    let mut at = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.trim_end();
        let depth = content.len() - content.trim_start().len();
        if content.trim().is_empty() {
            continue;
        }
        if depth <= indent {
            return;
        }
        // A line without a key continues the value before it.
        let value = content.split_once(": ").map_or(
            if content.ends_with(':') { "" } else { content.trim_start() },
            |(_, value)| value.trim(),
        );
        // The indicator of a block scalar is no value.
        if is_no_secret(value) || matches!(value, "|" | "|-" | ">" | ">-") {
            continue;
        }
        let end = start + content.len();
        found.push(Secret { start: end - value.len(), end, kind: DATA });
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::redact::text;

    #[rstest]
    #[case(
        "-----BEGIN RSA PRIVATE KEY-----\nAAA\nBBB=\n-----END RSA PRIVATE KEY-----\nrest",
        "[redacted:private-key:1]\nrest"
    )]
    #[case(
        "x -----BEGIN OPENSSH PRIVATE KEY-----\\nAAA\\n-----END OPENSSH PRIVATE KEY-----\\ny",
        "x [redacted:private-key:1]\\ny"
    )]
    // Cut at the end, and at the beginning.
    #[case("log\n-----BEGIN EC PRIVATE KEY-----\nAAA", "log\n[redacted:private-key:1]")]
    #[case(
        "a line of words\n2026-01-01T00:00:00Z AAA+/\nBBB=\n-----END PRIVATE KEY-----\nrest",
        "a line of words\n[redacted:private-key:1]\nrest"
    )]
    #[case("AAA\n-----END PRIVATE KEY-----", "[redacted:private-key:1]")]
    // Two keys, and the end of one before another one.
    #[case(
        "-----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY-----\nwords of a log\n-----BEGIN PRIVATE KEY-----\nBBB\n-----END PRIVATE KEY-----\nrest",
        "[redacted:private-key:1]\nwords of a log\n[redacted:private-key:2]\nrest"
    )]
    #[case(
        "AAA\n-----END PRIVATE KEY-----\nwords of a log\n-----BEGIN PRIVATE KEY-----\nBBB\n-----END PRIVATE KEY-----\nrest",
        "[redacted:private-key:1]\nwords of a log\n[redacted:private-key:2]\nrest"
    )]
    // A number before the text is no time.
    #[case("1 AAAA\nBBB=\n-----END PRIVATE KEY-----", "1 AAAA\n[redacted:private-key:1]")]
    // Public keys and certificates stay.
    #[case(
        "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----"
    )]
    #[case(
        "-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----"
    )]
    fn private_key_is_removed_completely(#[case] before: &str, #[case] after: &str) {
        assert_eq!(text(before), after);
    }

    #[rstest]
    #[case(
        r#"{"apiVersion":"v1","data":{"a":"eA==","b":"eQ=="},"kind":"Secret","metadata":{"name":"x"}}"#,
        r#"{"apiVersion":"v1","data":{[redacted:secret-data:1]},"kind":"Secret","metadata":{"name":"x"}}"#
    )]
    // Kept in an annotation, and quoted in a log.
    #[case(
        r#"\"kind\":\"Secret\",\"stringData\":{\"a\":\"x}\"}, y"#,
        r#"\"kind\":\"Secret\",\"stringData\":{[redacted:secret-data:1]}, y"#
    )]
    // An escaped quote ends no value.
    #[case(
        r#"{"kind":"Secret","data":{"a":"x\"}y"},"z":1}"#,
        r#"{"kind":"Secret","data":{[redacted:secret-data:1]},"z":1}"#
    )]
    #[case(
        r#"{"kind":"Secret","data":{"a":"eA=="},"stringData":{"b":"x"},"z":{}}"#,
        r#"{"kind":"Secret","data":{[redacted:secret-data:1]},"stringData":{[redacted:secret-data:2]},"z":{}}"#
    )]
    // Cut off.
    #[case(
        r#"{"kind":"Secret","data":{"a":"eA"#,
        r#"{"kind":"Secret","data":{[redacted:secret-data:1]"#
    )]
    #[case(
        "kind: Secret\ndata:\n  a: eA==\n  b: |\n    line\n    other\ntype: Opaque\n",
        "kind: Secret\ndata:\n  a: [redacted:secret-data:1]\n  b: |\n    [redacted:secret-data:2]\n    [redacted:secret-data:3]\ntype: Opaque\n"
    )]
    #[case(
        "kind: Secret\ndata:\n  a: eA==\nstringData:\n  data:\n    b: y\ntype: Opaque\n",
        "kind: Secret\ndata:\n  a: [redacted:secret-data:1]\nstringData:\n  data:\n    b: [redacted:secret-data:2]\ntype: Opaque\n"
    )]
    #[case(r#"{"data":{"a":"x"},"kind":"ConfigMap"}"#, r#"{"data":{"a":"x"},"kind":"ConfigMap"}"#)]
    #[case("kind: SecretList\ndata:\n  a: x", "kind: SecretList\ndata:\n  a: x")]
    fn secret_manifest_keeps_only_names(#[case] before: &str, #[case] after: &str) {
        assert_eq!(text(before), after);
    }
}
