//! The sentences of a comparison that every format shows.

use meshcheck_suites::Verdict;
use meshcheck_suites::diff::{Class, Compared, Diff, Difference, Side, View};

use super::counted_classes;
use crate::report::outcome::counted;

/// The most lines below a difference.
const BELOW: usize = 3;

/// Returns the verdict whose sign and colour a class has.
pub(in crate::report) fn verdict(class: Class) -> Verdict {
    match class {
        Class::NowFails => Verdict::Fail,
        Class::NowChanged => Verdict::Changed,
        Class::NowUnjudged => Verdict::Unjudged,
        Class::NowJudged | Class::Fixed => Verdict::Pass,
        Class::Equivalent | Class::Noise => Verdict::Skipped,
    }
}

/// The result in one sentence, without a full stop.
pub(in crate::report) fn outcome(diff: &Diff) -> String {
    let number = diff.differences.len();
    if number > 0 {
        let classes: Vec<_> = counted_classes(diff)
            .into_iter()
            .map(|(class, count)| format!("{count} {}", class.word()))
            .collect();
        return format!("{}: {}", counted(number, "difference"), classes.join(", "));
    }
    if diff.exit_code() != 0 {
        return match diff.compared {
            Compared { claims: 0, observations: 0, .. } => "Nothing was compared".to_owned(),
            Compared { not_compared: 0, .. } => "No claim has a verdict in both records".to_owned(),
            Compared { not_compared, .. } => {
                let items = counted(not_compared, "item");
                format!("No difference found, but {items} could not be compared")
            }
        };
    }
    match diff.view {
        View::Tutorial => "No difference for a reader of the tutorial",
        View::Verdicts => "No claim has another verdict",
        View::All => "No difference besides noise",
    }
    .to_owned()
}

/// How much was compared: `compared 32 claims and 61 observations, 3 could not be compared`.
pub(in crate::report) fn compared(diff: &Diff) -> String {
    let Compared { claims, observations, not_compared } = diff.compared;
    let observations = match diff.view {
        View::Verdicts => String::new(),
        View::Tutorial | View::All => format!(" and {}", counted(observations, "observation")),
    };
    format!(
        "compared {}{observations}, {not_compared} could not be compared",
        counted(claims, "claim")
    )
}

/// The facts about one record.
pub(in crate::report) fn side(side: &Side) -> String {
    let mut facts = vec![side.context.clone(), format!("Istio {}", side.istio_version)];
    facts.extend(side.kubernetes_version.iter().map(|it| format!("Kubernetes {it}")));
    // To the second.
    let at = side.recorded_at.split('.').next().unwrap_or_default().trim_end_matches('Z');
    if !at.is_empty() {
        facts.push(format!("{} UTC", at.replace('T', " ")));
    }
    facts.join(" · ")
}

/// Says which record is of an unofficial build, where one is.
pub(in crate::report) fn unofficial(diff: &Diff) -> Option<&'static str> {
    match (diff.old.is_unofficial, diff.new.is_unofficial) {
        (false, false) => None,
        (true, false) => Some("the old record is of an unofficial build of Istio"),
        (false, true) => Some("the new record is of an unofficial build of Istio"),
        (true, true) => Some("both records are of unofficial builds of Istio"),
    }
}

/// The line of a difference.
pub(in crate::report) fn heading(difference: &Difference) -> String {
    if !difference.id.starts_with("claim-") {
        return difference.summary.clone();
    }
    let more = match difference.also.len() {
        0 => String::new(),
        number => format!(" (and {number} more)"),
    };
    format!("{}{more}: {}", difference.object, difference.summary)
}

/// The lines below a difference, each with its label; all of them where the reader asks for details.
pub(in crate::report) fn below(difference: &Difference, all: bool) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(witness) = &difference.witness {
        let text = format!("{}: ended at {}, now at {}", witness.packet, witness.was, witness.now);
        lines.push(("witness", text));
    }
    lines.extend(difference.searched.iter().map(|text| ("same", text.clone())));
    let facts = difference.facts.len();
    if all {
        lines.extend(difference.facts.iter().map(|fact| ("shows", fact.clone())));
    } else if let Some(fact) = difference.facts.first().filter(|_| lines.is_empty()) {
        let more = if facts > 1 { format!(" (and {} more)", facts - 1) } else { String::new() };
        lines.push(("shows", format!("{fact}{more}")));
    }
    if let Some(reason) = &difference.reason {
        lines.push(("why", format!("{}: {}", reason.why, reason.source)));
        lines.extend(reason.restore.iter().map(|restore| ("restore", restore.clone())));
    }
    if !difference.also.is_empty() {
        lines.push(("also", difference.also.join(", ")));
    }
    if all {
        lines.push(("id", format!("{} {}", difference.id, difference.fingerprint)));
    } else {
        lines.truncate(BELOW);
    }
    lines
}

/// Why the old and the new record do not have an item.
type Reasons<'d> = (&'d Option<String>, &'d Option<String>);

/// What could not be compared: the items with the same reasons in one line.
pub(in crate::report) fn not_compared(diff: &Diff) -> Vec<String> {
    let mut groups: Vec<(Reasons<'_>, Vec<&str>)> = Vec::new();
    for item in &diff.not_compared {
        let reasons = (&item.old, &item.new);
        match groups.iter_mut().find(|(known, _)| *known == reasons) {
            Some((_, items)) => items.push(&item.what),
            None => groups.push((reasons, vec![&item.what])),
        }
    }
    let lines = groups.into_iter().map(|(reasons, items)| {
        let reason = match reasons {
            (Some(old), Some(new)) if old == new => format!("old and new: {old}"),
            (Some(old), Some(new)) => format!("old: {old}; new: {new}"),
            (Some(old), None) => format!("old: {old}"),
            (None, Some(new)) => format!("new: {new}"),
            (None, None) => String::new(),
        };
        format!("{} ({reason})", items.join(", "))
    });
    lines.collect()
}
