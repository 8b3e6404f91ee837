//! Secrets after a name: `password=…`, `"token": "…"`, `--api-key …`, `Authorization: …`.

use std::sync::LazyLock;

use regex::Regex;

use super::{Secret, is_mark, is_no_secret};

/// Names before a secret.
pub(super) struct Names {
    /// The kind of the secret.
    pub(super) kind: &'static str,
    /// The ends of the names, in upper or lower case: `db_password` ends in `password`.
    words: &'static str,
    /// The extent of the secret.
    reach: Reach,
    /// Texts with a secret, and the redacted texts.
    #[cfg(test)]
    pub(super) hits: &'static [(&'static str, &'static str)],
    /// Texts that do not change.
    #[cfg(test)]
    pub(super) misses: &'static [&'static str],
}

/// The maximum length of a mark, in bytes.
const LONGEST_MARK: usize = 64;

/// The extent of the secret after a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Any word.
    Word,
    /// A word. Inside of a sentence a plain word is none: "no such token: expired".
    TellingWord,
    /// The rest of the line.
    Line,
}

macro_rules! names {
    ($($kind:literal, $words:literal, $reach:ident, [$($hit:literal => $clean:literal),* $(,)?], [$($miss:literal),* $(,)?];)*) => {
        &[$(Names {
            kind: $kind,
            words: $words,
            reach: Reach::$reach,
            #[cfg(test)]
            hits: &[$(($hit, $clean)),*],
            #[cfg(test)]
            misses: &[$($miss),*],
        }),*]
    };
}

/// The table: kind, names, extent, texts with their redacted form, texts that do not change.
pub(super) const NAMES: &[Names] = names! {
    "authorization", r"authorization", Line, [
        "authorization: Bearer abc.def" => "authorization: [redacted:authorization:1]",
        "curl -H 'Authorization: Basic dXNlcjpw' http://x" => "curl -H 'Authorization: [redacted:authorization:1]' http://x",
        r#"{"authorization":"Bearer x y","a":"b"}"# => r#"{"authorization":"[redacted:authorization:1]","a":"b"}"#,
        "'authorization', 'Bearer x1'\n'path', '/'" => "'authorization', '[redacted:authorization:1]'\n'path', '/'",
        "Proxy-Authorization: Digest a=\"b\", c=\"d\"\r\nHost: x" => "Proxy-Authorization: [redacted:authorization:1]\r\nHost: x",
        "headers: Authorization: [Bearer abc]" => "headers: Authorization: [redacted:authorization:1]",
        "map[Authorization:[Bearer abc]]" => "map[Authorization:[redacted:authorization:1]",
    ], [
        r#"{"authorization":[redacted:authorization:7],"a":"b"}"#,
        "the authorization policy ALLOW was applied",
        "-H \"Authorization: Bearer $TOKEN\"",
        "system:authorization:policies",
        "may require authorization: server message: insufficient_scope: authorization failed",
    ];
    "cookie", r"cookie2?", Line, [
        "cookie: session=abc; other=def" => "cookie: [redacted:cookie:1]",
        "< Set-Cookie: kiali-token=abc; Path=/; HttpOnly\r\n< x: y" => "< Set-Cookie: [redacted:cookie:1]\r\n< x: y",
        "'cookie', 'a=b; c=d'" => "'cookie', '[redacted:cookie:1]'",
    ], [
        "no cookie was sent",
        "cookies=3",
    ];
    "password", r"password|passwd|passphrase|passcode|[_-]pass|[_-]pwd|sshpass", Word, [
        "mysql --password=hunter2 -u root" => "mysql --password=[redacted:password:1] -u root",
        "mysql --password hunter2" => "mysql --password [redacted:password:1]",
        "mysql --password -^hunter2" => "mysql --password [redacted:password:1]",
        "PGPASSWORD=a,b;c next" => "PGPASSWORD=[redacted:password:1] next",
        r#"{"password":"it's \"this\"","user":"x"}"# => r#"{"password":"[redacted:password:1]","user":"x"}"#,
        r#"{\"dbPassword\": \"x\\\"y\", \"a\": 1}"# => r#"{\"dbPassword\": \"[redacted:password:1]\", \"a\": 1}"#,
        "{User:admin Password:hunter2}" => "{User:admin Password:[redacted:password:1]",
        "user:admin password:hunter2" => "user:admin password:[redacted:password:1]",
        "password='cut off\nit's fine" => "password='[redacted:password:1]\nit's fine",
        "password: hunter" => "password: [redacted:password:1]",
        "https://x/login?user=a&password=b%20c" => "https://x/login?user=a&password=[redacted:password:1]",
        "PASSWORD_1 = it's" => "PASSWORD_1 = [redacted:password:1]",
        "password=[redacted:password:1]more" => "password=[redacted:password:1]",
        "{'password': 'cut off" => "{'password': '[redacted:password:1]",
        "DB_PASS=x OTHER=y" => "DB_PASS=[redacted:password:1] OTHER=y",
    ], [
        "password=[redacted:password:7]",
        "passwordFile=/etc/x",
        "--password=$PASSWORD",
        "--password=$(DB_PASSWORD)",
        "password=${DB_PASSWORD}",
        "password: ****",
        r#"{"password":null,"n":1}"#,
        r#"{"password":""}"#,
        "pass: 32, fail: 0",
        "PWD=/home/x",
    ];
    "token", r"token|session[_-]?(?:id|key)|jwt", TellingWord, [
        "?token=abc&x=y" => "?token=[redacted:token:1]",
        "--token abcdef.0123456789abcdef" => "--token [redacted:token:1]",
        "token: abcdef" => "token: [redacted:token:1]",
        "users:\n- name: x\n  user:\n    token: abcdef" => "users:\n- name: x\n  user:\n    token: [redacted:token:1]",
        "got token:=abcdef" => "got token:=[redacted:token:1]",
        "got token: aB3kd9 from x" => "got token: [redacted:token:1] from x",
        "BearerToken:abc1 x" => "BearerToken:[redacted:token:1] x",
        r#""access_token":"x/y+z=""# => r#""access_token":"[redacted:token:1]""#,
        "x-vault-token: hvs" => "x-vault-token: [redacted:token:1]",
    ], [
        "failed to fetch token: pod not found",
        "GET http://token:8080/",
        "image registry/token:1.20.3@sha256:0123456789abcdef",
        "/var/run/secrets/tokens/istio-token",
        r#""volumes":["istio-token","istiod-ca-cert"]"#,
        "token_type=Bearer",
        "tokenReview=x",
        "system:serviceaccount:token:default",
        "unexpected token: }",
        "unexpected token: `x`",
    ];
    "secret", r"secret|credentials?", TellingWord, [
        "client_secret=abc" => "client_secret=[redacted:secret:1]",
        r#""secret": "a b c""# => r#""secret": "[redacted:secret:1]""#,
        "AWS_CREDENTIALS='a b'" => "AWS_CREDENTIALS='[redacted:secret:1]'",
    ], [
        r#"secret "istiod-tls" not found"#,
        "couldn't find key x in Secret client/mysecret",
        "secretName=x",
        "imagePullSecrets={a,b}",
        r#"secrets is forbidden: User "x" cannot list resource "secrets""#,
        "failed to mount secret: not found",
        r#""credentials": {"user": "x"}"#,
    ];
    "api-key", r"api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?(?:access[_-]?)?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|account[_-]?key|auth[_-]?key|license[_-]?key|amz-signature|goog-signature|[?&]sig", Word, [
        "apikey=abc" => "apikey=[redacted:api-key:1]",
        "X-Api-Key: abc" => "X-Api-Key: [redacted:api-key:1]",
        "aws_secret_access_key = wJalr/XUtn" => "aws_secret_access_key = [redacted:api-key:1]",
        "Endpoint=x;AccountKey=abc==" => "Endpoint=x;AccountKey=[redacted:api-key:1]",
        "https://x/?a=b&sig=abc" => "https://x/?a=b&sig=[redacted:api-key:1]",
    ], [
        "apiKeyRef=x",
        "key=value",
        "sig=x",
    ];
    "kubeconfig-user", r"client-key-data|client-certificate-data", Word, [
        "    client-key-data: LS0tLS1CRUdJTi" => "    client-key-data: [redacted:kubeconfig-user:1]",
        r#"{"client-certificate-data":"LS0t"}"# => r#"{"client-certificate-data":"[redacted:kubeconfig-user:1]"}"#,
    ], [
        "certificate-authority-data: LS0tLS1CRUdJTiBDRVJU",
        "client-key: /home/x/key.pem",
    ];
};

/// The compiled patterns of a name.
struct Compiled {
    names: &'static Names,
    /// The name, and the separator before the secret.
    before: Regex,
    /// The name alone.
    whole: Regex,
}

static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    let all = NAMES.iter().map(|names| {
        let words = names.words;
        let name = format!(r"(?:[A-Za-z0-9_.-]*(?:{words})(?:[_-]?[0-9]{{1,3}})?)");
        // `NAME=`, `NAME: `, `"NAME": `, `'NAME', '`, `--NAME `.
        // Proxies print headers with a comma between name and value.
        let comma = if names.reach == Reach::Line { r"|'\s{0,3},\s{0,3}" } else { "" };
        let before = format!(
            r#"(?i)(?:(?P<flag>(?:^|[\s"'\[,(])--?{name}[ \t]+)|(?P<name>{name})(?:(?P<quote>\\*["'])\s{{0,3}}[:=]{comma}|[ \t]{{0,3}}(?:=>|:=|[:=]))[ \t]{{0,3}})"#
        );
        let whole = format!("(?i)^-{{0,2}}{name}$");
        Some(Compiled { names, before: Regex::new(&before).ok()?, whole: Regex::new(&whole).ok()? })
    });
    all.flatten().collect()
});

/// Returns the kind of the secret that a map holds under this name.
pub(super) fn names_a_secret(name: &str) -> Option<&'static str> {
    // Labels and annotations begin with a domain: `example.com/api-key`.
    let name = name.rsplit('/').next().unwrap_or(name);
    let of = |it: &&Compiled| it.whole.is_match(name);
    COMPILED.iter().find(of).map(|it| it.names.kind)
}

/// Returns the kind of the secret in the argument after this one.
pub(super) fn flag(argument: &str) -> Option<&'static str> {
    argument.starts_with('-').then(|| names_a_secret(argument)).flatten()
}

/// Finds the secrets after a name in a text.
pub(super) fn find(text: &str) -> Vec<Secret> {
    let mut found: Vec<Secret> = Vec::new();
    // `is_match` is cheaper, and most texts hold no secret.
    for compiled in COMPILED.iter().filter(|it| it.before.is_match(text)) {
        let mut at = 0;
        while let Some(named) = compiled.before.captures_at(text, at) {
            let Some(whole) = named.get(0) else { break };
            at = whole.end();
            let name = named.name("name");
            let quoted = named.name("quote").is_some();
            let start = whole.end();
            let (reach, rest) = (compiled.names.reach, text.get(start..).unwrap_or_default());
            let place = Place {
                text,
                name: name.map_or("--", |it| it.as_str()),
                name_at: name.map_or(whole.start(), |it| it.start()),
                gap: text.get(name.map_or(start, |it| it.end())..start).unwrap_or_default(),
                quoted: rest.trim_start_matches('\\').starts_with(['"', '\'']),
                named_in_quotes: quoted,
                flag: name.is_none(),
            };
            // Test this before searching for the end, which may be far away.
            if place.is_no_name(rest, reach) {
                continue;
            }
            let Some((from, to)) = value(text, start, reach, quoted) else { continue };
            let secret = text.get(from..to).unwrap_or_default();
            if is_no_secret(secret) || place.is_no_value(secret, reach) {
                continue;
            }
            found.push(Secret { start: from, end: to, kind: compiled.names.kind });
            at = to.max(at);
        }
    }
    without_overlaps(found)
}

/// Whether a text begins like a flag: `-v`, `--verbose`. A secret can begin with a hyphen.
pub(super) fn is_flag(text: &str) -> bool {
    text.trim_start_matches('-').starts_with(|it: char| it.is_ascii_alphabetic())
        && text.starts_with('-')
}

/// Keeps the first of overlapping secrets, and the longer of two with the same start.
pub(super) fn without_overlaps(mut found: Vec<Secret>) -> Vec<Secret> {
    found.sort_by_key(|it| (it.start, std::cmp::Reverse(it.end)));
    let mut end = 0;
    found.retain(|it| {
        let keep = it.start >= end;
        if keep {
            end = it.end;
        }
        keep
    });
    found
}

/// The text around a value.
struct Place<'a> {
    text: &'a str,
    name: &'a str,
    name_at: usize,
    /// The text between name and value.
    gap: &'a str,
    /// Whether the value is in quotes.
    quoted: bool,
    /// Whether the name is in quotes.
    named_in_quotes: bool,
    /// Whether this is an argument with its value.
    flag: bool,
}

impl Place<'_> {
    /// Returns the text before the name.
    fn before(&self) -> &str {
        self.text.get(..self.name_at).unwrap_or_default()
    }

    fn has_colon(&self) -> bool {
        self.gap.contains(':') && !self.gap.contains('=')
    }

    /// Whether the match is no name of a value. `rest` is the text after it.
    fn is_no_name(&self, rest: &str, reach: Reach) -> bool {
        if self.flag {
            return is_flag(rest);
        }
        if self.gap.contains(',') {
            return !self.quoted;
        }
        if !self.has_colon() || self.quoted {
            return false;
        }
        if !self.named_in_quotes && self.gap == ":" {
            // `registry/token:1.2`, `system:serviceaccount:token:x`, `http://token:8080`: names of
            // Kubernetes, images and hosts are in lower case, fields of a program are not.
            let lower = !self.name.bytes().any(|it| it.is_ascii_uppercase());
            let inside = self.before().ends_with(['/', ':', '@']);
            return inside || lower && reach != Reach::Word;
        }
        // An object or a list has names of its own.
        reach != Reach::Line && rest.starts_with(['{', '['])
    }

    /// Whether the text after the name is no secret.
    fn is_no_value(&self, value: &str, reach: Reach) -> bool {
        if !self.has_colon() || self.flag {
            return false;
        }
        if reach == Reach::Line {
            // `Bearer $TOKEN`; a message of containerd about an image that cannot be pulled.
            return value.starts_with("server message: ")
                || value.len() < 100 && value.rsplit(' ').next().is_some_and(is_no_secret);
        }
        let indent = |it: &char| matches!(it, ' ' | '\t' | '-' | '>' | '<' | '*');
        let begins_line =
            self.before().chars().rev().find(|it| !indent(it)).is_none_or(|it| it == '\n');
        // A field of a program, `BearerToken:x`, is in no sentence.
        let in_a_sentence = !self.quoted && !begins_line && self.gap != ":";
        reach == Reach::TellingWord && in_a_sentence && is_plain_word(value)
    }
}

/// Whether a value can be a word of a sentence.
fn is_plain_word(value: &str) -> bool {
    let word = value.trim_end_matches(['.', ',', ';', ':', '!']);
    word.len() <= 16 && word.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_punctuation())
}

/// Returns the range of the value that begins here, without its quotes. An unquoted value after a quoted name is JSON.
fn value(text: &str, start: usize, reach: Reach, json: bool) -> Option<(usize, usize)> {
    let rest = text.get(start..)?;
    let bare = rest.trim_start_matches('\\');
    let escapes = rest.len() - bare.len();
    let quote = bare.chars().next().filter(|it| matches!(it, '"' | '\''));
    if let Some(quote) = quote {
        let from = start + escapes + 1;
        let inside = text.get(from..)?;
        return Some((from, from + closing_quote(inside, quote, escapes)));
    }
    let bytes = rest.as_bytes();
    // A mark is skipped completely.
    let mark = bytes.iter().take(LONGEST_MARK).position(|it| *it == b']').map_or(0, |at| at + 1);
    let mark = if rest.get(..mark).is_some_and(is_mark) { mark } else { 0 };
    let mut end = rest.len();
    let mut quotes = [0_usize; 3];
    for (at, byte) in bytes.iter().enumerate().skip(mark) {
        let ends = match byte {
            b'\n' | b'\r' => true,
            b',' | b'}' | b']' => json,
            b' ' | b'\t' => reach != Reach::Line,
            // A quote inside of a word is part of it: `it's`. Pairs of quotes are part of a header's value.
            b'"' | b'\'' | b'`' => {
                let after = bytes.get(at + 1).copied().unwrap_or(b' ');
                let closes = after.is_ascii_whitespace() || b",:;}])>\\\"'".contains(&after);
                let of_its_kind = b"\"'`".iter().zip(&mut quotes).find(|(kind, _)| *kind == byte);
                let before = of_its_kind.map_or(0, |(_, count)| {
                    *count += 1;
                    *count - 1
                });
                closes && (reach != Reach::Line || before % 2 == 0)
            }
            _ => false,
        };
        if ends {
            end = at;
            break;
        }
    }
    // The backslashes of an escaped quote belong to the quote.
    if bytes.get(end).is_some_and(|it| matches!(it, b'"' | b'\'')) {
        end = rest.get(..end).unwrap_or_default().trim_end_matches('\\').len();
    }
    let word = rest.get(..end)?.trim_end();
    (!word.is_empty()).then_some((start, start + word.len()))
}

/// Returns the length of the text before the closing quote, which has as many backslashes as the opening quote. The end
/// of the line also closes.
fn closing_quote(text: &str, quote: char, escapes: usize) -> usize {
    let mut backslashes = 0;
    for (at, character) in text.char_indices() {
        match character {
            '\\' => {
                backslashes += 1;
                continue;
            }
            '\n' => return at,
            it if it == quote => {
                let closes =
                    if escapes == 0 { backslashes % 2 == 0 } else { backslashes == escapes };
                if closes {
                    return if escapes == 0 { at } else { at - escapes };
                }
            }
            _ => {}
        }
        backslashes = 0;
    }
    text.len()
}
