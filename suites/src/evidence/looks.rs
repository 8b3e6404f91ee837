//! Every look that a document tells of, and how it ended.

use serde_json::Value;

use super::Evidence;

/// One look, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeLook {
    /// Where in the document, as a JSON pointer: `/demo/client_logs`.
    pub place: String,
    /// How it ended.
    pub end: LookEnd,
}

/// How a look ended: the four ends of an [`super::Observation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookEnd {
    /// Something was seen.
    Seen,
    /// It was not there, and where it was looked for.
    Absent(String),
    /// It could not be looked at, and why.
    Failed(String),
    /// Nobody asked for it, and what would have to be asked for.
    NotAsked(String),
}

impl Evidence {
    /// Every look, in the document's order. What was seen may hold looks of its own: they count too.
    pub fn looks(&self) -> Vec<MadeLook> {
        let mut looks = Vec::new();
        if let Ok(document) = serde_json::to_value(self) {
            visit(&document, "", &mut looks);
        }
        looks
    }
}

fn visit(value: &Value, at: &str, looks: &mut Vec<MadeLook>) {
    if let Some(end) = end(value) {
        looks.push(MadeLook { place: at.to_owned(), end });
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                visit(value, &format!("{at}/{key}"), looks);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                visit(value, &format!("{at}/{index}"), looks);
            }
        }
        _ => {}
    }
}

fn end(value: &Value) -> Option<LookEnd> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let reason = || fields.get("reason").and_then(Value::as_str).map(str::to_owned);
    match fields.get("state")?.as_str()? {
        "seen" => fields.contains_key("value").then_some(LookEnd::Seen),
        "absent" => reason().map(LookEnd::Absent),
        "failed" => reason().map(LookEnd::Failed),
        "not_asked" => reason().map(LookEnd::NotAsked),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{LookEnd, MadeLook};
    use crate::evidence::Observation;
    use crate::testing::{healthy, is_observation, places, recorded};

    #[test]
    fn every_look_is_told_with_its_end() {
        let mut evidence = healthy();
        let before = evidence.looks();
        assert_eq!(before.len(), places(&recorded(), is_observation).len());
        evidence.demo.client_logs = Observation::failed("forbidden");
        let place = "/demo/client_logs".to_owned();
        let told = MadeLook { place, end: LookEnd::Failed("forbidden".into()) };
        assert!(evidence.looks().contains(&told));
        assert_eq!(evidence.looks().len(), before.len());
    }
}
