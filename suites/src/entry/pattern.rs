//! Selects entries: by id, by name, by section, or by one of these with `*` for any run of characters.

use std::fmt;
use std::str::FromStr;

use super::{Entry, Subject};
use crate::evidence::Evidence;

/// A pattern such as `mesh`, `mesh::live_rules`, `live_rules` or `mesh::*redirected`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// A pattern that no entry matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {noun} matches `{pattern}`")]
pub struct NoSuchEntry {
    noun: &'static str,
    pattern: String,
}

impl Pattern {
    /// Parses a pattern that must match an entry on evidence of type `E`.
    ///
    /// # Errors
    ///
    /// A pattern that no entry matches.
    pub fn parse<E: Subject>(text: &str) -> Result<Self, NoSuchEntry> {
        let pattern = Self::unchecked(text);
        if E::entries().iter().any(|entry| pattern.matches(entry)) {
            Ok(pattern)
        } else {
            Err(NoSuchEntry { noun: E::NOUN, pattern: text.to_owned() })
        }
    }

    /// Creates a pattern without checking that it matches an entry.
    pub(crate) fn unchecked(text: &str) -> Self {
        Self(text.trim().to_lowercase())
    }

    /// Whether the pattern matches this entry.
    pub fn matches<E: Subject>(&self, entry: &Entry<E>) -> bool {
        self.matches_id(entry.id)
    }

    /// Whether the entry with this id is asked for. Reports print the name alone below its section.
    pub(crate) fn matches_id(&self, id: &str) -> bool {
        let (section, name) = id.split_once("::").unwrap_or((id, id));
        [id, section, name].iter().any(|text| matches_text(&self.0, text))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl FromStr for Pattern {
    type Err = NoSuchEntry;

    /// Parses a pattern that must match a claim.
    fn from_str(text: &str) -> Result<Self, NoSuchEntry> {
        Self::parse::<Evidence>(text)
    }
}

/// Whether a whole text matches a pattern with `*` for any characters.
pub fn matches_text(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::preflight::evidence::PreflightEvidence;
    use crate::{CHECKS, CLAIMS};
    use rstest::rstest;

    #[rstest]
    #[case("mesh::live_rules", 1)]
    #[case("mesh::*redirected", 2)]
    #[case("*", CLAIMS.len())]
    #[case("*::istio_version", 1)]
    #[case("k*::*console*served", 1)]
    #[case("live_rules", 1)]
    #[case("Mesh::Live_Rules", 1)]
    #[case("KIALI", 4)]
    fn pattern_matches_claims(#[case] pattern: Pattern, #[case] count: usize) {
        assert_eq!(CLAIMS.iter().filter(|claim| pattern.matches(claim)).count(), count);
    }

    #[rstest]
    #[case("meshes")]
    #[case("mesh::")]
    #[case("machine")]
    #[case::word_occurs_once("kiali::*console_served*served")]
    #[case("")]
    fn pattern_without_a_claim_is_an_error(#[case] text: &str) {
        let error = text.parse::<Pattern>().unwrap_err().to_string();
        assert_eq!(error, format!("no claim matches `{text}`"));
    }

    #[test]
    fn pattern_of_checks_matches_no_claim() {
        let machine = Pattern::parse::<PreflightEvidence>("machine").unwrap();
        assert!(CHECKS.iter().any(|check| machine.matches(check)));
        let error = Pattern::parse::<PreflightEvidence>("mesh::live_rules").unwrap_err();
        assert_eq!(error.to_string(), "no check matches `mesh::live_rules`");
    }
}
