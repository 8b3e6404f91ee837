//! Whether the official places can be reached, asked in seconds: for whoever can fall back.

use std::time::Duration;

use super::error::chain;
use super::http::client;
use super::{Checksum, Limits, Origin, Origins, Recipe, SourceError};

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
    let registry = match origins.mirrors.first() {
        Some(mirror) if mirror.plain => format!("http://{}/v2/", mirror.host),
        Some(mirror) => format!("https://{}/v2/", mirror.host),
        None => "https://registry-1.docker.io/v2/".to_owned(),
    };
    let release = async {
        // Not HEAD: storage behind signed addresses may refuse that. The body is not read.
        let answer = client.get(&archive).timeout(PATIENCE).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => Ok(()),
            Err(error) => Err(unreachable(&archive, chain(&error.without_url()))),
        }
    };
    // A registry wants a token first: that it answers is enough.
    let images = async {
        match client.get(&registry).timeout(PATIENCE).send().await {
            Ok(answer) if answer.status().is_server_error() => {
                Err(unreachable(&registry, format!("it answered {}", answer.status())))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(unreachable(&registry, chain(&error.without_url()))),
        }
    };
    tokio::try_join!(release, images).map(drop)
}

fn unreachable(url: &str, reason: String) -> Unreachable {
    Unreachable { url: url.to_owned(), reason }
}
