//! Istio's own reasons for a difference, with the version that brought it and its source.

use semver::Version;

use super::model::Reason;
use crate::evidence::Evidence;
use crate::facts::image::same_image;
use crate::facts::kiali::find_kiali;
use crate::profile;

/// Returns the reason of a change of Istio, where it lies between the versions of both records. An empty id has none.
pub(super) fn reason(id: &str, old: &Evidence, new: &Evidence) -> Option<Reason> {
    let change = profile::changes().iter().find(|change| change.id == id)?;
    let applies = change.since.as_deref().is_none_or(|since| lies_between(since, old, new))
        && (id != "kiali-addon" || has_kiali_of_addon(new));
    applies.then(|| Reason {
        since: change.since.clone(),
        why: change.why.clone(),
        source: change.source.clone(),
        restore: change.restore.clone(),
    })
}

/// Whether a minor version lies between those of both records: after one, not after the other. Two records of one version
/// can differ by a newer Kubernetes, on which some changes depend.
fn lies_between(since: &str, old: &Evidence, new: &Evidence) -> bool {
    let Some(since) = minor(since) else { return false };
    let (Some(old_minor), Some(new_minor)) = (istio_minor(old), istio_minor(new)) else {
        return false;
    };
    let (first, last) = (old_minor.min(new_minor), old_minor.max(new_minor));
    let kubernetes = |evidence: &Evidence| evidence.cluster.server_version.value().cloned();
    since <= last && (first < since || kubernetes(old) != kubernetes(new))
}

/// Whether Kiali's image is the one in the addon's manifest of this Istio.
fn has_kiali_of_addon(evidence: &Evidence) -> bool {
    let images = profile::kiali_images(&evidence.expectations.istio_version);
    let container = find_kiali(evidence).and_then(|it| it.containers.first());
    container.is_some_and(|it| images.iter().any(|image| same_image(image, &it.image)))
}

/// Returns the minor version of Istio that istiod reports, else the expected one.
fn istio_minor(evidence: &Evidence) -> Option<(u64, u64)> {
    let istiods = evidence.install.istiod.value().into_iter().flat_map(|all| all.values());
    let mut reported = istiods.filter_map(|it| it.version.value());
    minor(reported.next().unwrap_or(&evidence.expectations.istio_version))
}

fn minor(version: &str) -> Option<(u64, u64)> {
    let version = version.trim_start_matches('v');
    if let Ok(version) = Version::parse(version) {
        return Some((version.major, version.minor));
    }
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::evidence::Observation;
    use crate::testing::healthy;

    fn mesh(istio: &str, kubernetes: &str) -> Evidence {
        let mut evidence = healthy();
        evidence.expectations.istio_version = istio.to_owned();
        evidence.install.istiod = Observation::failed("not asked for its version");
        evidence.cluster.server_version = Observation::seen(kubernetes.to_owned());
        evidence
    }

    #[rstest]
    #[case::since_the_new_one("1.29", ("1.28.1", "v1.34"), ("1.29.0", "v1.34"), true)]
    #[case::between("1.29", ("1.20.3", "v1.29"), ("1.31.0-alpha", "v1.34"), true)]
    #[case::of_an_older_record("1.29", ("1.31.0", "v1.34"), ("1.20.3", "v1.29"), true)]
    #[case::after_both("1.32", ("1.20.3", "v1.29"), ("1.31.0", "v1.34"), false)]
    #[case::before_both("1.19", ("1.20.3", "v1.29"), ("1.31.0", "v1.29"), false)]
    #[case::since_the_old_one("1.20", ("1.20.3", "v1.29"), ("1.31.0", "v1.29"), false)]
    #[case::one_version_on_two_kubernetes("1.20", ("1.27.0", "v1.29"), ("1.27.0", "v1.34"), true)]
    #[case::one_version("1.20", ("1.27.0", "v1.29"), ("1.27.0", "v1.29"), false)]
    #[case::no_version("1.29", ("unknown", "v1.29"), ("1.31.0", "v1.34"), false)]
    #[case::no_version_of_the_change("soon", ("1.20.3", "v1.29"), ("1.31.0", "v1.34"), false)]
    fn change_applies_where_it_lies_between_the_records(
        #[case] since: &str,
        #[case] old: (&str, &str),
        #[case] new: (&str, &str),
        #[case] applies: bool,
    ) {
        assert_eq!(lies_between(since, &mesh(old.0, old.1), &mesh(new.0, new.1)), applies);
    }

    #[test]
    fn reported_version_counts_before_the_expected_one() {
        let mut evidence = healthy();
        evidence.expectations.istio_version = "1.9.0".to_owned();
        assert_eq!(istio_minor(&evidence), Some((1, 22)));
    }

    #[test]
    fn kiali_of_the_addon_has_the_addons_image() {
        let mut evidence = healthy();
        let version = evidence.expectations.istio_version.clone();
        let image = profile::kiali_images(&version).into_iter().next().unwrap();
        let set = |evidence: &mut Evidence, image: &str| {
            let kiali = crate::testing::installed(evidence, "kiali");
            kiali.containers[0].image = image.to_owned();
        };
        set(&mut evidence, &image);
        assert!(has_kiali_of_addon(&evidence));
        set(&mut evidence, "docker.io/library/nginx:1");
        assert!(!has_kiali_of_addon(&evidence));
    }
}
