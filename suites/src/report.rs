//! All verdicts of one record, and which claims were asked for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::claims::{CLAIMS, Claim, Section};
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
}

impl ClaimReport {
    /// A claim with its judgement.
    pub fn new(claim: &Claim, judgement: Judgement) -> Self {
        let Judgement { verdict, summary, expected, observed, object, hint } = judgement;
        Self {
            id: claim.id.to_owned(),
            section: claim.section(),
            statement: claim.statement.to_owned(),
            verdict,
            summary,
            expected,
            observed,
            object,
            hint,
        }
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
        glob(&self.0, claim.id) || glob(&self.0, claim.section().word())
    }
}

/// A pattern that no claim matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no claim matches `{0}`")]
pub struct NoSuchClaim(pub String);

impl FromStr for Pattern {
    type Err = NoSuchClaim;

    fn from_str(text: &str) -> Result<Self, NoSuchClaim> {
        let pattern = Self(text.trim().to_owned());
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

/// Judges evidence: all claims, or those that any of the patterns asks for.
pub fn judge(evidence: &Evidence, only: &[Pattern]) -> Report {
    let claims: Vec<_> = CLAIMS
        .iter()
        .filter(|claim| only.is_empty() || only.iter().any(|pattern| pattern.matches(claim)))
        .map(|claim| ClaimReport::new(claim, claim.judge(evidence)))
        .collect();
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
            phases: Vec::new(),
        };
        assert_eq!(report.exit_code(), code);
    }
}
