//! What can be installed besides Istio: the releases of kind and their node images, `MetalLB`, the demo's images.
//!
//! `catalogue.toml` has the data with its sources. Istio's versions are in [`meshcheck_suites::profile`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use semver::Version;
use serde::Deserialize;

/// The Istio that the tutorial installs. A test compares it with the catalogue.
pub const DEFAULT_ISTIO: &str = "1.20.3";

/// The repository of the images that kind creates nodes from.
const NODE_REPOSITORY: &str = "docker.io/kindest/node";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    pub(super) default: DefaultPair,
    pub(super) metallb: Metallb,
    pub(super) demo: Vec<DemoImage>,
    /// The releases of kind, oldest first.
    pub(super) kind: Vec<Kind>,
}

/// The versions that are installed where none is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultPair {
    pub(super) istio: String,
    pub(super) kubernetes: String,
}

/// The load balancer's release.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metallb {
    pub(super) version: String,
    pub(super) sha256: String,
}

/// An image of the demo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DemoImage {
    /// Its reference, with the tag.
    pub(super) image: String,
    /// The digest of its index.
    pub(super) digest: String,
}

impl DemoImage {
    /// Returns the reference of the tutorial's manifests, which name no tag.
    pub(super) fn untagged(&self) -> Option<String> {
        let (name, _) = self.image.rsplit_once(':')?;
        Some(format!("{name}:latest"))
    }
}

/// A release of kind.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Its version: `v0.22.0`.
    pub version: String,
    /// The address of its release notes.
    pub notes: String,
    /// The public pin of its programs.
    pub programs: String,
    /// The SHA-256 of its program for each platform, as kind names them.
    pub sha256: BTreeMap<String, String>,
    /// The node images that it built: their versions of Kubernetes, and the digests of their indexes.
    nodes: BTreeMap<String, String>,
}

/// A node image with a public pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its version of Kubernetes.
    pub kubernetes: Version,
    /// The digest of its index.
    pub digest: &'static str,
    /// The kind that built it.
    pub kind: &'static Kind,
}

/// What the file has.
pub(super) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is part of the program: a test reads it")]
    toml::from_str(include_str!("catalogue.toml")).expect("catalogue.toml fits the types")
});

/// Every node image, by its version of Kubernetes, oldest first. Of two images of one version, the newer kind's stays.
static NODES: LazyLock<Vec<Node>> = LazyLock::new(|| {
    let mut nodes = BTreeMap::new();
    for kind in &CATALOGUE.kind {
        for (version, digest) in &kind.nodes {
            if let Some(kubernetes) = parse_kubernetes(version) {
                nodes.insert(kubernetes.clone(), Node { kubernetes, digest, kind });
            }
        }
    }
    nodes.into_values().collect()
});

/// Returns every node image with a public pin, oldest Kubernetes first.
pub fn nodes() -> &'static [Node] {
    &NODES
}

/// Returns the reference of the node image of a version of Kubernetes, with its tag.
pub fn node_image(kubernetes: &Version) -> String {
    format!("{NODE_REPOSITORY}:v{kubernetes}")
}

/// Parses a version of Kubernetes: `v1.29.2`.
pub(super) fn parse_kubernetes(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix('v')?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sha256(text: &str) -> bool {
        text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn every_digest_and_sum_is_a_sha256() {
        let digests = CATALOGUE.demo.iter().map(|image| image.digest.as_str());
        let digests = digests
            .chain(CATALOGUE.kind.iter().flat_map(|kind| kind.nodes.values().map(String::as_str)));
        for digest in digests {
            assert!(digest.strip_prefix("sha256:").is_some_and(is_sha256), "{digest}");
        }
        let sums = CATALOGUE
            .kind
            .iter()
            .flat_map(|kind| kind.sha256.values())
            .chain([&CATALOGUE.metallb.sha256]);
        for sum in sums {
            assert!(is_sha256(sum), "{sum}");
        }
    }

    #[test]
    fn every_kind_has_its_programs_its_nodes_and_its_sources() {
        for kind in &CATALOGUE.kind {
            let platforms: Vec<_> = kind.sha256.keys().map(String::as_str).collect();
            assert_eq!(platforms, ["darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64"]);
            assert!(
                kind.notes.ends_with(&format!("/releases/tag/{}", kind.version)),
                "{}",
                kind.notes
            );
            assert!(kind.programs.starts_with("https://"), "{}", kind.programs);
            assert!(!kind.nodes.is_empty(), "{}", kind.version);
            for version in kind.nodes.keys() {
                assert!(parse_kubernetes(version).is_some(), "{version}");
            }
        }
        let versions = CATALOGUE.kind.iter().map(|kind| parse_kubernetes(&kind.version).unwrap());
        assert!(versions.is_sorted(), "the newest kind has the last word on a version");
    }

    #[test]
    fn no_digest_stands_for_two_versions() {
        let digests: Vec<_> = CATALOGUE.kind.iter().flat_map(|kind| kind.nodes.values()).collect();
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }

    #[test]
    fn default_is_the_release_of_the_tutorial() {
        let default = &CATALOGUE.default;
        assert_eq!(default.istio, DEFAULT_ISTIO);
        let kubernetes = parse_kubernetes(&default.kubernetes).unwrap();
        let node = nodes().iter().find(|node| node.kubernetes == kubernetes).unwrap();
        assert_eq!(node.kind.version, "v0.22.0");
    }
}
