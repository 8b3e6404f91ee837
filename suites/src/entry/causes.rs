//! Which entry explains the failure of another one.

use std::collections::BTreeMap;

use super::{Entry, Subject};
use crate::judgement::{Judgement, Verdict};

/// The judgements of all entries, by id.
pub(crate) type Judgements = BTreeMap<&'static str, Judgement>;

/// An entry that may explain the failure of the one that lists it.
pub struct CausedBy<E: Subject> {
    /// The entry whose failure explains.
    pub entry: &'static Entry<E>,
    /// Whether the evidence shows it in this case. The measure: with what was observed of the cause alone,
    /// the effect could not hold, so that fixing anything else first is in vain. In doubt: no. A wrong cause
    /// sends people to the wrong place, a missing one only leaves a line where it is.
    pub when: fn(&Effect<'_, E>) -> bool,
    /// Whether the effect cannot be observed before the cause holds: then it is unjudged because of it.
    pub precondition: bool,
}

impl<E: Subject> CausedBy<E> {
    /// An entry without which nothing of the effect can be observed.
    pub const fn precondition(entry: &'static Entry<E>) -> Self {
        Self { entry, when: |_| true, precondition: true }
    }

    /// An entry whose failure makes the effect fail in the cases that `when` recognises.
    pub const fn failure(entry: &'static Entry<E>, when: fn(&Effect<'_, E>) -> bool) -> Self {
        Self { entry, when, precondition: false }
    }

    fn explains(&self, effect: &Effect<'_, E>) -> bool {
        let Some(cause) = effect.judgements.get(self.entry.id) else { return false };
        if self.precondition {
            return effect.judgement.verdict == Verdict::Unjudged
                && matches!(cause.verdict, Verdict::Fail | Verdict::Unjudged);
        }
        cause.does_not_hold() && (self.when)(effect)
    }
}

/// A failure that is to be explained.
pub struct Effect<'a, E: Subject> {
    /// What was observed.
    pub evidence: &'a E,
    /// The verdict that is to be explained: an entry has more than one way to fail.
    pub judgement: &'a Judgement,
    judgements: &'a Judgements,
}

impl<E: Subject> Effect<'_, E> {
    /// Whether another entry does not hold.
    pub fn fails(&self, other: &Entry<E>) -> bool {
        self.judgements.get(other.id).is_some_and(Judgement::does_not_hold)
    }

    /// The object that the verdict on another entry names.
    pub fn object_of(&self, other: &Entry<E>) -> Option<&str> {
        self.judgements.get(other.id)?.object.as_deref()
    }

    /// Whether the verdict is about this object.
    pub fn is_about(&self, object: impl Into<String>) -> bool {
        self.judgement.object == Some(object.into())
    }
}

/// For each entry that does not hold: the id of the one at the root of it, where one is known.
pub(crate) fn roots<E: Subject>(
    evidence: &E,
    judgements: &Judgements,
) -> BTreeMap<&'static str, &'static str> {
    let direct: BTreeMap<_, _> = E::entries()
        .iter()
        .filter_map(|entry| Some((entry.id, cause(entry, evidence, judgements)?)))
        .collect();
    direct.iter().map(|(id, first)| (*id, root(&direct, first))).collect()
}

/// The first entry that explains a failure.
fn cause<E: Subject>(
    entry: &'static Entry<E>,
    evidence: &E,
    judgements: &Judgements,
) -> Option<&'static str> {
    let judgement = judgements.get(entry.id)?;
    if !judgement.does_not_hold() && judgement.verdict != Verdict::Unjudged {
        return None;
    }
    let effect = Effect { evidence, judgement, judgements };
    Some(entry.causes.iter().find(|cause| cause.explains(&effect))?.entry.id)
}

/// The end of the way from cause to cause. The causes have no circles, which a test proves.
fn root(direct: &BTreeMap<&'static str, &'static str>, first: &'static str) -> &'static str {
    let mut at = first;
    for _ in direct {
        match direct.get(at) {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}
