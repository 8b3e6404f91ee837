//! The Istio of the software supports the Kubernetes of its nodes.

use crate::entry::check;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::Supply;
use crate::preflight::software::available;
use crate::profile;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that its Istio supports the Kubernetes of the cluster.
    ///
    /// ## Why it matters
    /// Outside of the window an install may fail in parts.
    ///
    /// ## How it is checked
    /// Compares the version of the node image with the window that Istio's page of supported releases names.
    ///
    /// ## What makes it fail
    /// The node image is older or newer than the window.
    ///
    /// ## How to fix it
    /// Get a bundle whose nodes this Istio supports.
    ///
    /// ## Check by hand
    ///     meshcheck bundle
    software::kubernetes_supported: "the Istio of the software supports the Kubernetes of its nodes",
    needs: Software,
    after: available,
    judge: judge,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let facts = match evidence.software.source.look("the software")? {
        Supply::Here(facts) => facts,
        Supply::WithinReach { .. } => {
            return Err(Judgement::skipped(
                "the software is not here yet, and names its Kubernetes when it is",
            ));
        }
        Supply::OutOfReach { words, .. } | Supply::Unusable { words, .. } => {
            return Err(Judgement::unjudged(format!(
                "could not look into the software: {}",
                excerpt(words)
            )));
        }
    };
    let Some(profile) = profile::of(&facts.istio) else {
        return Err(Judgement::unjudged(format!(
            "which versions of Kubernetes Istio {} supports is not known here",
            facts.istio
        )));
    };
    let Some(minor) = parse_minor(&facts.kubernetes) else {
        return Err(Judgement::unjudged(format!("`{}` is no version", facts.kubernetes)));
    };
    let (oldest, newest) = profile.kubernetes;
    let window = format!("Kubernetes 1.{oldest} to 1.{newest}");
    if (oldest..=newest).contains(&minor) {
        return Ok(Judgement::pass(format!(
            "its nodes are {}; Istio {} supports {window}",
            facts.kubernetes, facts.istio
        )));
    }
    Err(Judgement::fail(format!("Istio {} does not support the nodes of its bundle", facts.istio))
        .expected(window)
        .observed(&facts.kubernetes)
        .object(format!("the node image {}", facts.node_image))
        .steps(steps::get_bundle("gets nodes that this Istio supports", "")))
}

/// The 29 of `v1.29.15`.
fn parse_minor(version: &str) -> Option<u64> {
    let rest = version.trim().trim_start_matches('v').strip_prefix("1.")?;
    rest.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;

    use crate::preflight::evidence::*;
    use crate::preflight::software::changes::*;

    cases! { PreflightEvidence:
        supported(|_| {}, Pass);
        too_new(|e| facts(e).kubernetes = "v1.99.1".into(), Fail);
        too_old(|e| facts(e).kubernetes = "v1.2.1".into(), Fail);
        no_version(|e| facts(e).kubernetes = "stable".into(), Unjudged);
        unknown_istio(|e| facts(e).istio = "1.99.0".into(), Unjudged);
        to_come(to_download, Skipped);
        nowhere(out_of_reach, Unjudged);
        not_whole(damaged, Unjudged);
        not_seen(unseen, Unjudged);
    }
}
