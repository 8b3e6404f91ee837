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
