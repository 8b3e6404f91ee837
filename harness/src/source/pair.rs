//! The choice of versions: an Istio, a Kubernetes that it supports, and the kind that creates its nodes.

use meshcheck_suites::preflight::needs_cgroup_v2;
use meshcheck_suites::profile::{self, Profile};
use semver::Version;

use super::SourceError;
use super::catalogue::{CATALOGUE, Kind, Node, node_image, nodes, parse_kubernetes};

/// An Istio with the Kubernetes below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The version of Istio.
    pub istio: String,
    /// The registry and repository of its images.
    pub registry: String,
    /// The version of Kubernetes of the nodes.
    kubernetes: Version,
    /// The digest of the node image. None where no public pin is known.
    pub digest: Option<String>,
    /// The kind that creates the nodes.
    pub kind: &'static Kind,
    /// What a reader of a report must know of this choice.
    pub notes: Vec<String>,
}

/// A wanted version of Kubernetes 1: its minor version, and the patch version where the call has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequestedKubernetes {
    minor: u64,
    patch: Option<u64>,
}

impl Pair {
    /// Chooses by the versions that the call names. Versions that are newer than the catalogue are tried with the newest
    /// that it has, and noted.
    ///
    /// # Errors
    /// When a version is older than all that are known, or Istio does not support the Kubernetes.
    pub fn choose(istio: Option<&str>, kubernetes: Option<&str>) -> Result<Self, SourceError> {
        let istio = istio.unwrap_or(&CATALOGUE.default.istio);
        let unknown =
            || SourceError::UnknownIstio { version: istio.to_owned(), known: known_istio() };
        let version = Version::parse(istio).map_err(|_| unknown())?;
        let nearest = profile::nearest(istio).filter(|_| version.major == 1).ok_or_else(unknown)?;
        let is_newest = profile::all().last() == Some(nearest.profile);
        let mut notes = Vec::new();
        if !nearest.is_exact {
            let known = nearest.profile.name();
            notes.push(format!(
                "Istio {istio} is newer than the newest that meshcheck knows, {known}: it is tried with what {known} needs"
            ));
        }
        let (chosen, remark) = match kubernetes {
            None => (default_node_of(nearest.profile).into(), None),
            Some(text) => find_node(istio, nearest.profile, is_newest, text)?,
        };
        notes.extend(remark);
        let Chosen { kubernetes, digest, kind } = chosen;
        Ok(Self {
            istio: istio.to_owned(),
            registry: nearest.profile.registry.clone(),
            kubernetes,
            digest,
            kind,
            notes,
        })
    }

    /// Returns the version of Kubernetes as its node image has it: `v1.29.2`.
    pub fn kubernetes(&self) -> String {
        format!("v{}", self.kubernetes)
    }

    /// Returns the reference of the node image, with its tag.
    pub fn node_image(&self) -> String {
        node_image(&self.kubernetes)
    }
}

/// The Kubernetes of a pair, and what creates its nodes.
struct Chosen {
    kubernetes: Version,
    digest: Option<String>,
    kind: &'static Kind,
}

impl From<&Node> for Chosen {
    fn from(node: &Node) -> Self {
        let digest = Some(node.digest.to_owned());
        Self { kubernetes: node.kubernetes.clone(), digest, kind: node.kind }
    }
}

/// Returns the node image for an Istio where the call names no Kubernetes: the tutorial's, else the newest.
///
/// # Panics
///
/// Panics where no node image fits. A test looks one up for every profile.
pub fn default_node_of(profile: &Profile) -> &'static Node {
    let tutorial = tutorial_node();
    if supports(profile, tutorial.kubernetes.minor) {
        return tutorial;
    }
    let supported = nodes().iter().rfind(|node| supports(profile, node.kubernetes.minor));
    #[expect(clippy::expect_used, reason = "a test looks one up for every profile")]
    supported.expect("a node image for every Istio")
}

/// Finds the node image of a version of Kubernetes that the call names, and what is to be noted of it.
fn find_node(
    istio: &str,
    profile: &Profile,
    is_newest: bool,
    text: &str,
) -> Result<(Chosen, Option<String>), SourceError> {
    let unknown =
        |known: String| SourceError::UnknownKubernetes { version: text.to_owned(), known };
    let wanted = RequestedKubernetes::parse(text).ok_or_else(|| unknown(known_kubernetes()))?;
    let (oldest, newest) = profile.kubernetes;
    // What the newest Istio supports may have grown since this program was made.
    let is_ahead = is_newest && wanted.minor > newest;
    if !supports(profile, wanted.minor) && !is_ahead {
        return Err(SourceError::Unsupported {
            istio: istio.to_owned(),
            kubernetes: text.trim_start_matches('v').to_owned(),
            window: format!("1.{oldest} to 1.{newest}"),
            example: default_node_of(profile).kubernetes.to_string(),
        });
    }
    let ahead = is_ahead.then(|| {
        format!("Istio {istio} is tried with Kubernetes {text}: it is known to support 1.{oldest} to 1.{newest}")
    });
    let of_minor: Vec<_> =
        nodes().iter().filter(|node| node.kubernetes.minor == wanted.minor).collect();
    let found = match wanted.patch {
        Some(patch) => of_minor.iter().find(|node| node.kubernetes.patch == patch),
        None => of_minor.iter().find(|node| **node == tutorial_node()).or(of_minor.last()),
    };
    if let Some(node) = found {
        return Ok(((*node).into(), ahead));
    }
    let newest_known = of_minor.last().map(|node| node.kubernetes.patch);
    let patch = wanted.patch.filter(|patch| newest_known.is_none_or(|known| *patch > known));
    let (Some(patch), Some(kind)) = (patch, CATALOGUE.kind.last()) else {
        let known: Vec<_> = of_minor.iter().map(|node| format!("v{}", node.kubernetes)).collect();
        return Err(unknown(if known.is_empty() { known_kubernetes() } else { known.join(", ") }));
    };
    let kubernetes = Version::new(1, wanted.minor, patch);
    Ok((Chosen { kubernetes, digest: None, kind }, ahead))
}

/// Returns the node image of the tutorial's release.
///
/// # Panics
///
/// Panics where the catalogue lacks its own default. A test looks it up.
pub fn tutorial_node() -> &'static Node {
    let version = parse_kubernetes(&CATALOGUE.default.kubernetes);
    let found = nodes().iter().find(|node| Some(&node.kubernetes) == version.as_ref());
    #[expect(clippy::expect_used, reason = "a test looks it up")]
    found.expect("the node image of the default")
}

/// Whether an Istio supports a minor version of Kubernetes 1.
pub fn supports(profile: &Profile, minor: u64) -> bool {
    let (oldest, newest) = profile.kubernetes;
    (oldest..=newest).contains(&minor)
}

/// Returns the newest Kubernetes that an Istio supports and that runs on a machine with cgroup v1: `1.34.11`.
pub fn runs_with_cgroup_v1(istio: &str) -> Option<String> {
    let profile = profile::nearest(istio)?.profile;
    let fits = |node: &&Node| {
        supports(profile, node.kubernetes.minor) && !needs_cgroup_v2(&node.kubernetes.to_string())
    };
    nodes().iter().rfind(fits).map(|node| node.kubernetes.to_string())
}

impl RequestedKubernetes {
    /// Parses `1.34`, `1.34.0`, and both with a `v`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.');
        if numbers.next()? != "1" {
            return None;
        }
        let minor = numbers.next()?.parse().ok()?;
        let patch = numbers.next().map(str::parse).transpose().ok()?;
        numbers.next().is_none().then_some(Self { minor, patch })
    }
}

/// Names the versions of Istio that are known: `1.18 to 1.31`.
fn known_istio() -> String {
    let name = |profile: Option<&Profile>| profile.map(Profile::name).unwrap_or_default();
    format!("{} to {}", name(profile::all().first()), name(profile::all().last()))
}

/// Names the versions of Kubernetes that are known: `v1.24.17 to v1.37.0`.
fn known_kubernetes() -> String {
    let name =
        |node: Option<&Node>| node.map(|node| format!("v{}", node.kubernetes)).unwrap_or_default();
    format!("{} to {}", name(nodes().first()), name(nodes().last()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn shown(istio: Option<&str>, kubernetes: Option<&str>) -> String {
        let pair = Pair::choose(istio, kubernetes).unwrap();
        let pin = if pair.digest.is_some() { "pinned" } else { "by tag" };
        let notes = pair.notes.len();
        format!("{} {} {} {pin}, {notes} notes", pair.istio, pair.kubernetes(), pair.kind.version)
    }

    #[rstest]
    #[case(None, None, "1.20.3 v1.29.2 v0.22.0 pinned, 0 notes")]
    #[case::old(Some("1.18.7"), None, "1.18.7 v1.27.16 v0.25.0 pinned, 0 notes")]
    #[case::supports_the_tutorials(Some("1.27.0"), None, "1.27.0 v1.29.2 v0.22.0 pinned, 0 notes")]
    #[case::new(Some("1.31.1"), None, "1.31.1 v1.36.4 v0.33.0 pinned, 0 notes")]
    #[case::prerelease(
        Some("1.31.0-beta.0"),
        None,
        "1.31.0-beta.0 v1.36.4 v0.33.0 pinned, 0 notes"
    )]
    #[case::newer_istio(Some("1.33.0"), None, "1.33.0 v1.36.4 v0.33.0 pinned, 1 notes")]
    #[case::minor(Some("1.31.1"), Some("1.34"), "1.31.1 v1.34.11 v0.33.0 pinned, 0 notes")]
    #[case::tutorials_minor(None, Some("1.29"), "1.20.3 v1.29.2 v0.22.0 pinned, 0 notes")]
    #[case::patch(None, Some("v1.29.14"), "1.20.3 v1.29.14 v0.27.0 pinned, 0 notes")]
    #[case::built_twice(Some("1.31.1"), Some("1.32.0"), "1.31.1 v1.32.0 v0.26.0 pinned, 0 notes")]
    #[case::newer_patch(Some("1.31.1"), Some("1.36.9"), "1.31.1 v1.36.9 v0.33.0 by tag, 0 notes")]
    #[case::ahead(Some("1.31.1"), Some("1.37"), "1.31.1 v1.37.0 v0.33.0 pinned, 1 notes")]
    #[case::newer_kubernetes(
        Some("1.31.1"),
        Some("1.38.0"),
        "1.31.1 v1.38.0 v0.33.0 by tag, 1 notes"
    )]
    #[case::both_newer(Some("1.32.0"), Some("v1.38.1"), "1.32.0 v1.38.1 v0.33.0 by tag, 2 notes")]
    fn versions_choose_a_pair(
        #[case] istio: Option<&str>,
        #[case] kubernetes: Option<&str>,
        #[case] pair: &str,
    ) {
        assert_eq!(shown(istio, kubernetes), pair);
    }

    #[rstest]
    #[case::old("1.17.8", None, "known are 1.18 to 1.31")]
    #[case::another_major("2.20.0", None, "known are 1.18 to 1.31")]
    #[case::word("newest", None, "known are 1.18 to 1.31")]
    #[case::two_numbers("1.20", None, "known are 1.18 to 1.31")]
    #[case::path("../1.20.3", None, "known are 1.18 to 1.31")]
    #[case::too_new(
        "1.20.3",
        Some("1.34"),
        "Istio 1.20.3 does not support Kubernetes 1.34: it supports 1.25 to 1.29"
    )]
    #[case::too_old("1.31.1", Some("1.29"), "it supports 1.32 to 1.36")]
    #[case::no_image("1.31.1", Some("1.33.2"), "known are v1.33.1, v1.33.4, v1.33.7, v1.33.12")]
    #[case::newer_without_patch("1.31.1", Some("1.38"), "known are v1.24.17 to v1.37.0")]
    #[case::no_number("1.31.1", Some("1.x"), "known are v1.24.17 to v1.37.0")]
    fn wrong_version_is_refused_with_what_is_known(
        #[case] istio: &str,
        #[case] kubernetes: Option<&str>,
        #[case] says: &str,
    ) {
        let error = Pair::choose(Some(istio), kubernetes).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.is_usage());
    }

    #[rstest]
    #[case("1.31.1", Some("1.34.11"))]
    #[case("1.20.3", Some("1.29.14"))]
    #[case("1.17.0", None)]
    fn newest_kubernetes_for_cgroup_v1_is_one_that_istio_supports(
        #[case] istio: &str,
        #[case] kubernetes: Option<&str>,
    ) {
        assert_eq!(runs_with_cgroup_v1(istio).as_deref(), kubernetes);
    }

    #[test]
    fn every_istio_has_a_node_image_for_each_kubernetes_that_it_supports() {
        for profile in profile::all() {
            let (oldest, newest) = profile.kubernetes;
            for minor in oldest..=newest {
                let has_node = nodes().iter().any(|node| node.kubernetes.minor == minor);
                assert!(has_node, "{:?} on 1.{minor}", profile.version);
            }
            default_node_of(profile);
        }
    }
}
