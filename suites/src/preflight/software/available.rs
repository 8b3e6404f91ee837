//! The software is on this machine and complete, or can be downloaded.

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
    /// Without internet, the software must be on the machine before class.
    ///
    /// ## How it is checked
    /// Compares the bundle, or the release in the cache, with its manifest. Without either, tests whether the download sites
    /// answer.
    ///
    /// ## What makes it fail
    /// - The software is not on this machine, and a download site does not answer.
    /// - A part of the software is missing or changed.
    ///
    /// ## How to fix it
    /// Download the bundle with `meshcheck bundle` on a machine with internet, and copy it to this machine.
    ///
    /// ## Check by hand
    ///     meshcheck bundle
    software::available: "the software is on this machine and complete, or can be downloaded",
    needs: Software,
    judge: judge,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let istio = &evidence.cluster.seen.expectations.istio_version;
    match evidence.software.source.look("the software")? {
        Supply::Here(facts) => Ok(Judgement::pass(format!(
            "{} is complete: Istio {}, Kubernetes {}, kind {} (image archives are checked by size only)",
            facts.what, facts.istio, facts.kubernetes, facts.kind
        ))),
        Supply::WithinReach { places } => Ok(Judgement::pass(format!(
            "Istio {istio} is not on this machine; {places} answer: `meshcheck bundle` downloads it"
        ))),
        Supply::OutOfReach { words, hint } => {
            let summary = format!("Istio {istio} is not on this machine and cannot be downloaded");
            Err(Judgement::fail(summary)
                .expected("a bundle, a cached release, or download sites that answer")
                .observed(excerpt(words))
                .object(format!("release of Istio {istio}"))
                .steps(steps::get_bundle("Download the software", hint)))
        }
        Supply::Unusable { words, hint } => {
            Err(Judgement::fail("the software on this machine cannot be used")
                .expected("every part with the checksum in the manifest")
                .observed(excerpt(words))
                .object("the software")
                .steps(steps::get_bundle("Download the software again", hint)))
        }
    }
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;

    use crate::preflight::evidence::*;
    use crate::preflight::software::changes::*;

    cases! { PreflightEvidence:
        complete(|_| {}, Pass);
        downloadable(to_download, Pass);
        out_of_reach(out_of_reach, Fail);
        out_of_reach_with_a_hint(out_of_reach, Fail);
        incomplete(damaged, Fail);
        software_unknown(unseen, Unjudged);
    }
}
