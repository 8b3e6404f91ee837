//! The software is here and whole, or can be downloaded.

use crate::entry::check;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::Supply;
use crate::steps::machine as steps;

check! {
    /// The tutorial says: download Istio 1.20.3.
    ///
    /// ## Why it matters
    /// In a room without internet the software must be there before the class begins.
    ///
    /// ## How it is checked
    /// Looks for the bundle or the release in the cache and compares it with its manifest. Else it asks whether the download
    /// sites answer.
    ///
    /// ## What makes it fail
    /// - The software is not here, and a download site does not answer.
    /// - A part of the software is missing or changed.
    ///
    /// ## How to fix it
    /// Get the bundle with `meshcheck bundle`, where there is internet, and carry it here.
    ///
    /// ## Check by hand
    ///     meshcheck bundle
    software::available: "the software is here and whole, or can be downloaded",
    needs: Software,
    judge: judge,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let istio = &evidence.cluster.seen.expectations.istio_version;
    match evidence.software.source.look("the software")? {
        Supply::Here(facts) => Ok(Judgement::pass(format!(
            "{} is whole: Istio {}, Kubernetes {}, kind {} of its own (image archives: by their size; their sums are compared when they are used)",
            facts.what, facts.istio, facts.kubernetes, facts.kind
        ))),
        Supply::WithinReach { places } => Ok(Judgement::pass(format!(
            "Istio {istio} is not here yet; {places} answer, and `meshcheck bundle` downloads it now"
        ))),
        Supply::OutOfReach { words, hint } => {
            Err(Judgement::fail(format!("Istio {istio} is not here, and cannot be downloaded"))
                .expected("a bundle, a release in the cache, or the places that have it")
                .observed(excerpt(words))
                .object(format!("the release of Istio {istio}"))
                .steps(steps::get_bundle("shows what is wrong with each", hint)))
        }
        Supply::Unusable { words, hint } => {
            Err(Judgement::fail("the software is here, but cannot be used")
                .expected("every part, with the sum that the manifest names")
                .observed(excerpt(words))
                .object("the software")
                .steps(steps::get_bundle("gets a whole one", hint)))
        }
    }
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;

    use crate::preflight::evidence::*;
    use crate::preflight::software::changes::*;

    cases! { PreflightEvidence:
        here(|_| {}, Pass);
        downloadable(to_download, Pass);
        nowhere(out_of_reach, Fail);
        nowhere_says_what_to_do(out_of_reach, Fail);
        not_whole(damaged, Fail);
        not_seen(unseen, Unjudged);
    }
}
