//! What a judge answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::Observation;
use crate::steps::{IntoSteps, Step};

/// How a claim fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds, and was seen to hold.
    Pass,
    /// It does not hold.
    Fail,
    /// The mesh does what the tutorial means, but no longer in the tutorial's words: the text
    /// needs a new edition.
    Changed,
    /// It could not be looked at.
    Unjudged,
    /// It was not asked for.
    Skipped,
}

impl Verdict {
    /// The word used in JSON, JUnit and on the terminal.
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

/// A verdict with its reasons. Texts may quote the cluster: they are data, and whoever prints
/// them escapes them for the place where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence: what was seen, or what is wrong.
    pub summary: String,
    /// What should have been there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed: Option<String>,
    /// The object that it is about: `pod client/client-deployment-5b9-fh4wp`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// What to do next, the most useful step first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub steps: Vec<Step>,
}

/// What a judge function returns. Both sides are judgements: `Err` is the early way out, so that
/// [`Look::look`] can be used with `?`.
pub type Judged = Result<Judgement, Judgement>;

impl Judgement {
    fn new(verdict: Verdict, summary: impl Into<String>) -> Self {
        Self {
            verdict,
            summary: summary.into(),
            expected: None,
            observed: None,
            object: None,
            steps: Vec::new(),
        }
    }

    /// Whether it says that something is not as it should be: what holds explains nothing, and neither does
    /// what could not be observed.
    pub fn does_not_hold(&self) -> bool {
        matches!(self.verdict, Verdict::Fail | Verdict::Changed)
    }

    /// All steps in one line: what a report calls the hint.
    pub fn hint(&self) -> Option<String> {
        let steps: Vec<_> = self.steps.iter().map(Step::to_string).collect();
        (!steps.is_empty()).then(|| steps.join("; "))
    }

    /// The claim holds, with what was seen.
    pub fn pass(seen: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, seen)
    }

    /// The claim does not hold.
    pub fn fail(wrong: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, wrong)
    }

    /// The claim holds in substance, in other words than the tutorial's.
    pub fn changed(how: impl Into<String>) -> Self {
        Self::new(Verdict::Changed, how)
    }

    /// The claim could not be judged.
    pub fn unjudged(why: impl Into<String>) -> Self {
        Self::new(Verdict::Unjudged, why)
    }

    /// The claim was not asked for.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, why)
    }

    /// Adds what should have been there.
    #[must_use]
    pub fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(or_nothing(what.into()));
        self
    }

    /// Adds what was there.
    #[must_use]
    pub fn observed(mut self, what: impl Into<String>) -> Self {
        self.observed = Some(or_nothing(what.into()));
        self
    }

    /// Adds the object that it is about.
    #[must_use]
    pub fn object(mut self, what: impl Into<String>) -> Self {
        self.object = Some(what.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// Adds one thing to do next.
    #[must_use]
    pub fn step(self, step: Step) -> Self {
        self.steps([step])
    }
}

/// A text from the cluster may be empty: a report must not say `observed` and then nothing.
fn or_nothing(text: String) -> String {
    if text.trim().is_empty() { "nothing".to_owned() } else { text }
}

/// The early way out for a judge: an observation that was not made decides the claim.
pub trait Look<T> {
    /// What was seen.
    ///
    /// # Errors
    ///
    /// The judgement that follows from there being nothing to see: *fail* where it is absent,
    /// *unjudged* where the look failed, *skipped* where nobody asked. `what` names the thing:
    /// "the pods of namespace client".
    fn look(&self, what: &str) -> Result<&T, Judgement>;
}

impl<T> Look<T> for Observation<T> {
    fn look(&self, what: &str) -> Result<&T, Judgement> {
        match self {
            Self::Seen { value } => Ok(value),
            Self::Absent { reason } => Err(Judgement::fail(format!("{what}: {reason}"))
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
}

/// What was observed; where there is nothing, the judgement of [`Look`], a failure with its object and steps.
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

#[cfg(test)]
mod tests {
    use super::Verdict;
    use rstest::rstest;

    /// The word on the terminal is the word in JSON.
    #[rstest]
    #[case(Verdict::Pass, "pass")]
    #[case(Verdict::Fail, "fail")]
    #[case(Verdict::Changed, "changed")]
    #[case(Verdict::Unjudged, "unjudged")]
    #[case(Verdict::Skipped, "skipped")]
    fn a_verdict_is_one_word_everywhere(#[case] verdict: Verdict, #[case] word: &str) {
        assert_eq!(verdict.to_string(), word);
        assert_eq!(serde_json::to_value(verdict).unwrap(), word);
    }
}
