//! What a release is made of: files, images and their checksums, per Istio version.

use meshcheck_bundle::sha256_hex;
use semver::Version;
use serde::Serialize;

use super::{Origin, Platform, SourceError};

/// The Istio that the tutorial installs.
pub const DEFAULT_ISTIO: &str = "1.20.3";

/// All of these support Kubernetes 1.29, the node image below. For 1.19 and older, and for newer
/// ones, another node image would be needed, which nobody has checked yet.
const KNOWN: &str = "known are 1.20.0 up to the last 1.27";

const KIND: &str = "v0.22.0";
const KUBERNETES: &str = "v1.29.2";
const METALLB: &str = "v0.15.2";

/// kind's release notes for v0.22.0 name this digest for Kubernetes 1.29; Kubernetes Cluster API
/// and ingress-nginx pin the same.
const NODE: &str = "docker.io/kindest/node:v1.29.2";
const NODE_DIGEST: &str = "sha256:51a1434a5397193442f0be2a297b488b6c919ce8a3931be0ce822606ea5ca245";

/// As publicly pinned by several projects that build on these programs.
const KIND_SUMS: [(&str, &str); 4] = [
    ("linux-amd64", "e4264d7ee07ca642fe52818d7c0ed188b193c214889dd055c929dbcb968d1f62"),
    ("linux-arm64", "4431805115da3b54290e3e976fe2db9a7e703f116177aace6735dfa1d8a4f3fe"),
    ("darwin-amd64", "28a9f7ad7fd77922c639e21c034d0f989b33402693f4f842099cd9185b144d20"),
    ("darwin-arm64", "c8dd3b287965150ae4db668294edc48229116e95d94620c306d8fae932ee633f"),
];

/// Of `config/manifests/metallb-native.yaml` in the Go module `go.universe.tf/metallb` v0.15.2
/// (h1:r7KDgJtk3KZe3qb36zRVrVCYHxLR03nPGT+qFXOomJM=), which is the repository at that tag.
const METALLB_SUM: &str = "a1b04c376fb39c93265f551fe23716a3ae6e09b790edb3bf257d3fc784c35a18";

/// Images whose index digest is publicly pinned by several projects. An image that is not here is
/// taken by its tag, and its digest is recorded. `istio/proxyv2:1.20.3` is known with two digests,
/// so there is no one right digest to pin.
const IMAGE_DIGESTS: [(&str, &str); 3] = [
    (NODE, NODE_DIGEST),
    (
        "docker.io/hashicorp/http-echo:1.0.0",
        "sha256:fcb75f691c8b0414d670ae570240cbf95502cc18a9ba57e982ecac589760a186",
    ),
    (
        "docker.io/curlimages/curl:8.6.0",
        "sha256:c3b8bee303c6c6beed656cfc921218c529d65aa61114eb9e27c62047a1271b9b",
    ),
];

/// How what arrived is known to be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// The SHA-256 is known beforehand.
    Pinned(String),
    /// The publisher's own checksum file, which lies beside the file with this ending. It guards
    /// against damage, not against a publisher's place that was taken over.
    Published(String),
}

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Download {
    /// What the progress calls it.
    pub name: String,
    /// Who publishes it.
    pub origin: Origin,
    /// Where, below the publisher's address.
    pub path: String,
    /// Its version.
    pub version: String,
    /// How it is verified.
    pub checksum: Checksum,
}

impl Download {
    /// The last part of its path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// An image to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImagePin {
    /// Its full reference, with the tag.
    pub reference: String,
    /// Its digest, where it is known beforehand.
    pub digest: Pin,
    /// Further references under which it is known in the cluster.
    pub aliases: Vec<String>,
}

/// Whether an image's digest is known beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pin {
    /// It must have this digest, that of its index or manifest.
    Digest(String),
    /// It is what the tag means today.
    Tag,
}

impl ImagePin {
    /// The image with the digest that is known for it.
    pub fn new(reference: &str) -> Self {
        let digest = IMAGE_DIGESTS
            .iter()
            .find(|(known, _)| *known == reference)
            .map_or(Pin::Tag, |(_, digest)| Pin::Digest((*digest).to_owned()));
        // The tutorial's manifests name these two without a tag.
        let aliases = match reference.rsplit_once(':') {
            Some((name @ ("docker.io/hashicorp/http-echo" | "docker.io/curlimages/curl"), _)) => {
                vec![format!("{name}:latest")]
            }
            _ => Vec::new(),
        };
        Self { reference: reference.to_owned(), digest, aliases }
    }
}

/// Everything that a release bundle is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// The Istio version.
    pub istio: String,
    /// The Kubernetes version of the node image.
    pub kubernetes: String,
    /// For which machine.
    pub platform: Platform,
    /// Istio's release archive: `istioctl` and the Kiali addon come from it.
    pub archive: Download,
    /// kind's program.
    pub kind: Download,
    /// `MetalLB`'s manifest.
    pub metallb: Download,
    /// The image of the nodes.
    pub node: ImagePin,
    /// The workload images, besides those that the manifests of `MetalLB` and Kiali name.
    pub images: Vec<ImagePin>,
    /// The configuration of kind.
    pub kind_config: String,
}

impl Recipe {
    /// The recipe for an Istio version on a machine.
    ///
    /// # Errors
    /// When it is no version, or one that nobody has checked against the node image.
    pub fn new(istio: &str, platform: Platform) -> Result<Self, SourceError> {
        let unknown = || SourceError::UnknownIstio { version: istio.to_owned(), known: KNOWN };
        let version = Version::parse(istio).map_err(|_| unknown())?;
        if version.major != 1 || !(20..=27).contains(&version.minor) {
            return Err(unknown());
        }
        let kind_sum = KIND_SUMS.iter().find(|(name, _)| *name == platform.kind());
        let kind_file = format!("{KIND}/kind-{}", platform.kind());
        let images = [
            &format!("docker.io/istio/pilot:{istio}"),
            &format!("docker.io/istio/proxyv2:{istio}"),
            "docker.io/hashicorp/http-echo:1.0.0",
            "docker.io/curlimages/curl:8.6.0",
        ];
        Ok(Self {
            istio: istio.to_owned(),
            kubernetes: KUBERNETES.to_owned(),
            platform,
            archive: Download {
                name: format!("istio {istio}"),
                origin: Origin::Istio,
                path: format!("{istio}/istio-{istio}-{}.tar.gz", platform.istio()),
                version: istio.to_owned(),
                checksum: Checksum::Published(".sha256".to_owned()),
            },
            kind: Download {
                name: format!("kind {KIND}"),
                origin: Origin::Kind,
                path: kind_file,
                version: KIND.to_owned(),
                checksum: kind_sum.map_or_else(
                    || Checksum::Published(".sha256sum".to_owned()),
                    |(_, sum)| Checksum::Pinned((*sum).to_owned()),
                ),
            },
            metallb: Download {
                name: format!("metallb {METALLB}"),
                origin: Origin::Metallb,
                path: format!("{METALLB}/config/manifests/metallb-native.yaml"),
                version: METALLB.to_owned(),
                checksum: Checksum::Pinned(METALLB_SUM.to_owned()),
            },
            node: ImagePin::new(NODE),
            images: images.into_iter().map(ImagePin::new).collect(),
            kind_config: include_str!("../../../kind-config/release.yaml").to_owned(),
        })
    }

    /// Identifies the recipe: two bundles with the same key hold the same things.
    ///
    /// # Errors
    /// Never in practice: the recipe is plain data.
    pub fn key(&self) -> Result<String, SourceError> {
        let text = serde_json::to_vec(self).map_err(|error| SourceError::Content {
            what: "recipe".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(sha256_hex(&text))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn linux() -> Platform {
        Platform::new("linux", "x86_64").unwrap()
    }

    #[test]
    fn the_default_is_the_tutorials_release() {
        let recipe = Recipe::new(DEFAULT_ISTIO, linux()).unwrap();
        let url = super::super::Origins::default().url(recipe.archive.origin, &recipe.archive.path);
        assert_eq!(
            url,
            "https://github.com/istio/istio/releases/download/1.20.3/istio-1.20.3-linux-amd64.tar.gz"
        );
        assert_eq!(recipe.archive.file_name(), "istio-1.20.3-linux-amd64.tar.gz");
        assert!(matches!(recipe.node.digest, Pin::Digest(_)));
        assert!(recipe.images.iter().any(|image| image.reference.ends_with("pilot:1.20.3")));
    }

    #[rstest]
    #[case("1.19.9")]
    #[case("1.28.0")]
    #[case("2.20.0")]
    #[case("latest")]
    #[case("1.20")]
    #[case("../1.20.3")]
    fn an_unknown_version_is_refused(#[case] version: &str) {
        let error = Recipe::new(version, linux()).unwrap_err();
        assert!(error.to_string().contains(version), "{error}");
    }

    #[test]
    fn the_key_follows_what_is_inside() {
        let key = |istio, arch| {
            Recipe::new(istio, Platform::new("linux", arch).unwrap()).unwrap().key().unwrap()
        };
        assert_eq!(key("1.20.3", "x86_64"), key("1.20.3", "x86_64"));
        assert_ne!(key("1.20.3", "x86_64"), key("1.20.4", "x86_64"));
        assert_ne!(key("1.20.3", "x86_64"), key("1.20.3", "aarch64"));
    }

    #[test]
    fn every_pinned_sum_is_a_sum() {
        let sums = KIND_SUMS.iter().map(|(_, sum)| *sum).chain([METALLB_SUM]);
        let digests = IMAGE_DIGESTS.iter().filter_map(|(_, digest)| digest.strip_prefix("sha256:"));
        let all: Vec<_> = sums.chain(digests).collect();
        assert_eq!(all.len(), KIND_SUMS.len() + 1 + IMAGE_DIGESTS.len());
        for sum in all {
            assert_eq!(sum.len(), 64);
            assert!(sum.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
        }
    }
}
