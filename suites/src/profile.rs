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
    /// The image in `samples/addons/kiali.yaml` of its releases, where it was looked up.
    pub kiali_image: Option<&'static str>,
}

/// The profiles, oldest first.
pub const PROFILES: &[Profile] = &[
    Profile {
        version: (1, 20),
        kubernetes: (25, 29),
        kiali_image: Some("quay.io/kiali/kiali:v1.76"),
    },
    Profile { version: (1, 21), kubernetes: (26, 29), kiali_image: None },
    Profile { version: (1, 22), kubernetes: (27, 30), kiali_image: None },
    Profile { version: (1, 23), kubernetes: (27, 30), kiali_image: None },
    Profile { version: (1, 24), kubernetes: (28, 31), kiali_image: None },
];

/// The profile for a version of Istio; a pre-release has its minor version's. Nothing where the
/// version does not parse or is not known: what depends on it is then unjudged.
pub fn of(istio_version: &str) -> Option<&'static Profile> {
    let version = Version::parse(istio_version.trim_start_matches('v')).ok()?;
    PROFILES.iter().find(|profile| profile.version == (version.major, version.minor))
}

#[cfg(test)]
mod tests {
    use super::of;
    use rstest::rstest;

    #[rstest]
    #[case("1.20.3", Some((25, 29)))]
    #[case("1.22.0-alpha.55f12a68b4f9", Some((27, 30)))]
    #[case("1.19.0", None)]
    #[case("latest", None)]
    fn a_version_finds_its_support_window(
        #[case] version: &str,
        #[case] window: Option<(u64, u64)>,
    ) {
        assert_eq!(of(version).map(|profile| profile.kubernetes), window);
    }
}
