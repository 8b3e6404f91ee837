//! Kiali redirects / to /kiali/.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "kiali::redirects_to_web_root": "Kiali redirects / to /kiali/",
    statement_for: |expectations| format!("Kiali redirects / to {}", expectations.kiali.web_root),
    needs: Request,
    caused_by: [
        crate::claims::kiali::running if causes::outside::no_kiali_pod_is_ready,
        crate::claims::kiali::running if causes::outside::another_program_runs_as_kiali,
    ],
    judge: crate::claims::kiali::redirects_to_web_root,
}

#[cfg(test)]
use crate::claims::kiali::tests::redirects as cases;
