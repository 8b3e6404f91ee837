//! What Kiali explains in the control plane's namespace.

use super::Case;
use crate::claims::install::{deployments_have_pods, ill_pods};
use crate::facts::kiali::find_kiali;

/// The pods that are not well are all Kiali's, which stands in the same namespace.
pub(crate) fn only_kiali_is_ill(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let ill = ill_pods(evidence);
    find_kiali(evidence).is_some_and(|kiali| {
        deployments_have_pods(evidence).is_ok()
            && !ill.is_empty()
            && ill.iter().all(|pod| kiali.selects(pod))
    })
}
