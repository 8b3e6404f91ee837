//! Visits every text of a document and every name in its maps, with the state from the texts before.

use serde_json::{Map, Value};

use super::{Redactor, blocks, is_no_secret, pairs};
use crate::json::escape;

/// State from the earlier texts in the same list.
#[derive(Default)]
struct Before {
    /// Whether a private key has begun and not ended: each line of a log is a separate text.
    in_key: bool,
    /// The kind of the secret that follows an argument such as `--password`.
    flag: Option<&'static str>,
}

/// Redacts every text of a document.
pub(super) fn walk(document: &mut Value, redactor: &mut Redactor) {
    visit(document, "", redactor, &mut Before::default());
}

fn visit(value: &mut Value, at: &str, redactor: &mut Redactor, before: &mut Before) {
    match value {
        Value::String(text) => one(text, at, redactor, before),
        Value::Array(items) => {
            let mut before = Before::default();
            for (index, item) in items.iter_mut().enumerate() {
                visit(item, &format!("{at}/{index}"), redactor, &mut before);
            }
        }
        Value::Object(fields) => object(fields, at, redactor, before),
        _ => {}
    }
}

/// Redacts the names and values of a map.
fn object(fields: &mut Map<String, Value>, at: &str, redactor: &mut Redactor, before: &mut Before) {
    let clean = fields.keys().any(|key| redactor.text(key).0 != *key);
    if clean {
        let old = std::mem::take(fields);
        for (key, value) in old {
            let (name, counts) = redactor.text(&key);
            let place = format!("{at}/{}", escape(&name));
            for (kind, count) in counts {
                redactor.note(&place, kind, count);
            }
            fields.insert(name, value);
        }
    }
    for (key, value) in fields.iter_mut() {
        let place = format!("{at}/{}", escape(key));
        match (pairs::names_a_secret(key), value) {
            (Some(kind), Value::String(text)) if !is_no_secret(text) => {
                *text = redactor.mark(kind, text);
                redactor.note(&place, kind, 1);
            }
            (_, value) => visit(value, &place, redactor, before),
        }
    }
}

/// Redacts one text.
fn one(text: &mut String, at: &str, redactor: &mut Redactor, before: &mut Before) {
    let flag = before.flag.take().filter(|_| !pairs::is_flag(text) && !is_no_secret(text));
    if let Some(kind) = flag {
        *text = redactor.mark(kind, text);
        redactor.note(at, kind, 1);
        return;
    }
    before.flag = pairs::flag(text);
    let mut goes_on = None;
    if before.in_key {
        goes_on = blocks::rest_of_key(text);
        if text.contains("-----END") {
            before.in_key = false;
        }
    }
    before.in_key |= blocks::key_stays_open(text);
    if let Some(kind) = goes_on {
        *text = redactor.mark(kind, text);
        redactor.note(at, kind, 1);
        return;
    }
    let (clean, counts) = redactor.text(text);
    for (kind, count) in counts {
        redactor.note(at, kind, count);
    }
    *text = clean;
}
