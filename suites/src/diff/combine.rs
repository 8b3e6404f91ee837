//! Puts the parts of a comparison together.

use super::Compares;
use super::cluster_facts::PART;
use super::kinds::{Facts, KINDS, Kind};
use super::leaves::leaves;
use super::model::{Class, Compared, DIFF_SCHEMA, Diff, Difference, Side, View};
use super::names::Names;
use super::observations::compare_observations;
use super::reasons::reason;
use super::rules::{RULES, RuleChange, compare_rules};
use super::stable::{fingerprint, stable};
use super::verdicts::compare_verdicts;
use crate::evidence::Evidence;
use crate::format::list;
use crate::judge;

/// Compares two records.
pub fn diff(old: &Evidence, new: &Evidence, view: View) -> Diff {
    let records = Compares { old, new, old_names: Names::of(old), new_names: Names::of(new) };
    let verdicts = compare_verdicts(&judge(old, &[]), &judge(new, &[]), &records);
    let mut differences = verdicts.differences;
    let mut not_compared = verdicts.not_compared;
    let mut compared = Compared { claims: verdicts.compared, ..Compared::default() };
    let (changes, unread) = compare_rules(old, new);
    for kind in &KINDS {
        add_facts(kind, &records, &mut differences);
    }
    for change in changes {
        add_rules(change, &records, &mut differences);
    }
    let observations =
        compare_observations(&leaves(old, &records.old_names), &leaves(new, &records.new_names));
    match view {
        View::Verdicts => {
            // The facts that belong to a verdict stay with it.
            differences.retain(|difference| difference.id.starts_with("claim-"));
        }
        View::Tutorial | View::All => {
            not_compared.extend(unread);
            not_compared.extend(observations.not_compared);
            compared.observations = observations.compared;
        }
    }
    if view == View::All {
        differences.extend(observations.differences);
    }
    // Stable: within a class the order of the tutorial stays.
    differences.sort_by_key(|difference| difference.class);
    compared.not_compared = not_compared.len();
    Diff {
        schema: DIFF_SCHEMA,
        view,
        old: side(old),
        new: side(new),
        compared,
        differences,
        not_compared,
        noise: observations.noise,
    }
}

fn side(evidence: &Evidence) -> Side {
    let bundle = evidence.subject.bundle.as_ref();
    Side {
        context: evidence.subject.context.clone(),
        istio_version: evidence.expectations.istio_version.clone(),
        kubernetes_version: evidence.cluster.server_version.value().cloned(),
        recorded_at: evidence.recorded_at.to_string(),
        recorder: evidence.recorder.clone(),
        is_unofficial: bundle.is_some_and(|bundle| !bundle.notes.is_empty()),
    }
}

/// A value that differs, of all objects for which it differs in the same way.
struct Changed {
    objects: Vec<String>,
    was: Option<String>,
    now: Option<String>,
}

/// Adds the facts of a kind that differ: to the difference of a claim about them, or on their own.
fn add_facts(kind: &Kind, records: &Compares<'_>, differences: &mut Vec<Difference>) {
    let (Some(was), Some(now)) = ((kind.read)(records.old), (kind.read)(records.new)) else {
        return;
    };
    for changed in changed_facts(kind, &was, &now, records) {
        let Changed { objects, was, now } = changed;
        let object = format!("{} {}", kind.label, list(&objects)).trim().to_owned();
        let summary = match (&was, &now) {
            (Some(was), Some(now)) => format!("{object}: {}", format_change(was, now)),
            (None, Some(now)) => format!("new: {object} ({})", first_part(now)),
            (Some(was), None) => format!("gone: {object} ({})", first_part(was)),
            (None, None) => continue,
        };
        let side = |value: &Option<String>| match value {
            Some(value) => format!("{object} {value}"),
            None => String::new(),
        };
        let change = (kind.change)(&side(&was), &side(&now));
        let reason = reason(change, records.old, records.new);
        let text = format!(
            "{}\n{}",
            stable(was.as_deref().unwrap_or_default(), &records.old_names),
            stable(now.as_deref().unwrap_or_default(), &records.new_names)
        );
        let alone = Difference {
            id: kind.id.to_owned(),
            class: Class::NowChanged,
            fingerprint: fingerprint(kind.id, &object, &text),
            object,
            summary,
            was,
            now,
            facts: Vec::new(),
            also: Vec::new(),
            witness: None,
            searched: None,
            reason,
        };
        add(kind, alone, differences);
    }
}

/// Formats the parts of two values that differ.
fn format_change(was: &str, now: &str) -> String {
    let only = |one: &str, other: &str| {
        let parts = one.split(PART).filter(|part| !other.split(PART).any(|it| it == *part));
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let (gone, new) = (only(was, now), only(now, was));
    match (gone.as_slice(), new.as_slice()) {
        ([], []) => format!("{was} → {now}"),
        ([], new) => format!("now also {}", list(new)),
        (gone, []) => format!("no longer {}", list(gone)),
        (gone, new) => format!("{} → {}", list(gone), list(new)),
    }
}

/// Returns the first part of a value.
fn first_part(value: &str) -> &str {
    value.split(PART).next().unwrap_or(value)
}

/// Returns what differs, grouped by the values. Names and addresses within a value are no difference.
fn changed_facts(kind: &Kind, was: &Facts, now: &Facts, records: &Compares<'_>) -> Vec<Changed> {
    let mut changed: Vec<Changed> = Vec::new();
    let mut objects: Vec<_> = was.keys().chain(now.keys()).collect();
    objects.sort();
    objects.dedup();
    for object in objects {
        let (was, now) = (was.get(object), now.get(object));
        if was == now || kind.in_both && (was.is_none() || now.is_none()) {
            continue;
        }
        if let (Some(was), Some(now)) = (was, now)
            && stable(was, &records.old_names) == stable(now, &records.new_names)
        {
            continue;
        }
        let (was, now) = (was.cloned(), now.cloned());
        match changed.iter_mut().find(|it| it.was == was && it.now == now) {
            Some(known) => known.objects.push(object.clone()),
            None => changed.push(Changed { objects: vec![object.clone()], was, now }),
        }
    }
    changed
}

fn add_rules(change: RuleChange, records: &Compares<'_>, differences: &mut Vec<Difference>) {
    let RuleChange { objects, summary, was, now, witness, searched } = change;
    let object = format!("{} {}", RULES.label, list(&objects));
    let class = if searched.is_some() { Class::Equivalent } else { Class::NowChanged };
    let text = format!("{was}\n{now}");
    let alone = Difference {
        id: RULES.id.to_owned(),
        class,
        fingerprint: fingerprint(RULES.id, &object, &text),
        summary: format!("{object}: {summary}"),
        object,
        reason: reason((RULES.change)(&was, &now), records.old, records.new),
        was: Some(was),
        now: Some(now),
        facts: Vec::new(),
        also: Vec::new(),
        witness,
        searched,
    };
    add(&RULES, alone, differences);
}

/// Adds a difference, or its fact to the difference of a claim about it. What means the same explains no verdict.
fn add(kind: &Kind, alone: Difference, differences: &mut Vec<Difference>) {
    // The worst class counts, then the order in which the kind names its claims.
    let place = |difference: &Difference| {
        let is_claim = difference.id.starts_with("claim-");
        let found = kind
            .claims
            .iter()
            .position(|id| difference.object == *id || difference.also.iter().any(|it| it == id));
        let found = found.filter(|_| is_claim);
        found.map(|place| (difference.class, place))
    };
    let about = differences.iter().enumerate();
    let about = about.filter_map(|(at, it)| Some((place(it)?, at))).min();
    let is_same = alone.class == Class::Equivalent;
    let Some(claim) = about.filter(|_| !is_same).and_then(|(_, at)| differences.get_mut(at)) else {
        differences.push(alone);
        return;
    };
    claim.facts.push(alone.summary);
    claim.witness = claim.witness.take().or(alone.witness);
    // A fault is none of Istio's changes.
    if claim.class == Class::NowChanged && claim.reason.is_none() {
        claim.reason = alone.reason;
    }
}
