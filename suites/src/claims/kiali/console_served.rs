//! Kiali serves its console, and its API reports a version.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "kiali::console_served": "Kiali serves its console, and its API reports a version",
    beyond: true,
    needs: Request,
    caused_by: [
        crate::claims::kiali::running if causes::outside::no_kiali_pod_is_ready,
        crate::claims::kiali::running if causes::outside::another_program_runs_as_kiali,
        crate::claims::kiali::redirects_to_web_root if causes::outside::kiali_has_another_root,
        crate::claims::kiali::redirects_to_web_root if causes::outside::kiali_answers_an_error,
    ],
    judge: crate::claims::kiali::console_served,
}

#[cfg(test)]
use crate::claims::kiali::tests::console as cases;
