//! Changes to the demo's objects, for the cases of this section.

use crate::evidence::Evidence;
use crate::testing::{backend, of, scale_to_zero};

/// Scales the backend to zero: its pods and endpoints are gone.
pub(super) fn remove_backend(evidence: &mut Evidence) {
    scale_to_zero(backend(evidence));
    of(&mut evidence.demo.endpoints).clear();
    of(&mut evidence.demo.pods).retain(|pod| pod.labels.get("app").is_none_or(|app| app != "echo"));
}
