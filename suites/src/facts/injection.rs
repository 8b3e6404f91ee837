//! Who gets a sidecar: the labels of the demo's namespace, the labels of a pod, and dry runs.

use std::collections::BTreeMap;

use crate::evidence::Evidence;

/// The label or annotation with which a pod refuses a sidecar.
pub(crate) const INJECT: &str = "sidecar.istio.io/inject";

/// The labels of the demo's namespace, where it exists.
pub(crate) fn demo_labels(evidence: &Evidence) -> Option<&BTreeMap<String, String>> {
    evidence.install.namespaces.value()?.get(&evidence.expectations.namespace)
}

/// Whether the demo's namespace does not exist.
pub(crate) fn demo_namespace_is_missing(evidence: &Evidence) -> bool {
    evidence.install.namespaces.value().is_some() && demo_labels(evidence).is_none()
}

/// Whether the API server says that it cannot create pods because Istio's webhook does not answer.
pub(crate) fn is_webhook_failure(text: &str) -> bool {
    text.contains("failed calling webhook") && text.contains("istio")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::testing::{healthy, of};

    #[test]
    fn namespace_is_missing_only_where_the_others_were_listed() {
        let mut evidence = healthy();
        assert!(demo_labels(&evidence).is_some());
        assert!(!demo_namespace_is_missing(&evidence));
        of(&mut evidence.install.namespaces).remove("client");
        assert!(demo_namespace_is_missing(&evidence));
        evidence.install.namespaces = Observation::failed("no answer");
        assert!(demo_labels(&evidence).is_none());
        assert!(!demo_namespace_is_missing(&evidence));
    }
}
