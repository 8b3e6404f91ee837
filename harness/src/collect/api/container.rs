//! Requests from a container of meshcheck on the network of the cluster's nodes.

use std::time::Duration;

use meshcheck_suites::evidence::HttpAnswer;

use super::curl::Printed;
use super::forward::Answer;
use super::vantage::{Address, Question, authority, format_reasons};
use crate::cluster::engine::{self, Place};
use crate::owner::{self, Owner};
use crate::process::Call;

/// How long the engine may take to start a container of meshcheck, with its request.
pub(crate) const CEILING: Duration = Duration::from_secs(20);

/// The exit codes of an engine that could not run a container. Source:
/// <https://docs.docker.com/engine/containers/run/#exit-status>.
const NOT_RUN: std::ops::RangeInclusive<i32> = 125..=127;

/// A container on the network of the cluster's nodes, as a vantage.
pub(crate) const VANTAGE: &str = "a meshcheck container on the cluster's network";

/// A container of meshcheck that asks in the place of this machine.
#[derive(Debug)]
pub(crate) struct Container {
    place: Place,
    image: String,
}

/// Why a container of meshcheck has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It did not run: nothing was asked.
    NotRun(String),
    /// It asked, and nothing answered.
    NoAnswer(String),
}

impl Silence {
    /// Why, as text.
    pub(crate) fn reason(self) -> String {
        let (Self::NotRun(reason) | Self::NoAnswer(reason)) = self;
        format!("from {VANTAGE}: {reason}")
    }
}

impl Container {
    /// Finds where the cluster's node is a container of an engine here, and the image of that node.
    pub(crate) async fn find(server: &str) -> Result<Self, String> {
        let place = crate::cluster::find_place(server).await?;
        let image = engine::image_in(&place).await.map_err(|error| error.to_string())?;
        Ok(Self { place, image })
    }

    /// The node's container, and the ranges of its network.
    pub(crate) async fn network(&self) -> (String, Vec<String>) {
        let ranges = engine::ranges(&self.place).await.unwrap_or_default();
        (self.place.container.clone(), ranges)
    }

    /// The first answer of any of the addresses, with the curl of a node's image. A node answers for the address also where
    /// nobody else reaches it: it is not asked.
    pub(crate) async fn get(
        &self,
        addresses: &[Address],
        question: Question<'_>,
    ) -> Result<HttpAnswer, Silence> {
        let mut reasons = Vec::new();
        let outside: Vec<_> = addresses.iter().filter(|it| !it.ip.is_loopback()).collect();
        if outside.is_empty() {
            return Err(Silence::NotRun("a container has a loopback address of its own".into()));
        }
        for address in outside {
            let url = format!(
                "http://{}{}",
                authority(&address.ip.to_string(), question.port),
                question.path
            );
            let host = format!("Host: {}", question.named_host(address));
            match self.curl(&["-i", "-H", &host, "-w", "\n%{http_code}", &url]).await {
                Ok(output) => {
                    let answer = read_answer(&output).map_err(Silence::NoAnswer)?;
                    return Ok(answer.evidence(question.request(address), VANTAGE.into()));
                }
                Err(Silence::NoAnswer(reason)) => reasons.push((address.ip, reason)),
                Err(not_run) => return Err(not_run),
            }
        }
        Err(Silence::NoAnswer(format_reasons(reasons)))
    }

    /// Asks an address so many times; how often the answer was 200.
    pub(crate) async fn repeat(
        &self,
        address: &Address,
        question: Question<'_>,
        times: u64,
    ) -> Result<u64, Silence> {
        let authority = authority(&address.ip.to_string(), question.port);
        // curl takes a range for so many requests.
        let url = format!("http://{authority}{}?[1-{times}]", question.path);
        let output = self.curl(&["-o", "/dev/null", "-w", "%{http_code}\n", &url]).await?;
        Ok(output.lines().filter(|line| line.trim() == "200").count() as u64)
    }

    async fn curl(&self, arguments: &[&str]) -> Result<String, Silence> {
        let maker = format!("{}={}", owner::LABEL, Owner::this());
        let Place { engine, network, .. } = &self.place;
        let call = Call::new(engine)
            .args(["run", "--rm", "--label", &maker, "--network", network])
            .args(["--entrypoint", "curl", &self.image])
            // The engine hands its own proxies to every container.
            .args(["--noproxy", "*", "-sS", "--max-time", "3"])
            .args(arguments);
        let ended = call.within(CEILING).finish().await;
        let ended = ended.map_err(|error| Silence::NotRun(crate::chain(&error)))?;
        match ended.code {
            Some(0) => Ok(ended.stdout),
            Some(code) if !NOT_RUN.contains(&code) => {
                Err(Silence::NoAnswer(ended.stderr.trim().to_owned()))
            }
            _ => Err(Silence::NotRun(ended.stderr.trim().to_owned())),
        }
    }
}

/// Reads what curl printed: headers, body, and the status on a line of its own.
fn read_answer(output: &str) -> Result<Answer, String> {
    let (body, status) = output.rsplit_once('\n').unwrap_or(("", output));
    let printed = Printed::parse(body);
    let header = |name: &&str| Some(((*name).to_owned(), printed.header(name)?.to_owned()));
    let headers = HttpAnswer::HEADERS.iter().filter_map(header).collect();
    let status = status.trim().parse().map_err(|_| format!("curl answered `{status}`"))?;
    let mut body = printed.body.as_bytes().to_vec();
    let body_cut = body.len() > HttpAnswer::BODY_LIMIT;
    body.truncate(HttpAnswer::BODY_LIMIT);
    Ok(Answer { status, headers, body, body_cut })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const HEALTH: Question<'static> = Question { port: 0, path: "/healthz/ready", host: None };

    fn address(named: &str, ip: &str) -> Address {
        Address { named: named.into(), ip: ip.parse().unwrap() }
    }

    #[rstest]
    #[case("HTTP/1.1 200 OK\r\nserver: envoy\r\n\r\n\n200", Ok((200, "envoy")))]
    #[case("HTTP/1.1 503 No\r\nserver: x\r\n\r\nno\n503", Ok((503, "x")))]
    #[case("rubbish", Err("curl answered `rubbish`"))]
    fn output_of_curl_becomes_an_answer(
        #[case] output: &str,
        #[case] read: Result<(u16, &str), &str>,
    ) {
        let answer = read_answer(output);
        let answer = answer.as_ref().map(|it| (it.status, it.headers["server"].as_str()));
        assert_eq!(answer.map_err(String::as_str), read);
    }

    /// An engine that does what this script says.
    fn container(script: &str) -> (Container, tempfile::TempDir) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let engine = folder.path().join("engine");
        std::fs::write(&engine, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&engine, std::fs::Permissions::from_mode(0o755)).unwrap();
        let engine = engine.to_string_lossy().into_owned();
        let place = Place { engine, container: "node".into(), network: "kind".into() };
        (Container { place, image: "sha256:1".into() }, folder)
    }

    #[rstest]
    #[case::refused("echo 'curl: (7) refused' >&2; exit 7", Silence::NoAnswer("curl: (7) refused".into()))]
    #[case::no_curl("echo 'no such file' >&2; exit 127", Silence::NotRun("no such file".into()))]
    #[case::no_network("echo 'network kind not found' >&2; exit 125", Silence::NotRun("network kind not found".into()))]
    #[tokio::test]
    async fn container_that_did_not_run_is_a_failed_observation(
        #[case] script: &str,
        #[case] silence: Silence,
    ) {
        let (container, _folder) = container(script);
        let ended = container.get(&[address("192.0.2.7", "192.0.2.7")], HEALTH).await;
        assert_eq!(ended, Err(silence));
    }

    #[tokio::test]
    async fn container_asks_without_proxies_in_the_nodes_network() {
        let script = r#"case "$*" in
            *'--network kind --entrypoint curl sha256:1 --noproxy * -sS'*) printf 'HTTP/1.1 200 OK\r\nserver: envoy\r\n\r\n\n200' ;;
            *) exit 1 ;;
        esac"#;
        let (container, _folder) = container(script);
        let ended = container.get(&[address("192.0.2.7", "192.0.2.7")], HEALTH).await.unwrap();
        assert_eq!((ended.status, ended.vantage.as_str()), (200, VANTAGE));
    }

    #[tokio::test]
    async fn container_repeats_a_request_and_counts_its_answers() {
        let (container, _folder) = container("printf '200\\n200\\n503\\n'");
        let times = container.repeat(&address("192.0.2.7", "192.0.2.7"), HEALTH, 3).await;
        assert_eq!(times, Ok(2));
    }
}
