//! The label and the webhook as causes of missing sidecars.

use crate::claims::by_name::namespace_labelled::label_is_wrong;
use crate::entry::Effect;
use crate::evidence::Evidence;
use crate::facts::injection::injects_nothing;

/// Whether pods that are created now get no sidecar because of the label.
pub(super) fn label_prevents_injection(effect: &Effect<'_, Evidence>) -> bool {
    label_is_wrong(effect) && injects_nothing(&effect.evidence.mesh.dry_run_labelled)
}

/// Whether pods that are created now get no sidecar although the label is correct.
pub(super) fn webhook_prevents_injection(effect: &Effect<'_, Evidence>) -> bool {
    !label_is_wrong(effect) && injects_nothing(&effect.evidence.mesh.dry_run_labelled)
}
