//! Before the install: is this machine, and a cluster that is there, ready for the tutorial?
//!
//! As with the claims, what was seen ([`evidence`]) and what follows from it are apart: [`CHECKS`] is the
//! table, [`judge`] makes the same report of it that a check of the mesh makes.

mod cluster;
pub mod evidence;
mod machine;
mod scope;
mod software;
mod table;
#[cfg(test)]
mod tests;

use std::str::FromStr;

pub use table::{CHECKS, Check, When};

use crate::judgement::{Judgement, Verdict};
use crate::report::{self, Asked, Cause, ClaimReport, REPORT_SCHEMA, Report, Totals};
use evidence::PreflightEvidence;

/// Which checks are asked for: an id, a section, or either with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(report::Pattern);

impl Pattern {
    /// Whether this check is asked for.
    pub fn matches(&self, check: &Check) -> bool {
        self.0.asks_for(check.id, check.section())
    }
}

/// A pattern that no check matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no check matches `{0}`")]
pub struct NoSuchCheck(pub String);

impl FromStr for Pattern {
    type Err = NoSuchCheck;

    fn from_str(text: &str) -> Result<Self, NoSuchCheck> {
        let pattern = Self(report::Pattern::unchecked(text));
        if CHECKS.iter().any(|check| pattern.matches(check)) {
            Ok(pattern)
        } else {
            Err(NoSuchCheck(text.to_owned()))
        }
    }
}

/// The checks that are asked for.
pub fn asked(only: &[Pattern]) -> Vec<&'static Check> {
    CHECKS.iter().filter(|check| is_asked(check, only)).collect()
}

fn is_asked(check: &Check, only: &[Pattern]) -> bool {
    only.is_empty() || only.iter().any(|pattern| pattern.matches(check))
}

/// Judges what a preflight saw: all checks, or those that any of the patterns asks for.
pub fn judge(evidence: &PreflightEvidence, only: &[Pattern]) -> Report {
    let judgements: Vec<_> = CHECKS.iter().map(|check| check.judge(evidence)).collect();
    let all: Vec<_> = CHECKS
        .iter()
        .zip(&judgements)
        .zip(roots(evidence, &judgements))
        .map(|((check, judgement), root)| ClaimReport {
            because: root.map(|root| root.id.to_owned()),
            ..ClaimReport::of(check.id, check.section(), check.statement, judgement.clone())
        })
        .collect();
    let asked: Vec<_> = CHECKS
        .iter()
        .map(|check| if is_asked(check, only) { Asked::ToHold } else { Asked::Not })
        .collect();
    let causes = Cause::among(&all, &asked);
    let claims: Vec<_> = all
        .into_iter()
        .zip(asked)
        .filter_map(|(check, asked)| (asked == Asked::ToHold).then_some(check))
        .collect();
    let seen = &evidence.cluster.seen;
    Report {
        schema: REPORT_SCHEMA,
        istio_version: seen.expectations.istio_version.clone(),
        cluster: report::ClusterFacts {
            name: seen.subject.name.clone(),
            provider: seen.subject.provider,
            context: seen.subject.context.clone(),
            server: seen.subject.server.clone(),
            kubernetes_version: seen.cluster.server_version.value().cloned(),
            recorded_at: evidence.recorded_at.to_string(),
            collection_ms: evidence.took_ms,
            bundle: seen.subject.bundle.clone(),
        },
        totals: Totals::of(&claims),
        claims,
        causes,
        phases: Vec::new(),
    }
}

/// For each check the one at the root of its not holding, where one is known. The table has no circles: what explains
/// stands before what it explains.
fn roots(evidence: &PreflightEvidence, judgements: &[Judgement]) -> Vec<Option<&'static Check>> {
    let mut roots: Vec<Option<&'static Check>> = Vec::new();
    for (check, judgement) in CHECKS.iter().zip(judgements) {
        let direct = cause(check, judgement.verdict, evidence, judgements);
        // The root, not the next step: that is what to mend.
        let root = direct.and_then(|at| roots.get(at).copied().flatten().or(CHECKS.get(at)));
        roots.push(root);
    }
    roots
}

/// Where in the table the cause of a check stands: what could not be asked could not be looked at, and some fail with
/// others.
fn cause(
    check: &Check,
    verdict: Verdict,
    evidence: &PreflightEvidence,
    judgements: &[Judgement],
) -> Option<usize> {
    let id = match verdict {
        Verdict::Unjudged => check.after?,
        Verdict::Fail => check.follows_from.filter(|it| (it.so)(evidence))?.id,
        _ => return None,
    };
    let at = CHECKS.iter().position(|other| other.id == id)?;
    match judgements.get(at)?.verdict {
        Verdict::Fail => Some(at),
        Verdict::Unjudged if verdict == Verdict::Unjudged => Some(at),
        _ => None,
    }
}
