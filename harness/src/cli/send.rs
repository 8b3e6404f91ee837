//! `record --send`: sends evidence to a board.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
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

/// A board, and the token that it asks for.
pub(super) struct Destination {
    url: Url,
    token: Token,
}

impl Destination {
    /// Checks, before anything is collected, where evidence is to go and with which token.
    pub(super) fn new(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let url = record_url(url, &host()).map_err(|reason| {
            Failure::usage(
                format!("cannot send to `{url}`: {reason}"),
                "name the board, or the machine on it: --send http://board:8080/records/vm03"
                    .into(),
            )
        })?;
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
        Ok(Self { url, token })
    }

    /// Sends evidence.
    pub(super) async fn send(&self, evidence: &impl Serialize) -> Result<(), Failure> {
        let mut body = GzEncoder::new(Vec::new(), Compression::default());
        let packed = serde_json::to_writer(&mut body, evidence).map_err(std::io::Error::from);
        let packed = packed.and_then(|()| body.flush()).and_then(|()| body.finish());
        let body = packed.map_err(|error| self.failed(&error.to_string(), None))?;
        // A board that sends elsewhere is none: the token stays here.
        let client = Client::builder().redirect(Policy::none()).timeout(TIME).build();
        let client = client.map_err(|error| self.failed(&chain(&error), None))?;
        let request = client.put(self.url.clone()).bearer_auth(self.token.text()).body(body);
        let answer = request.send().await.map_err(|error| {
            let error = error.without_url();
            self.failed(&chain(&error), Some("check the address, and whether the board runs"))
        })?;
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

/// Returns the address of a record: that of a board gets the name of this machine.
fn record_url(text: &str, host: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("the address begins with neither http:// nor https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("the address has a secret or a query, which the token replaces".into());
    }
    match url.path() {
        "" | "/" => url.set_path(&format!("/records/{host}")),
        path if path.starts_with("/records/") && path.len() > "/records/".len() => {}
        _ => return Err("its path is not /records/NAME".into()),
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
}
