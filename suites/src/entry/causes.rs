//! Finds the entry that causes the failure of another one.

use std::collections::BTreeMap;

use super::{Entry, Subject};
use crate::judgement::{Judgement, Verdict};

/// The judgements of all entries, by id.
pub(crate) type Judgements = BTreeMap<&'static str, Judgement>;

/// An entry that may cause the failure of the entry that lists it.
pub struct CausedBy<E: Subject> {
    /// The entry that may be the cause.
    pub entry: &'static Entry<E>,
    /// Whether the evidence shows that it is the cause: with the observed failure of the cause alone, the effect could not
    /// pass. In doubt it is not: a wrong cause misleads, a missing one only leaves the failure in the list.
    pub when: fn(&Effect<'_, E>) -> bool,
    /// Whether the effect cannot be observed before the cause passes. Then the effect is unjudged because of it.
    pub precondition: bool,
}

impl<E: Subject> CausedBy<E> {
    /// Creates a cause that must pass before the effect can be observed.
    pub const fn precondition(entry: &'static Entry<E>) -> Self {
        Self { entry, when: |_| true, precondition: true }
    }

    /// Creates a cause that makes the effect fail where `when` is true.
    pub const fn failure(entry: &'static Entry<E>, when: fn(&Effect<'_, E>) -> bool) -> Self {
        Self { entry, when, precondition: false }
    }

    /// Whether the cause explains this effect.
    fn explains(&self, effect: &Effect<'_, E>) -> bool {
        let Some(cause) = effect.judgements.get(effect.cause.id) else { return false };
        if self.precondition {
            return effect.judgement.verdict == Verdict::Unjudged
                && matches!(cause.verdict, Verdict::Fail | Verdict::Unjudged);
        }
        cause.does_not_hold() && (self.when)(effect)
    }
}

/// A failure whose cause is searched.
pub struct Effect<'a, E: Subject> {
    /// The evidence.
    pub evidence: &'a E,
    /// The judgement of the failing entry.
    pub judgement: &'a Judgement,
    /// The entry that may be the cause.
    pub cause: &'static Entry<E>,
    judgements: &'a Judgements,
}

impl<E: Subject> Effect<'_, E> {
    /// Whether another entry fails or is changed.
    pub fn fails(&self, other: &Entry<E>) -> bool {
        self.judgements.get(other.id).is_some_and(Judgement::does_not_hold)
    }

    /// Returns the object of the judgement on the cause.
    pub fn object_of_cause(&self) -> Option<&str> {
        self.judgements.get(self.cause.id)?.object.as_deref()
    }

    /// Whether the judgement is about this object.
    pub fn is_about(&self, object: impl Into<String>) -> bool {
        self.judgement.object == Some(object.into())
    }
}

/// Returns for each failing entry the id of its root cause, where one is known.
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

/// Returns the first cause that explains a failure.
fn cause<E: Subject>(
    entry: &'static Entry<E>,
    evidence: &E,
    judgements: &Judgements,
) -> Option<&'static str> {
    let judgement = judgements.get(entry.id)?;
    if !judgement.does_not_hold() && judgement.verdict != Verdict::Unjudged {
        return None;
    }
    let explains = |it: &&CausedBy<E>| {
        it.explains(&Effect { evidence, judgement, cause: it.entry, judgements })
    };
    Some(entry.causes.iter().find(explains)?.entry.id)
}

/// Follows the causes to the root. They have no cycle, which a test proves.
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
