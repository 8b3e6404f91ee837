//! The client: answers of a bounded size, and few and short repeats where a server is overloaded.

use std::time::Duration;

use http::Response;
use http_body_util::Limited;
use kube::client::retry::RetryPolicy;
use kube::client::{Client, ClientBuilder, DynBody};
use kube::{Config, Error};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;
use tower::util::MapResponseLayer;

/// The largest answer that is read, in bytes. A list of five thousand pods has less.
const ANSWER_LIMIT: usize = 64 << 20;

/// How often a request is repeated that the server had no time for (429, 503, 504), after which pauses.
/// Together they are far below the time that one look may take, so that the server's own words, not a
/// time-out, are what is told of it.
const REPEATS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Makes the client. It may read files: not for a thread that others wait for.
///
/// # Errors
///
/// When the credentials or certificates cannot be used.
pub(super) fn build(mut config: Config) -> Result<Client, Error> {
    config.default_retry = false;
    let policy = RetryPolicy::new(FIRST_PAUSE, LONGEST_PAUSE, REPEATS, false)
        .map_err(|error| Error::Service(error.into()))?;
    let bounded = MapResponseLayer::new(|answer: Response<Box<DynBody>>| {
        answer.map(|body| Limited::new(body, ANSWER_LIMIT))
    });
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&bounded)
        .with_layer(&BufferLayer::new(1024))
        .with_layer(&RetryLayer::new(policy))
        .build())
}
