//! Pods get a sidecar in labelled namespaces only.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::unlabelled_namespace_left_alone": "pods get a sidecar in labelled namespaces only",
    beyond: true,
    needs: DryRun,
    caused_by: [
        crate::claims::install::namespace_labelled if causes::mesh::dry_run_misses_the_label,
        crate::claims::install::injection_webhook if causes::mesh::dry_run_misses_the_webhook,
    ],
    judge: crate::claims::mesh::unlabelled_namespace_left_alone,
}

#[cfg(test)]
use crate::claims::mesh::tests::unlabelled as cases;
