//! Walks over a JSON document.

use serde_json::Value;

/// Calls a function with the JSON pointer of each value and the value, a parent before its children.
pub(crate) fn visit(document: &Value, each: &mut dyn FnMut(&str, &Value)) {
    descend(document, &mut String::new(), each);
}

fn descend(value: &Value, pointer: &mut String, each: &mut dyn FnMut(&str, &Value)) {
    each(pointer, value);
    let end = pointer.len();
    let mut child = |name: &str, value: &Value| {
        pointer.push('/');
        pointer.push_str(name);
        descend(value, pointer, each);
        pointer.truncate(end);
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| child(&escape(name), value));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| child(&index.to_string(), value));
        }
        _ => {}
    }
}

/// A name as it stands in a JSON pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
