//! The section *software*: the release or bundle to install.

pub(crate) mod available;
#[cfg(test)]
pub(crate) mod changes;
pub(crate) mod kubernetes_supported;
pub(crate) mod programs_run;

use crate::preflight::Check;

/// The checks of this section, in the order in which failures are fixed.
pub(super) const CHECKS: &[&Check] =
    &[&available::CHECK, &programs_run::CHECK, &kubernetes_supported::CHECK];
