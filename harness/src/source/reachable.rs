//! Whether the official places can be reached, asked in seconds: for whoever can fall back.

use std::time::Duration;

use oci_client::Reference;

use super::http::client;
use super::{Checksum, ImagePin, Limits, Origin, Origins, Recipe, SourceError};
use crate::chain;

/// Longer than any answer of a place that a download from would be bearable.
const PATIENCE: Duration = Duration::from_secs(4);

/// A place that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` is out of reach: {reason}")]
pub struct Unreachable {
    /// What was asked.
    pub url: String,
    /// What happened.
    pub reason: String,
}

impl Unreachable {
    /// What the user can do about it, as one sentence.
    pub fn hint(&self) -> &'static str {
        "check the network and the proxy (HTTPS_PROXY, NO_PROXY), or bring a bundle with \
         --bundle DIR"
    }
}

/// Asks for the release and the registry of its images, at once and with short time-outs. Nothing
/// is downloaded.
///
/// # Errors
/// The first place that does not answer, or does not have the release.
pub async fn reachable(origins: &Origins, recipe: &Recipe) -> Result<(), Unreachable> {
    let limits = Limits { connect: PATIENCE, read: PATIENCE, ..Limits::default() };
    let mut archive = origins.url(Origin::Istio, &recipe.archive.path);
    if let Checksum::Published(ending) = &recipe.archive.checksum {
        archive.push_str(ending);
    }
    let client =
        client(limits).map_err(|error: SourceError| unreachable(&archive, error.to_string()))?;
    // The node image is Docker Hub's; Istio's images may be elsewhere.
    let (nodes, istio) = (registry_of(origins, &recipe.node), recipe.images.first());
    let istio = istio.map_or_else(|| nodes.clone(), |image| registry_of(origins, image));
    let release = async {
        // Not HEAD: storage behind signed addresses may refuse that. The body is not read.
        let answer = client.get(&archive).timeout(PATIENCE).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => Ok(()),
            Err(error) => Err(unreachable(&archive, chain(&error.without_url()))),
        }
    };
    // A registry wants a token first: that it answers is enough.
    let answers = async |registry: &str| match client.get(registry).timeout(PATIENCE).send().await {
        Ok(answer) if answer.status().is_server_error() => {
            Err(unreachable(registry, format!("it answered {}", answer.status())))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(unreachable(registry, chain(&error.without_url()))),
    };
    tokio::try_join!(release, answers(&nodes), answers(&istio)).map(drop)
}

/// Returns the address that tells whether the registry of an image answers: its own, or its mirror's.
fn registry_of(origins: &Origins, image: &ImagePin) -> String {
    let Ok(reference) = image.reference.parse::<Reference>() else { return String::new() };
    let place = origins.place(&reference);
    let scheme = if origins.plain_registries().iter().any(|it| it == place.registry()) {
        "http"
    } else {
        "https"
    };
    format!("{scheme}://{}/v2/", place.resolve_registry())
}

fn unreachable(url: &str, reason: String) -> Unreachable {
    Unreachable { url: url.to_owned(), reason }
}
