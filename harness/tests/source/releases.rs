//! A whole release from its publishers' stand-ins into a bundle.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use meshcheck::events::{Event, Events};
use meshcheck::source::{LATEST, Release, Requested, Source, SourceError, reachable};
use meshcheck_bundle::{Bundle, MANIFEST_FILE, Origin, Role};

use crate::publisher::{Publisher, istio_archive, platform};
use crate::server::{Delivery, closed_port};
use crate::support::sandbox::files;

fn left_over(cache: &Path) -> Vec<String> {
    let mut left = files(&cache.join("downloads"));
    left.retain(|name| name != "lock");
    left
}

#[tokio::test]
async fn a_release_becomes_a_bundle_and_is_downloaded_once() {
    let publisher = Publisher::start();
    let source = Source::Release(Box::new(publisher.release()));
    let bundle = source.resolve(&Events::silent()).await.unwrap();
    bundle.verify_all().unwrap();

    let manifest = bundle.manifest();
    assert_eq!(manifest.origin, Origin::Release);
    assert_eq!(
        (manifest.istio.version.as_str(), manifest.istio.tag.as_str()),
        ("1.20.3", "1.20.3")
    );
    assert_eq!(manifest.kiali.version, "v1.76.0");
    assert_eq!(manifest.kiali.image, "quay.io/kiali/kiali:v1.76");
    assert_eq!(manifest.kubernetes, "v1.29.2");
    assert_eq!((manifest.install.profile.as_str(), manifest.install.set.len()), ("default", 0));
    assert_eq!(manifest.node.reference, "docker.io/kindest/node:v1.29.2");
    for name in
        ["kind", "istioctl", "node-image", "kind-config", "metallb-manifest", "kiali-manifest"]
    {
        assert!(manifest.part(name).is_some(), "{name}");
    }
    let references: Vec<_> = manifest.images.iter().map(|image| image.reference.as_str()).collect();
    assert_eq!(
        references,
        [
            "docker.io/istio/pilot:1.20.3",
            "docker.io/istio/proxyv2:1.20.3",
            "docker.io/hashicorp/http-echo:1.0.0",
            "docker.io/hashicorp/http-echo:latest",
            "docker.io/curlimages/curl:8.6.0",
            "docker.io/curlimages/curl:latest",
            "quay.io/kiali/kiali:v1.76",
            "quay.io/metallb/controller:v0.15.2",
            "quay.io/metallb/speaker:v0.15.2",
        ]
    );
    assert!(manifest.images.iter().all(|image| image.archive.is_some()));
    for part in manifest.parts.iter().filter(|part| part.role == Role::Program) {
        let mode = fs::metadata(bundle.dir().join(&part.path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{}", part.name);
    }
    let said = |name: &str| manifest.part(name).unwrap().source.clone();
    assert!(said("kind").contains("pinned"));
    assert!(said("istioctl").contains("publisher's checksum file, same origin"));
    assert!(said("node-image").contains("digest pinned"));
    assert!(said("image-istio-pilot").contains("by tag"));
    assert!(
        left_over(publisher.cache.path()).is_empty(),
        "{:?}",
        left_over(publisher.cache.path())
    );

    // The layer that all images share was fetched once.
    let requests = publisher.server.requests();
    let mut blobs: Vec<_> =
        requests.iter().filter_map(|request| request.path.split("/blobs/").nth(1)).collect();
    let all = blobs.len();
    blobs.sort_unstable();
    blobs.dedup();
    assert_eq!(blobs.len(), all);
    assert!(requests.iter().all(|request| !request.path.contains("grafana")));

    publisher.server.forget_requests();
    let again = source.resolve(&Events::silent()).await.unwrap();
    assert_eq!(again.dir(), bundle.dir());
    assert!(publisher.server.requests().is_empty());
}

#[tokio::test]
async fn a_damaged_bundle_is_noticed_and_made_again() {
    let publisher = Publisher::start();
    let bundle = publisher.bundle().await.unwrap();
    fs::write(bundle.verified("kind").unwrap(), "#!/bin/sh\necho evil\n").unwrap();
    let (events, mut told) = Events::channel();
    publisher.release().resolve(&events).await.unwrap().verify_all().unwrap();
    let first = told.try_recv().unwrap();
    assert!(matches!(&first, Event::Note(text) if text.contains("`kind`")), "{first:?}");
}

#[tokio::test]
async fn partial_bundle_of_a_killed_process_is_no_bundle() {
    let publisher = Publisher::start();
    let release = publisher.release();
    let directory = release.directory().unwrap();
    fs::create_dir_all(directory.join("images")).unwrap();
    fs::write(directory.join("images/half.tar"), "half").unwrap();
    let bundle = release.resolve(&Events::silent()).await.unwrap();
    bundle.verify_all().unwrap();
    assert!(!directory.join("images/half.tar").exists());
}

#[tokio::test]
async fn two_at_once_download_once() {
    let publisher = Publisher::start();
    let release = publisher.release();
    let (events, mut told) = Events::channel();
    let (one, other) =
        tokio::try_join!(release.resolve(&events), release.resolve(&events)).unwrap();
    assert_eq!(one.dir(), other.dir());
    let mut told = std::iter::from_fn(|| told.try_recv().ok());
    let waits = |event| matches!(event, Event::Doing(_, text) if text.starts_with("another run"));
    assert!(told.any(waits), "one of them waited");
    let path = format!("/kind/{}", publisher.recipe.kind.path);
    let requests = publisher.server.requests();
    assert_eq!(requests.iter().filter(|request| request.path == path).count(), 1);
}

#[tokio::test]
async fn a_version_that_was_never_published_is_said() {
    let publisher = Publisher::start();
    publisher.published.remove("/istio");
    let error = publisher.bundle().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/istio/1.20.3/") && text.contains("might not exist"), "{text}");
    assert!(!publisher.release().directory().unwrap().exists());
}

#[tokio::test]
async fn newer_release_has_its_own_registry_node_image_and_kind() {
    let publisher = Publisher::of(Some("1.31.1"), Some("1.34"));
    let bundle = publisher.bundle().await.unwrap();
    bundle.verify_all().unwrap();
    let manifest = bundle.manifest();
    assert_eq!(
        (manifest.istio.version.as_str(), manifest.istio.hub.as_str()),
        ("1.31.1", "registry.istio.io/release")
    );
    assert_eq!(manifest.kubernetes, "v1.34.11");
    assert_eq!(manifest.node.reference, "docker.io/kindest/node:v1.34.11");
    assert_eq!(manifest.part("kind").unwrap().version, "v0.33.0");
    assert!(manifest.notes.is_empty(), "{:?}", manifest.notes);
    let references: Vec<_> = manifest.images.iter().map(|image| image.reference.as_str()).collect();
    assert_eq!(
        references[..2],
        ["registry.istio.io/release/pilot:1.31.1", "registry.istio.io/release/proxyv2:1.31.1"]
    );
    let requests = publisher.server.requests();
    for path in [
        "/istio/1.31.1/istio-1.31.1-linux-amd64.tar.gz.sha256",
        "/kind/v0.33.0/kind-linux-amd64",
        "/v2/release/proxyv2/manifests/1.31.1",
    ] {
        assert!(requests.iter().any(|request| request.path == path), "{path}");
    }
    assert!(requests.iter().all(|request| !request.path.contains("istio/pilot")));
}

#[tokio::test]
async fn node_image_without_pin_is_taken_by_tag_and_its_digest_is_recorded() {
    let publisher = Publisher::of(Some("1.32.0"), Some("1.38.0"));
    let bundle = publisher.bundle().await.unwrap();
    let manifest = bundle.manifest();
    let store = publisher.store();
    let (_, index) = &store.manifests["kindest/node/v1.38.0"];
    let digest = crate::publisher::digest(index);
    let source = &manifest.part("node-image").unwrap().source;
    assert!(source.contains(&digest) && source.contains("by tag"), "{source}");
    assert_eq!(
        manifest.notes,
        [
            "Istio 1.32.0 is newer than the newest that meshcheck knows, 1.31: it is tried with what 1.31 needs".to_owned(),
            "Istio 1.32.0 is tried with Kubernetes 1.38.0: it is known to support 1.32 to 1.36".to_owned(),
            format!("the node image docker.io/kindest/node:v1.38.0 is not pinned: its tag means {digest}"),
        ]
    );
}

#[tokio::test]
async fn latest_is_the_newest_release_of_the_download_place() {
    let publisher = Publisher::start();
    let places = || (platform(), publisher.cache.path().to_owned(), publisher.origins());
    let events = Events::silent();
    let choose = || Release::choose(Some(LATEST), None, places(), &events);
    let page = |text: &str| publisher.published.put("/istio/", text);

    let error = choose().await.unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
    page("<html>Please log in</html>");
    let error = choose().await.unwrap_err();
    assert!(matches!(error, SourceError::NoLatest { .. }), "{error:?}");
    page("<a href=\"1.20.3/\">1.20.3/</a> <a href=\"1.31.1/\">1.31.1/</a> <a href=\"1.9.0/\">");
    let release = choose().await.unwrap();
    assert_eq!(release.recipe.istio, "1.31.1");
    assert_eq!(release.recipe.kubernetes, "v1.36.4");
    let page = publisher.server.url("/istio/");
    assert_eq!(release.notes, [format!("the newest Istio is 1.31.1, as {page} lists it")]);
}

#[tokio::test]
async fn a_published_archive_that_changes_is_refused() {
    let publisher = Publisher::start();
    let bundle = publisher.bundle().await.unwrap();
    fs::remove_dir_all(bundle.dir()).unwrap();
    let sum = publisher.put_istio(istio_archive("1.20.3", b"another", b""));
    let error = publisher.bundle().await.unwrap_err();
    assert!(matches!(error, SourceError::Changed { .. }), "{error:?}");
    assert!(error.to_string().contains(&sum), "{error}");
    assert!(error.hint().contains("digests.json"), "{}", error.hint());
}

#[tokio::test]
async fn an_archive_that_is_not_what_its_checksum_says_is_refused() {
    let publisher = Publisher::start();
    publisher.published.put(publisher.istio_path(), istio_archive("1.20.3", b"another", b""));
    let error = publisher.bundle().await.unwrap_err();
    assert!(matches!(error, SourceError::Checksum { .. }), "{error:?}");
}

#[tokio::test]
async fn a_login_page_is_no_checksum() {
    let publisher = Publisher::start();
    let path = format!("{}.sha256", publisher.istio_path());
    publisher.published.put(path, "<html>Please log in</html>");
    let error = publisher.bundle().await.unwrap_err().to_string();
    assert!(error.contains(".sha256") && error.contains("proxy"), "{error}");
}

#[tokio::test]
async fn a_moved_tag_is_noted_in_the_bundle() {
    let publisher = Publisher::start();
    let bundle = publisher.bundle().await.unwrap();
    assert!(bundle.manifest().notes.is_empty());
    fs::remove_dir_all(bundle.dir()).unwrap();
    publisher.store().image("kiali/kiali", "v1.76", b"rebuilt");
    let bundle = publisher.bundle().await.unwrap();
    let notes = &bundle.manifest().notes;
    assert!(notes.len() == 1 && notes[0].contains("quay.io/kiali/kiali:v1.76"), "{notes:?}");
}

#[tokio::test]
async fn downloaded_part_is_not_requested_again() {
    let publisher = Publisher::start();
    let release = publisher.release();
    publisher.twist(|request, reply| {
        if request.path.contains("/blobs/") { reply.delivery(Delivery::Break(40)) } else { reply }
    });
    release.resolve(&Events::silent()).await.unwrap_err();
    assert!(left_over(publisher.cache.path()).iter().any(|name| name.ends_with(".partial")));
    publisher.twist(|_, reply| reply);
    publisher.server.forget_requests();
    release.resolve(&Events::silent()).await.unwrap();
    let requests = publisher.server.requests();
    let kind = format!("/kind/{}", publisher.recipe.kind.path);
    assert!(requests.iter().all(|request| request.path != kind));
    assert!(requests.iter().any(|request| request.range_start().is_some_and(|start| start > 0)));
}

#[tokio::test]
async fn reachability_is_asked_quickly_and_says_which_place() {
    let publisher = Publisher::start();
    reachable(&publisher.origins(), &publisher.recipe).await.unwrap();

    let mut away = publisher.origins();
    away.istio = format!("http://127.0.0.1:{}/istio", closed_port());
    let start = Instant::now();
    let error = reachable(&away, &publisher.recipe).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(error.to_string().contains(&away.istio), "{error}");
}

#[tokio::test]
async fn a_bundle_of_another_istio_is_refused() {
    let publisher = Publisher::start();
    let bundle = publisher.bundle().await.unwrap();
    let named = async |istio: Option<&str>, kubernetes: Option<&str>| {
        let wanted = Requested {
            bundle: Some(bundle.dir().to_owned()),
            istio: istio.map(str::to_owned),
            kubernetes: kubernetes.map(str::to_owned),
        };
        let source = Source::choose(wanted, &Events::silent()).await.unwrap();
        source.resolve(&Events::silent()).await
    };
    named(None, None).await.unwrap();
    named(Some("1.20.3"), Some("1.29")).await.unwrap();
    let error = named(Some("1.21.0"), None).await.unwrap_err();
    assert!(error.to_string().contains("holds Istio 1.20.3, not 1.21.0"), "{error}");
    let error = named(None, Some("1.34")).await.unwrap_err();
    assert!(error.to_string().contains("holds Kubernetes v1.29.2, not 1.34"), "{error}");

    fs::write(bundle.verified("kind").unwrap(), "changed").unwrap();
    assert!(named(None, None).await.is_err());
    fs::remove_file(bundle.dir().join(MANIFEST_FILE)).unwrap();
    assert!(Bundle::open(bundle.dir()).is_err());
    let error = named(None, None).await.unwrap_err();
    assert!(error.to_string().contains("not a bundle"), "{error}");
}
