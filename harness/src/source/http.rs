//! Files over HTTP: releases, manifests and their publishers' checksums.

use std::io;
use std::path::Path;

use futures::StreamExt as _;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Client, Response, StatusCode};

use super::retry::{Attempts, Failure};
use super::transfer::{Job, Opened, Remote, fetch};
use super::{Limits, SourceError};
use crate::chain;
use crate::events::Events;

/// The longest checksum file that is read, in bytes: it is one line.
pub(super) const LONGEST_SUM: usize = 64 << 10;

/// A client with our time-outs. It honours `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
pub(super) fn client(limits: Limits) -> Result<Client, SourceError> {
    Client::builder()
        .user_agent(concat!("meshcheck/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .read_timeout(limits.read)
        // The sums are those of the files as they are published.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .build()
        .map_err(|error| SourceError::Client(chain(&error)))
}

/// Downloads `url` to `target`, which appears when its SHA-256 is the expected one. An earlier
/// attempt that was broken off is continued.
///
/// # Errors
/// When the other side does not have it, breaks off too often or sends something else, or when the
/// disk is full.
pub async fn download(
    url: &str,
    target: &Path,
    sha256: &str,
    limits: Limits,
    events: &Events,
) -> Result<(), SourceError> {
    let client = client(limits)?;
    let part = url.rsplit('/').next().unwrap_or(url);
    let remote = File { client: &client, url, absence: "check the address" };
    fetch(&remote, &Job { part, target, sha256, size: None }, limits, events).await
}

/// A file that a server has.
pub(super) struct File<'a> {
    pub(super) client: &'a Client,
    pub(super) url: &'a str,
    /// What it means if the server does not have it.
    pub(super) absence: &'a str,
}

impl Remote for File<'_> {
    fn url(&self) -> String {
        self.url.to_owned()
    }

    async fn open(&self, mut offset: u64, validator: Option<String>) -> Result<Opened, Failure> {
        loop {
            let mut request = self.client.get(self.url);
            if offset > 0 {
                request = request.header(RANGE, format!("bytes={offset}-"));
                if let Some(validator) = &validator {
                    request = request.header(IF_RANGE, validator);
                }
            }
            let response = request.send().await.map_err(|error| Failure::Again(chain(&error)))?;
            let (start, total) = match response.status() {
                StatusCode::OK => (0, response.content_length()),
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                    match content_range(response.headers()) {
                        Some((start, total)) if start == offset => (start, total),
                        // What we have is of another file, or longer than it: it is asked for whole.
                        _ => {
                            offset = 0;
                            continue;
                        }
                    }
                }
                status => return Err(refusal(self.url, status, self.absence)),
            };
            return Ok(opened(response, start, total));
        }
    }
}

impl File<'_> {
    /// The content of a text file of at most `longest` bytes.
    pub(super) async fn text(
        &self,
        part: &str,
        longest: usize,
        limits: Limits,
        events: &Events,
    ) -> Result<String, SourceError> {
        let mut attempts = Attempts::new(limits, part, events);
        loop {
            match self.short(longest).await {
                Ok(text) => return Ok(text),
                Err(failure) => attempts.after(self.url, failure).await?,
            }
        }
    }

    async fn short(&self, longest: usize) -> Result<String, Failure> {
        let mut opened = self.open(0, None).await?;
        let mut text = Vec::new();
        while let Some(bytes) = opened.bytes.next().await {
            text.extend_from_slice(&bytes.map_err(|error| Failure::Again(chain(&error)))?);
            if text.len() > longest {
                let reason = format!("it is longer than {longest} bytes");
                return Err(SourceError::content(self.url, reason).into());
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn opened(response: Response, start: u64, total: Option<u64>) -> Opened {
    let validator = validator(response.headers());
    let bytes = response.bytes_stream().map(|bytes| bytes.map_err(io::Error::other)).boxed();
    Opened { start, total, validator, bytes }
}

/// What `If-Range` can be asked with: a weak `ETag` does not promise the same bytes.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if headers.get(ACCEPT_RANGES).is_some_and(|value| value == "none") {
        return None;
    }
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// The first byte and the whole size in `bytes 5-9/10`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

fn refusal(url: &str, status: StatusCode, absence: &str) -> Failure {
    let url = url.to_owned();
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Failure::Final(SourceError::NotFound { url, what: absence.to_owned() })
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Failure::Again(format!("the server answered {status}"))
        }
        _ if status.is_server_error() => Failure::Again(format!("the server answered {status}")),
        _ => Failure::Final(SourceError::Refused {
            url,
            reason: format!("the server answered {status}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("bytes 5-9/10", Some((5, Some(10))))]
    #[case("bytes 5-9/*", Some((5, None)))]
    #[case("bytes */10", None)]
    #[case("items 5-9/10", None)]
    fn ranges_are_read(#[case] text: &'static str, #[case] expected: Option<(u64, Option<u64>)>) {
        let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(text))]);
        assert_eq!(content_range(&headers), expected);
    }

    #[test]
    fn a_weak_tag_is_no_validator() {
        let date = "Tue, 01 Jan 2030 00:00:00 GMT";
        let mut headers = HeaderMap::from_iter([
            (ETAG, HeaderValue::from_static("W/\"1\"")),
            (LAST_MODIFIED, HeaderValue::from_static(date)),
        ]);
        assert_eq!(validator(&headers).as_deref(), Some(date));
        headers.insert(ETAG, HeaderValue::from_static("\"1\""));
        assert_eq!(validator(&headers).as_deref(), Some("\"1\""));
    }
}
