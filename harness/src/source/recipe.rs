//! The recipe of a release bundle: files, images and their checksums.

use meshcheck_bundle::sha256_hex;
use serde::Serialize;

use super::catalogue::{CATALOGUE, DemoImage};
use super::{Origin, Pair, Platform, SourceError};

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
    /// The image with the digest that the catalogue has for it.
    pub fn new(reference: &str) -> Self {
        let demo = CATALOGUE.demo.iter().find(|image| image.image == reference);
        let digest = demo.map_or(Pin::Tag, |image| Pin::Digest(image.digest.clone()));
        let aliases = demo.and_then(DemoImage::untagged).into_iter().collect();
        Self { reference: reference.to_owned(), digest, aliases }
    }

    /// The node image of a pair.
    fn of_nodes(pair: &Pair) -> Self {
        let digest = pair.digest.clone().map_or(Pin::Tag, Pin::Digest);
        Self { reference: pair.node_image(), digest, aliases: Vec::new() }
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
    /// The registry and repository of Istio's images. The images have it, too, so it is no part of the key.
    #[serde(skip)]
    pub hub: String,
    /// What a reader of a report must know of the choice of versions.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl Recipe {
    /// Returns the recipe for a pair of versions on a machine.
    pub fn new(pair: &Pair, platform: Platform) -> Self {
        let (istio, hub) = (&pair.istio, &pair.registry);
        let kind = &pair.kind.version;
        let metallb = &CATALOGUE.metallb;
        let sum = pair.kind.sha256.get(platform.kind());
        let istio_images = ["pilot", "proxyv2"].map(|name| format!("{hub}/{name}:{istio}"));
        let demo_images = CATALOGUE.demo.iter().map(|image| image.image.clone());
        Self {
            istio: istio.clone(),
            kubernetes: pair.kubernetes(),
            platform,
            archive: Download {
                name: format!("istio {istio}"),
                origin: Origin::Istio,
                path: format!("{istio}/istio-{istio}-{}.tar.gz", platform.istio()),
                version: istio.clone(),
                checksum: Checksum::Published(".sha256".to_owned()),
            },
            kind: Download {
                name: format!("kind {kind}"),
                origin: Origin::Kind,
                path: format!("{kind}/kind-{}", platform.kind()),
                version: kind.clone(),
                checksum: sum.map_or_else(
                    || Checksum::Published(".sha256sum".to_owned()),
                    |sum| Checksum::Pinned(sum.clone()),
                ),
            },
            metallb: Download {
                name: format!("metallb {}", metallb.version),
                origin: Origin::Metallb,
                path: format!("{}/config/manifests/metallb-native.yaml", metallb.version),
                version: metallb.version.clone(),
                checksum: Checksum::Pinned(metallb.sha256.clone()),
            },
            node: ImagePin::of_nodes(pair),
            images: istio_images
                .into_iter()
                .chain(demo_images)
                .map(|it| ImagePin::new(&it))
                .collect(),
            kind_config: include_str!("../../../kind-config/release.yaml").to_owned(),
            hub: hub.clone(),
            notes: pair.notes.clone(),
        }
    }

    /// Identifies the recipe: two bundles with the same key hold the same things.
    ///
    /// # Errors
    /// Never in practice: the recipe is plain data.
    pub fn key(&self) -> Result<String, SourceError> {
        let text =
            serde_json::to_vec(self).map_err(|error| SourceError::content("recipe", error))?;
        Ok(sha256_hex(&text))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn recipe(istio: Option<&str>, system: &str, architecture: &str) -> Recipe {
        let pair = Pair::choose(istio, None).unwrap();
        Recipe::new(&pair, Platform::new(system, architecture).unwrap())
    }

    #[test]
    fn default_is_the_release_of_the_tutorial() {
        let recipe = recipe(None, "linux", "x86_64");
        let url = super::super::Origins::default().url(recipe.archive.origin, &recipe.archive.path);
        assert_eq!(
            url,
            "https://github.com/istio/istio/releases/download/1.20.3/istio-1.20.3-linux-amd64.tar.gz"
        );
        assert_eq!(recipe.archive.file_name(), "istio-1.20.3-linux-amd64.tar.gz");
        assert!(matches!(recipe.node.digest, Pin::Digest(_)));
        assert!(recipe.images.iter().any(|image| image.reference.ends_with("pilot:1.20.3")));
    }

    /// A cache keeps its bundles when the program is updated.
    #[rstest]
    #[case(
        "1.20.3",
        "linux",
        "x86_64",
        "a8579be8d8011523dcc3bed9dd9d1271bd684d43022bc26a3c6fe86eb0bc025a"
    )]
    #[case(
        "1.20.3",
        "linux",
        "aarch64",
        "27957463c90dc79015c103d8a39c3a1dec2f7b9ce619579929fe4c4af5cca46f"
    )]
    #[case(
        "1.20.3",
        "macos",
        "aarch64",
        "76e97cb1f115356535de32886db5e1e9aecadd1bce2882bc0a38ff7513a3baf9"
    )]
    #[case(
        "1.27.0",
        "linux",
        "x86_64",
        "965be2bdce6e464814aedc524ee992bdbe486ce799c1f3e009bbd6ea1a1cee64"
    )]
    fn key_of_an_existing_bundle_stays(
        #[case] istio: &str,
        #[case] system: &str,
        #[case] architecture: &str,
        #[case] key: &str,
    ) {
        assert_eq!(recipe(Some(istio), system, architecture).key().unwrap(), key);
    }

    #[test]
    fn newer_istio_has_its_own_registry_and_node_image() {
        let recipe = recipe(Some("1.31.1"), "linux", "x86_64");
        let references: Vec<_> = recipe.images.iter().map(|it| it.reference.as_str()).collect();
        assert_eq!(
            references[..2],
            ["registry.istio.io/release/pilot:1.31.1", "registry.istio.io/release/proxyv2:1.31.1"]
        );
        assert_eq!(recipe.hub, "registry.istio.io/release");
        assert_eq!(recipe.node.reference, "docker.io/kindest/node:v1.36.4");
        assert_eq!(recipe.kind.path, "v0.33.0/kind-linux-amd64");
        assert!(matches!(recipe.kind.checksum, Checksum::Pinned(_)));
    }
}
