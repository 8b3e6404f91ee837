//! The software is on this machine and complete, or can be downloaded.

use crate::entry::check;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::{CachedBundle, PreflightEvidence, Supply};
use crate::steps::{Purpose, Step, machine as steps};

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
        Supply::OutOfReach { words, hint, cached } => {
            let summary = format!("Istio {istio} is not on this machine and cannot be downloaded");
            Err(Judgement::fail(summary)
                .expected("a bundle, a cached release, or download sites that answer")
                .observed(excerpt(words))
                .object(format!("release of Istio {istio}"))
                .steps(get_bundle(hint, cached.as_ref())))
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

/// Returns the steps where no download site answers: a bundle in the cache needs no network.
fn get_bundle(hint: &str, cached: Option<&CachedBundle>) -> Vec<Step> {
    let cached = cached.map(|it| steps::use_bundle(&it.istio, &it.directory));
    let advice = (!hint.is_empty()).then(|| Step::advice(Purpose::Fix, capitalize(hint)));
    let download = steps::get_bundle("Download the software", "");
    cached.into_iter().chain(advice).chain(download).collect()
}

/// Returns a text with a capital letter at its beginning.
fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
        out_of_reach_and_a_bundle_in_the_cache(|e| supply(e, Supply::OutOfReach {
            words: "`https://x` is out of reach: timed out".into(),
            hint: "check the network".into(),
            cached: Some(CachedBundle { istio: "1.20.3".into(), directory: "~/.cache/meshcheck/bundles/1.20.3".into() }),
        }), Fail);
        incomplete(damaged, Fail);
        software_unknown(unseen, Unjudged);
    }
}
