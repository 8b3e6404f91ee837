//! All observations, value by value: those that differ, those that could not be compared, and the noise.

use std::collections::{BTreeMap, BTreeSet};

use super::leaves::{Leaf, Leaves, State, noise_at};
use super::model::{Class, Difference, Noise, NotCompared};
use super::noise::{NAMES_IN_TEXTS, RULES};
use super::stable::fingerprint;

/// What a comparison of all observations gives.
pub(super) struct Observed {
    /// The values that differ.
    pub(super) differences: Vec<Difference>,
    /// The observations that one of both does not have.
    pub(super) not_compared: Vec<NotCompared>,
    /// The observations that both have.
    pub(super) compared: usize,
    /// The values that differ and are noise.
    pub(super) noise: Vec<Noise>,
}

/// How much of a value a summary shows, in characters. The difference has all of it.
const VALUE: usize = 160;

/// Compares all values of two records.
pub(super) fn compare_observations(old: &Leaves, new: &Leaves) -> Observed {
    let mut observed = Observed {
        differences: Vec::new(),
        not_compared: Vec::new(),
        compared: 0,
        noise: Vec::new(),
    };
    let mut noise = Counts::new();
    // Below these, one record has values and the other one has none.
    let mut apart = BTreeSet::new();
    for (path, was) in &old.observations {
        let Some(now) = new.observations.get(path) else { continue };
        let missing = |state: &State| match state {
            State::Failed(reason) | State::NotAsked(reason) => Some(reason.clone()),
            State::Seen | State::Absent(_) => None,
        };
        let is_unasked = |state: &State| matches!(state, State::NotAsked(_));
        match (missing(was), missing(now)) {
            (None, None) => observed.compared += 1,
            _ if is_unasked(was) && is_unasked(now) => {}
            // What only a run observes says nothing about the mesh.
            _ if noise_at(path).is_some_and(|rule| rule.id == "run") => {
                *noise.entry("run").or_default() += 1;
            }
            (old, new) => {
                let what = path.trim_start_matches('/').to_owned();
                observed.not_compared.push(NotCompared { what, old, new });
            }
        }
        if was == &State::Seen && now == &State::Seen {
            continue;
        }
        apart.insert(path.as_str());
        if let (State::Absent(_), State::Seen) | (State::Seen, State::Absent(_)) = (was, now)
            && noise_at(path).is_none()
        {
            let word = |state: &State| match state {
                State::Seen => "there",
                _ => "not there",
            };
            let place = path.trim_start_matches('/').to_owned();
            observed.differences.push(value_difference(
                "observation",
                &[place],
                Some(word(was)),
                Some(word(now)),
            ));
        }
    }
    compare_values(old, new, &apart, &mut noise, &mut observed);
    observed.noise = named(&noise);
    observed
}

/// How many values each rule left out.
type Counts = BTreeMap<&'static str, usize>;

fn named(noise: &Counts) -> Vec<Noise> {
    let rules = RULES.iter().chain([&NAMES_IN_TEXTS]);
    rules
        .filter_map(|rule| {
            let count = *noise.get(rule.id)?;
            let (id, what) = (rule.id.to_owned(), rule.what.to_owned());
            Some(Noise { id, class: Class::Noise, what, count })
        })
        .collect()
}

/// Places with the same values: the last part of their paths, what it was and what it is.
type Groups<'v> = BTreeMap<(String, Option<&'v str>, Option<&'v str>), BTreeSet<String>>;

fn compare_values(
    old: &Leaves,
    new: &Leaves,
    apart: &BTreeSet<&str>,
    noise: &mut Counts,
    observed: &mut Observed,
) {
    let mut groups = Groups::new();
    let mut paths: Vec<_> = old.values.keys().chain(new.values.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let (was, now) = (old.values.get(path), new.values.get(path));
        let mut above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        let is_apart = apart.contains(path.as_str()) || above.any(|it| apart.contains(it));
        if was.map(|it| &it.raw) == now.map(|it| &it.raw) || is_apart {
            continue;
        }
        if let Some(rule) = noise_at(path) {
            *noise.entry(rule.id).or_default() += 1;
        } else if was.map(|it| &it.text) == now.map(|it| &it.text) {
            *noise.entry(NAMES_IN_TEXTS.id).or_default() += 1;
        } else {
            let (place, was, now) = place(path, was, now, old, new);
            let last = place.rsplit('/').next().unwrap_or_default().to_owned();
            groups.entry((last, was, now)).or_default().insert(place);
        }
    }
    for ((_, was, now), places) in groups {
        let places: Vec<_> = places.into_iter().collect();
        observed.differences.push(value_difference("value", &places, was, now));
    }
}

/// Returns the place of a value that differs. Where one record has nothing at all there, it is the object above.
fn place<'v>(
    path: &str,
    was: Option<&'v Leaf>,
    now: Option<&'v Leaf>,
    old: &'v Leaves,
    new: &'v Leaves,
) -> (String, Option<&'v str>, Option<&'v str>) {
    let other = match (was, now) {
        (Some(was), Some(now)) => {
            let place = path.trim_start_matches('/').to_owned();
            return (place, Some(&was.text), Some(&now.text));
        }
        (None, _) => old,
        (_, None) => new,
    };
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let is_empty = |length: usize| {
        let above = format!("/{}/", segments.get(..length).unwrap_or_default().join("/"));
        !other.values.range(above.clone()..).next().is_some_and(|(it, _)| it.starts_with(&above))
    };
    let length = (1..segments.len()).find(|length| is_empty(*length)).unwrap_or(segments.len());
    let place = segments.get(..length).unwrap_or_default().join("/");
    if length < segments.len() {
        let there = Some("there");
        return (place, was.and(there), now.and(there));
    }
    (place, was.map(|it| it.text.as_str()), now.map(|it| it.text.as_str()))
}

/// Formats the places of one value: the field, how often it occurs, and its first place.
fn format_places(places: &[String]) -> String {
    let plain = |place: &str| place.replace("~1", "/").replace("~0", "~");
    match places {
        [] => String::new(),
        [only] => plain(only),
        [first, ..] => {
            let field = plain(first.rsplit('/').next().unwrap_or_default());
            format!("{field} in {} places, as in {}", places.len(), plain(first))
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{} […]", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn value_difference(
    id: &str,
    places: &[String],
    was: Option<&str>,
    now: Option<&str>,
) -> Difference {
    let object = format_places(places);
    let summary = match (was, now) {
        (Some(was), Some(now)) => format!("{object}: {} → {}", cut(was), cut(now)),
        (None, Some("there")) => format!("new: {object}"),
        (None, Some(now)) => format!("new: {object}: {}", cut(now)),
        (Some("there") | None, None) => format!("gone: {object}"),
        (Some(was), None) => format!("gone: {object}: {}", cut(was)),
    };
    let text = format!("{}\n{}", was.unwrap_or_default(), now.unwrap_or_default());
    Difference {
        id: id.to_owned(),
        class: Class::NowChanged,
        fingerprint: fingerprint(id, &places.join("\n"), &text),
        object,
        summary,
        was: was.map(str::to_owned),
        now: now.map(str::to_owned),
        facts: Vec::new(),
        also: Vec::new(),
        witness: None,
        searched: None,
        reason: None,
    }
}
