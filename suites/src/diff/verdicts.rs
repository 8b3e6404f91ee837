//! Claims with another verdict. One that follows from another claim belongs to it: a broken mesh has one difference for its
//! cause, not one for each consequence.

use super::Compares;
use super::model::{Class, Difference, NotCompared, Reason};
use super::stable::{fingerprint, stable};
use crate::judgement::{TextChange, Verdict};
use crate::report::{ClaimReport, Report};

/// What a comparison of verdicts gives.
pub(super) struct Verdicts {
    /// The claims with another verdict.
    pub(super) differences: Vec<Difference>,
    /// The claims that could not be judged in one of both.
    pub(super) not_compared: Vec<NotCompared>,
    /// The claims with a verdict in both.
    pub(super) compared: usize,
}

/// A claim with its verdicts in both records.
#[derive(Clone, Copy)]
struct Pair<'r> {
    old: &'r ClaimReport,
    new: &'r ClaimReport,
    class: Class,
}

/// Compares the verdicts of two reports.
pub(super) fn compare_verdicts(old: &Report, new: &Report, records: &Compares<'_>) -> Verdicts {
    let mut pairs = Vec::new();
    let mut not_compared = Vec::new();
    let mut compared = 0;
    for claim in &old.claims {
        let Some(other) = new.claims.iter().find(|it| it.id == claim.id) else { continue };
        let both = [claim.verdict, other.verdict];
        let count = |verdict| both.iter().filter(|it| **it == verdict).count();
        match (count(Verdict::Skipped), count(Verdict::Unjudged)) {
            (2, _) => {}
            (1, _) | (_, 2) => {
                let reason = |claim: &ClaimReport| {
                    let has = !matches!(claim.verdict, Verdict::Skipped | Verdict::Unjudged);
                    (!has).then(|| claim.summary.clone())
                };
                let what = claim.id.clone();
                not_compared.push(NotCompared { what, old: reason(claim), new: reason(other) });
            }
            (_, unjudged) => {
                compared += 1 - unjudged;
                let class = class(claim, other);
                pairs.extend(class.map(|class| Pair { old: claim, new: other, class }));
            }
        }
    }
    Verdicts { differences: fold(&pairs, records), not_compared, compared }
}

/// Returns the class of two verdicts; nothing where they are the same. A claim that is *changed* in another way is another
/// difference from the tutorial.
fn class(old: &ClaimReport, new: &ClaimReport) -> Option<Class> {
    let change = |claim: &ClaimReport| claim.change.as_ref().map(|change| change.id.clone());
    match (old.verdict, new.verdict) {
        (Verdict::Changed, Verdict::Changed) if change(old) != change(new) => {
            Some(Class::NowChanged)
        }
        (old, new) if old == new => None,
        (_, Verdict::Fail) => Some(Class::NowFails),
        (_, Verdict::Changed) => Some(Class::NowChanged),
        (_, Verdict::Unjudged) => Some(Class::NowUnjudged),
        (Verdict::Unjudged, _) => Some(Class::NowJudged),
        _ => Some(Class::Fixed),
    }
}

impl<'r> Pair<'r> {
    /// The claim that explains this one: today's where it does not hold now, else the one of before.
    fn root(&self) -> Option<&'r str> {
        let holds = self.new.verdict == Verdict::Pass;
        let claim = if holds { self.old } else { self.new };
        claim.because.as_deref()
    }

    /// The reason of a claim that cannot be judged, without the object that cannot be read.
    fn reason(&self) -> Option<&'r str> {
        let claim = match self.class {
            Class::NowUnjudged => self.new,
            Class::NowJudged => self.old,
            _ => return None,
        };
        claim.summary.split_once(": ").map(|(_, reason)| reason)
    }

    /// Whether another claim stands for this one: its cause, or the first with the same reason.
    fn belongs_to(&self, other: &Self) -> bool {
        if let Some(root) = self.root() {
            return other.old.id == root;
        }
        let same = self.class == other.class && self.reason().is_some();
        same && self.reason() == other.reason() && other.root().is_none()
    }
}

/// Makes one difference for each cause.
fn fold(pairs: &[Pair<'_>], records: &Compares<'_>) -> Vec<Difference> {
    let head = |at: usize| {
        let pair = &pairs[at];
        let others = pairs.iter().enumerate();
        let mut heads = others.filter(|(_, it)| pair.belongs_to(it));
        match pair.root() {
            Some(_) => heads.next().map(|(other, _)| other),
            None => heads.map(|(other, _)| other).find(|other| *other < at),
        }
    };
    let mut found = Vec::new();
    for (at, pair) in pairs.iter().enumerate() {
        if head(at).is_some() {
            continue;
        }
        let belong = pairs.iter().enumerate().filter(|(other, _)| head(*other) == Some(at));
        let also = belong.map(|(_, pair)| pair.old.id.clone()).collect();
        found.push(difference(pair, also, records));
    }
    found
}

fn difference(pair: &Pair<'_>, also: Vec<String>, records: &Compares<'_>) -> Difference {
    let Pair { old, new, class } = *pair;
    let id = match class {
        Class::NowFails => "claim-fails",
        Class::NowChanged => "claim-changed",
        Class::NowUnjudged => "claim-unjudged",
        Class::NowJudged => "claim-judged",
        Class::Fixed | Class::Equivalent | Class::Noise => "claim-holds",
    };
    let text = format!(
        "{} {}\n{} {}",
        old.verdict,
        stable(&old.summary, &records.old_names),
        new.verdict,
        stable(&new.summary, &records.new_names)
    );
    Difference {
        id: id.to_owned(),
        class,
        fingerprint: fingerprint(id, &old.id, &text),
        object: old.id.clone(),
        summary: new.summary.clone(),
        was: Some(format!("{}: {}", old.verdict, old.summary)),
        now: Some(format!("{}: {}", new.verdict, new.summary)),
        facts: Vec::new(),
        also,
        witness: None,
        searched: None,
        reason: new.change.as_deref().map(reason),
    }
}

/// Returns the reason that a changed claim has itself.
fn reason(change: &TextChange) -> Reason {
    Reason {
        since: change.since.clone(),
        why: change.why.clone(),
        source: change.source.clone(),
        restore: change.restore.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::diff::{Class, View, diff};
    use crate::evidence::Evidence;

    #[test]
    fn claim_that_is_changed_in_another_way_is_a_difference() {
        let id = "install::default_profile";
        let changed = |name: &str| {
            let cases = crate::testing::claim_cases();
            let (claim, case) =
                cases.iter().find(|(it, case)| (it.id, case.name) == (id, name)).unwrap();
            case.evidence(claim)
        };
        let (here, elsewhere) = (changed("gateway_daemon_set"), changed("gateway_elsewhere"));
        let classes = |new: &Evidence| -> Vec<_> {
            let found = diff(&here, new, View::Verdicts).differences;
            found.into_iter().filter(|it| it.object == id).map(|it| it.class).collect()
        };
        assert_eq!(classes(&elsewhere), [Class::NowChanged]);
        assert_eq!(classes(&here), []);
    }
}
