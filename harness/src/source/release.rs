//! A release, downloaded into the cache in bundle form.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use meshcheck_bundle::{Bundle, BundleError, cache_dir};

use super::archive::{ArchiveFile, extract};
use super::assemble::{Downloads, Fetched, KIALI, assemble};
use super::digests::Record;
use super::latest::{self, Latest};
use super::registry::{Blob, Registry, Resolved};
use super::transfer::{Job, fetch};
use super::{
    Checksum, Download, ImagePin, LATEST, Limits, Origins, Pair, Pin, Platform, Recipe,
    SourceError, http, manifests,
};
use crate::events::{Events, Phase};

/// So many at once use a line well and keep the progress readable.
const AT_ONCE: usize = 4;

/// How often a lock is tried that another process holds.
const LOCK_EVERY: Duration = Duration::from_millis(200);

/// A release that is in the cache, or will be.
#[derive(Debug, Clone)]
pub struct Release {
    /// What it is made of.
    pub recipe: Recipe,
    /// Where that comes from.
    pub origins: Origins,
    /// The cache directory.
    pub cache: PathBuf,
    /// The patience of its downloads.
    pub limits: Limits,
    /// What a reader of a report must know of how its version was chosen.
    pub notes: Vec<String>,
}

impl Release {
    /// The release of a pair of versions for this machine, with what the environment says. `latest` asks Istio's download
    /// place for the newest version.
    ///
    /// # Errors
    /// When a version is unknown, this machine has no release, or the environment names a wrong
    /// origin or no cache.
    pub async fn from_environment(
        istio: Option<&str>,
        kubernetes: Option<&str>,
        events: &Events,
    ) -> Result<Self, SourceError> {
        let platform = Platform::here()?;
        let cache = cache_dir().ok_or(SourceError::NoCache)?;
        Self::choose(istio, kubernetes, (platform, cache, Origins::from_environment()?), events)
            .await
    }

    /// The release of a pair of versions for a machine, from these places.
    ///
    /// # Errors
    /// When a version is unknown.
    pub async fn choose(
        istio: Option<&str>,
        kubernetes: Option<&str>,
        (platform, cache, origins): (Platform, PathBuf, Origins),
        events: &Events,
    ) -> Result<Self, SourceError> {
        let limits = Limits::default();
        let mut notes = Vec::new();
        let pair = if istio == Some(LATEST) {
            let Latest { version, page } = latest::find(&origins, limits, events).await?;
            let pair = Pair::choose(Some(&version), kubernetes)?;
            notes.push(format!("the newest Istio is {version}, as {page} lists it"));
            pair
        } else {
            Pair::choose(istio, kubernetes)?
        };
        Ok(Self { recipe: Recipe::new(&pair, platform), origins, cache, limits, notes })
    }

    /// The directory that its bundle is in, or will be.
    ///
    /// # Errors
    /// Never in practice: see [`Recipe::key`].
    pub fn directory(&self) -> Result<PathBuf, SourceError> {
        let key = self.recipe.key()?;
        let name = format!("release-{}-{}", self.recipe.istio, &key[..12]);
        Ok(self.cache.join("bundles").join(name))
    }

    /// The bundle: from the cache where it is there and undamaged, else downloaded.
    ///
    /// # Errors
    /// Whatever keeps it from being complete. What has arrived stays for the next time.
    pub async fn resolve(&self, events: &Events) -> Result<Bundle, SourceError> {
        let directory = self.directory()?;
        if let Some(bundle) = cached(&directory, events).await? {
            return Ok(bundle);
        }
        let downloads = self.cache.join("downloads");
        make(&downloads)?;
        let _lock = lock(&downloads.join("lock"), events).await?;
        // Another process may have finished it meanwhile.
        if let Some(bundle) = cached(&directory, events).await? {
            return Ok(bundle);
        }
        // A bundle that was being put together when its process was killed.
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .map_err(|source| SourceError::io("removing", &directory, source))?;
        }
        let arrived = self.fetch_all(&downloads, events).await?;
        events.doing(Phase::Source, format!("putting `{}` together", directory.display()));
        let recipe = self.recipe.clone();
        let target = directory.clone();
        let task = tokio::task::spawn_blocking(move || assemble(&recipe, &arrived, &target));
        task.await.map_err(|error| SourceError::content(directory.display(), error))??;
        Ok(Bundle::open(&directory)?)
    }

    /// Everything that the bundle is made of, each verified.
    async fn fetch_all(&self, downloads: &Path, events: &Events) -> Result<Downloads, SourceError> {
        let blobs = downloads.join("blobs");
        make(&blobs)?;
        let record = tokio::sync::Mutex::new(Record::read(&self.cache)?);
        let client = http::client(self.limits)?;
        let file = |part| self.file(&client, part, downloads, &record, events);
        let recipe = &self.recipe;
        let (archive, kind, metallb) =
            tokio::try_join!(file(&recipe.archive), file(&recipe.kind), file(&recipe.metallb))?;
        let istioctl = downloads.join(format!("istioctl-{}", recipe.istio));
        let kiali = downloads.join(format!("kiali-{}.yaml", recipe.istio));
        let wanted = [
            ArchiveFile { inside: "bin/istioctl", target: istioctl.clone() },
            ArchiveFile { inside: KIALI, target: kiali.clone() },
        ];
        extract(&archive.path, &wanted)?;
        let mut pins = recipe.images.clone();
        for manifest in [&kiali, &metallb.path] {
            pins.extend(named_images(manifest)?);
        }
        let registry = Registry::new(&self.origins, self.limits)?;
        let architecture = recipe.platform.architecture();
        let mut images: Vec<Resolved> = stream::iter(std::iter::once(&recipe.node).chain(&pins))
            .map(|pin| registry.resolve(pin, architecture, events))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut notes = recipe.notes.clone();
        notes.extend(images.first().and_then(unpinned));
        for image in &images {
            notes.extend(note(&mut *record.lock().await, image, events)?);
        }
        // Images share layers: each is fetched once.
        let unique: BTreeMap<_, _> = images
            .iter()
            .flat_map(|image| image.blobs().map(move |blob| (&blob.digest, (image, blob))))
            .collect();
        stream::iter(unique.values().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |(image, descriptor)| {
                let target = blobs.join(descriptor.hex());
                let (registry, limits) = (&registry, self.limits);
                async move {
                    let part = format!("{} {}", image.pin.reference, &descriptor.hex()[..12]);
                    let job = Job {
                        part: &part,
                        target: &target,
                        sha256: descriptor.hex(),
                        size: Some(descriptor.size),
                    };
                    fetch(&Blob { registry, image, descriptor }, &job, limits, events).await
                }
            })
            .await?;
        let workloads = images.split_off(1);
        let node = images
            .pop()
            .ok_or_else(|| SourceError::content(&recipe.node.reference, "it was not resolved"))?;
        Ok(Downloads { archive, kind, metallb, istioctl, kiali, node, workloads, blobs, notes })
    }

    /// A publisher's file, verified.
    async fn file(
        &self,
        client: &reqwest::Client,
        part: &Download,
        downloads: &Path,
        record: &tokio::sync::Mutex<Record>,
        events: &Events,
    ) -> Result<Fetched, SourceError> {
        let url = self.origins.url(part.origin, &part.path);
        let absence = format!("the version {} might not exist", part.version);
        let (sha256, how) = match &part.checksum {
            Checksum::Pinned(sum) => (sum.clone(), "SHA-256 pinned".to_owned()),
            Checksum::Published(ending) => {
                let beside = format!("{url}{ending}");
                let sums = http::File { client, url: &beside, absence: &absence };
                let text = sums.text(&part.name, http::LONGEST_SUM, self.limits, events).await?;
                let sum = published(&beside, &text)?;
                (sum, "SHA-256 from the publisher's checksum file, same origin".to_owned())
            }
        };
        {
            // By its official address: a mirror has to have the same file.
            let name = Origins::default().url(part.origin, &part.path);
            let mut record = record.lock().await;
            if let Some(before) = record.note(&name, &sha256)? {
                if matches!(part.checksum, Checksum::Pinned(_)) {
                    // This program knows better than an older record.
                    record.replace(&name, &sha256)?;
                } else {
                    let record = record.path().to_owned();
                    return Err(SourceError::Changed { url: name, before, now: sha256, record });
                }
            }
        }
        let name = format!("{}-{}", part.version, part.file_name());
        let path = downloads.join(name);
        let remote = http::File { client, url: &url, absence: &absence };
        let job = Job { part: &part.name, target: &path, sha256: &sha256, size: None };
        fetch(&remote, &job, self.limits, events).await?;
        Ok(Fetched { path, version: part.version.clone(), source: format!("{url} ({how})") })
    }
}

/// The bundle where it is there and undamaged.
async fn cached(directory: &Path, events: &Events) -> Result<Option<Bundle>, SourceError> {
    let bundle = match Bundle::open(directory) {
        Ok(bundle) => bundle,
        Err(BundleError::NotABundle(_)) => return Ok(None),
        Err(error @ BundleError::Io { .. }) => return Err(error.into()),
        Err(error) => {
            damaged(&error, events);
            return Ok(None);
        }
    };
    match verify_in_background(bundle, Bundle::verify_all).await {
        Ok(bundle) => Ok(Some(bundle)),
        Err(SourceError::Bundle(
            error @ (BundleError::Missing { .. } | BundleError::Mismatch { .. }),
        )) => {
            damaged(&error, events);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Returns the bundle if it passes this check, which reads it without holding up other work.
pub(super) async fn verify_in_background(
    bundle: Bundle,
    verify: fn(&Bundle) -> Result<(), BundleError>,
) -> Result<Bundle, SourceError> {
    let task = tokio::task::spawn_blocking(move || verify(&bundle).map(|()| bundle));
    Ok(task.await.map_err(|error| SourceError::content("bundle", error))??)
}

fn damaged(error: &BundleError, events: &Events) {
    events.note(format!("{error}: it is made again"));
}

/// Waits until no other process fills this cache. The lock goes with its file, also when this
/// process is killed.
async fn lock(path: &Path, events: &Events) -> Result<File, SourceError> {
    let failed = |source| SourceError::io("locking", path, source);
    let file = File::create(path).map_err(failed)?;
    let shown = format!("another run downloads (lock `{}`)", path.display());
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                events.doing(Phase::Source, &shown);
                tokio::time::sleep(LOCK_EVERY).await;
            }
        }
    }
}

/// The images that a manifest's workloads run.
fn named_images(manifest: &Path) -> Result<Vec<ImagePin>, SourceError> {
    let text = fs::read_to_string(manifest)
        .map_err(|source| SourceError::io("reading", manifest, source))?;
    let images = manifests::images(&text)
        .map_err(|reason| SourceError::content(manifest.display(), reason))?;
    Ok(images.iter().map(|reference| ImagePin::new(reference)).collect())
}

/// Describes a node image without a public pin.
fn unpinned(node: &Resolved) -> Option<String> {
    let Resolved { pin: ImagePin { reference, digest: Pin::Tag, .. }, digest, .. } = node else {
        return None;
    };
    Some(format!("the node image {reference} is not pinned: its tag means {digest}"))
}

/// Records what a tag means; says so where it means something else than before.
fn note(
    record: &mut Record,
    image: &Resolved,
    events: &Events,
) -> Result<Option<String>, SourceError> {
    let name = &image.pin.reference;
    let before = match image.pin.digest {
        Pin::Digest(_) => return Ok(None),
        Pin::Tag => record.note(name, &image.digest)?,
    };
    let Some(before) = before else { return Ok(None) };
    // Tags are moved for good reasons, such as a rebuilt base: it is reported, not refused.
    let text = format!("the tag `{name}` was moved: {before} before, {} now", image.digest);
    events.note(&text);
    record.replace(name, &image.digest)?;
    Ok(Some(text))
}

/// The sum in a publisher's checksum file: `SUM  NAME` or the sum alone.
fn published(url: &str, text: &str) -> Result<String, SourceError> {
    let sum = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    if sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(sum);
    }
    let reason = "it holds no SHA-256 sum; a proxy may have answered in its place";
    Err(SourceError::content(url, reason))
}

fn make(directory: &Path) -> Result<(), SourceError> {
    fs::create_dir_all(directory).map_err(|source| SourceError::io("making", directory, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_file_is_read_and_an_error_page_is_not() {
        let sum = "E4264D7EE07CA642FE52818D7C0ED188B193C214889DD055C929DBCB968D1F62";
        let read = published("u", &format!("{sum}  kind-linux-amd64\n")).unwrap();
        assert_eq!(read, sum.to_ascii_lowercase());
        let error = published("http://u", "<html>login</html>").unwrap_err().to_string();
        assert!(error.contains("http://u") && error.contains("proxy"), "{error}");
    }
}
