//! Images from a registry, and the archives that engines take.

use std::path::Path;
use std::process::{Command, Output};

use meshcheck::events::Events;
use meshcheck::source::{Mirror, Pin, SourceError};
use serde_json::json;

use crate::publisher::{INDEX, Publisher};
use crate::server::{Delivery, Reply};

pub(crate) fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

/// Images in the engine that go with the test.
pub(crate) struct Loaded(pub(crate) Vec<String>);

impl Drop for Loaded {
    fn drop(&mut self) {
        for name in &self.0 {
            docker(&["image", "rm", "--force", name]);
        }
    }
}

/// Loads an archive, and returns the ID under which the engine has the image.
pub(crate) fn load(archive: &Path, name: &str) -> String {
    let loaded = docker(&["load", "--input", archive.to_str().unwrap()]);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let inspected = docker(&["image", "inspect", "--format", "{{.Id}}", name]);
    assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
    String::from_utf8(inspected.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
#[ignore = "needs docker: `cargo xtask test` runs it"]
async fn needs_docker_an_engine_loads_the_archive() {
    let mut publisher = Publisher::start();
    // A name of meshcheck: an image that the user has must stay.
    let repository = format!("meshcheck-test/node-{}", std::process::id());
    let digest = publisher.store().image(&repository, "v1", b"a node");
    publisher.recipe.node.reference = format!("docker.io/{repository}:v1");
    publisher.recipe.node.aliases = vec![format!("docker.io/{repository}:also")];
    publisher.recipe.node.digest = Pin::Digest(digest);
    let bundle = publisher.bundle().await.unwrap();
    let archive = bundle.verified("node-image").unwrap();
    let _clean = Loaded(vec![format!("{repository}:v1"), format!("{repository}:also")]);
    let id = load(&archive, &bundle.manifest().node.reference);
    // Engines with containerd's store name an image by its manifest instead.
    let known = bundle.manifest().node.id.clone().unwrap();
    let driver = docker(&["info", "--format", "{{.DriverStatus}}"]);
    if !String::from_utf8_lossy(&driver.stdout).contains("io.containerd.snapshotter") {
        assert_eq!(id, known);
    }
    assert_eq!(load(&archive, &format!("{repository}:also")), id);
}

#[tokio::test]
async fn a_broken_layer_is_continued() {
    let publisher = Publisher::start();
    publisher.twist(|request, reply| {
        let breaks =
            request.path.contains("/blobs/") && request.before == 0 && reply.body.len() > 100;
        if breaks { reply.delivery(Delivery::Break(100)) } else { reply }
    });
    publisher.bundle().await.unwrap().verify_all().unwrap();
    let requests = publisher.server.requests();
    assert!(requests.iter().any(|request| request.range_start() == Some(100)));
}

#[tokio::test]
async fn a_registry_without_ranges_sends_a_layer_again() {
    let publisher = Publisher::start();
    let store = publisher.store().clone();
    publisher.twist(move |request, reply| {
        let Some(digest) = request.path.split("/blobs/").nth(1) else { return reply };
        if reply.status == 401 {
            return reply;
        }
        let whole = Reply::new(200, store.blobs[digest].clone());
        if request.before == 0 { whole.delivery(Delivery::Break(100)) } else { whole }
    });
    publisher.bundle().await.unwrap().verify_all().unwrap();
}

#[tokio::test]
async fn another_layer_than_the_digest_says_is_refused() {
    let publisher = Publisher::start();
    for bytes in publisher.store().blobs.values_mut() {
        *bytes.last_mut().unwrap() ^= 1;
    }
    let error = publisher.bundle().await.unwrap_err();
    assert!(matches!(error, SourceError::Checksum { .. }), "{error:?}");
    assert!(error.to_string().contains("@sha256:"), "{error}");
}

#[tokio::test]
async fn another_image_than_the_pinned_one_is_refused() {
    let publisher = Publisher::start();
    let other = json!({ "schemaVersion": 2, "manifests": [] }).to_string().into_bytes();
    let Pin::Digest(pinned) = &publisher.recipe.node.digest else { panic!() };
    let name = format!("kindest/node/{pinned}");
    publisher.store().manifests.insert(name, (INDEX.to_owned(), other));
    let error = publisher.bundle().await.unwrap_err().to_string();
    assert!(error.contains("kindest/node") && error.contains("igest"), "{error}");
}

#[tokio::test]
async fn a_missing_image_is_named() {
    let publisher = Publisher::start();
    publisher.store().manifests.retain(|name, _| !name.starts_with("istio/pilot"));
    let error = publisher.bundle().await.unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("istio/pilot:1.20.3"), "{error}");
}

#[tokio::test]
async fn an_image_for_other_machines_only_is_said() {
    let publisher = Publisher::start();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [{
        "mediaType": "x", "size": 1, "digest": format!("sha256:{}", "a".repeat(64)),
        "platform": { "os": "windows", "architecture": "amd64" },
    }]});
    publisher.store().manifest("istio/pilot", "1.20.3", INDEX, index.to_string().as_bytes());
    let error = publisher.bundle().await.unwrap_err().to_string();
    assert!(error.contains("pilot") && error.contains("linux/amd64"), "{error}");
}

#[tokio::test]
async fn a_registry_that_limits_says_what_helps() {
    let publisher = Publisher::start();
    publisher.twist(|request, reply| {
        let text = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}"#;
        if request.path.starts_with("/v2/") && request.path.contains("/manifests/") {
            Reply::new(429, text)
        } else {
            reply
        }
    });
    let error = publisher.bundle().await.unwrap_err();
    assert!(error.hint().contains("MESHCHECK_REGISTRY_MIRROR"), "{error}: {}", error.hint());
}

#[tokio::test]
async fn mirrors_can_have_a_place_for_each_registry() {
    let publisher = Publisher::start();
    {
        let mut store = publisher.store();
        let moved = std::mem::take(&mut store.manifests).into_iter().map(|(name, value)| {
            let quay = name.starts_with("kiali") || name.starts_with("metallb");
            (format!("{}/{name}", if quay { "quay" } else { "hub" }), value)
        });
        store.manifests = moved.collect();
    }
    let mut release = publisher.release();
    let mirror = |registry: &str, prefix: &str| Mirror {
        registry: Some(registry.to_owned()),
        host: publisher.server.address.to_string(),
        prefix: Some(prefix.to_owned()),
        plain: true,
    };
    release.origins.mirrors = vec![mirror("docker.io", "hub"), mirror("quay.io", "quay")];
    release.resolve(&Events::silent()).await.unwrap();
}
