//! A record as a flat list of values, each at a path by its meaning: items of lists by their names, pods by their workload.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names::Names;
use super::noise::{NoiseRule, rule};
use crate::evidence::Evidence;
use crate::json::escape;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaf {
    /// The value without names that differ between two runs.
    pub(super) text: String,
    /// The value as it was recorded.
    pub(super) raw: String,
}

/// The state of one observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has a value.
    Seen,
    /// Its object does not exist.
    Absent(String),
    /// It failed, or its file is older than it.
    Failed(String),
    /// It was not asked for.
    NotAsked(String),
}

/// All values of a record.
#[derive(Default)]
pub(super) struct Leaves {
    /// The values, by path.
    pub(super) values: BTreeMap<String, Leaf>,
    /// The observations, by path. A path contains the observation above it.
    pub(super) observations: BTreeMap<String, State>,
}

/// Flattens a record.
pub(super) fn leaves(evidence: &Evidence, names: &Names) -> Leaves {
    let document = serde_json::to_value(evidence).unwrap_or_default();
    let mut leaves = Leaves::default();
    descend(&document, &mut String::new(), names, &mut leaves);
    leaves
}

impl Leaves {
    fn insert_all(&mut self, other: Self) {
        self.values.extend(other.values);
        self.observations.extend(other.observations);
    }
}

/// Returns the rule for noise at a path.
pub(super) fn noise_at(path: &str) -> Option<&'static NoiseRule> {
    rule(&path.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>())
}

fn descend(value: &Value, path: &mut String, names: &Names, to: &mut Leaves) {
    match value {
        Value::Object(fields) => {
            if let Some(state) = state(fields) {
                let is_seen = state == State::Seen;
                to.observations.insert(path.clone(), state);
                if let Some(value) = fields.get("value").filter(|_| is_seen) {
                    descend(value, path, names, to);
                }
                return;
            }
            items(fields.iter().map(|(name, value)| (names.replace(name), value)), path, names, to);
        }
        Value::Array(list) if list.iter().any(|it| it.is_object() || it.is_array()) => {
            let keys = list.iter().enumerate().map(|(at, item)| (key(item, at, names), item));
            items(keys, path, names, to);
        }
        Value::Null => {}
        value => {
            let raw = match value {
                Value::String(text) => text.clone(),
                Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
                other => other.to_string(),
            };
            to.values.insert(path.clone(), Leaf { text: names.replace(&raw), raw });
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Descends into items. Those with the same key are ordered by their values: the order of a list of pods says nothing.
fn items<'v>(
    all: impl Iterator<Item = (String, &'v Value)>,
    path: &mut String,
    names: &Names,
    to: &mut Leaves,
) {
    let mut by_key: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for (key, value) in all {
        by_key.entry(key).or_default().push(value);
    }
    for (key, values) in by_key {
        if let [only] = values.as_slice() {
            below(path, &key, |path| descend(only, path, names, to));
            continue;
        }
        let mut variants: Vec<Vec<(String, String)>> = Vec::new();
        let mut order: Vec<usize> = (0..values.len()).collect();
        for value in &values {
            let mut alone = Leaves::default();
            descend(value, path, names, &mut alone);
            let kept = alone.values.into_iter().filter(|(path, _)| noise_at(path).is_none());
            variants.push(kept.map(|(path, leaf)| (path, leaf.text)).collect());
        }
        order.sort_by(|one, other| variants[*one].cmp(&variants[*other]));
        for (number, at) in order.into_iter().enumerate() {
            let name = if number == 0 { key.clone() } else { format!("{key} ({})", number + 1) };
            let mut item = Leaves::default();
            below(path, &name, |path| descend(values[at], path, names, &mut item));
            to.insert_all(item);
        }
    }
}

/// Returns the key of an item: what names it, else its place.
fn key(item: &Value, at: usize, names: &Names) -> String {
    let text = |field: &str| item.get(field).and_then(Value::as_str).filter(|it| !it.is_empty());
    let field = ["name", "proxy", "pod", "kind", "key", "service", "subject", "place", "claims"]
        .iter()
        .find_map(|field| text(field));
    let Some(name) = field else { return at.to_string() };
    let above = text("namespace").or_else(|| text("configuration"));
    match above {
        Some(above) => names.replace(&format!("{above}.{name}")),
        None => names.replace(name),
    }
}

fn state(fields: &Map<String, Value>) -> Option<State> {
    let reason = || fields.get("reason").and_then(Value::as_str).map(str::to_owned);
    if fields.len() != 2 {
        return None;
    }
    match fields.get("state")?.as_str()? {
        "seen" => fields.contains_key("value").then_some(State::Seen),
        "absent" => Some(State::Absent(reason()?)),
        "failed" => Some(State::Failed(reason()?)),
        "not_asked" => Some(State::NotAsked(reason()?)),
        _ => None,
    }
}

/// Calls a function with the path of an item below this one.
fn below(path: &mut String, key: &str, each: impl FnOnce(&mut String)) {
    let end = path.len();
    path.push('/');
    if key.contains(['~', '/']) {
        path.push_str(&escape(key));
    } else {
        path.push_str(key);
    }
    each(path);
    path.truncate(end);
}
