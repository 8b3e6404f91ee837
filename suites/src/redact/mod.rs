//! Removes secrets from evidence. Tables define how secrets look; the evidence lists where they were.
//!
//! A secret is replaced by a mark, `[redacted:password:1]`. Within a document each secret has its own number: equal
//! secrets stay equal and different ones stay different, so that no verdict changes.

mod blocks;
mod pairs;
mod tokens;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::evidence::{Evidence, Redaction};
use crate::preflight::evidence::PreflightRecord;

/// A document of evidence, which lists what was removed from it.
pub trait Redacted: Serialize + DeserializeOwned {
    /// Returns the list of what was removed.
    fn redactions(&mut self) -> &mut Vec<Redaction>;
}

impl Redacted for Evidence {
    fn redactions(&mut self) -> &mut Vec<Redaction> {
        &mut self.redactions
    }
}

impl Redacted for PreflightRecord {
    fn redactions(&mut self) -> &mut Vec<Redaction> {
        &mut self.redactions
    }
}

/// Removes the secrets from evidence, and lists in it where they were. Existing marks stay.
pub fn redact<E: Redacted>(mut evidence: E) -> E {
    let Ok(mut document) = serde_json::to_value(&evidence) else {
        unreachable!("evidence is JSON");
    };
    let earlier = evidence.redactions();
    let before = earlier.iter().map(|it| it.count).fold(0, u32::saturating_add);
    let found = document_from(&mut document, before);
    if found.is_empty() {
        return evidence;
    }
    match serde_json::from_value::<E>(document) {
        Ok(mut redacted) => {
            *redacted.redactions() = earlier.drain(..).chain(found).collect();
            redacted
        }
        Err(error) => unreachable!("redaction changes texts alone: {error}"),
    }
}

/// Removes the secrets from a text outside of a document, such as an error message.
pub fn text(text: &str) -> String {
    Redactor::default().text(text).0
}

/// Removes the secrets from every text of a document, and from the names in its maps.
pub fn document(document: &mut Value) -> Vec<Redaction> {
    document_from(document, 0)
}

/// Removes the secrets from a document in which `before` secrets were redacted earlier.
fn document_from(document: &mut Value, before: u32) -> Vec<Redaction> {
    let mut redactor = Redactor { before, ..Redactor::default() };
    walk::walk(document, &mut redactor);
    redactor.found
}

/// The secrets found so far.
#[derive(Default)]
struct Redactor {
    /// The number of each secret.
    numbers: BTreeMap<String, u32>,
    /// How many numbers an earlier redaction of this document has used.
    before: u32,
    found: Vec<Redaction>,
    /// Short texts in which there is no secret: most names and many values occur hundreds of times.
    clean: HashSet<String>,
}

/// A secret in a text: its position and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Secret {
    start: usize,
    end: usize,
    kind: &'static str,
}

/// Finds the secrets of some kinds in a text, in order and without overlaps.
type Finder = fn(&str) -> Vec<Secret>;

/// All finders, those of larger secrets first: they remove the smaller secrets inside.
const FINDERS: [Finder; 4] = [blocks::manifests, blocks::private_keys, pairs::find, tokens::find];

/// The longest text that is remembered as clean, in bytes, and how many are: a hostile document has any number of them.
const SHORT: usize = 64;
const REMEMBERED: usize = 4096;

/// The maximum number of passes over a text. Hostile test texts need three.
const ROUNDS: usize = 16;

impl Redactor {
    /// Returns the text without its secrets, and their number by kind.
    ///
    /// A mark can make its neighbour look like a secret, so passes repeat until one finds nothing. A redacted text does not
    /// change again.
    fn text(&mut self, text: &str) -> (String, BTreeMap<&'static str, u32>) {
        let (mut text, mut counts) = (text.to_owned(), BTreeMap::new());
        if self.clean.contains(&text) {
            return (text, counts);
        }
        for _ in 0..ROUNDS {
            let found = counts.clone();
            text = self.round(text, &mut counts);
            if counts == found {
                break;
            }
        }
        if counts.is_empty() && text.len() <= SHORT && self.clean.len() < REMEMBERED {
            self.clean.insert(text.clone());
        }
        (text, counts)
    }

    /// Replaces the secrets that one pass finds.
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

    /// Returns the mark that replaces a secret.
    fn mark(&mut self, kind: &str, secret: &str) -> String {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let next = next.saturating_add(self.before).saturating_add(1);
        let number = self.numbers.entry(secret.to_owned()).or_insert(next);
        format!("[redacted:{kind}:{number}]")
    }

    /// Records where secrets were.
    fn note(&mut self, place: &str, kind: &str, count: u32) {
        self.found.push(Redaction { place: place.to_owned(), kind: kind.to_owned(), count });
    }
}

/// Whether a text is a mark and nothing else.
fn is_mark(text: &str) -> bool {
    let inner = text.strip_prefix("[redacted:").and_then(|rest| rest.strip_suffix(']'));
    inner.and_then(|inner| inner.rsplit_once(':')).is_some_and(|(kind, number)| {
        !kind.is_empty()
            && kind.bytes().all(|it| it.is_ascii_lowercase() || it == b'-')
            && !number.is_empty()
            && number.bytes().all(|it| it.is_ascii_digit())
    })
}

/// Whether a value in a secret's place is no secret: empty, a mark, a reference to a variable, or a word such as `null`.
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
