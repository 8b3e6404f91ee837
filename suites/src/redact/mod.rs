//! Secrets taken out of evidence: what they look like stands in tables, where they stood is told.
//!
//! A secret becomes a mark, `[redacted:password:1]`. The same secret gets the same number within a
//! document, another one another: what was equal stays equal, what differed stays different, so that no
//! verdict turns on a secret's being hidden.

mod blocks;
mod pairs;
mod tokens;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{Evidence, Redaction};

/// Takes the secrets out of evidence, and lists in it where they stood. What is redacted already stays as
/// it is.
pub fn redact(evidence: Evidence) -> Evidence {
    let told = evidence.redactions.clone();
    let before = told.iter().map(|it| it.count).fold(0, u32::saturating_add);
    let Ok(mut document) = serde_json::to_value(&evidence) else {
        unreachable!("evidence is JSON");
    };
    let found = document_from(&mut document, before);
    if found.is_empty() {
        return evidence;
    }
    match serde_json::from_value::<Evidence>(document) {
        Ok(mut redacted) => {
            redacted.redactions = told.into_iter().chain(found).collect();
            redacted
        }
        Err(error) => unreachable!("redaction changes texts alone: {error}"),
    }
}

/// Takes the secrets out of a text that is no part of a document: an error's message.
pub fn text(text: &str) -> String {
    Redactor::default().text(text).0
}

/// Takes the secrets out of every text of a document, the names in its maps included.
pub fn document(document: &mut Value) -> Vec<Redaction> {
    document_from(document, 0)
}

fn document_from(document: &mut Value, before: u32) -> Vec<Redaction> {
    let mut redactor = Redactor { numbers: BTreeMap::new(), before, found: Vec::new() };
    walk::walk(document, &mut redactor);
    redactor.found
}

/// What was found so far.
#[derive(Default)]
struct Redactor {
    /// The number of each secret.
    numbers: BTreeMap<String, u32>,
    /// Numbers that an earlier redaction of this document has given.
    before: u32,
    found: Vec<Redaction>,
}

/// A secret in a text: where, and of what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Secret {
    start: usize,
    end: usize,
    kind: &'static str,
}

/// What looks for secrets of some kind in a text. Ranges come in order, and none overlaps another.
type Finder = fn(&str) -> Vec<Secret>;

/// All of them, those that find the larger pieces first: what stands inside of a secret is gone with it.
const FINDERS: [Finder; 4] = [blocks::manifests, blocks::private_keys, pairs::find, tokens::find];

/// How often a text is looked at again, at the most. Seen: three times, in texts made to confuse.
const ROUNDS: usize = 16;

impl Redactor {
    /// The text without its secrets, and how many there were of each kind.
    ///
    /// A mark is no secret where a secret stood: its neighbour may be taken for one only then. So it is
    /// looked again until nothing is found, and a text that was redacted stays as it is.
    fn text(&mut self, text: &str) -> (String, BTreeMap<&'static str, u32>) {
        let mut text = text.to_owned();
        let mut counts = BTreeMap::new();
        for _ in 0..ROUNDS {
            let found = counts.clone();
            text = self.round(text, &mut counts);
            if counts == found {
                break;
            }
        }
        (text, counts)
    }

    /// Looks once for secrets of each kind.
    fn round(&mut self, text: String, counts: &mut BTreeMap<&'static str, u32>) -> String {
        let mut text = text;
        for find in FINDERS {
            let secrets = find(&text);
            if secrets.is_empty() {
                continue;
            }
            let mut clean = String::with_capacity(text.len());
            let mut at = 0;
            for Secret { start, end, kind } in secrets {
                let (Some(before), Some(secret)) = (text.get(at..start), text.get(start..end))
                else {
                    continue;
                };
                clean.push_str(before);
                clean.push_str(&self.mark(kind, secret));
                at = end;
                *counts.entry(kind).or_default() += 1;
            }
            clean.push_str(text.get(at..).unwrap_or_default());
            text = clean;
        }
        text
    }

    /// What stands in a secret's place.
    fn mark(&mut self, kind: &str, secret: &str) -> String {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let next = next.saturating_add(self.before).saturating_add(1);
        let number = self.numbers.entry(secret.to_owned()).or_insert(next);
        format!("[redacted:{kind}:{number}]")
    }

    fn note(&mut self, place: &str, kind: &str, count: u32) {
        self.found.push(Redaction { place: place.to_owned(), kind: kind.to_owned(), count });
    }
}

/// Whether a text is a mark of ours, and nothing else.
fn is_mark(text: &str) -> bool {
    let inner = text.strip_prefix("[redacted:").and_then(|rest| rest.strip_suffix(']'));
    inner.and_then(|inner| inner.rsplit_once(':')).is_some_and(|(kind, number)| {
        !kind.is_empty()
            && kind.bytes().all(|it| it.is_ascii_lowercase() || it == b'-')
            && !number.is_empty()
            && number.bytes().all(|it| it.is_ascii_digit())
    })
}

/// Whether what stands in a secret's place is none: nothing, a mark of ours or of others, a reference to
/// a variable, a word for there being no value.
fn is_no_secret(value: &str) -> bool {
    const WORDS: [&str; 9] =
        ["null", "nil", "<nil>", "none", "true", "false", "undefined", "redacted", "<redacted>"];
    let value = value.trim().trim_end_matches([',', ';']);
    let reference = |rest: &str| {
        let name = rest
            .strip_prefix('{')
            .and_then(|it| it.strip_suffix('}'))
            .or_else(|| rest.strip_prefix('(').and_then(|it| it.strip_suffix(')')))
            .unwrap_or(rest);
        !name.is_empty()
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
            && !name.starts_with(|it: char| it.is_ascii_digit())
    };
    value.is_empty()
        || is_mark(value)
        || value.chars().all(|it| matches!(it, '*' | '•' | '.' | '…'))
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.strip_prefix('$').is_some_and(reference)
}
