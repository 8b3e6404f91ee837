//! The API server's clock.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;

use crate::deadline;

/// The API server's clock, from the `Date` of an answer; to the second.
pub(crate) async fn server_clock(client: &Client) -> Option<Timestamp> {
    let request = http::Request::get("/version").body(kube::client::Body::empty()).ok()?;
    let answer = deadline::timeout(Duration::from_secs(2), client.send(request)).await;
    let answer = answer.ok()?.ok()?;
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|zoned| zoned.timestamp())
}
