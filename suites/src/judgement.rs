//! The result of a judge: verdict, texts, steps.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::Observation;
use crate::profile;
use crate::steps::{IntoSteps, Step};

/// The verdict on a claim.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The claim holds.
    Pass,
    /// The claim does not hold.
    Fail,
    /// The mesh works, but differs from the tutorial's text: the text needs an update.
    Changed,
    /// The claim could not be checked.
    Unjudged,
    /// The claim was not selected, or needs an option.
    Skipped,
}

impl Verdict {
    /// Returns the name in JSON, in JUnit and on the terminal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Changed => "changed",
            Self::Unjudged => "unjudged",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A verdict with its reasons. Texts may quote the cluster: each printer escapes them for its own format.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The headline: the state of the object, then the reason.
    pub summary: String,
    /// The expected state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected: Option<String>,
    /// The observed state, in the form of the expected one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed: Option<String>,
    /// The object: `pod client/client-deployment-5b9-fh4wp`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// What a claim that holds leaves unproven, because evidence is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caveat: Option<String>,
    /// The difference from the tutorial's text, of a *changed* claim.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub change: Option<Box<TextChange>>,
    /// The next steps, the most useful one first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub steps: Vec<Step>,
}

/// A sentence of the tutorial that does not hold any more, and why.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TextChange {
    /// The id of the change, as in [`profile::changes`]: `native-sidecars`.
    pub id: String,
    /// The words of the tutorial.
    pub sentence: String,
    /// What is true instead.
    pub now: String,
    /// The first minor version of Istio that has it, where a version brought it: `1.27`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    /// The reason, with the issue or the pull request.
    pub why: String,
    /// The address of the release note, the file or the page that says so.
    pub source: String,
    /// The option, the annotation or the command that restores the old state, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restore: Option<String>,
}

impl TextChange {
    /// Returns the change with this id, of these words of the tutorial.
    ///
    /// # Panics
    ///
    /// Panics where no change has the id, as [`profile::change`].
    pub(crate) fn new(id: &str, sentence: impl Into<String>) -> Self {
        let profile::Change { id, since, what, why, source, restore } = profile::change(id).clone();
        Self { id, sentence: sentence.into(), now: what, since, why, source, restore }
    }

    /// Replaces what is true instead by what was observed.
    #[must_use]
    pub(crate) fn now(mut self, now: impl Into<String>) -> Self {
        self.now = now.into();
        self
    }
}

/// The return type of a judge function. Both sides are judgements: `Err` returns early, so that [`Look::look`] can be
/// used with `?`.
pub type Judged = Result<Judgement, Judgement>;

impl Judgement {
    fn new(verdict: Verdict, summary: impl Into<String>) -> Self {
        Self {
            verdict,
            summary: summary.into(),
            expected: None,
            observed: None,
            object: None,
            caveat: None,
            change: None,
            steps: Vec::new(),
        }
    }

    /// Whether the claim was checked and does not hold. Only such a claim can explain the failure of another one.
    pub fn does_not_hold(&self) -> bool {
        matches!(self.verdict, Verdict::Fail | Verdict::Changed)
    }

    /// Returns all steps in one line: the hint of a report.
    pub fn hint(&self) -> Option<String> {
        let steps: Vec<_> = self.steps.iter().map(Step::to_string).collect();
        (!steps.is_empty()).then(|| steps.join("; "))
    }

    /// The claim holds.
    pub fn pass(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, summary)
    }

    /// The claim does not hold.
    pub fn fail(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, summary)
    }

    /// The mesh works, but differs from the tutorial's text.
    pub fn changed(summary: impl Into<String>, change: TextChange) -> Self {
        Self { change: Some(Box::new(change)), ..Self::new(Verdict::Changed, summary) }
    }

    /// The claim could not be checked.
    pub fn unjudged(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Unjudged, summary)
    }

    /// The claim was not selected, or needs an option.
    pub fn skipped(summary: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, summary)
    }

    /// Adds the expected state.
    #[must_use]
    pub fn expected(mut self, state: impl Into<String>) -> Self {
        self.expected = Some(or_nothing(state.into()));
        self
    }

    /// Adds the observed state.
    #[must_use]
    pub fn observed(mut self, state: impl Into<String>) -> Self {
        self.observed = Some(or_nothing(state.into()));
        self
    }

    /// Adds what stays unproven although the claim holds.
    #[must_use]
    pub fn caveat(mut self, what: impl Into<String>) -> Self {
        self.caveat = Some(what.into());
        self
    }

    /// Adds the object.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Adds the next steps.
    #[must_use]
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// Adds one step.
    #[must_use]
    pub fn step(self, step: Step) -> Self {
        self.steps([step])
    }
}

/// Returns the text, or `nothing` where a text of the cluster is empty.
fn or_nothing(text: String) -> String {
    if text.trim().is_empty() { "nothing".to_owned() } else { text }
}

/// The early return of a judge: a missing observation decides the claim.
pub trait Look<T> {
    /// Returns the observed value.
    ///
    /// # Errors
    ///
    /// The judgement of a missing observation: *fail* where the object is absent, *unjudged* where reading failed,
    /// *skipped* where it was not requested. `what` names the observation: "the pods of namespace client".
    fn look(&self, what: &str) -> Result<&T, Judgement>;

    /// Requires that it is known: observed or absent.
    ///
    /// # Errors
    ///
    /// As [`Look::look`], where reading failed or was not requested.
    fn known(&self, what: &str) -> Result<(), Judgement>;
}

impl<T> Look<T> for Observation<T> {
    fn look(&self, what: &str) -> Result<&T, Judgement> {
        match self {
            Self::Seen { value } => Ok(value),
            Self::Absent { reason } => Err(Judgement::fail(format_absent(what, reason))
                .expected(what)
                .observed(reason.clone())),
            Self::Failed { reason } => {
                Err(Judgement::unjudged(format!("cannot read {what}: {reason}")))
            }
            Self::NotAsked { reason } => {
                Err(Judgement::skipped(format!("{what}: not checked: {reason}")))
            }
        }
    }

    fn known(&self, what: &str) -> Result<(), Judgement> {
        if self.is_absent() { Ok(()) } else { self.look(what).map(drop) }
    }
}

/// Formats the absence of an observation for a headline.
fn format_absent(what: &str, reason: &str) -> String {
    match reason.strip_prefix("there is no namespace ") {
        Some(name) => format!("namespace {name} does not exist"),
        None if reason == "no client pod runs" => format!("not tested: {reason}"),
        None => format!("{what}: {reason}"),
    }
}

/// Returns the observed value, or the judgement of [`Look`]: a failure with its object and steps.
///
/// # Errors
///
/// As [`Look::look`].
pub(crate) fn require<'e, T, S: IntoSteps>(
    observation: &'e Observation<T>,
    what: &str,
    object: impl Into<String>,
    steps: impl FnOnce() -> S,
) -> Result<&'e T, Judgement> {
    observation.look(what).map_err(|judgement| match judgement.verdict {
        Verdict::Fail => judgement.object(object).steps(steps().into_steps()),
        _ => judgement,
    })
}

/// Returns the exit code of several reports: 1 wins over 3, and 3 over 0.
pub fn worst_code(codes: impl IntoIterator<Item = u8>) -> u8 {
    let badness = |code: &u8| [3, 1].iter().position(|it| it == code).map_or(0, |at| at + 1);
    codes.into_iter().max_by_key(badness).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, worst_code};
    use rstest::rstest;

    #[rstest]
    #[case(Verdict::Pass, "pass")]
    #[case(Verdict::Fail, "fail")]
    #[case(Verdict::Changed, "changed")]
    #[case(Verdict::Unjudged, "unjudged")]
    #[case(Verdict::Skipped, "skipped")]
    fn verdict_has_one_name_on_the_terminal_and_in_json(
        #[case] verdict: Verdict,
        #[case] name: &str,
    ) {
        assert_eq!(verdict.to_string(), name);
        assert_eq!(serde_json::to_value(verdict).unwrap(), name);
    }

    #[rstest]
    #[case(&[], 0)]
    #[case(&[0, 3], 3)]
    #[case(&[3, 0], 3)]
    #[case(&[3, 1, 0], 1)]
    #[case(&[1, 3], 1)]
    fn worst_exit_code_is_1_before_3_before_0(#[case] codes: &[u8], #[case] worst: u8) {
        assert_eq!(worst_code(codes.iter().copied()), worst);
    }
}
