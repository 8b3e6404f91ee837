//! The server's version against what this Istio supports.

use crate::evidence::Evidence;
use crate::format::list;
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::profile::{self, PROFILES};

pub(in super::super) fn kubernetes_version_supported(evidence: &Evidence) -> Judged {
    let object = "the API server";
    let istio = &evidence.expectations.istio_version;
    let command = evidence.kubectl(&["version"]);
    let version =
        require(&evidence.cluster.server_version, "the server's version", object, || {
            format!("`{command}` shows it")
        })?;
    let Some((major, minor)) = major_and_minor(version) else {
        return Err(Judgement::unjudged(format!(
            "the server's version `{version}` cannot be read"
        )));
    };
    let Some(profile) = profile::of(istio) else {
        return Err(Judgement::unjudged(format!(
            "which versions of Kubernetes Istio {istio} supports is not known here"
        )));
    };
    let (oldest, newest) = profile.kubernetes;
    let window = format!("Kubernetes 1.{oldest} to 1.{newest}");
    if major == 1 && (oldest..=newest).contains(&minor) {
        return Ok(Judgement::pass(format!(
            "the server is {version}; Istio {istio} supports {window}"
        )));
    }
    let others: Vec<_> = PROFILES
        .iter()
        .filter(|other| major == 1 && (other.kubernetes.0..=other.kubernetes.1).contains(&minor))
        .map(|other| format!("{}.{}", other.version.0, other.version.1))
        .collect();
    let way_out = if others.is_empty() {
        format!("make a cluster of {window}")
    } else {
        format!(
            "make a cluster of {window}, or take Istio {}, which supports this one",
            list(&others)
        )
    };
    let age = if (major, minor) < (1, oldest) { "old" } else { "new" };
    Err(Judgement::fail(format!("Kubernetes {version} is too {age} for Istio {istio}"))
        .expected(window)
        .observed(version)
        .object(object)
        .legacy_hint(format!("`{command}` shows the version; {way_out}")))
}

/// `v1.29.15+k3s1`, `1.29+`, `v1.29.1-gke.100`
fn major_and_minor(version: &str) -> Option<(u64, u64)> {
    let (major, rest) = version.trim().trim_start_matches('v').split_once('.')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest.get(..digits)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use crate::evidence::Observation;
    use crate::judgement::Verdict;
    use crate::profile;
    use crate::testing::{healthy, judgement};
    use rstest::rstest;

    const ID: &str = "prepare::kubernetes_version_supported";

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
    fn the_server_must_be_in_the_window(#[case] version: &str, #[case] verdict: Verdict) {
        let mut evidence = healthy();
        let (oldest, newest) =
            profile::of(&evidence.expectations.istio_version).unwrap().kubernetes;
        let version = version
            .replace("{oldest}", &oldest.to_string())
            .replace("{newest}", &newest.to_string())
            .replace("{older}", &(oldest - 1).to_string())
            .replace("{newer}", &(newest + 1).to_string());
        evidence.cluster.server_version = Observation::seen(version.clone());
        let judgement = judgement(&evidence, ID);
        assert_eq!(judgement.verdict, verdict, "{judgement:?}");
        if verdict == Verdict::Fail {
            assert_eq!(judgement.observed, Some(version));
            assert!(judgement.hint().unwrap().contains("kubectl"));
        }
    }

    #[test]
    fn the_words_say_too_old_or_too_new_and_which_istio_would_do() {
        let mut evidence = healthy();
        evidence.expectations.istio_version = "1.20.3".into();
        evidence.cluster.server_version = Observation::seen("v1.24.2".into());
        assert_eq!(
            judgement(&evidence, ID).summary,
            "Kubernetes v1.24.2 is too old for Istio 1.20.3"
        );
        evidence.cluster.server_version = Observation::seen("v1.30.1".into());
        let new = judgement(&evidence, ID);
        assert_eq!(new.summary, "Kubernetes v1.30.1 is too new for Istio 1.20.3");
        assert!(new.hint().unwrap().contains("Istio 1.22, 1.23 and 1.24"));
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let mut evidence = healthy();
        evidence.expectations.istio_version = "1.99.0".into();
        assert_eq!(judgement(&evidence, ID).verdict, Verdict::Unjudged);
        let mut evidence = healthy();
        evidence.cluster.server_version = Observation::failed("403");
        assert_eq!(judgement(&evidence, ID).verdict, Verdict::Unjudged);
    }
}
