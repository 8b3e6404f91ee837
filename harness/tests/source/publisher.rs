//! Stand-ins for all publishers of a release at once: files in the official layout, and a registry
//! that wants a token, as the large ones do.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use meshcheck::events::Events;
use meshcheck::source::{
    Checksum, Mirror, Origins, Pair, Pin, Platform, Recipe, Release, SourceError,
};
use meshcheck_bundle::{Bundle, sha256_hex};
use serde_json::json;
use tempfile::TempDir;

use crate::downloads::{content, impatient};
use crate::server::{Reply, Request, Server};
use crate::support::run::compressed;

pub(crate) const KIALI: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app.kubernetes.io/version: v1.76.0
spec:
  template:
    spec:
      containers:
      - image: quay.io/kiali/kiali:v1.76
";

pub(crate) const METALLB: &str = "\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      containers:
      - image: quay.io/metallb/controller:v0.15.2
---
apiVersion: apps/v1
kind: DaemonSet
spec:
  template:
    spec:
      containers:
      - image: quay.io/metallb/speaker:v0.15.2
";

/// What a registry has: blobs by digest, manifests by `repository/reference`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A tar archive of files, compressed, and the digest of what is inside.
fn archive(files: &[(String, &[u8])]) -> (Vec<u8>, String) {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    let plain = tar.into_inner().unwrap();
    (compressed(&plain), digest(&plain))
}

impl Store {
    fn blob(&mut self, bytes: Vec<u8>) -> serde_json::Value {
        let digest = digest(&bytes);
        let descriptor = json!({ "digest": digest, "size": bytes.len() });
        self.blobs.insert(digest, bytes);
        descriptor
    }

    pub(crate) fn manifest(&mut self, repository: &str, tag: &str, kind: &str, text: &[u8]) {
        for reference in [tag.to_owned(), digest(text)] {
            let name = format!("{repository}/{reference}");
            self.manifests.insert(name, (kind.to_owned(), text.to_owned()));
        }
    }

    /// An image for two platforms: a layer that all images share, and one of its own, twice.
    /// Returns the digest of its index.
    pub(crate) fn image(&mut self, repository: &str, tag: &str, own: &[u8]) -> String {
        let (shared, shared_id) = archive(&[("etc/base".into(), &content(50_000))]);
        let (upper, upper_id) = archive(&[(format!("etc/{}", tag.replace('.', "-")), own)]);
        let mut entries = Vec::new();
        for architecture in ["arm64", "amd64"] {
            let config = json!({
                "architecture": architecture, "os": "linux",
                "config": { "Cmd": ["/nothing"] },
                "rootfs": { "type": "layers", "diff_ids": [shared_id, upper_id, upper_id] },
                "history": [],
            });
            let mut config = self.blob(config.to_string().into_bytes());
            config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
            let mut layers = Vec::new();
            for bytes in [&shared, &upper, &upper] {
                let mut layer = self.blob(bytes.clone());
                layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
                layers.push(layer);
            }
            let manifest = json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
            });
            let text = manifest.to_string().into_bytes();
            entries.push(json!({
                "mediaType": MANIFEST, "digest": digest(&text), "size": text.len(),
                "platform": { "os": "linux", "architecture": architecture },
            }));
            self.manifest(repository, architecture, MANIFEST, &text);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        let text = index.to_string().into_bytes();
        let name = digest(&text);
        self.manifest(repository, tag, INDEX, &text);
        name
    }

    pub(crate) fn answer(&self, request: &Request, host: &str) -> Reply {
        if request.path.starts_with("/token") {
            return Reply::new(200, r#"{"token":"let-me-in"}"#)
                .header("content-type", "application/json");
        }
        if request.header("authorization") != Some("Bearer let-me-in") {
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
            return Reply::new(401, "{}").header("www-authenticate", challenge);
        }
        let path = request.path.trim_start_matches("/v2/").split('?').next().unwrap();
        if let Some((repository, reference)) = path.split_once("/manifests/") {
            let missing = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}"#;
            return match self.manifests.get(&format!("{repository}/{reference}")) {
                Some((kind, text)) => {
                    Reply::new(200, text.clone()).header("content-type", kind.clone())
                }
                None => Reply::new(404, missing),
            };
        }
        match path.split_once("/blobs/").and_then(|(_, digest)| self.blobs.get(digest)) {
            Some(bytes) => Reply::file(request, bytes, "\"blob\""),
            None => Reply::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"none"}]}"#),
        }
    }
}

/// Istio's archive with what is needed and something that is not.
pub(crate) fn istio_archive(version: &str, istioctl: &[u8], kiali: &[u8]) -> Vec<u8> {
    let files = [
        ("README.md", &b"read me"[..]),
        ("bin/istioctl", istioctl),
        ("samples/addons/grafana.yaml", b"not this"),
        ("samples/addons/kiali.yaml", kiali),
    ];
    archive(&files.map(|(path, bytes)| (format!("istio-{version}/{path}"), bytes))).0
}

type Files = BTreeMap<String, Vec<u8>>;
type Twist = Box<dyn Fn(&Request, Reply) -> Reply + Send + Sync>;

/// The machine for which the stand-ins have programs.
pub(crate) fn platform() -> Platform {
    Platform::new("linux", "x86_64").unwrap()
}

/// What all publishers have, which can be changed while they answer.
#[derive(Clone, Default)]
pub(crate) struct Published {
    files: Arc<Mutex<Files>>,
    store: Arc<Mutex<Store>>,
}

impl Published {
    /// Answers a request to a publisher that is called so.
    pub(crate) fn answer(&self, request: &Request, host: &str) -> Reply {
        if request.path.starts_with("/v2/") || request.path.starts_with("/token") {
            return self.store.lock().unwrap().answer(request, host);
        }
        match self.files.lock().unwrap().get(&request.path) {
            Some(bytes) => Reply::file(request, bytes, "\"1\""),
            None => Reply::new(404, "no such file"),
        }
    }

    /// Publishes a file.
    pub(crate) fn put(&self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.into(), bytes.into());
    }

    /// Removes the files whose paths begin so.
    pub(crate) fn remove(&self, start: &str) {
        self.files.lock().unwrap().retain(|path, _| !path.starts_with(start));
    }
}

/// All publishers behind one server, and a cache for what is downloaded from them.
pub(crate) struct Publisher {
    pub(crate) server: Server,
    pub(crate) recipe: Recipe,
    pub(crate) published: Published,
    pub(crate) cache: TempDir,
    twist: Arc<Mutex<Option<Twist>>>,
}

impl Publisher {
    pub(crate) fn start() -> Self {
        Self::of(None, None)
    }

    /// Publishers that have the release of these versions, in its own layout.
    pub(crate) fn of(istio: Option<&str>, kubernetes: Option<&str>) -> Self {
        let pair = Pair::choose(istio, kubernetes).unwrap();
        Self::with(
            &pair,
            (b"#!/bin/sh\necho kind\n", b"#!/bin/sh\necho istioctl\n"),
            KIALI,
            METALLB,
        )
    }

    pub(crate) fn with(
        pair: &Pair,
        (kind, istioctl): (&[u8], &[u8]),
        kiali: &str,
        metallb: &str,
    ) -> Self {
        let mut recipe = Recipe::new(pair, platform());
        let mut store = Store::default();
        recipe.kind.checksum = Checksum::Pinned(sha256_hex(kind));
        recipe.metallb.checksum = Checksum::Pinned(sha256_hex(metallb.as_bytes()));
        let node = store.image("kindest/node", &pair.kubernetes(), b"a node");
        if let Pin::Digest(pinned) = &mut recipe.node.digest {
            *pinned = node;
        }
        for image in &mut recipe.images {
            let (_, path) = image.reference.split_once('/').unwrap();
            let (repository, tag) = path.rsplit_once(':').unwrap();
            let digest = store.image(repository, tag, path.as_bytes());
            if let Pin::Digest(pinned) = &mut image.digest {
                *pinned = digest;
            }
        }
        store.image("kiali/kiali", "v1.76", b"kiali");
        store.image("metallb/controller", "v0.15.2", b"controller");
        store.image("metallb/speaker", "v0.15.2", b"speaker");
        let published = Published { store: Arc::new(Mutex::new(store)), ..Published::default() };
        published.put(format!("/kind/{}", recipe.kind.path), kind);
        published.put(format!("/metallb/{}", recipe.metallb.path), metallb);
        let twist = Arc::<Mutex<Option<Twist>>>::default();
        let server = {
            let (published, twist) = (published.clone(), Arc::clone(&twist));
            Server::start(move |request| {
                let reply = published.answer(request, request.header("host").unwrap());
                match &*twist.lock().unwrap() {
                    Some(twist) => twist(request, reply),
                    None => reply,
                }
            })
        };
        let cache = tempfile::tempdir().unwrap();
        let all = Self { server, recipe, published, cache, twist };
        all.put_istio(istio_archive(&pair.istio, istioctl, kiali.as_bytes()));
        all
    }

    /// What its registry has.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.published.store.lock().unwrap()
    }

    /// The path of Istio's archive.
    pub(crate) fn istio_path(&self) -> String {
        format!("/istio/{}", self.recipe.archive.path)
    }

    /// Publishes an archive of Istio with its checksum, which it returns.
    pub(crate) fn put_istio(&self, archive: Vec<u8>) -> String {
        let sum = sha256_hex(&archive);
        let line = format!("{sum}  {}\n", self.recipe.archive.file_name());
        self.published.put(format!("{}.sha256", self.istio_path()), line);
        self.published.put(self.istio_path(), archive);
        sum
    }

    /// Changes answers on their way out.
    pub(crate) fn twist(&self, twist: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) {
        *self.twist.lock().unwrap() = Some(Box::new(twist));
    }

    pub(crate) fn origins(&self) -> Origins {
        Origins {
            istio: self.server.url("/istio"),
            kind: self.server.url("/kind"),
            metallb: self.server.url("/metallb"),
            mirrors: vec![Mirror {
                registry: None,
                host: self.server.address.to_string(),
                prefix: None,
                plain: true,
            }],
        }
    }

    /// The bundle of its release.
    pub(crate) async fn bundle(&self) -> Result<Bundle, SourceError> {
        self.release().resolve(&Events::silent()).await
    }

    pub(crate) fn release(&self) -> Release {
        self.release_in(self.cache.path())
    }

    /// Its release, in another cache.
    pub(crate) fn release_in(&self, cache: &Path) -> Release {
        Release {
            recipe: self.recipe.clone(),
            origins: self.origins(),
            cache: cache.to_owned(),
            limits: impatient(),
            notes: Vec::new(),
        }
    }
}
