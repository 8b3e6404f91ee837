//! Which of the claims that do not hold is a cause, and which only follow from it.

mod cluster;
mod demo;
mod install;
mod mesh;
mod outside;
mod sidecar;
mod table;
#[cfg(test)]
mod tests;

use super::CLAIMS;
use crate::evidence::Evidence;
use crate::judgement::{Judgement, Verdict};

/// One claim explains others: a row of [`table::RELATIONS`].
struct Relation {
    /// The claim whose failure explains.
    cause: &'static str,
    /// The claims that it may explain.
    effects: &'static [&'static str],
    /// Whether what was seen shows it in this case. The measure: with what was seen of the cause alone, the
    /// effect could not hold, so that mending anything else first is in vain. In doubt: no. A wrong cause
    /// sends people to the wrong place, a missing one only leaves a line where it is.
    shown: fn(&Case<'_>) -> bool,
}

/// A claim that does not hold, to be explained.
struct Case<'a> {
    evidence: &'a Evidence,
    /// The verdict that is to be explained, with its words: a claim has more than one way to fail.
    effect: &'a Judgement,
    /// The id of the claim that is to be explained.
    id: &'static str,
    judgements: &'a [Judgement],
}

impl Case<'_> {
    /// Whether another claim does not hold.
    fn red(&self, id: &str) -> bool {
        position(id).and_then(|at| self.judgements.get(at)).is_some_and(can_explain)
    }

    /// Whether the verdict is about this object.
    fn is_about(&self, object: &str) -> bool {
        self.effect.object.as_deref() == Some(object)
    }
}

/// Whether a verdict says that something is not as it should be: what holds explains nothing, and what
/// was not seen does not either.
fn can_explain(judgement: &Judgement) -> bool {
    matches!(judgement.verdict, Verdict::Fail | Verdict::Changed)
}

/// Whether a verdict asks for an explanation.
fn is_open(judgement: &Judgement) -> bool {
    matches!(judgement.verdict, Verdict::Fail | Verdict::Changed | Verdict::Unjudged)
}

fn position(id: &str) -> Option<usize> {
    CLAIMS.iter().position(|claim| claim.id == id)
}

/// For each claim of [`CLAIMS`], in order: the claim that is at the root of its not holding, as a place in
/// that table; nothing where it holds, or where no other claim is known to be behind it.
///
/// The judgements are those of all claims, in order.
pub(crate) fn roots(evidence: &Evidence, judgements: &[Judgement]) -> Vec<Option<usize>> {
    let direct: Vec<_> = CLAIMS
        .iter()
        .zip(judgements)
        .map(|(claim, effect)| {
            let case = Case { evidence, effect, id: claim.id, judgements };
            is_open(effect).then(|| cause(&case)).flatten()
        })
        .collect();
    direct.iter().map(|first| first.map(|first| root(&direct, first))).collect()
}

/// The first relation that explains a claim: the table has what lies deepest first.
fn cause(case: &Case<'_>) -> Option<usize> {
    let relation = table::RELATIONS
        .iter()
        .filter(|relation| relation.effects.contains(&case.id) && case.red(relation.cause))
        .find(|relation| (relation.shown)(case))?;
    position(relation.cause)
}

/// The end of the way from cause to cause. The table has no circles: a test goes through all of it.
fn root(direct: &[Option<usize>], first: usize) -> usize {
    let mut at = first;
    for _ in direct {
        match direct.get(at).copied().flatten() {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}
