//! The Istio of the software supports the Kubernetes of its nodes.

use crate::entry::check;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::Supply;
use crate::profile;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that its Istio supports the Kubernetes of the cluster.
    ///
    /// ## Why it matters
    /// With another Kubernetes, parts of the install may fail.
    ///
    /// ## How it is checked
    /// Compares the version of the node image, or of the one to download, with Istio's table of supported releases.
    ///
    /// ## What makes it fail
    /// The node image is older or newer than the supported versions. An Istio that is newer than meshcheck knows is judged as
    /// the newest known one. The check is unjudged where Kubernetes is newer too, and where Istio is too old to be known.
    ///
    /// ## How to fix it
    /// Download a bundle whose nodes this Istio supports.
    ///
    /// ## Check by hand
    ///     meshcheck bundle
    software::kubernetes_supported: "the Istio of the software supports the Kubernetes of its nodes",
    needs: Software,
    after: available,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let supply = evidence.software.source.look("the software")?;
    let (istio, version, image) = match (supply, &evidence.software.kubernetes) {
        (Supply::Here(facts), _) => (&facts.istio, &facts.kubernetes, facts.node_image.clone()),
        (Supply::WithinReach { .. }, Some(chosen)) => {
            let istio = &evidence.cluster.seen.expectations.istio_version;
            (istio, &chosen.version, format!("kindest/node:{}", chosen.version))
        }
        (Supply::WithinReach { .. }, None) => {
            return Err(Judgement::skipped(
                "the software is not on this machine yet, so its Kubernetes version is unknown",
            ));
        }
        (Supply::OutOfReach { words, .. } | Supply::Unusable { words, .. }, _) => {
            return Err(Judgement::unjudged(format!(
                "cannot read the software: {}",
                excerpt(words)
            )));
        }
    };
    let Some(nearest) = profile::nearest(istio) else {
        return Err(Judgement::unjudged(format!(
            "the Kubernetes versions that Istio {istio} supports are not known to meshcheck"
        )));
    };
    let Some(minor) = profile::minor_of_kubernetes(version) else {
        return Err(Judgement::unjudged(format!(
            "the bundle names no Kubernetes version: `{version}`"
        )));
    };
    let (oldest, newest) = nearest.profile.kubernetes;
    let window = format!("Kubernetes 1.{oldest} to 1.{newest}");
    let known = if nearest.is_exact { istio.clone() } else { nearest.profile.name() };
    match nearest.supports(minor) {
        Some(true) => {
            return Ok(Judgement::pass(format!(
                "the nodes have Kubernetes {version}; Istio {known} supports {window}"
            )));
        }
        None => {
            return Err(Judgement::unjudged(format!(
                "meshcheck does not know whether Istio {istio} supports Kubernetes {version}: Istio {known} supports {window}"
            )));
        }
        Some(false) => {}
    }
    let (of_bundle, fix) = if matches!(supply, Supply::Here(_)) {
        let text = "Download a bundle whose nodes this Istio supports";
        (" of its bundle", steps::get_bundle(text, ""))
    } else {
        ("", vec![steps::list_versions()])
    };
    let summary = format!("Istio {istio} does not support Kubernetes {version}{of_bundle}");
    Err(Judgement::fail(summary)
        .expected(window)
        .observed(format!("Kubernetes {version}"))
        .object(format!("node image {image}"))
        .steps(fix))
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
        unknown_istio(|e| facts(e).istio = "1.17.8".into(), Unjudged);
        newer_istio(|e| { facts(e).istio = "1.99.0".into(); facts(e).kubernetes = "v1.34.4".into(); }, Pass);
        newer_istio_on_a_newer_cluster(|e| { facts(e).istio = "1.99.0".into(); facts(e).kubernetes = "v1.99.0".into(); }, Unjudged);
        not_downloaded(to_download, Pass);
        not_downloaded_and_too_new(|e| {
            to_download(e);
            e.software.kubernetes = Some(ChosenKubernetes {
                version: "v1.37.0".into(),
                newest_for_cgroup_v1: None,
            });
        }, Fail);
        not_downloaded_and_not_recorded(|e| {
            to_download(e);
            e.software.kubernetes = None;
        }, Skipped);
        out_of_reach(out_of_reach, Unjudged);
        incomplete(damaged, Unjudged);
        software_unknown(unseen, Unjudged);
    }
}
