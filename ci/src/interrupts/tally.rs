//! What came of every moment: told, and kept as JSON.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What came of one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    name: &'static str,
    /// From the signal to the end of the program.
    pub(crate) seconds: f64,
    /// As a shell would say it.
    pub(crate) exit: i32,
    /// What was left, in words.
    pub(crate) left: Vec<String>,
    /// What else was not as it must be.
    pub(crate) fault: Option<String>,
}

impl Case {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, seconds: 0.0, exit: 0, left: Vec::new(), fault: None }
    }

    fn is_clean(&self) -> bool {
        self.left.is_empty() && self.fault.is_none()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, exit, left, fault, .. } = self;
        match (left.is_empty(), fault) {
            (true, None) => write!(f, "clean: ended with {exit} after {seconds:.1} s"),
            (false, _) => write!(f, "LEFT (exit {exit}, {seconds:.1} s): {}", left.join(", ")),
            (true, Some(fault)) => write!(f, "NOT AS IT MUST BE: {fault}"),
        }
    }
}

/// All of them.
#[derive(Debug, Serialize)]
pub(crate) struct Tally {
    tried: usize,
    clean: usize,
    leaked: usize,
    cases: Vec<Case>,
    #[serde(skip)]
    file: PathBuf,
}

impl Tally {
    /// None yet; they are kept in this file.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { tried: 0, clean: 0, leaked: 0, cases: Vec::new(), file }
    }

    /// Counts a case, and writes the file anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add(&mut self, case: Case) -> Result<()> {
        self.tried += 1;
        self.clean += usize::from(case.is_clean());
        self.leaked += usize::from(!case.left.is_empty());
        self.cases.push(case);
        if let Some(directory) = self.file.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&self.file, serde_json::to_string_pretty(&self)? + "\n")
            .with_context(|| format!("writing `{}`", self.file.display()))
    }

    /// Whether all were as they must be.
    pub(crate) fn is_clean(&self) -> bool {
        self.clean == self.tried
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} moments, {} clean, {} leaked", self.tried, self.clean, self.leaked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_and_what_was_wrong_are_counted_apart() {
        let place = tempfile::tempdir().unwrap();
        let mut tally = Tally::new(place.path().join("deep/interrupts.json"));
        tally.add(Case::new("well")).unwrap();
        assert!(tally.is_clean());
        tally.add(Case { left: vec!["volume x".into()], ..Case::new("left") }).unwrap();
        tally.add(Case { fault: Some("exit 7".into()), ..Case::new("wrong") }).unwrap();
        assert_eq!(tally.to_string(), "3 moments, 1 clean, 1 leaked");
        assert!(!tally.is_clean());
        let text = fs::read_to_string(place.path().join("deep/interrupts.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["tried"], &json["leaked"]), (&3.into(), &1.into()));
        assert_eq!(json["cases"][1]["left"][0], "volume x");
    }
}
