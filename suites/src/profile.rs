//! What differs between Istio versions, as data with its source.

use semver::Version;

/// What the suites know of one minor version of Istio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Major and minor: `(1, 20)`.
    pub version: (u64, u64),
    /// The oldest and the newest minor version of Kubernetes 1 that it supports.
    /// Source: <https://istio.io/latest/docs/releases/supported-releases/>.
    pub kubernetes: (u64, u64),
}

/// The profiles, oldest first.
pub const PROFILES: &[Profile] = &[
    Profile { version: (1, 18), kubernetes: (24, 27) },
    Profile { version: (1, 19), kubernetes: (25, 28) },
    Profile { version: (1, 20), kubernetes: (25, 29) },
    Profile { version: (1, 21), kubernetes: (26, 29) },
    Profile { version: (1, 22), kubernetes: (27, 30) },
    Profile { version: (1, 23), kubernetes: (27, 30) },
    Profile { version: (1, 24), kubernetes: (28, 31) },
    Profile { version: (1, 25), kubernetes: (29, 32) },
    Profile { version: (1, 26), kubernetes: (29, 33) },
    Profile { version: (1, 27), kubernetes: (29, 33) },
    Profile { version: (1, 28), kubernetes: (30, 34) },
    Profile { version: (1, 29), kubernetes: (31, 35) },
];

/// The tag of `quay.io/kiali/kiali` in the addon manifest, for the minor and patch version of Istio 1 where it was read.
/// Source: `samples/addons/kiali.yaml` at the tags of <https://github.com/istio/istio>.
const KIALI_TAGS: &[(u64, u64, &str)] = &[
    (18, 0, "v1.67"),
    (19, 0, "v1.72"),
    (20, 0, "v1.76"),
    (21, 0, "v1.79"),
    (22, 0, "v1.82"),
    (22, 3, "v1.86"),
    (23, 0, "v1.87"),
    (24, 0, "v2.0"),
    (25, 0, "v2.5"),
    (26, 0, "v2.8"),
    (27, 0, "v2.12"),
    (28, 0, "v2.17"),
    (29, 0, "v2.21"),
    (30, 0, "v2.26"),
    (31, 0, "v2.27"),
];

/// The images of Kiali in the addon manifest of a release. There are two where it lies between two releases whose tags
/// differ, and none where the version is not known.
pub fn kiali_images(istio_version: &str) -> Vec<String> {
    let Ok(version) = Version::parse(istio_version.trim_start_matches('v')) else {
        return Vec::new();
    };
    let of_minor = |row: &&(u64, u64, &str)| version.major == 1 && row.0 == version.minor;
    let (until, from): (Vec<_>, Vec<_>) =
        KIALI_TAGS.iter().filter(of_minor).partition(|(_, patch, _)| *patch <= version.patch);
    let is_read = until.last().is_some_and(|(_, patch, _)| *patch == version.patch);
    let next = from.first().filter(|_| !is_read);
    let tags = until.last().into_iter().chain(next);
    tags.map(|(_, _, tag)| format!("quay.io/kiali/kiali:{tag}")).collect()
}

/// The profile for a version of Istio; a pre-release has its minor version's. Nothing where the
/// version does not parse or is not known: what depends on it is then unjudged.
pub fn of(istio_version: &str) -> Option<&'static Profile> {
    let version = Version::parse(istio_version.trim_start_matches('v')).ok()?;
    PROFILES.iter().find(|profile| profile.version == (version.major, version.minor))
}

#[cfg(test)]
mod tests {
    use super::{kiali_images, of};
    use rstest::rstest;

    #[rstest]
    #[case("1.20.3", Some((25, 29)))]
    #[case("1.22.0-alpha.55f12a68b4f9", Some((27, 30)))]
    #[case("1.17.0", None)]
    #[case("latest", None)]
    fn a_version_finds_its_support_window(
        #[case] version: &str,
        #[case] window: Option<(u64, u64)>,
    ) {
        assert_eq!(of(version).map(|profile| profile.kubernetes), window);
    }

    #[rstest]
    #[case("1.20.3", &["v1.76"])]
    #[case("v1.24.6", &["v2.0"])]
    #[case("1.31.1", &["v2.27"])]
    #[case::read("1.22.0", &["v1.82"])]
    #[case::between("1.22.2", &["v1.82", "v1.86"])]
    #[case::read_later("1.22.3", &["v1.86"])]
    #[case::afterwards("1.22.8", &["v1.86"])]
    #[case::unknown("1.17.0", &[])]
    #[case::no_version("latest", &[])]
    fn release_has_the_image_of_its_addon(#[case] version: &str, #[case] tags: &[&str]) {
        let images: Vec<_> = tags.iter().map(|tag| format!("quay.io/kiali/kiali:{tag}")).collect();
        assert_eq!(kiali_images(version), images);
    }
}
