//! Mutants that no test can tell from the code, each with the reason.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// One of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The file in which it is.
    file: String,
    /// What is changed, and where, in the words of `cargo mutants`; without line and column, which
    /// move.
    mutant: String,
    /// How many of them there are in the same function.
    #[serde(default = "one")]
    times: usize,
    /// Why no test can tell.
    reason: String,
}

fn one() -> usize {
    1
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    entries: Vec<Entry>,
}

impl Accepted {
    /// Reads the list.
    ///
    /// # Errors
    /// When it is not a list of entries, each with a reason.
    pub(crate) fn read() -> Result<Self> {
        Self::parse(include_str!("accepted.json")).context("reading `ci/src/mutants/accepted.json`")
    }

    /// The list from its text.
    ///
    /// # Errors
    /// As [`Accepted::read`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let entries: Vec<Entry> = serde_json::from_str(text)?;
        for entry in &entries {
            ensure!(!entry.reason.trim().is_empty(), "`{}` has no reason", entry.mutant);
        }
        Ok(Self { entries })
    }

    /// The reasons, by name, each as often as it may be used.
    pub(crate) fn reasons(&self) -> BTreeMap<String, Vec<&str>> {
        let mut reasons: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in &self.entries {
            let name = format!("{}: {}", entry.file, entry.mutant);
            reasons.entry(name).or_default().extend([entry.reason.as_str()].repeat(entry.times));
        }
        reasons
    }
}

/// The name of a mutant without its place: `suites/src/net.rs:22:13: replace …`.
pub(crate) fn without_place(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(line), Some(column), Some(what))
            if [line, column].iter().all(|it| it.parse::<u32>().is_ok()) =>
        {
            format!("{file}:{what}")
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_list_can_be_read() {
        Accepted::read().unwrap();
    }

    #[test]
    fn an_entry_needs_a_reason() {
        let text = r#"[{"file": "a.rs", "mutant": "delete ! in f", "reason": " "}]"#;
        assert!(Accepted::parse(text).unwrap_err().to_string().contains("delete ! in f"));
    }

    #[rstest]
    #[case("suites/src/net.rs:22:13: delete ! in f", "suites/src/net.rs: delete ! in f")]
    #[case(
        "suites/src/a.rs:2:1: replace <impl fmt::Display for A>::fmt -> fmt::Result with ::x()",
        "suites/src/a.rs: replace <impl fmt::Display for A>::fmt -> fmt::Result with ::x()"
    )]
    #[case("delete ! in f", "delete ! in f")]
    fn a_name_loses_its_place(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(without_place(name), expected);
    }
}
