//! What differs between Istio versions, as data with its source: `profile/profiles.toml`.

use std::sync::LazyLock;

use semver::Version;
use serde::{Deserialize, Deserializer};

/// What the suites know of one minor version of Istio.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// Major and minor: `(1, 20)`.
    #[serde(deserialize_with = "parse_minor")]
    pub version: (u64, u64),
    /// The oldest and the newest minor version of Kubernetes 1 that it supports.
    #[serde(deserialize_with = "parse_window")]
    pub kubernetes: (u64, u64),
    /// The registry and repository of its images by default: `docker.io/istio`.
    pub registry: String,
    /// The tags of `quay.io/kiali/kiali` in the addon manifests of its releases, oldest first.
    pub kiali: Vec<KialiTag>,
    /// The last release whose addon manifest was read, where a later one may come.
    pub kiali_read_until: Option<Version>,
    /// The oldest minor version of Kubernetes 1 whose kubelet gets native sidecars by default. None where the default is
    /// a sidecar among the containers.
    #[serde(default, deserialize_with = "parse_kubelet")]
    pub native_sidecars_from_kubelet: Option<u64>,
    /// The custom resource definitions that it has besides those that all versions have.
    #[serde(default)]
    pub further_crds: Vec<String>,
    /// How istio-init logs the rules that it has set.
    pub init_log: InitLog,
    /// The rule with which istio-init sends outbound traffic to its chain.
    pub output_jump: String,
}

/// The tag of Kiali's image in the addon manifest, and the first release of Istio that has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KialiTag {
    /// The release of Istio: `1.22.2`.
    pub since: Version,
    /// The tag: `v1.86`.
    pub tag: String,
}

/// How istio-init logs the rules that it has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitLog {
    /// As the output of the command `iptables-save`.
    IptablesSave,
    /// Under the line `Final iptables state (IPv4):`.
    FinalState,
}

/// What a reader of the tutorial may notice in another version of Istio, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// A stable id: `native-sidecars`.
    pub id: String,
    /// The first minor version that has it: `1.27`. None where it is an option of every version, or differs with each.
    pub since: Option<String>,
    /// What is so now.
    pub what: String,
    /// The reason, with the issue or the pull request.
    pub why: String,
    /// The address of the release note, the file or the page that says so.
    pub source: String,
    /// The option or the annotation that restores the old state, where there is one.
    pub restore: Option<String>,
}

/// The profile that judges a version of Istio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The version's own profile, or the newest one.
    pub profile: &'static Profile,
    /// Whether it is the version's own. If not, the version is newer than all profiles.
    pub is_exact: bool,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    profile: Vec<Profile>,
    change: Vec<Change>,
}

static DATA: LazyLock<Data> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is part of the program: a test reads it")]
    toml::from_str(include_str!("profile/profiles.toml")).expect("profiles.toml fits the types")
});

/// Returns the profiles, oldest first.
pub fn all() -> &'static [Profile] {
    &DATA.profile
}

/// Returns the profile of a version of Istio; a pre-release has its minor version's. None where the version does not parse
/// or has no profile.
pub fn of(istio_version: &str) -> Option<&'static Profile> {
    let version = parse(istio_version)?;
    all().iter().find(|profile| profile.version == (version.major, version.minor))
}

/// Returns the profile that judges a version of Istio: its own, or the newest where the version is newer than all. None
/// where the version does not parse, or is older than all.
pub fn nearest(istio_version: &str) -> Option<Nearest> {
    if let Some(profile) = of(istio_version) {
        return Some(Nearest { profile, is_exact: true });
    }
    let version = parse(istio_version)?;
    let newest = all().last()?;
    ((version.major, version.minor) > newest.version)
        .then_some(Nearest { profile: newest, is_exact: false })
}

impl Nearest {
    /// Returns whether it supports a minor version of Kubernetes 1. None where that is not known: a version of Istio that is
    /// newer than all profiles may support a newer Kubernetes than they do.
    pub fn supports(&self, kubernetes: u64) -> Option<bool> {
        let (oldest, newest) = self.profile.kubernetes;
        match kubernetes {
            minor if minor < oldest => Some(false),
            minor if minor <= newest => Some(true),
            _ => self.is_exact.then_some(false),
        }
    }
}

impl Profile {
    /// Formats the minor version: `1.27`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// Formats the supported versions of Kubernetes: `v1.25 to v1.29`.
    pub fn format_kubernetes(&self) -> String {
        format!("v1.{} to v1.{}", self.kubernetes.0, self.kubernetes.1)
    }
}

/// Returns the changes between versions.
pub fn changes() -> &'static [Change] {
    &DATA.change
}

/// Returns a change by its id.
///
/// # Panics
///
/// Panics where the file has no such change. A test looks every id up that the code names.
pub fn change(id: &str) -> &'static Change {
    let found = changes().iter().find(|change| change.id == id);
    #[expect(
        clippy::expect_used,
        reason = "the ids are constants of the code, and a test looks them up"
    )]
    found.expect("a change of profiles.toml")
}

/// The image of Kiali in the addon manifest of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KialiAddon {
    /// This one.
    Is(String),
    /// This one, or one with a newer tag: the manifest of this release was not read.
    IsOrNewer {
        /// The image in the last manifest that was read.
        image: String,
        /// The release of that manifest: `1.30.3`.
        read: String,
    },
}

/// Returns the image of Kiali in the addon manifest of a release. None where the version does not parse, or is older than
/// all profiles.
pub fn kiali_addon(istio_version: &str) -> Option<KialiAddon> {
    let Nearest { profile, .. } = nearest(istio_version)?;
    let version = parse(istio_version)?;
    let patch = Version::new(version.major, version.minor, version.patch);
    let tag = profile.kiali.iter().rfind(|it| it.since <= patch)?;
    let image = format!("{KIALI_REPOSITORY}:{}", tag.tag);
    let unread = profile.kiali_read_until.as_ref().filter(|read| **read < patch);
    Some(match unread {
        Some(read) => KialiAddon::IsOrNewer { image, read: read.to_string() },
        None => KialiAddon::Is(image),
    })
}

/// Returns the image of Kiali in the addon manifest of a release, as far as manifests were read. Empty where the version is
/// not known.
pub fn kiali_images(istio_version: &str) -> Vec<String> {
    let known = of(istio_version).and_then(|_| kiali_addon(istio_version));
    let image = known.map(|it| match it {
        KialiAddon::Is(image) | KialiAddon::IsOrNewer { image, .. } => image,
    });
    image.into_iter().collect()
}

/// The repository of Kiali's image in all addon manifests.
const KIALI_REPOSITORY: &str = "quay.io/kiali/kiali";

fn parse(istio_version: &str) -> Option<Version> {
    Version::parse(istio_version.trim_start_matches('v')).ok()
}

/// Reads a minor version: `1.27`.
fn parse_minor<'de, D: Deserializer<'de>>(from: D) -> Result<(u64, u64), D::Error> {
    let text = String::deserialize(from)?;
    minor(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no minor version")))
}

/// Reads the minor versions of two versions of Kubernetes 1: `["1.25", "1.29"]`.
fn parse_window<'de, D: Deserializer<'de>>(from: D) -> Result<(u64, u64), D::Error> {
    let [oldest, newest] = <[String; 2]>::deserialize(from)?;
    match (minor(&oldest), minor(&newest)) {
        (Some((1, oldest)), Some((1, newest))) => Ok((oldest, newest)),
        _ => Err(serde::de::Error::custom(format!("`{oldest}` to `{newest}` is no window"))),
    }
}

/// Reads the minor version of a version of Kubernetes 1: `1.33`.
fn parse_kubelet<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    parse_minor(from).map(|(_, minor)| Some(minor))
}

/// Returns the minor version of a version of Kubernetes 1: 34 of `v1.34.4+k3s1` or of `1.34+`.
pub fn minor_of_kubernetes(version: &str) -> Option<u64> {
    match parse_kubernetes(version)? {
        (1, minor) => Some(minor),
        _ => None,
    }
}

/// Returns major and minor of a version of Kubernetes: `v1.29.15+k3s1`, `1.29+`, `v1.29.1-gke.100`.
pub fn parse_kubernetes(version: &str) -> Option<(u64, u64)> {
    let (major, rest) = version.trim().trim_start_matches('v').split_once('.')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest.get(..digits)?.parse().ok()?))
}

fn minor(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests;
