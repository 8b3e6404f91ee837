//! Images from registries: what a name means today, and the blobs that it is made of.

use futures::StreamExt as _;
use meshcheck_bundle::sha256_hex;
use oci_client::Reference;
use oci_client::client::{BlobResponse, Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

use super::retry::{Attempts, Failure};
use super::transfer::{Opened, Remote};
use super::{ImagePin, Limits, Origins, Pin, SourceError};
use crate::chain;
use crate::events::Events;

const ACCEPTED: &[&str] = &[
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];

/// A manifest's pointer to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) digest: String,
    pub(super) size: u64,
}

impl Descriptor {
    /// The hexadecimal digits of the digest.
    pub(super) fn hex(&self) -> &str {
        hex(&self.digest)
    }
}

/// The fields of a manifest and of an index that matter here; a document has those of one kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// An image for one platform, with everything that is needed to fetch it.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// Under which names it is known.
    pub(super) pin: ImagePin,
    /// What the name means: the digest of an index or of a manifest.
    pub(super) digest: String,
    /// The manifest for the platform, as the registry has it.
    pub(super) manifest: Vec<u8>,
    /// Its media type.
    pub(super) media_type: String,
    /// The image's configuration.
    pub(super) config: Descriptor,
    /// Its layers, the lowest first.
    pub(super) layers: Vec<Descriptor>,
    /// Where its blobs are.
    place: Reference,
}

impl Resolved {
    /// Configuration and layers.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    /// The digest of the manifest for the platform.
    pub(super) fn manifest_digest(&self) -> String {
        format!("sha256:{}", sha256_hex(&self.manifest))
    }
}

/// The registries, or their mirrors.
pub(super) struct Registry {
    client: Client,
    origins: Origins,
    limits: Limits,
}

impl Registry {
    /// A client with our time-outs. It honours the proxy variables.
    pub(super) fn new(origins: &Origins, limits: Limits) -> Result<Self, SourceError> {
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(origins.plain_registries()),
            read_timeout: Some(limits.read),
            connect_timeout: Some(limits.connect),
            user_agent: concat!("meshcheck/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client =
            Client::try_from(config).map_err(|error| SourceError::Client(chain(&error)))?;
        Ok(Self { client, origins: origins.clone(), limits })
    }

    /// Asks what an image is made of on a platform.
    pub(super) async fn resolve(
        &self,
        pin: &ImagePin,
        architecture: &str,
        events: &Events,
    ) -> Result<Resolved, SourceError> {
        let name: Reference = pin.reference.parse().map_err(|error| {
            SourceError::content(&pin.reference, format!("it is no image reference: {error}"))
        })?;
        let asked = match &pin.digest {
            Pin::Digest(digest) => name.clone_with_digest(digest.clone()),
            Pin::Tag => name,
        };
        let asked = self.origins.place(&asked);
        let wrong = |reason: String| SourceError::Content { what: asked.whole(), reason };
        let (mut text, digest) = self.document(&asked, events).await?;
        let mut document = parse(&text).map_err(&wrong)?;
        if document.config.is_none() {
            let wanted = document
                .manifests
                .iter()
                .find(|entry| {
                    entry.platform.as_ref().is_some_and(|platform| {
                        platform.os == "linux" && platform.architecture == architecture
                    })
                })
                .ok_or_else(|| wrong(format!("it has no image for linux/{architecture}")))?;
            let place = asked.clone_with_digest(wanted.digest.clone());
            (text, _) = self.document(&place, events).await?;
            document = parse(&text).map_err(&wrong)?;
        }
        let config =
            document.config.ok_or_else(|| wrong("its manifest has no config".to_owned()))?;
        let resolved = Resolved {
            pin: pin.clone(),
            digest,
            manifest: text,
            media_type: document.media_type.unwrap_or_else(|| OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config,
            layers: document.layers,
            place: asked.clone(),
        };
        // The digests become file names.
        if let Some(blob) = resolved.blobs().find(|blob| !is_sha256(&blob.digest)) {
            return Err(wrong(format!("`{}` is no SHA-256 digest", blob.digest)));
        }
        Ok(resolved)
    }

    /// A manifest or an index with its digest, which is that of the reference where it has one.
    async fn document(
        &self,
        place: &Reference,
        events: &Events,
    ) -> Result<(Vec<u8>, String), SourceError> {
        let url = place.whole();
        let mut attempts = Attempts::new(self.limits, place.repository(), events);
        let auth = RegistryAuth::Anonymous;
        loop {
            match self.client.pull_manifest_raw(place, &auth, ACCEPTED).await {
                Ok((bytes, _)) => {
                    let found = format!("sha256:{}", sha256_hex(&bytes));
                    return match place.digest() {
                        Some(expected) if expected != found => Err(SourceError::Checksum {
                            url,
                            expected: hex(expected).to_owned(),
                            found: hex(&found).to_owned(),
                        }),
                        _ => Ok((bytes.to_vec(), found)),
                    };
                }
                Err(error) => attempts.after(&url, failure(&url, error)).await?,
            }
        }
    }
}

/// A blob of an image.
pub(super) struct Blob<'a> {
    pub(super) registry: &'a Registry,
    pub(super) image: &'a Resolved,
    pub(super) descriptor: &'a Descriptor,
}

impl Remote for Blob<'_> {
    fn url(&self) -> String {
        let place = &self.image.place;
        format!("{}/{}@{}", place.registry(), place.repository(), self.descriptor.digest)
    }

    async fn open(&self, offset: u64, _validator: Option<String>) -> Result<Opened, Failure> {
        // A blob's name is its digest: it cannot change between two attempts.
        let answer = self
            .registry
            .client
            .pull_blob_stream_partial(
                &self.image.place,
                self.descriptor.digest.as_str(),
                offset,
                None,
            )
            .await
            .map_err(|error| failure(&self.url(), error))?;
        let (start, stream) = match answer {
            BlobResponse::Full(stream) => (0, stream),
            BlobResponse::Partial(stream) => (offset, stream),
        };
        let total = stream.content_length.map(|length| start + length);
        Ok(Opened { start, total, validator: None, bytes: stream.stream.boxed() })
    }
}

fn parse(text: &[u8]) -> Result<Document, String> {
    serde_json::from_slice(text).map_err(|error| format!("its manifest cannot be read: {error}"))
}

fn hex(digest: &str) -> &str {
    digest.split_once(':').map_or(digest, |(_, hex)| hex)
}

fn is_sha256(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// What a registry's error means for the next attempt.
fn failure(url: &str, error: OciDistributionError) -> Failure {
    let url = url.to_owned();
    let refused = |reason: String| SourceError::Refused { url: url.clone(), reason };
    let final_error = match error {
        OciDistributionError::RegistryError { envelope, .. } => {
            let is = |codes: &[OciErrorCode]| {
                envelope.errors.iter().any(|error| codes.contains(&error.code))
            };
            let missing = [
                OciErrorCode::ManifestUnknown,
                OciErrorCode::NameUnknown,
                OciErrorCode::BlobUnknown,
                OciErrorCode::NotFound,
            ];
            if is(&[OciErrorCode::Toomanyrequests]) {
                refused("the registry answered 429 Too Many Requests".to_owned())
            } else if is(&missing) {
                SourceError::NotFound { url, what: "the registry has no such image".to_owned() }
            } else {
                refused(envelope.to_string())
            }
        }
        OciDistributionError::ServerError { code: 404, .. } => {
            SourceError::NotFound { url, what: "the registry has no such image".to_owned() }
        }
        OciDistributionError::ServerError { code, .. } if code == 408 || code >= 500 => {
            return Failure::Again(format!("the registry answered {code}"));
        }
        OciDistributionError::ServerError { code, .. } => {
            refused(format!("the registry answered {code}"))
        }
        OciDistributionError::UnauthorizedError { .. } => {
            // Docker Hub says this of repositories that do not exist, too.
            refused("it does not exist, or it wants a login".to_owned())
        }
        OciDistributionError::AuthenticationFailure(reason) => refused(reason),
        OciDistributionError::DigestError(error) => SourceError::content(url, error),
        other => return Failure::Again(chain(&other)),
    };
    Failure::Final(final_error)
}
