//! The usual proxy variables, for files and for registries. They belong to a process, so a child
//! of the test downloads.

use std::env;
use std::path::PathBuf;

use meshcheck::events::Events;
use meshcheck::source::Mirror;

use crate::publisher::Publisher;
use crate::server::{Reply, Request, Server};

const CACHE: &str = "MESHCHECK_TEST_CACHE";
const HOST: &str = "MESHCHECK_TEST_HOST";

/// Runs the child with a publisher at `host`, and returns whether it got its release.
async fn child(host: &str, variables: &[(&str, String)]) -> bool {
    let cache = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command
        .args(["--exact", "proxy::child_resolves", "--ignored", "--nocapture"])
        .env(CACHE, cache.path())
        .env(HOST, host)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .await
        .unwrap();
    output.status.success()
}

#[tokio::test]
#[ignore = "the child of the tests in this file"]
async fn child_resolves() {
    // Only for its recipe: the same content gives the same digests.
    let publisher = Publisher::start();
    let host = env::var(HOST).unwrap();
    let mut release = publisher.release_in(&PathBuf::from(env::var_os(CACHE).unwrap()));
    release.origins.istio = format!("http://{host}/istio");
    release.origins.kind = format!("http://{host}/kind");
    release.origins.metallb = format!("http://{host}/metallb");
    release.origins.mirrors = vec![Mirror { registry: None, host, prefix: None, plain: true }];
    release.resolve(&Events::silent()).await.unwrap();
}

/// A proxy in front of a publisher: the request line of a request through it has the whole address.
fn proxy_for(publisher: &Publisher, name: &'static str) -> Server {
    let behind = publisher.published.clone();
    Server::start(move |request| {
        let Some(path) = request.path.strip_prefix(&format!("http://{name}")) else {
            return Reply::new(400, "this is a proxy");
        };
        behind.answer(&Request { path: path.to_owned(), ..request.clone() }, name)
    })
}

/// A name that nobody has: only the proxy can make something of it.
const NOWHERE: &str = "publisher.invalid";

#[tokio::test]
async fn files_and_images_come_through_the_proxy() {
    let publisher = Publisher::start();
    let proxy = proxy_for(&publisher, NOWHERE);
    let variables = [("HTTP_PROXY", proxy.url(""))];
    assert!(child(NOWHERE, &variables).await);
    let paths: Vec<_> = proxy.requests().into_iter().map(|request| request.path).collect();
    for part in ["/istio/", "/kind/", "/token", "/manifests/", "/blobs/"] {
        assert!(paths.iter().any(|path| path.contains(part)), "{part} in {paths:?}");
    }
    assert!(publisher.server.requests().is_empty());
}

#[tokio::test]
async fn no_proxy_hosts_are_asked_directly() {
    let publisher = Publisher::start();
    let proxy = proxy_for(&publisher, NOWHERE);
    let host = publisher.server.address.to_string();
    let variables = [("HTTP_PROXY", proxy.url("")), ("NO_PROXY", "127.0.0.1".to_owned())];
    assert!(child(&host, &variables).await);
    assert!(proxy.requests().is_empty());
    assert!(!publisher.server.requests().is_empty());
}
