//! All verdicts of one record, and which claims were asked for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::claims::{CLAIMS, Claim, Section, causes};
use crate::evidence::{BundleFacts, Evidence, Provider, SCHEMA};
use crate::judgement::{Judgement, Verdict};

/// The number of the report's layout.
pub const REPORT_SCHEMA: u32 = 1;

/// The verdicts on one record of evidence. Serialised, it is the JSON that others script against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The number of this layout, [`REPORT_SCHEMA`].
    pub schema: u32,
    /// The version of Istio that was expected.
    pub istio_version: String,
    /// The cluster that was looked at.
    pub cluster: ClusterFacts,
    /// How many claims got which verdict.
    pub totals: Totals,
    /// The claims, in the tutorial's order.
    pub claims: Vec<ClaimReport>,
    /// What is behind the claims that do not hold: what to mend first comes first. Those that explain
    /// others lead, in the tutorial's order, for its sections build on one another; then what fails
    /// alone.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// How long each phase of the run took, where this report ends a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
}

/// How long a phase of a run took. Phases overlap: their sum is not the run's duration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// `cluster`, `istio`, `kiali`, …, and `total`.
    pub phase: String,
    /// Seconds by the wall clock, to the millisecond.
    pub seconds: f64,
}

/// The cluster that a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// Its name.
    pub name: String,
    /// Who provided it.
    pub provider: Provider,
    /// The context that was used.
    pub context: String,
    /// The API server's URL.
    pub server: String,
    /// The server's version, where it was seen.
    pub kubernetes_version: Option<String>,
    /// When it was looked at, RFC 3339.
    pub recorded_at: String,
    /// How long the look took, in milliseconds.
    pub collection_ms: u64,
    /// Where the software came from, where that is known.
    pub bundle: Option<BundleFacts>,
}

/// How many claims got which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Claims that hold.
    pub pass: usize,
    /// Claims that do not.
    pub fail: usize,
    /// Claims that hold in other words.
    pub changed: usize,
    /// Claims that could not be looked at.
    pub unjudged: usize,
    /// Claims that were not asked for.
    pub skipped: usize,
}

/// A claim that no other one explains, and what follows from its not holding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its id. It may be none of the claims that were asked for: causes are looked for among all.
    pub claim: String,
    /// The claims that do not hold because of it, of those that were asked for.
    pub explains: Vec<String>,
    /// Its verdict.
    pub verdict: Verdict,
    /// What is wrong.
    pub summary: String,
    /// The object that it is about.
    pub object: Option<String>,
    /// What to type next.
    pub hint: Option<String>,
}

/// One claim and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReport {
    /// `mesh::two_containers_per_pod`
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
    /// The claim that is at the root of this one's not holding, where one is known to be. It never
    /// holds itself, and nothing else explains it.
    #[serde(default)]
    pub because: Option<String>,
}

impl ClaimReport {
    /// A claim with its judgement.
    pub fn new(claim: &Claim, judgement: Judgement) -> Self {
        Self::of(claim.id, claim.section(), claim.statement, judgement)
    }

    /// What is called so in a report, with its judgement.
    pub(crate) fn of(id: &str, section: Section, statement: &str, judgement: Judgement) -> Self {
        let Judgement { verdict, summary, expected, observed, object, hint } = judgement;
        Self {
            id: id.to_owned(),
            section,
            statement: statement.to_owned(),
            verdict,
            summary,
            expected,
            observed,
            object,
            hint,
            because: None,
        }
    }
}

impl Cause {
    /// The causes among all claims, as far as they concern those that were asked for.
    pub(crate) fn among(all: &[ClaimReport], asked: &[bool]) -> Vec<Self> {
        let mut causes: Vec<_> = all
            .iter()
            .zip(asked)
            .filter(|(claim, _)| claim.because.is_none())
            .filter_map(|(claim, &asked_for)| {
                let explains: Vec<_> = all
                    .iter()
                    .zip(asked)
                    .filter(|(other, asked)| **asked && other.because.as_ref() == Some(&claim.id))
                    .map(|(other, _)| other.id.clone())
                    .collect();
                let stands = asked_for && claim.verdict == Verdict::Fail;
                (stands || !explains.is_empty()).then(|| Self {
                    claim: claim.id.clone(),
                    explains,
                    verdict: claim.verdict,
                    summary: claim.summary.clone(),
                    object: claim.object.clone(),
                    hint: claim.hint.clone(),
                })
            })
            .collect();
        // Stable: within both kinds the tutorial's order stays.
        causes.sort_by_key(|cause| cause.explains.is_empty());
        causes
    }
}

impl Totals {
    /// Counts.
    pub fn of(claims: &[ClaimReport]) -> Self {
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

    /// The exit code of a command that judged: 0 every claim asked for holds, 1 at least one
    /// fails or changed, 3 at least one could not be judged and none failed.
    ///
    /// A claim that was skipped because nobody asked for it takes no part, but a report in which
    /// nothing at all holds is never a 0.
    pub fn exit_code(&self) -> u8 {
        let Totals { pass, fail, changed, unjudged, .. } = self.totals;
        if fail + changed > 0 {
            1
        } else if unjudged > 0 || pass == 0 {
            3
        } else {
            0
        }
    }
}

/// Which claims are asked for: an id, a section, or either with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Whether this claim is asked for.
    pub fn matches(&self, claim: &Claim) -> bool {
        self.asks_for(claim.id, claim.section())
    }

    /// Whether what is called so in that section is asked for.
    pub(crate) fn asks_for(&self, id: &str, section: Section) -> bool {
        glob(&self.0, id) || glob(&self.0, section.word())
    }

    /// A pattern, whatever it asks for.
    pub(crate) fn unchecked(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

/// A pattern that no claim matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no claim matches `{0}`")]
pub struct NoSuchClaim(pub String);

impl FromStr for Pattern {
    type Err = NoSuchClaim;

    fn from_str(text: &str) -> Result<Self, NoSuchClaim> {
        let pattern = Self::unchecked(text);
        if CLAIMS.iter().any(|claim| pattern.matches(claim)) {
            Ok(pattern)
        } else {
            Err(NoSuchClaim(text.to_owned()))
        }
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| glob(tail, rest)))
        }),
    }
}

/// Judges evidence: all claims, or those that any of the patterns asks for. What they follow from is
/// looked for among all claims, whatever was asked for.
pub fn judge(evidence: &Evidence, only: &[Pattern]) -> Report {
    let judgements: Vec<_> = CLAIMS.iter().map(|claim| claim.judge(evidence)).collect();
    let roots = causes::roots(evidence, &judgements);
    let all: Vec<_> = CLAIMS
        .iter()
        .zip(judgements)
        .zip(roots)
        .map(|((claim, judgement), root)| ClaimReport {
            because: root.and_then(|at| CLAIMS.get(at)).map(|root| root.id.to_owned()),
            ..ClaimReport::new(claim, judgement)
        })
        .collect();
    let asked: Vec<_> = CLAIMS
        .iter()
        .map(|claim| only.is_empty() || only.iter().any(|pattern| pattern.matches(claim)))
        .collect();
    let causes = Cause::among(&all, &asked);
    let claims: Vec<_> =
        all.into_iter().zip(asked).filter_map(|(claim, asked)| asked.then_some(claim)).collect();
    debug_assert!(evidence.schema <= SCHEMA, "a newer schema is refused where files are read");
    Report {
        schema: REPORT_SCHEMA,
        istio_version: evidence.expectations.istio_version.clone(),
        cluster: ClusterFacts {
            name: evidence.subject.name.clone(),
            provider: evidence.subject.provider,
            context: evidence.subject.context.clone(),
            server: evidence.subject.server.clone(),
            kubernetes_version: evidence.cluster.server_version.value().cloned(),
            recorded_at: evidence.recorded_at.to_string(),
            collection_ms: evidence.took_ms,
            bundle: evidence.subject.bundle.clone(),
        },
        totals: Totals::of(&claims),
        claims,
        causes,
        phases: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("mesh", 9)]
    #[case("mesh::pods_ready", 1)]
    #[case("mesh::*redirected", 2)]
    #[case("*", CLAIMS.len())]
    #[case("*::istio_version", 1)]
    fn patterns_ask_for_claims(#[case] pattern: Pattern, #[case] count: usize) {
        assert_eq!(CLAIMS.iter().filter(|claim| pattern.matches(claim)).count(), count);
    }

    #[rstest]
    #[case("meshes")]
    #[case("mesh::")]
    #[case("")]
    fn a_pattern_without_a_claim_is_an_error(#[case] text: &str) {
        assert_eq!(text.parse::<Pattern>().unwrap_err(), NoSuchClaim(text.into()));
    }

    #[rstest]
    #[case(Totals { pass: 3, ..Totals::default() }, 0)]
    #[case(Totals { pass: 3, skipped: 1, ..Totals::default() }, 0)]
    #[case(Totals { pass: 3, fail: 1, unjudged: 1, ..Totals::default() }, 1)]
    #[case(Totals { pass: 3, changed: 1, ..Totals::default() }, 1)]
    #[case(Totals { pass: 3, unjudged: 1, ..Totals::default() }, 3)]
    #[case(Totals { skipped: 1, ..Totals::default() }, 3)]
    #[case(Totals::default(), 3)]
    fn exit_codes_follow_the_contract(#[case] totals: Totals, #[case] code: u8) {
        let report = Report {
            schema: REPORT_SCHEMA,
            istio_version: "1.20.3".into(),
            cluster: ClusterFacts {
                name: "kind".into(),
                provider: Provider::Existing,
                context: "kind-kind".into(),
                server: "https://127.0.0.1:6443".into(),
                kubernetes_version: None,
                recorded_at: "2026-01-01T00:00:00Z".into(),
                collection_ms: 1,
                bundle: None,
            },
            totals,
            claims: Vec::new(),
            causes: Vec::new(),
            phases: Vec::new(),
        };
        assert_eq!(report.exit_code(), code);
    }
}
