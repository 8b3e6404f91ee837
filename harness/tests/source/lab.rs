//! The same with the lab's own files behind the publishers' addresses, and a real registry in a
//! container.

use std::env;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meshcheck::events::Events;
use meshcheck::source::{ImagePin, Mirror, Pair, Pin};
use meshcheck::wait::{Look, Wait};
use meshcheck_bundle::Bundle;
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};
use testcontainers::core::IntoContainerPort as _;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

use crate::images::{Loaded, docker, load};
use crate::publisher::{MANIFEST, Publisher, digest};
use crate::support::run::compressed;

/// An image as it goes to a registry.
struct Image {
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

impl Image {
    /// Reads a `docker save` archive, and compresses its layers as a registry has them.
    fn read(archive: &Path) -> (Self, String) {
        let listed: Value = serde_json::from_slice(&member(archive, "manifest.json")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let layers = listed[0]["Layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| compressed(&member(archive, &text(layer))));
        let layers = layers.collect();
        let config = member(archive, &text(&listed[0]["Config"]));
        (Self { config, layers }, text(&listed[0]["RepoTags"][0]))
    }

    fn manifest(&self) -> Vec<u8> {
        let descriptor = |kind: &str, bytes: &[u8]| {
            let kind = format!("application/vnd.oci.image.{kind}");
            json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
        };
        let layers: Vec<_> =
            self.layers.iter().map(|layer| descriptor("layer.v1.tar+gzip", layer)).collect();
        let config = descriptor("config.v1+json", &self.config);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        manifest.to_string().into_bytes()
    }

    /// Pushes it under a name.
    async fn push(&self, client: &Client, registry: &str, name: &str) {
        let name: Reference = name.parse().unwrap();
        let place = Reference::with_tag(
            registry.to_owned(),
            name.repository().to_owned(),
            name.tag().unwrap().to_owned(),
        );
        client.store_auth_if_needed(registry, &RegistryAuth::Anonymous).await;
        for blob in self.layers.iter().chain([&self.config]) {
            client.push_blob(&place, blob.clone(), &digest(blob)).await.unwrap();
        }
        let kind = MANIFEST.parse().unwrap();
        client.push_manifest_raw(&place, self.manifest(), kind).await.unwrap();
    }
}

fn member(archive: &Path, name: &str) -> Vec<u8> {
    let mut tar = tar::Archive::new(fs::File::open(archive).unwrap());
    let mut entry = tar
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .find(|entry| entry.path().unwrap() == Path::new(name))
        .unwrap();
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The lab's bundle.
fn lab() -> Bundle {
    let directory = PathBuf::from(env::var_os("MESHCHECK_LAB_BUNDLE").unwrap());
    Bundle::open(&directory).unwrap()
}

/// A registry in a container, with the image that it ran from, where that was not there before.
struct Registry {
    container: ContainerAsync<GenericImage>,
    _image: Option<Loaded>,
}

async fn registry(archive: &Path, reference: &str) -> Registry {
    let (name, tag) = reference.rsplit_once(':').unwrap();
    let known = docker(&["image", "inspect", reference]).status.success();
    load(archive, reference);
    let loaded = (!known).then(|| Loaded(vec![reference.to_owned()]));
    let container = GenericImage::new(name, tag)
        .with_exposed_port(5000.tcp())
        .with_startup_timeout(Duration::from_secs(30))
        .start()
        .await
        .unwrap();
    Registry { container, _image: loaded }
}

/// Waits until the registry answers.
async fn answers(host: &str) {
    let url = format!("http://{host}/v2/");
    let wait = Wait::new("the registry to answer", Duration::from_secs(20));
    wait.every(Duration::from_millis(50))
        .until(|| async {
            match reqwest::get(&url).await {
                Ok(_) => Look::Ready(()),
                Err(error) => Look::NotYet(error.to_string()),
            }
        })
        .await
        .unwrap();
}

#[tokio::test]
#[ignore = "needs docker and the lab's bundle (MESHCHECK_LAB_BUNDLE): `cargo xtask test` runs it"]
async fn needs_docker_and_lab_a_real_registry_gives_a_bundle() {
    let lab = lab();
    let file = |part: &str| fs::read(lab.verified(part).unwrap()).unwrap();
    let read = |part: &str| String::from_utf8(file(part)).unwrap();
    let (kind, istioctl) = (file("kind"), file("istioctl"));
    let (kiali, metallb) = (read("kiali-manifest"), read("metallb-manifest"));
    let pair = Pair::choose(None, None).unwrap();
    let mut publisher = Publisher::with(&pair, (&kind, &istioctl), &kiali, &metallb);

    // A real image stands for all: its registry is a real one.
    let archive = lab.verified("registry-image").unwrap();
    let (image, reference) = Image::read(&archive);
    let registry = registry(&archive, &reference).await;
    let port = registry.container.get_host_port_ipv4(5000).await.unwrap();
    let host = format!("127.0.0.1:{port}");
    answers(&host).await;
    let node = format!("meshcheck-test/lab-{}", std::process::id());
    publisher.recipe.node = ImagePin {
        reference: format!("docker.io/{node}:v1"),
        digest: Pin::Digest(digest(&image.manifest())),
        aliases: Vec::new(),
    };
    for image in &mut publisher.recipe.images {
        image.digest = Pin::Tag;
    }
    let client = Client::new(ClientConfig {
        protocol: ClientProtocol::HttpsExcept(vec![host.clone()]),
        ..ClientConfig::default()
    });
    let addons = lab.manifest().images.iter().map(|image| image.reference.as_str());
    let named = publisher.recipe.images.iter().map(|image| image.reference.as_str());
    let all = addons
        .filter(|reference| reference.starts_with("quay.io"))
        .chain(named)
        .chain([publisher.recipe.node.reference.as_str()]);
    for name in all {
        image.push(&client, &host, name).await;
    }

    let mut release = publisher.release();
    release.limits.read = Duration::from_secs(30);
    release.origins.mirrors = vec![Mirror { registry: None, host, prefix: None, plain: true }];
    let bundle = release.resolve(&Events::silent()).await.unwrap();
    bundle.verify_all().unwrap();
    assert_eq!(fs::read(bundle.verified("istioctl").unwrap()).unwrap(), istioctl);
    assert_eq!(fs::read(bundle.verified("kind").unwrap()).unwrap(), kind);
    assert_eq!(bundle.manifest().kiali.version, lab.manifest().kiali.version);
    let version = std::process::Command::new(bundle.verified("kind").unwrap())
        .arg("version")
        .output()
        .unwrap();
    assert!(version.status.success());

    let _clean = Loaded(vec![format!("{node}:v1")]);
    let id = load(&bundle.verified("node-image").unwrap(), &bundle.manifest().node.reference);
    assert_eq!(Some(id), bundle.manifest().node.id);

    // Now from the cache alone: nobody is there to answer.
    drop((publisher.server, registry));
    let again = release.resolve(&Events::silent()).await.unwrap();
    assert_eq!(again.dir(), bundle.dir());
    assert_eq!(again.manifest(), bundle.manifest());
}
