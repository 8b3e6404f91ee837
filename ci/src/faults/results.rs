//! What the campaign found: printed, and kept in `target/xtask/faults.json`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use fs_err as fs;
use serde::Serialize;
use serde_json::json;

use super::case::Case;
use super::timing::Times;
use crate::out::{result, say};
use crate::results;

/// How one case ended.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    /// Whether something was broken.
    #[serde(skip)]
    pub(crate) is_fault: bool,
    /// The claims that had to be red.
    pub(crate) expected: BTreeSet<String>,
    /// The claims that were.
    pub(crate) red: BTreeSet<String>,
    /// Those that had to be, and were not.
    pub(crate) missed: BTreeSet<String>,
    /// Those that were, and had no reason.
    pub(crate) false_red: BTreeSet<String>,
    /// Those that could not be judged.
    pub(crate) unjudged: BTreeSet<String>,
    /// Whether these are those that cannot be.
    pub(crate) unjudged_as_expected: bool,
    /// The causes that the report names.
    pub(crate) causes: Vec<String>,
    /// Whether these are the right ones, in the right order.
    pub(crate) causes_as_expected: bool,
    /// Whether a command of the report showed the fault; nothing where none must.
    pub(crate) shown: Option<bool>,
    /// What the report had to say, and did not.
    pub(crate) silent: Vec<String>,
    /// Whether following the hints fixed it; nothing where no command can.
    pub(crate) mended: Option<bool>,
    /// What was typed for that.
    pub(crate) commands: Vec<String>,
    /// How long checks took, where a rollout cannot end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<Times>,
    /// From green to green.
    pub(crate) seconds: f64,
    /// Why it could not be brought about or undone, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
    /// The report as people read it.
    #[serde(skip)]
    pub(crate) text: String,
}

impl Outcome {
    /// Nothing is known of it yet.
    pub(crate) fn of(case: &Case) -> Self {
        let (name, is_fault) = (case.name(), case.is_fault());
        Self { name, is_fault, causes_as_expected: true, ..Self::default() }
    }

    fn is_clean(&self) -> bool {
        self.failed.is_none()
            && self.missed.is_empty()
            && self.false_red.is_empty()
            && self.unjudged_as_expected
            && self.silent.is_empty()
            && self.causes_as_expected
            && self.shown != Some(false)
            && self.mended != Some(false)
            && self.times.as_ref().is_none_or(Times::are_short)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            let mended = if self.mended.is_some() { ", mended by its hints" } else { "" };
            write!(f, "ok: {} red{mended}", self.red.len())?;
            return self.times.iter().try_for_each(|times| write!(f, "; {times}"));
        }
        f.write_str("WRONG:")?;
        if let Some(failed) = &self.failed {
            return write!(f, " {failed}");
        }
        for (what, which) in [("missed", &self.missed), ("red without a reason", &self.false_red)] {
            if !which.is_empty() {
                write!(f, " {what}: {};", list(which))?;
            }
        }
        if !self.silent.is_empty() {
            write!(f, " not in the report: {};", self.silent.join(", "))?;
        }
        if !self.unjudged_as_expected {
            write!(f, " unjudged: {};", list(&self.unjudged))?;
        }
        if !self.causes_as_expected {
            write!(f, " causes: {};", self.causes.join(", "))?;
        }
        if self.shown == Some(false) {
            f.write_str(" the first command does not show the fault;")?;
        }
        if let Some(times) = self.times.as_ref().filter(|it| !it.are_short()) {
            write!(f, " too slow: {times};")?;
        }
        if self.mended == Some(false) {
            write!(f, " not mended by: {};", self.commands.join(" | "))?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Sums {
    faults: usize,
    detected: usize,
    false_red: usize,
    missed: usize,
    benign: usize,
    unclean: usize,
}

impl Sums {
    /// Whether every case ended as it must.
    pub(crate) fn is_clean(&self) -> bool {
        self.unclean == 0 && self.detected == self.faults && self.false_red + self.missed == 0
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, detected, false_red, missed, benign, unclean } = self;
        write!(
            f,
            "{faults} faults: {detected} detected, {missed} claims missed; {benign} benign \
             variations; {false_red} claims red without a reason; {unclean} cases not as they must be"
        )
    }
}

/// Everything that was found so far.
#[derive(Debug)]
pub(crate) struct Results {
    texts: PathBuf,
    cases: Vec<Outcome>,
}

impl Results {
    /// Nothing yet. The reports go to this directory, and those of an earlier run go away.
    pub(crate) fn new(texts: PathBuf) -> Result<Self> {
        results::remove("faults")?;
        drop(fs::remove_dir_all(&texts));
        fs::create_dir_all(&texts)?;
        Ok(Self { texts, cases: Vec::new() })
    }

    /// Adds a case. What was found is written at once: a campaign that ends early loses nothing.
    pub(crate) fn add(&mut self, outcome: Outcome) -> Result<()> {
        fs::write(self.texts.join(format!("{}.txt", outcome.name)), &outcome.text)?;
        self.cases.push(outcome);
        self.write().map(drop)
    }

    pub(crate) fn finish(&self) -> Result<Sums> {
        for case in self.cases.iter().filter(|case| !case.is_clean()) {
            say(format_args!("{}: {case}", case.name));
        }
        self.write()
    }

    fn write(&self) -> Result<Sums> {
        let (faults, variations): (Vec<_>, Vec<_>) =
            self.cases.iter().partition(|case| case.is_fault);
        let sums = Sums {
            faults: faults.len(),
            detected: faults.iter().filter(|case| case.missed.is_empty()).count(),
            false_red: self.cases.iter().map(|case| case.false_red.len()).sum(),
            missed: faults.iter().map(|case| case.missed.len()).sum(),
            benign: variations.len(),
            unclean: self.cases.iter().filter(|case| !case.is_clean()).count(),
        };
        let json = json!({
            "faults": sums.faults, "detected": sums.detected, "false_red": sums.false_red,
            "missed": sums.missed, "cases": faults,
            "benign": sums.benign, "variations": variations,
        });
        results::write("faults", &json)?;
        Ok(sums)
    }
}

/// Prints the cases: what must be red, and because of what.
pub(crate) fn print_cases(cases: &[Case]) -> Result<()> {
    for case in cases {
        let red = if case.is_fault() {
            format!("{} (cause: {})", list(&case.red), case.causes.join(", "))
        } else {
            "all green".to_owned()
        };
        let by_hand = case.by_hand.as_ref().map(|why| format!(" (no hint mends it: {why})"));
        result(format_args!("{}: {red}{}", case.name(), by_hand.unwrap_or_default()))?;
    }
    Ok(())
}

fn list(ids: &BTreeSet<String>) -> String {
    ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
