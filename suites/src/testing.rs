//! What the judges' tests start from.

pub(crate) mod text;

use serde_json::Value;

use crate::claims::CLAIMS;
use crate::evidence::Evidence;
use crate::judgement::Judgement;

/// Evidence of a healthy mesh, to be broken by a test.
pub(crate) fn healthy() -> Evidence {
    serde_json::from_value(recorded()).expect("the recorded evidence parses")
}

/// The same as JSON, for tests that go through all of it.
pub(crate) fn recorded() -> Value {
    serde_json::from_str(include_str!("../../fixtures/evidence/lab.json"))
        .expect("the recorded evidence is JSON")
}

/// The verdict of one claim.
pub(crate) fn judgement(evidence: &Evidence, id: &str) -> Judgement {
    CLAIMS.iter().find(|claim| claim.id == id).expect("the claim is in the table").judge(evidence)
}

/// The places of everything in a document that this tells of, as JSON pointers.
pub(crate) fn places(document: &Value, wanted: impl Fn(&Value) -> bool + Copy) -> Vec<String> {
    fn visit(value: &Value, at: &str, wanted: &dyn Fn(&Value) -> bool, found: &mut Vec<String>) {
        if wanted(value) {
            found.push(at.to_owned());
        }
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    visit(value, &format!("{at}/{key}"), wanted, found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    visit(value, &format!("{at}/{index}"), wanted, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    visit(document, "", &wanted, &mut found);
    found
}

/// Whether a JSON value is an [`crate::evidence::Observation`].
pub(crate) fn is_observation(value: &Value) -> bool {
    let Some(fields) = value.as_object().filter(|fields| fields.len() == 2) else { return false };
    match fields.get("state").and_then(Value::as_str) {
        Some("seen") => fields.contains_key("value"),
        Some("absent" | "failed" | "not_asked") => fields.contains_key("reason"),
        _ => false,
    }
}
