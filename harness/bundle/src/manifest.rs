//! The manifest `bundle.json`: what a bundle holds, where each part came from, how to install it.

use serde::{Deserialize, Serialize};

/// The schema number that this program writes and the only one it reads.
pub const SCHEMA: u32 = 1;

/// Everything that is known of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`] at the time of writing.
    pub schema: u32,
    /// Which kind of source made it.
    pub origin: Origin,
    /// Identifies the inputs: two bundles with the same key hold the same things.
    pub key: String,
    /// The Istio inside.
    pub istio: IstioBuild,
    /// The Kubernetes version of the node image, such as `v1.29.15`.
    pub kubernetes: String,
    /// The Kiali inside.
    pub kiali: KialiBuild,
    /// The image of the cluster's nodes.
    pub node: NodeImage,
    /// The workload images, in the node image or as archives.
    pub images: Vec<Image>,
    /// How Istio has to be installed from this bundle.
    pub install: Install,
    /// What a reader of a report must know of this bundle, such as parts that differ from a release.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Every file of the bundle, except the manifest.
    pub parts: Vec<Part>,
}

/// Who made a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Official releases, downloaded.
    Release,
    /// Built from package registries.
    Lab,
}

/// Which Istio a bundle installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IstioBuild {
    /// What `istioctl version` and the proxies report, such as `1.20.3`.
    pub version: String,
    /// The image hub, such as `docker.io/istio`.
    pub hub: String,
    /// The image tag.
    pub tag: String,
}

/// Which Kiali a bundle installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KialiBuild {
    /// Its version, such as `v1.76.0`.
    pub version: String,
    /// The image that the addon manifest names.
    pub image: String,
}

/// The image that kind makes nodes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeImage {
    /// The reference under which the engine knows it once it is loaded.
    pub reference: String,
    /// The engine's image ID, `sha256:…` (the digest of the image's configuration). An engine that
    /// has this very image needs no loading. Absent where it is not known before loading.
    pub id: Option<String>,
    /// The part that holds the image, in `docker save` form.
    pub archive: String,
    /// The part that holds the kind cluster configuration.
    pub kind_config: String,
}

/// A workload image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The full reference, such as `docker.io/istio/pilot:1.20.3`.
    pub reference: String,
    /// The part that holds it, in `docker save` or OCI layout form; absent where it is baked into
    /// the node image.
    pub archive: Option<String>,
}

/// How Istio has to be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The profile, as the tutorial names it: `default`.
    pub profile: String,
    /// Further `--set` arguments that the parts need, each `path=value`.
    #[serde(default)]
    pub set: Vec<String>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What other entries and the harness call it: `kind`, `istioctl`, `kiali-manifest`, …
    pub name: String,
    /// What kind of file it is.
    pub role: Role,
    /// Its path inside the bundle: relative, with `/`, without `..`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content, in lower-case hexadecimal.
    pub sha256: String,
    /// Its version, as its makers write it.
    pub version: String,
    /// Where it came from: an address, or a package with its version and what was done with it.
    pub source: String,
}

/// What kind of file a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A program for this machine.
    Program,
    /// A container image archive.
    Image,
    /// A Kubernetes manifest.
    Manifest,
    /// A configuration file, for example kind's.
    Config,
}

impl Manifest {
    /// The part of that name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}
