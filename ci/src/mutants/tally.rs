//! What became of the mutants, and the sums.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accepted::{Accepted, without_place};

/// What `cargo mutants` leaves behind, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: String,
}

#[derive(Debug, Deserialize)]
enum Scenario {
    /// The code as it is.
    Baseline,
    Mutant {
        name: String,
    },
}

impl Outcomes {
    /// Reads them from the directory that `cargo mutants` left.
    ///
    /// # Errors
    /// When they are not there, or cannot be parsed.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let file = directory.join("outcomes.json");
        let read = || anyhow::Ok(serde_json::from_slice(&fs::read(&file)?)?);
        read().with_context(|| format!("reading `{}`", file.display()))
    }
}

/// The sums.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    killed: usize,
    timeout: usize,
    unviable: usize,
    with_reason: Vec<(String, String)>,
    without_reason: Vec<String>,
}

impl Tally {
    /// Counts. A reason is used up: it stands for as many mutants as it names, and not for those
    /// that come later.
    pub(crate) fn new(outcomes: &Outcomes, accepted: &Accepted) -> Self {
        let mut tally = Self::default();
        let mut reasons = accepted.reasons();
        for Outcome { scenario, summary } in &outcomes.outcomes {
            let Scenario::Mutant { name } = scenario else { continue };
            match summary.as_str() {
                "CaughtMutant" => tally.killed += 1,
                "Timeout" => tally.timeout += 1,
                "Unviable" => tally.unviable += 1,
                // "MissedMutant", and words that are not known: nobody has noticed it.
                _ => match reasons.get_mut(&without_place(name)).and_then(Vec::pop) {
                    Some(reason) => tally.with_reason.push((name.clone(), reason.to_owned())),
                    None => tally.without_reason.push(name.clone()),
                },
            }
        }
        tally
    }

    /// Those that can be built.
    pub(crate) fn viable(&self) -> usize {
        self.killed + self.timeout + self.missed()
    }

    fn missed(&self) -> usize {
        self.with_reason.len() + self.without_reason.len()
    }

    /// How many of a hundred that can be built are noticed. A test that does not end is noticed,
    /// too.
    #[expect(clippy::cast_precision_loss, reason = "thousands at most")]
    pub(crate) fn percent(&self) -> f64 {
        match self.viable() {
            0 => 0.0,
            viable => (self.killed + self.timeout) as f64 * 100.0 / viable as f64,
        }
    }

    /// Those that are missed, and that nobody has given a reason for.
    pub(crate) fn missed_without_reason(&self) -> &[String] {
        &self.without_reason
    }

    /// Those that have a reason which nobody needs.
    pub(crate) fn not_missed(&self, accepted: &Accepted) -> Vec<String> {
        let mut left: BTreeMap<_, _> =
            accepted.reasons().into_iter().map(|(name, reasons)| (name, reasons.len())).collect();
        for (name, _) in &self.with_reason {
            if let Some(times) = left.get_mut(&without_place(name)) {
                *times -= 1;
            }
        }
        left.into_iter().filter(|(_, times)| *times > 0).map(|(name, _)| name).collect()
    }

    /// All of it, for programs.
    pub(crate) fn json(&self) -> Value {
        let reason = |(name, reason): &(String, String)| json!({"mutant": name, "reason": reason});
        json!({
            "viable": self.viable(),
            "killed": self.killed,
            "timeout": self.timeout,
            "missed": self.missed(),
            "unviable": self.unviable,
            "percent": (self.percent() * 100.0).round() / 100.0,
            "missed_with_reason": self.with_reason.iter().map(reason).collect::<Vec<_>>(),
            "missed_without_reason": self.without_reason,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (percent, viable) = (self.percent(), self.viable());
        let Self { killed, timeout, unviable, with_reason, without_reason } = self;
        let (with, without) = (with_reason.len(), without_reason.len());
        write!(
            f,
            "{viable} mutants: {killed} killed, {timeout} without an end, {with} missed with a \
             reason, {without} without; {percent:.1} of 100 noticed; {unviable} more cannot be built"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes() -> Outcomes {
        let mutant = |name: &str, summary: &str| json!({"scenario": {"Mutant": {"name": name, "genre": "FnValue"}}, "summary": summary});
        serde_json::from_value(json!({"total_mutants": 6, "outcomes": [
            {"scenario": "Baseline", "summary": "Success"},
            mutant("a.rs:1:1: delete ! in f", "CaughtMutant"),
            mutant("a.rs:2:1: delete ! in g", "Timeout"),
            mutant("a.rs:3:1: delete ! in h", "Unviable"),
            mutant("a.rs:4:1: replace < with <= in k", "MissedMutant"),
            mutant("a.rs:5:1: replace < with <= in k", "MissedMutant"),
        ]}))
        .unwrap()
    }

    fn accepted(mutant: &str, times: usize) -> Accepted {
        let list = json!([{"file": "a.rs", "mutant": mutant, "times": times, "reason": "why"}]);
        Accepted::parse(&list.to_string()).unwrap()
    }

    #[test]
    fn what_cannot_be_built_and_the_code_itself_do_not_count() {
        let tally = Tally::new(&outcomes(), &Accepted::default());
        let json = tally.json();
        for (key, count) in
            [("viable", 4), ("killed", 1), ("timeout", 1), ("missed", 2), ("unviable", 1)]
        {
            assert_eq!(json[key], count, "{key}");
        }
        assert_eq!(json["percent"], 50.0);
        assert_eq!(json["missed_without_reason"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_reason_stands_for_as_many_as_it_says() {
        let tally = Tally::new(&outcomes(), &accepted("replace < with <= in k", 1));
        assert_eq!(tally.missed_without_reason(), ["a.rs:5:1: replace < with <= in k"]);
        assert_eq!(tally.json()["missed_with_reason"][0]["reason"], "why");
        // With a reason it is missed all the same.
        assert_eq!(tally.json()["percent"], 50.0);
        let tally = Tally::new(&outcomes(), &accepted("replace < with <= in k", 2));
        assert!(tally.missed_without_reason().is_empty());
    }

    #[test]
    fn a_reason_that_nobody_needs_is_told() {
        let accepted = accepted("delete ! in f", 1);
        let tally = Tally::new(&outcomes(), &accepted);
        assert_eq!(tally.not_missed(&accepted), ["a.rs: delete ! in f"]);
    }

    #[test]
    fn nothing_is_not_all() {
        let none = serde_json::from_value(json!({"outcomes": []})).unwrap();
        assert!(Tally::new(&none, &Accepted::default()).percent().abs() < f64::EPSILON);
    }
}
