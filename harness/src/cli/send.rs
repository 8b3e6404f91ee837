//! `record --send`, `class --send`: sends evidence to a board.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use reqwest::{Client, StatusCode, Url, redirect::Policy};
use serde::Serialize;

use super::failure::Failure;
use crate::chain;
use crate::class::serve::Token;
use crate::state::host;
use crate::text::{excerpt, for_page};

/// The variable with the token, where no file is named.
const VARIABLE: &str = "MESHCHECK_TOKEN";

/// How long sending may take.
const TIME: Duration = Duration::from_secs(90);

/// How often a record is sent to a board that has too many at a time, and the pause between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(3);

/// A board, and the token that it asks for.
#[derive(Clone)]
pub(super) struct Destination {
    url: Url,
    token: Token,
    client: Client,
}

impl Destination {
    /// Checks, before anything is collected, where evidence is to go and with which token.
    pub(super) fn new(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let record = record_url(url, &host()).map_err(|reason| {
            refused(
                url,
                &reason,
                "name the board, or the machine on it: --send http://board:8080/records/vm03",
            )
        })?;
        Self::with_token(record, token_file)
    }

    /// The board of a class, to which each machine's evidence goes under its own name.
    pub(super) fn board(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let board = board_url(url).map_err(|reason| {
            refused(url, &reason, "name the board alone: --send http://board:8080")
        })?;
        Self::with_token(board, token_file)
    }

    fn with_token(url: Url, token_file: Option<&Path>) -> Result<Self, Failure> {
        // Behind `token:` a secret would stand.
        let unusable =
            |name: String| move |reason| format!("cannot use {name} as the token ({reason})");
        let token = match (token_file, std::env::var(VARIABLE)) {
            (Some(file), _) => Token::read(file).map_err(unusable(file.display().to_string())),
            (None, Ok(text)) => Token::parse(&text).map_err(unusable(VARIABLE.into())),
            (None, Err(_)) => Err("the board's token is missing".to_owned()),
        };
        let token = token.map_err(|reason| {
            let fix =
                format!("name the file with it with --token-file, or write it into {VARIABLE}");
            Failure::usage(reason, fix)
        })?;
        // A board that sends elsewhere is none: the token stays here.
        let client = Client::builder().redirect(Policy::none()).timeout(TIME);
        // Without TLS, no authority is needed: an image may have none.
        let client = if url.scheme() == "http" { client.tls_certs_only([]) } else { client };
        let client = client.build().map_err(|error| {
            Failure::environment(format!("cannot send to {url}: {}", chain(&error)))
        })?;
        Ok(Self { url, token, client })
    }

    /// The place of a machine's records on this board.
    pub(super) fn of_machine(&self, name: &str) -> Self {
        Self { url: url_of_machine(&self.url, name), ..self.clone() }
    }

    /// The token's text.
    pub(super) fn token(&self) -> &str {
        self.token.text()
    }

    /// Sends evidence.
    pub(super) async fn send(&self, evidence: &impl Serialize) -> Result<(), Failure> {
        let mut body = GzEncoder::new(Vec::new(), Compression::default());
        let packed = serde_json::to_writer(&mut body, evidence).map_err(std::io::Error::from);
        let packed = packed.and_then(|()| body.flush()).and_then(|()| body.finish());
        let body = packed.map_err(|error| self.failed(&error.to_string(), None))?;
        self.put(body.into()).await
    }

    /// Sends a record as it is. A board that has too many at a time gets it again.
    async fn put(&self, body: Bytes) -> Result<(), Failure> {
        let mut tries = 1;
        let answer = loop {
            let request = self.client.put(self.url.clone()).bearer_auth(self.token.text());
            let answer = request.body(body.clone()).send().await.map_err(|error| {
                let error = error.without_url();
                self.failed(&chain(&error), Some("check the address, and whether the board runs"))
            })?;
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE || tries == TRIES {
                break answer;
            }
            tokio::time::sleep(PAUSE * tries).await;
            tries += 1;
        };
        let status = answer.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        let reason = format!("{}: {}", status.as_u16(), for_page(&excerpt(&text)));
        Err(self.failed(&reason, Some(fix(status))))
    }

    /// Where it sends to, without what an address may hide.
    pub(super) fn name(&self) -> &str {
        self.url.as_str()
    }

    fn failed(&self, reason: &str, fix: Option<&str>) -> Failure {
        let failure = Failure::environment(format!("cannot send to {}: {reason}", self.name()));
        match fix {
            Some(fix) => failure.with_hint(fix),
            None => failure,
        }
    }
}

fn fix(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "use the token that the board printed, or that of its --token-file"
        }
        StatusCode::NOT_FOUND => {
            "name a machine of its inventory, as in http://board:8080/records/vm03, or start the board with --accept-any"
        }
        StatusCode::MISDIRECTED_REQUEST => {
            "name the board as it listens: on loopback, as http://localhost or http://127.0.0.1"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "leave out --include-logs",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => "send it again later",
        StatusCode::UNPROCESSABLE_ENTITY => {
            "start the board with this version of meshcheck, or a newer one"
        }
        StatusCode::INSUFFICIENT_STORAGE => "free space where the board runs",
        _ => "check the address: is it that of the board?",
    }
}

fn refused(url: &str, reason: &str, fix: &str) -> Failure {
    Failure::usage(format!("cannot send to `{url}`: {reason}"), fix.to_owned())
}

/// Returns the address of a record: that of a board gets the name of this machine.
fn record_url(text: &str, host: &str) -> Result<Url, String> {
    let url = checked_url(text)?;
    match url.path() {
        "" | "/" => Ok(url_of_machine(&url, host)),
        path if path.starts_with("/records/") && path.len() > "/records/".len() => Ok(url),
        _ => Err("its path is not /records/NAME".into()),
    }
}

/// Returns the address of a board.
fn board_url(text: &str) -> Result<Url, String> {
    let url = checked_url(text)?;
    match url.path() {
        "" | "/" => Ok(url),
        _ => Err("it has a path, and each machine has its own".into()),
    }
}

/// Returns the address of a machine's records.
fn url_of_machine(board: &Url, name: &str) -> Url {
    let mut url = board.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(["records", name]);
    }
    url
}

fn checked_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("the address begins with neither http:// nor https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("the address has a secret or a query, which the token replaces".into());
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("http://board:8080", "http://board:8080/records/vm7")]
    #[case("https://board/", "https://board/records/vm7")]
    #[case("http://board:8080/records/other", "http://board:8080/records/other")]
    fn board_gets_the_name_of_this_machine(#[case] text: &str, #[case] url: &str) {
        assert_eq!(record_url(text, "vm7").unwrap().as_str(), url);
    }

    #[rstest]
    #[case("board:8080")]
    #[case("ftp://board/")]
    #[case("http://user:secret@board/")]
    #[case("http://board/?token=secret")]
    #[case("http://board/other")]
    #[case("http://board/records/")]
    fn other_addresses_are_refused(#[case] text: &str) {
        let reason = record_url(text, "vm7").unwrap_err();
        assert!(!reason.contains("secret@") && !reason.contains("token=secret"), "{reason}");
    }

    #[rstest]
    #[case("vm7", "http://board:8080/records/vm7")]
    #[case("a%2fb", "http://board:8080/records/a%252fb")]
    #[case("kind:vm+7", "http://board:8080/records/kind:vm+7")]
    fn each_machine_of_a_board_has_its_own_address(#[case] name: &str, #[case] url: &str) {
        let board = board_url("http://board:8080/").unwrap();
        assert_eq!(url_of_machine(&board, name).as_str(), url);
        assert!(board_url("http://board:8080/records/vm7").is_err());
    }

    #[tokio::test]
    async fn busy_board_gets_the_record_again() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = tokio::spawn(async move {
            for status in ["503 Busy", "204 No Content"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"null") {
                    stream.read_buf(&mut request).await.unwrap();
                }
                let answer =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("token");
        std::fs::write(&token, "0123456789abcdefghij").unwrap();
        let board = Destination::board(&url, Some(&token)).unwrap().of_machine("vm1");
        board.put(Bytes::from_static(b"null")).await.unwrap();
        answers.await.unwrap();
    }
}
