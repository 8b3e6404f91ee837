//! The version of Kubernetes is one that this Istio supports.

use crate::entry::claim;
use crate::evidence::Evidence;
use crate::format::list;
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::profile;
use crate::steps::cluster::show_version;
use crate::steps::{Purpose, Step};

claim! {
    /// The tutorial implies that the cluster runs a version of Kubernetes that this Istio supports.
    ///
    /// ## Why it matters
    /// An Istio on an unsupported version of Kubernetes often installs, and then fails in parts.
    ///
    /// ## How it is checked
    /// Reads the API server's version, which every account may. Compares it with the versions that Istio's page of
    /// supported releases lists for this minor version.
    ///
    /// ## What makes it fail
    /// The API server is older or newer than the supported versions. An Istio that is newer than meshcheck knows is judged
    /// as the newest known one. The claim is unjudged where Kubernetes is newer too, and where Istio is too old to be known.
    ///
    /// ## How to fix it
    /// Create a cluster with a supported version, or use an Istio that supports this one. The report names both.
    ///
    /// ## Check by hand
    ///     kubectl version
    prepare::kubernetes_version_supported: "the version of Kubernetes is one that this Istio supports",
    beyond: true,
    needs: Reading,
}

fn judge(evidence: &Evidence) -> Judged {
    let object = "the API server";
    let istio = &evidence.expectations.istio_version;
    let show = || show_version(evidence, "Show the versions of kubectl and of the API server");
    let version =
        require(&evidence.cluster.server_version, "the API server's version", object, show)
            .map_err(|judgement| match judgement.verdict {
                Verdict::Fail => Judgement {
                    summary: "the API server reports no version".into(),
                    ..judgement.expected(format!("a version that Istio {istio} supports"))
                },
                _ => judgement,
            })?;
    let Some((major, minor)) = profile::parse_kubernetes(version) else {
        return Err(Judgement::unjudged(format!(
            "cannot parse the API server's version `{version}`"
        )));
    };
    let Some(nearest) = profile::nearest(istio) else {
        return Err(Judgement::unjudged(format!(
            "meshcheck does not know which Kubernetes versions Istio {istio} supports"
        )));
    };
    let window = nearest.profile.format_kubernetes();
    let known = if nearest.is_exact { istio.clone() } else { nearest.profile.name() };
    match nearest.supports(minor).filter(|_| major == 1) {
        Some(true) => {
            return Ok(Judgement::pass(format!(
                "Istio {known} supports Kubernetes {window}, the API server has {version}"
            )));
        }
        None if major == 1 => {
            return Err(Judgement::unjudged(format!(
                "meshcheck does not know whether Istio {istio} supports Kubernetes {version}: Istio {known} supports \
                 {window}"
            )));
        }
        Some(false) | None => {}
    }
    let oldest = nearest.profile.kubernetes.0;
    let others: Vec<_> = profile::all()
        .iter()
        .filter(|other| major == 1 && (other.kubernetes.0..=other.kubernetes.1).contains(&minor))
        .map(|other| format!("{}.{}", other.version.0, other.version.1))
        .collect();
    let create = format!("Create a cluster with Kubernetes {window}");
    let fix = if others.is_empty() {
        create
    } else {
        format!("{create}, or use an Istio that supports this cluster: Istio {}", list(&others))
    };
    let age = if (major, minor) < (1, oldest) { "old" } else { "new" };
    Err(Judgement::fail(format!("Kubernetes {version} is too {age} for Istio {istio}"))
        .expected(window)
        .observed(version)
        .object(object)
        .steps([Step::advice(Purpose::Fix, fix), show()]))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};

    fn server(evidence: &mut Evidence, version: &str) {
        evidence.cluster.server_version = Observation::seen(version.into());
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        too_old(|e| server(e, "v1.9.0"), Fail);
        too_new(|e| server(e, "v1.99.0"), Fail);
        version_without_number(|e| server(e, "stable"), Unjudged);
        unknown_istio(|e| e.expectations.istio_version = "1.17.8".into(), Unjudged);
        newer_istio(|e| { e.expectations.istio_version = "1.99.0".into(); server(e, "v1.34.4"); }, Pass);
        newer_istio_on_an_old_cluster(|e| e.expectations.istio_version = "1.99.0".into(), Fail);
        newer_istio_on_a_newer_cluster(|e| { e.expectations.istio_version = "1.99.0".into(); server(e, "v1.99.0"); }, Unjudged);
        version_unread(|e| e.cluster.server_version = Observation::failed("forbidden"), Unjudged);
        version_missing(|e| e.cluster.server_version = Observation::absent("no version"), Fail);
    }
}

#[cfg(test)]
mod tests {
    use super::CLAIM;
    use crate::evidence::Observation;
    use crate::judgement::Verdict;
    use crate::profile;
    use crate::testing::healthy;
    use rstest::rstest;

    #[rstest]
    #[case("v1.{oldest}.0", Verdict::Pass)]
    #[case("v1.{newest}.15", Verdict::Pass)]
    #[case("v1.{newest}.15+k3s1", Verdict::Pass)]
    #[case("1.{newest}+", Verdict::Pass)]
    #[case("v1.{oldest}.4-gke.100", Verdict::Pass)]
    #[case("v1.{older}.9", Verdict::Fail)]
    #[case("v1.{newer}.0", Verdict::Fail)]
    #[case("v1.9.0", Verdict::Fail)]
    #[case("v2.{newest}.0", Verdict::Fail)]
    #[case("v1", Verdict::Unjudged)]
    #[case("v1.x", Verdict::Unjudged)]
    #[case("", Verdict::Unjudged)]
    fn version_outside_of_the_supported_ones_fails(
        #[case] version: &str,
        #[case] verdict: Verdict,
    ) {
        let mut evidence = healthy();
        let (oldest, newest) =
            profile::of(&evidence.expectations.istio_version).unwrap().kubernetes;
        let version = version
            .replace("{oldest}", &oldest.to_string())
            .replace("{newest}", &newest.to_string())
            .replace("{older}", &(oldest - 1).to_string())
            .replace("{newer}", &(newest + 1).to_string());
        evidence.cluster.server_version = Observation::seen(version.clone());
        let judgement = CLAIM.judge(&evidence);
        assert_eq!(judgement.verdict, verdict, "{judgement:?}");
        if verdict == Verdict::Fail {
            assert_eq!(judgement.observed, Some(version));
            assert!(judgement.hint().unwrap().contains("kubectl"));
        }
    }

    #[test]
    fn failure_names_too_old_or_too_new_and_the_istio_that_fits() {
        let mut evidence = healthy();
        evidence.expectations.istio_version = "1.20.3".into();
        evidence.cluster.server_version = Observation::seen("v1.24.2".into());
        assert_eq!(
            CLAIM.judge(&evidence).summary,
            "Kubernetes v1.24.2 is too old for Istio 1.20.3"
        );
        evidence.cluster.server_version = Observation::seen("v1.30.1".into());
        let new = CLAIM.judge(&evidence);
        assert_eq!(new.summary, "Kubernetes v1.30.1 is too new for Istio 1.20.3");
        assert!(new.hint().unwrap().contains("Istio 1.22, 1.23, 1.24, 1.25, 1.26, 1.27 and 1.28"));
    }
}
