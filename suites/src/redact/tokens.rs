//! Secrets with a known format: tokens of well-known providers, JWTs, credentials in URLs.

use std::sync::LazyLock;

use regex::Regex;

use super::pairs::without_overlaps;
use super::{Secret, is_mark};

/// The format of a kind of secret.
pub(super) struct Format {
    /// The kind.
    pub(super) kind: &'static str,
    /// A regular expression whose groups are the secrets.
    regex: &'static str,
    /// A further condition on a match.
    is_secret: fn(&str) -> bool,
    /// Texts with a secret, and the redacted texts.
    #[cfg(test)]
    pub(super) hits: &'static [(&'static str, &'static str)],
    /// Texts that do not change.
    #[cfg(test)]
    pub(super) misses: &'static [&'static str],
}

macro_rules! formats {
    ($($kind:literal, $regex:literal, $is_secret:expr, [$($hit:literal => $clean:literal),* $(,)?], [$($miss:literal),* $(,)?];)*) => {
        &[$(Format {
            kind: $kind,
            regex: $regex,
            is_secret: $is_secret,
            #[cfg(test)]
            hits: &[$(($hit, $clean)),*],
            #[cfg(test)]
            misses: &[$($miss),*],
        }),*]
    };
}

/// The table: kind, regular expression, further condition, texts with their redacted form, texts that do not change.
pub(super) const FORMATS: &[Format] = formats! {
    "jwt", r"\b(e[yw][A-Za-z0-9_+/-]{14,}={0,2}(?:\.[A-Za-z0-9_-]*){0,4})", is_encoded_json, [
        "x eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrOHMifQ.c2ln y" => "x [redacted:jwt:1] y",
        "cut eyJhbGciOiJSUzI1NiIsImtpZCI" => "cut [redacted:jwt:1]",
        "eyJhdXRocyI6eyJyZWcuaW8iOnsi" => "[redacted:jwt:1]",
    ], [
        "eyJ",
        "pod eyeball-service-7d4b9c6f5d-x2x4z",
        "eyebrow_and_something_else.client.svc",
    ];
    "bearer-token", r"(?i)\bbearer[ \t]+([A-Za-z0-9._~+/=-]{4,})", is_no_word, [
        "sent Bearer abc123DEF" => "sent Bearer [redacted:bearer-token:1]",
    ], [
        "bearer authentication failed",
        "Bearer realm=x",
        "Bearer [redacted:jwt:1]",
    ];
    "basic-auth", r"(?i)\bbasic[ \t]+([A-Za-z0-9+/]{4,}={0,2})", decodes_to_a_pair, [
        "sent Basic bcO8bGxlcjpwYXNz" => "sent Basic [redacted:basic-auth:1]",
        "sent Basic dXNlcjpwYXNz" => "sent Basic [redacted:basic-auth:1]",
    ], [
        "digest basic YQFiOnBhc3Mx",
        "basic authentication required",
        "a basic configuration",
    ];
    "basic-auth", r#"(?:^|[\s"'])(?:-u|-U|--user|--proxy-user)(?:[ =]|=?["'])\s*["']?([^\s:"']+:[^\s"']+)"#, is_no_pair_of_ids, [
        "curl -u admin:hunter2 http://x" => "curl -u [redacted:basic-auth:1] http://x",
        "curl --user 'admin:a,b' http://x" => "curl --user '[redacted:basic-auth:1]' http://x",
    ], [
        "docker run -u 1000:1000 x",
        "istio-iptables -u 1337 -m REDIRECT",
    ];
    "url-credentials", r#"(?i)\b[a-z][a-z0-9+.-]{1,20}://([^\s/"'<>?#\\]+)@"#, is_no_mark, [
        "https://user:p@ss@host/path" => "https://[redacted:url-credentials:1]@host/path",
        "amqp://token@host" => "amqp://[redacted:url-credentials:1]@host",
    ], [
        "https://host/@scope/package",
        "https://host/path?x=a@b",
        "spiffe://cluster.local/ns/client/sa/default",
        "docker.io/istio/proxyv2@sha256:0123",
    ];
    "url-credentials", r#"\b[\w.-]+:([^\s@"']+)@(?:tcp|udp|unix)\("#, is_no_mark,
        ["root:hunter2@tcp(db:3306)/x" => "root:[redacted:url-credentials:1]@tcp(db:3306)/x"], [];
    "docker-auth", r#"\\*["']_?auth\\*["']\s*:\s*\\*["']([A-Za-z0-9+/=_.-]{4,})"#, is_no_word, [
        r#"{"auths":{"r.io":{"auth":"dXNlcjpwYXNz"}}}"# => r#"{"auths":{"r.io":{"auth":"[redacted:docker-auth:1]"}}}"#,
    ], [
        r#"{"auth":"token"}"#,
    ];
    "private-key", r"\b(LS0tLS1CRUdJTi[A-Za-z0-9+/]{16,}={0,2})", is_encoded_private_key, [
        "tls.key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSQ==" => "tls.key: [redacted:private-key:1]",
        "x LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUk y" => "x [redacted:private-key:1] y",
    ], [
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM=",
    ];
    "aws-key", r"\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})\b", always,
        ["AKIAIOSFODNN7EXAMPLE" => "[redacted:aws-key:1]"], ["AKIA", "XAKIAIOSFODNN7EXAMPLE"];
    "github-token", r"\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})", always,
        ["ghp_0123456789abcdefghijABCDEFGHIJ012345" => "[redacted:github-token:1]"], ["ghp_short"];
    "gitlab-token", r"\b(gl(?:pat|dt|rt|cbt|ptt|soat|agent)-[A-Za-z0-9_-]{20,})", always,
        ["glpat-0123456789abcdefghij" => "[redacted:gitlab-token:1]"], ["glpat-short"];
    "slack-token", r"\b(xox[abeprs]-[A-Za-z0-9-]{10,})|hooks\.slack\.com/services/([A-Za-z0-9/_-]{10,})", always, [
        "xoxb-1234567890-abc" => "[redacted:slack-token:1]",
        "https://hooks.slack.com/services/T0/B0/abcdef" => "https://hooks.slack.com/services/[redacted:slack-token:1]",
    ], [
        "xoxb",
    ];
    "google-key", r"\b(AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{10,})", always,
        ["AIzaSyA0123456789abcdefghijklmnopqrstuv" => "[redacted:google-key:1]"], ["AIza"];
    "other-token", r"\b(sk_live_[A-Za-z0-9]{10,}|rk_live_[A-Za-z0-9]{10,}|npm_[A-Za-z0-9]{36}|hv[sbr]\.[A-Za-z0-9_-]{20,}|dckr_pat_[A-Za-z0-9_-]{10,}|pypi-[A-Za-z0-9_-]{40,}|sk-[A-Za-z0-9_-]{32,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})", holds_a_digit, [
        "sk_live_0123456789abc" => "[redacted:other-token:1]",
        "dckr_pat_0123456789abc" => "[redacted:other-token:1]",
        "hvs.0123456789abcdefghij" => "[redacted:other-token:1]",
    ], [
        "npm_config_cache",
        "pod sk-learn-training-service-for-all-classes",
    ];
};

static COMPILED: LazyLock<Vec<(&'static Format, Regex)>> = LazyLock::new(|| {
    FORMATS.iter().filter_map(|format| Some((format, Regex::new(format.regex).ok()?))).collect()
});

/// Finds the secrets in a text by their format.
pub(super) fn find(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    // `is_match` is cheaper, and most texts hold no secret.
    for (format, regex) in COMPILED.iter().filter(|(_, regex)| regex.is_match(text)) {
        for captures in regex.captures_iter(text) {
            let groups = captures.iter().skip(1).flatten();
            found.extend(groups.filter(|it| (format.is_secret)(it.as_str())).map(|it| Secret {
                start: it.start(),
                end: it.end(),
                kind: format.kind,
            }));
        }
    }
    without_overlaps(found)
}

fn always(_: &str) -> bool {
    true
}

fn is_no_mark(text: &str) -> bool {
    !is_mark(text) && !text.starts_with('$')
}

fn holds_a_digit(text: &str) -> bool {
    text.bytes().any(|it| it.is_ascii_digit())
}

/// Whether a text is neither a word of a sentence nor a parameter of a header.
fn is_no_word(text: &str) -> bool {
    let word = text.trim_end_matches(['.', ',']);
    let letters = word.bytes().skip(1).all(|it| it.is_ascii_lowercase() || it == b'-');
    !(letters && word.len() <= 20 || ["realm=", "error="].iter().any(|it| word.starts_with(it)))
}

/// Whether a text is not `uid:gid`.
fn is_no_pair_of_ids(text: &str) -> bool {
    !text.bytes().all(|it| it.is_ascii_digit() || it == b':') && is_no_mark(text)
}

/// Whether a text is base64 of `user:password`.
fn decodes_to_a_pair(text: &str) -> bool {
    let decoded = decoded(text);
    decoded.contains(&b':') && decoded.iter().all(|it| (0x20..0x7f).contains(it) || *it >= 0x80)
}

/// Whether a text begins with an encoded JSON object, as a JWT or credentials for registries do.
fn is_encoded_json(text: &str) -> bool {
    let first = text.split('.').next().unwrap_or_default();
    let beginning = decoded(first.get(..first.len().min(16)).unwrap_or_default());
    let printable = |it: &u8| (0x20..0x7f).contains(it) || it.is_ascii_whitespace();
    let mut meaning = beginning.iter().skip(1).filter(|it| !it.is_ascii_whitespace());
    beginning.first() == Some(&b'{')
        && meaning.next() == Some(&b'"')
        && beginning.iter().all(printable)
}

fn is_encoded_private_key(text: &str) -> bool {
    let beginning = decoded(text.get(..text.len().min(80)).unwrap_or_default());
    String::from_utf8_lossy(&beginning).contains("PRIVATE KEY")
}

/// Decodes base64 of either alphabet, up to the first other character.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).unwrap_or_default());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_decoded_up_to_another_character() {
        assert_eq!(decoded("YWJjZDEy"), b"abcd12");
        assert_eq!(decoded("0189"), [0xd3, 0x5f, 0x3d]);
        assert_eq!(decoded("+/+/"), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded("-_-_"), [0xfb, 0xff, 0xbf]);
        assert_eq!(decoded("YWJj=YWJj"), b"abc");
    }

    #[test]
    fn encoded_json_begins_with_a_name_in_an_object() {
        // {"a":1}, and the same with a space.
        assert!(["eyJhIjoxfQ", "eyAiYSI6MX0"].into_iter().all(is_encoded_json));
        // {a:"b"}, x"a":1}, {"a, control characters.
        assert!(!["e2E6ImIifQ", "eCJhIjoxfQ", "eyJhAQID"].into_iter().any(is_encoded_json));
    }
}
