//! Checks the names in a document: a name must not look like an option of a command.

use serde::Serialize;

use super::Evidence;
use crate::json;
use crate::preflight::evidence::PreflightRecord;

/// The fields that hold names of Kubernetes. Hints use them as arguments of commands.
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
    /// Returns the JSON pointer of a name that begins with a hyphen. Kubernetes allows none: in a file from another source,
    /// `--all` in place of a pod's name would change a command.
    pub fn option_in_place_of_a_name(&self) -> Option<String> {
        find_option(self)
    }
}

impl PreflightRecord {
    /// Returns the JSON pointer of a name that begins with a hyphen, as [`Evidence::option_in_place_of_a_name`] does.
    pub fn option_in_place_of_a_name(&self) -> Option<String> {
        find_option(self)
    }
}

fn find_option(evidence: &impl Serialize) -> Option<String> {
    let document = serde_json::to_value(evidence).ok()?;
    let mut found = None;
    json::visit(&document, &mut |pointer, value| {
        let field = pointer.rsplit('/').next().unwrap_or_default();
        let is_option = |text: &str| text.starts_with('-');
        let named = NAMES.contains(&field) && value.as_str().is_some_and(is_option);
        if found.is_none() && (named || is_option(field)) {
            found = Some(pointer.to_owned());
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use crate::entry::Subject as _;
    use crate::preflight::When;
    use crate::preflight::evidence::{PreflightEvidence, PreflightRecord};
    use crate::testing::{healthy, of, places, recorded};
    use serde_json::Value;

    #[test]
    fn recorded_names_are_valid() {
        assert_eq!(healthy().option_in_place_of_a_name(), None);
    }

    #[test]
    fn option_is_found_in_a_record_of_a_preflight() {
        let mut ready = PreflightEvidence::healthy(When::ClusterNamed);
        let found = |evidence: &PreflightEvidence| {
            PreflightRecord::new(evidence.clone(), "meshcheck").option_in_place_of_a_name()
        };
        assert_eq!(found(&ready), None);
        let services = &mut ready.cluster.seen.cluster.load_balancer_services;
        *services = healthy().cluster.load_balancer_services;
        of(services)[0].name = "--all".into();
        let pointer = "/preflight/cluster/seen/cluster/load_balancer_services/value/0/name";
        assert_eq!(found(&ready).as_deref(), Some(pointer));
    }

    #[test]
    fn option_is_found_in_place_of_each_name() {
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
