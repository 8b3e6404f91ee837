//! All verdicts of one record, and which claims were asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, Pattern, Section, Subject};
use crate::evidence::{Asks, BundleFacts, Expectations, Provider, Waiver};
use crate::hint::commands;
use crate::judgement::{Judgement, TextChange, Verdict};
use crate::steps::Step;

/// The number of the report's layout.
pub const REPORT_SCHEMA: u32 = 1;

/// The verdicts on one record of evidence. Serialised, it is the JSON that others script against.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Report {
    /// The number of this layout, [`REPORT_SCHEMA`].
    pub schema: u32,
    /// The version of Istio that was expected.
    pub istio_version: String,
    /// The cluster that was checked.
    pub cluster: ClusterFacts,
    /// What limits all verdicts, where something does: an Istio that is newer than the version profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// How many claims got which verdict.
    pub totals: Totals,
    /// The claims, in the tutorial's order.
    pub claims: Vec<ClaimReport>,
    /// What is behind the claims that do not hold: what to fix first comes first. Those that explain
    /// others lead, in the tutorial's order, for its sections build on one another; then what fails
    /// alone.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// How long each phase of the run took, where this report ends a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
}

/// How long a phase of a run took. Phases overlap: their sum is not the run's duration.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct PhaseTime {
    /// `cluster`, `istio`, `kiali`, …, and `total`.
    pub phase: String,
    /// Seconds by the wall clock, to the millisecond.
    pub seconds: f64,
}

/// The cluster that a report is about.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// Its name.
    pub name: String,
    /// Who provided it.
    pub provider: Provider,
    /// The context that was used.
    pub context: String,
    /// Whether that is the current context of its kubeconfig.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context_is_current: bool,
    /// The kubeconfig file that commands must name, if it is not the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// The API server's URL.
    pub server: String,
    /// The server's version, where it was seen.
    pub kubernetes_version: Option<String>,
    /// When it was checked, RFC 3339.
    pub recorded_at: String,
    /// How long the look took, in milliseconds.
    pub collection_ms: u64,
    /// Where the software came from, where that is known.
    pub bundle: Option<BundleFacts>,
}

/// How many claims got which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Totals {
    /// Claims that hold.
    pub pass: usize,
    /// Claims that do not.
    pub fail: usize,
    /// Claims that hold, but differ from the tutorial's text.
    pub changed: usize,
    /// Claims that could not be judged.
    pub unjudged: usize,
    /// Claims that were not asked for.
    pub skipped: usize,
}

/// A claim that no other one explains, and what follows from its not holding.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Cause {
    /// Its id. It may be none of the claims that were asked for: causes are looked for among all.
    pub claim: String,
    /// The claims that do not hold because of it, of those that were asked for.
    pub explains: Vec<String>,
    /// Its verdict.
    pub verdict: Verdict,
    /// What is wrong.
    pub summary: String,
    /// What should have been there.
    #[serde(default)]
    pub expected: Option<String>,
    /// What was there.
    #[serde(default)]
    pub observed: Option<String>,
    /// The object that it is about.
    pub object: Option<String>,
    /// What to type next.
    pub hint: Option<String>,
    /// The commands in the hint, in order, each as a POSIX shell takes it.
    #[serde(default)]
    pub commands: Vec<String>,
    /// The steps that fix it or show more, the most useful one first. [`Self::hint`] has the same in one line.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The difference from the tutorial's text, where the claim is *changed*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<TextChange>>,
}

/// One claim and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ClaimReport {
    /// `mesh::live_rules`
    pub id: String,
    /// `mesh`
    pub section: Section,
    /// The claim in one sentence.
    pub statement: String,
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence: what was seen, or what is wrong.
    pub summary: String,
    /// What should have been there.
    pub expected: Option<String>,
    /// What was there.
    pub observed: Option<String>,
    /// The object that it is about.
    pub object: Option<String>,
    /// What to type next.
    pub hint: Option<String>,
    /// The commands in the hint, in order, each as a POSIX shell takes it.
    #[serde(default)]
    pub commands: Vec<String>,
    /// The steps that fix it or show more, the most useful one first. [`Self::hint`] has the same in one line.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The claim that is at the root of this one's not holding, where one is known to be. It never
    /// holds itself, and nothing else explains it.
    #[serde(default)]
    pub because: Option<String>,
    /// The address of its page: what it means, how it is checked, how to fix it.
    #[serde(default)]
    pub page: String,
    /// What stays unproven although the claim holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// The difference from the tutorial's text, where the claim is *changed*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<TextChange>>,
    /// Why it may fail without turning the exit code, where a waiver says so. Its verdict is what
    /// it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_fail: Option<String>,
}

impl ClaimReport {
    /// An entry with its judgement.
    pub fn new<E: Subject>(
        entry: &Entry<E>,
        expectations: &Expectations,
        judgement: Judgement,
    ) -> Self {
        let (id, page) = (entry.id.to_owned(), entry.page_address());
        Self::of(id, entry.section(), entry.statement_for(expectations), page, judgement)
    }

    fn of(
        id: String,
        section: Section,
        statement: String,
        page: String,
        judgement: Judgement,
    ) -> Self {
        let hint = judgement.hint();
        let Judgement { verdict, summary, expected, observed, object, caveat, change, steps } =
            judgement;
        Self {
            id,
            section,
            statement,
            verdict,
            summary,
            expected,
            observed,
            object,
            commands: hint.as_deref().map(commands).unwrap_or_default(),
            hint,
            steps,
            because: None,
            page,
            caveat,
            change,
            may_fail: None,
        }
    }

    /// The claim with a waiver: skipped, or with its verdict and the word that it may fail. The
    /// summary says so too: it is what every report shows.
    #[must_use]
    pub(crate) fn waived(self, waiver: &Waiver) -> Self {
        let Waiver { asks, reason, source, .. } = waiver;
        if *asks == Asks::Nothing {
            let skipped = Judgement::skipped(match reason.as_str() {
                "" => format!("skipped by {source}"),
                reason => format!("skipped by {source}: {reason}"),
            });
            let Self { id, section, statement, page, caveat, may_fail, .. } = self;
            return Self { caveat, may_fail, ..Self::of(id, section, statement, page, skipped) };
        }
        let summary = match self.verdict {
            Verdict::Fail | Verdict::Changed | Verdict::Unjudged => {
                format!("may fail by {source} ({reason}): {}", self.summary)
            }
            Verdict::Pass | Verdict::Skipped => self.summary,
        };
        Self { may_fail: Some(format!("{source}: {reason}")), summary, ..self }
    }
}

/// What is asked of a claim in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// That it holds.
    ToHold,
    /// A verdict that may be a failure.
    AVerdict,
    /// Nothing.
    Not,
}

impl Cause {
    /// The causes among all claims, as far as they concern those that were asked for. One that may
    /// fail is to fix only where others follow from it.
    pub(crate) fn among(all: &[(ClaimReport, Asked, Option<&Waiver>)]) -> Vec<Self> {
        let mut causes: Vec<_> = all
            .iter()
            .filter(|(claim, ..)| claim.because.is_none())
            .filter_map(|(claim, asked_for, _)| {
                let explains: Vec<_> = all
                    .iter()
                    .filter(|(_, asked, _)| *asked != Asked::Not)
                    .filter(|(other, ..)| other.because.as_ref() == Some(&claim.id))
                    .map(|(other, ..)| other.id.clone())
                    .collect();
                let stands = *asked_for == Asked::ToHold && claim.verdict == Verdict::Fail;
                (stands || !explains.is_empty()).then(|| Self {
                    claim: claim.id.clone(),
                    explains,
                    verdict: claim.verdict,
                    summary: claim.summary.clone(),
                    expected: claim.expected.clone(),
                    observed: claim.observed.clone(),
                    object: claim.object.clone(),
                    hint: claim.hint.clone(),
                    commands: claim.commands.clone(),
                    steps: claim.steps.clone(),
                    change: claim.change.clone(),
                })
            })
            .collect();
        // Stable: within both kinds the tutorial's order stays.
        causes.sort_by_key(|cause| cause.explains.is_empty());
        causes
    }
}

impl Totals {
    /// How many claims got this verdict.
    pub fn of_verdict(&self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Pass => self.pass,
            Verdict::Fail => self.fail,
            Verdict::Changed => self.changed,
            Verdict::Unjudged => self.unjudged,
            Verdict::Skipped => self.skipped,
        }
    }

    /// Counts.
    pub fn of<'c>(claims: impl IntoIterator<Item = &'c ClaimReport>) -> Self {
        let mut totals = Self::default();
        for claim in claims {
            *match claim.verdict {
                Verdict::Pass => &mut totals.pass,
                Verdict::Fail => &mut totals.fail,
                Verdict::Changed => &mut totals.changed,
                Verdict::Unjudged => &mut totals.unjudged,
                Verdict::Skipped => &mut totals.skipped,
            } += 1;
        }
        totals
    }
}

impl Report {
    /// The sections that it has anything of, in order.
    pub fn sections(&self) -> Vec<Section> {
        let all = Section::ALL.into_iter().chain(Section::PREFLIGHT);
        all.filter(|section| self.claims.iter().any(|claim| claim.section == *section)).collect()
    }

    /// Whether it is of a preflight: of checks before the install, not of the tutorial's claims.
    pub fn is_preflight(&self) -> bool {
        self.claims.iter().any(|claim| Section::PREFLIGHT.contains(&claim.section))
    }

    /// Marks the claims that these patterns select as skipped by `--skip`. Causes that only they would fix go.
    pub fn skip(&mut self, patterns: &[Pattern]) {
        if patterns.is_empty() {
            return;
        }
        let waiver = Waiver {
            claims: String::new(),
            asks: Asks::Nothing,
            reason: String::new(),
            source: "--skip".into(),
        };
        let is_skipped = |id: &str| patterns.iter().any(|pattern| pattern.matches_id(id));
        for claim in self.claims.iter_mut().filter(|claim| is_skipped(&claim.id)) {
            *claim = claim.clone().waived(&waiver);
        }
        self.totals = Totals::of(&self.claims);
        for cause in &mut self.causes {
            cause.explains.retain(|id| !is_skipped(id));
        }
        let claims = &self.claims;
        let stands = |id: &String| {
            let mut failing = claims.iter().filter(|claim| claim.verdict == Verdict::Fail);
            failing.any(|claim| claim.id == *id && claim.may_fail.is_none())
        };
        self.causes.retain(|cause| !cause.explains.is_empty() || stands(&cause.claim));
    }

    /// Whether every claim was skipped: there is no verdict.
    pub fn is_all_skipped(&self) -> bool {
        self.claims.iter().all(|claim| claim.verdict == Verdict::Skipped)
    }

    /// The exit code of a command that judged, where every verdict counts that is not *pass*.
    pub fn exit_code(&self) -> u8 {
        self.exit_code_for(&[Verdict::Fail, Verdict::Changed, Verdict::Unjudged])
    }

    /// The exit code of a command that judged: 1 where a claim fails or is changed, else 3 where one is
    /// unjudged, else 0. A verdict that is not in `counted` does not count.
    ///
    /// A skipped claim does not count, nor does one that may fail. A report without any verdict is a 3.
    pub fn exit_code_for(&self, counted: &[Verdict]) -> u8 {
        let Totals { pass, fail, changed, unjudged, .. } = self.totals;
        let waived = Totals::of(self.claims.iter().filter(|claim| claim.may_fail.is_some()));
        let (fail, changed) = (fail - waived.fail, changed - waived.changed);
        let counts = |verdict, number| counted.contains(&verdict) && number > 0;
        if counts(Verdict::Fail, fail) || counts(Verdict::Changed, changed) {
            1
        } else if counts(Verdict::Unjudged, unjudged - waived.unjudged)
            || pass + fail + changed == 0
        {
            3
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests;
