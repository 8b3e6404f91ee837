//! Names in a document: what a program would take for an option is none.

use serde_json::Value;

use super::Evidence;

/// The fields that hold names of Kubernetes. They stand in hints, where they are arguments.
const NAMES: [&str; 15] = [
    "name",
    "namespace",
    "istio_namespace",
    "pod",
    "client_pod",
    "container",
    "node",
    "owner",
    "service",
    "configuration",
    "gateway",
    "backend_service",
    "backend_deployment",
    "client_deployment",
    "istio_version",
];

impl Evidence {
    /// The place of a name that begins with a hyphen. There is none in Kubernetes: in a file from elsewhere
    /// it would make `--all` of the name of a pod to delete.
    pub fn option_in_place_of_a_name(&self) -> Option<String> {
        serde_json::to_value(self).ok().and_then(|document| find(&document, ""))
    }
}

fn find(value: &Value, at: &str) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            let named = NAMES.contains(&key.as_str())
                && value.as_str().is_some_and(|name| name.starts_with('-'));
            if named || key.starts_with('-') { Some(place) } else { find(value, &place) }
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, value)| find(value, &format!("{at}/{index}"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{healthy, places, recorded};
    use serde_json::Value;

    #[test]
    fn recorded_names_are_names() {
        assert_eq!(healthy().option_in_place_of_a_name(), None);
    }

    #[test]
    fn an_option_is_found_wherever_a_name_stands() {
        let mut tried = 0;
        for place in places(&recorded(), Value::is_string) {
            let field = place.rsplit('/').next().unwrap_or_default();
            if !super::NAMES.contains(&field) {
                continue;
            }
            let mut document = recorded();
            *document.pointer_mut(&place).unwrap() = "--all".into();
            let evidence: crate::Evidence = serde_json::from_value(document).unwrap();
            assert_eq!(evidence.option_in_place_of_a_name(), Some(place));
            tried += 1;
        }
        assert!(tried > 50, "{tried}");
        let mut evidence = healthy();
        evidence
            .mesh
            .init_logs
            .insert("--all".into(), crate::evidence::Observation::seen(String::new()));
        assert_eq!(evidence.option_in_place_of_a_name().as_deref(), Some("/mesh/init_logs/--all"));
    }
}
