//! What the section *demo* needs: its objects, the client's log, the backend asked from the client.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, LogParams};
use kube::{Api, Client};
use meshcheck_suites::evidence::{
    self, Asked, ClientLog, Clock, ContainerState, ExecAnswer, LogLine, Observation, Reply,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

use super::curl::Printed;
use super::logs::{self, Keep};
use super::look::Missing;
use super::{REQUESTS, Scene};
use crate::wait::{Look, Wait};

/// How much of a command's output is kept, in bytes.
const OUTPUT_LIMIT: u64 = 16 << 10;

/// How many of the log's last lines are read: a turn of the client's loop writes four or five.
const LOG_LINES: usize = 80;

/// What a turn of the client's loop may take longer than its pause, at the most.
const MARGIN: Duration = Duration::from_secs(5);

/// Stands between the answers in the output of [`script`]. Nothing that the backend says holds it by
/// accident.
const MARK: &str = "--meshcheck-answer--";

/// The application's container in a pod of the client: not the sidecar.
fn application<'p>(scene: &Scene<'_>, pod: &'p evidence::Pod) -> Option<&'p str> {
    let its = &scene.expectations.client.container;
    let mut names = pod.containers.iter().map(|container| container.name.as_str());
    names.clone().find(|name| name == its).or_else(|| names.find(|it| *it != "istio-proxy"))
}

/// Whether a pod has all of these labels.
pub(super) fn carries(pod: &evidence::Pod, labels: &BTreeMap<String, String>) -> bool {
    labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
}

/// Whether a pod belongs to the client's deployment and can be asked.
pub(super) fn clients<'a>(
    scene: &Scene<'_>,
    pods: &'a [evidence::Pod],
    deployments: &Observation<Vec<evidence::Deployment>>,
) -> Vec<&'a evidence::Pod> {
    let name = &scene.expectations.client_deployment;
    let deployment = deployments
        .value()
        .and_then(|deployments| deployments.iter().find(|deployment| deployment.name == *name));
    let selects = |pod: &evidence::Pod| match deployment {
        Some(deployment) => {
            !deployment.selector.is_empty()
                && deployment.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
        }
        // Without the right to see deployments: the tutorial's own labels.
        None => carries(pod, &scene.expectations.client.labels),
    };
    pods.iter().filter(|pod| pod.phase == "Running" && !pod.terminating && selects(pod)).collect()
}

/// The script that asks the backend a number of times, tells the node's time first, and never fails.
/// After so many requests without an answer no more are made: each takes its time.
const SILENT: u32 = 2;

fn script(url: &str, requests: u32) -> String {
    let words = "\\n%{http_code}\\n%{errormsg}\\n";
    format!(
        "date -u +%s; command -v curl >/dev/null || exit 127; i=0; silent=0; \
         while [ $i -lt {requests} ] && [ $silent -lt {SILENT} ]; do i=$((i+1)); echo '{MARK}'; \
         curl -sS -i --max-time 3 -w '{words}' '{url}' || silent=$((silent+1)); \
         done 2>/dev/null; true"
    )
}

/// Asks the backend from a client pod, and what time it is there.
///
/// # Errors
///
/// When the command cannot be run at all.
pub(super) async fn ask(
    scene: &Scene<'_>,
    pod: &evidence::Pod,
) -> Result<(Asked, Option<Timestamp>), Missing> {
    let url = format!("http://{}", scene.expectations.backend_address());
    let container = application(scene, pod)
        .ok_or_else(|| Missing::Absent(format!("pod {} has no application", pod.name)))?;
    let script = script(&url, REQUESTS);
    let exec = exec(scene, pod, container, &["sh", "-c", &script]).await?;
    let now = exec.stdout.lines().next().and_then(|line| line.trim().parse().ok());
    let now = now.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let replies = exec.stdout.split(MARK).skip(1).map(reply).collect::<Vec<_>>();
    let mut exec = exec;
    if replies.len() == REQUESTS as usize {
        // Everything that it said is in the replies.
        exec.stdout = String::new();
    }
    Ok((Asked { url, requests: REQUESTS, exec, replies }, now))
}

/// One answer of curl: headers, an empty line, the body, then what `-w` wrote.
fn reply(text: &str) -> Reply {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut tail = text.rsplitn(3, '\n');
    let error = tail.next().unwrap_or_default().to_owned();
    let status = tail.next().unwrap_or_default().trim().parse().unwrap_or_default();
    let rest = tail.next().unwrap_or_default();
    let printed = Printed::parse(rest);
    Reply {
        status,
        server: printed.header("server").unwrap_or_default().to_owned(),
        envoy_upstream_time: printed.header("x-envoy-upstream-service-time").is_some(),
        body: printed.body.to_owned(),
        error,
    }
}

/// Runs a command in a container, to its end.
///
/// # Errors
///
/// When the server refuses, or the connection ends before the command did. A program that cannot be
/// started is an answer, with exit code 126 or 127.
pub(super) async fn exec(
    scene: &Scene<'_>,
    pod: &evidence::Pod,
    container: &str,
    command: &[&str],
) -> Result<ExecAnswer, Missing> {
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &pod.namespace);
    let parameters =
        AttachParams::default().container(container).stdin(false).stdout(true).stderr(true);
    let mut process = pods.exec(&pod.name, command.iter().copied(), &parameters).await?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let status =
        status.ok_or_else(|| Missing::Failed("the connection ended before the command".into()))?;
    let exit_code = exit_code(&status).ok_or_else(|| {
        let reason = "the command's end was not told".to_owned();
        Missing::Failed(status.message.clone().unwrap_or(reason))
    })?;
    Ok(ExecAnswer {
        pod: pod.name.clone(),
        container: container.to_owned(),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        exit_code,
        stdout,
        stderr: if stderr.is_empty() && exit_code > 125 {
            status.message.unwrap_or_default()
        } else {
            stderr
        },
    })
}

/// The exit code in the end of an exec; 127 where the container's runtime could not start the program.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_ref()?.trim().parse().ok());
    let cannot_start = [
        "executable file not found",
        "no such file or directory",
        "unable to start container process",
    ];
    code.or_else(|| {
        let message = status.message.as_deref().unwrap_or_default();
        cannot_start.iter().any(|it| message.contains(it)).then_some(127)
    })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before an error is worth keeping; the status tells of the error.
        let _ = (&mut pipe).take(OUTPUT_LIMIT).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A clock that was read once, and goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    at: Timestamp,
    whose: Clock,
    taken: Instant,
}

impl Reading {
    /// A clock that shows this time now.
    pub(super) fn new(at: Timestamp, whose: Clock) -> Self {
        Self { at, whose, taken: Instant::now() }
    }

    fn now(self) -> Timestamp {
        self.at.checked_add(self.taken.elapsed()).unwrap_or(self.at)
    }
}

/// Reads the end of a client's log. A client that has begun just now is given the time of its loop's first
/// turns: before them there is nothing in its log.
///
/// # Errors
///
/// When the server refuses, or does not answer in time.
pub(super) async fn log(
    scene: &Scene<'_>,
    pod: &evidence::Pod,
    clock: Reading,
) -> Result<ClientLog, Missing> {
    let patience =
        Duration::from_secs(u64::from(scene.expectations.client_interval_seconds)) * 2 + MARGIN;
    let last = std::cell::RefCell::new(Err(Missing::Failed("not read".into())));
    let waited = Wait::new("the client's first turn", patience)
        .every(Duration::from_millis(500))
        .until(
            |_| (),
            || async {
                let limit = scene.limit;
                let seen = tokio::time::timeout(limit, read_log(scene, pod, clock)).await;
                let seen = seen.unwrap_or_else(|_| {
                    let seconds = limit.as_secs_f64();
                    Err(Missing::Failed(format!("no answer within {seconds} s")))
                });
                let early = seen
                    .as_ref()
                    .is_ok_and(|log| too_early(pod, log, &scene.expectations.reply, patience));
                *last.borrow_mut() = seen;
                if early { Look::NotYet("no turn yet".into()) } else { Look::Ready(()) }
            },
        )
        .await;
    // What was read last is the evidence, whether or not a turn came.
    drop(waited);
    last.into_inner()
}

/// Whether the first turn of the client's loop is still to come or under way: nothing is written yet, or
/// what is there was written just now.
fn too_early(pod: &evidence::Pod, log: &ClientLog, reply: &str, patience: Duration) -> bool {
    let container = pod.containers.iter().find(|container| container.name == log.container);
    let Some(ContainerState::Running { since }) = container.map(|container| &container.state)
    else {
        return false;
    };
    let Some(since) = since.or(pod.created_at) else { return false };
    let age = |at: Timestamp| log.read_at.duration_since(at);
    let young = age(since) < SignedDuration::try_from(patience).unwrap_or_default();
    let replied = log.lines.iter().any(|line| line.text == reply);
    let quiet = log.lines.last().is_none_or(|line| age(line.at) < SignedDuration::from_secs(2));
    young && !replied && quiet
}

async fn read_log(
    scene: &Scene<'_>,
    pod: &evidence::Pod,
    clock: Reading,
) -> Result<ClientLog, Missing> {
    let container = application(scene, pod)
        .ok_or_else(|| Missing::Absent(format!("pod {} has no application", pod.name)))?;
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &pod.namespace);
    let parameters = LogParams { timestamps: true, ..LogParams::default() };
    let text = logs::read(&pods, &pod.name, container, Keep::Last(LOG_LINES), parameters).await?;
    Ok(ClientLog {
        pod: pod.name.clone(),
        container: container.to_owned(),
        lines: lines(&text),
        read_at: clock.now(),
        clock: clock.whose,
    })
}

/// The lines of a log with timestamps. What has none goes on from the line before.
fn lines(text: &str) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = Vec::new();
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let stamped = line
            .split_once(' ')
            .and_then(|(time, text)| Some((time.parse::<Timestamp>().ok()?, text)));
        match (stamped, lines.last_mut()) {
            (Some((at, text)), _) => lines.push(LogLine { at, text: text.to_owned() }),
            (None, Some(last)) => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            (None, None) => {}
        }
    }
    lines
}

/// The API server's clock, from the `Date` of an answer; to the second.
pub(super) async fn server_clock(client: &Client) -> Option<Timestamp> {
    let request = http::Request::get("/version").body(kube::client::Body::empty()).ok()?;
    let answer = tokio::time::timeout(Duration::from_secs(2), client.send(request)).await;
    let answer = answer.ok()?.ok()?;
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_of_curl_is_taken_apart() {
        let text = "\nHTTP/1.1 200 OK\r\nserver: envoy\r\nX-Envoy-Upstream-Service-Time: 1\r\n\r\n\
                    Hello from backend service\n\n200\n\n";
        let reply = reply(text);
        assert_eq!((reply.status, reply.server.as_str()), (200, "envoy"));
        assert!(reply.envoy_upstream_time);
        assert_eq!(reply.body, "Hello from backend service\n");
        assert_eq!(reply.error, "");
    }

    #[test]
    fn no_answer_keeps_curls_reason() {
        let reply = reply("\n\n000\nCould not resolve host: echo-service\n");
        assert_eq!((reply.status, reply.body.as_str()), (0, ""));
        assert_eq!(reply.error, "Could not resolve host: echo-service");
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
        let reply = reply(
            "\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nserver: envoy\r\n\r\nno\n503\n\n",
        );
        assert_eq!(
            (reply.status, reply.body.as_str(), reply.server.as_str()),
            (503, "no", "envoy")
        );
    }

    #[test]
    fn a_log_keeps_its_carriage_returns() {
        let text = "2026-11-24T03:39:00.1Z Hello\n2026-11-24T03:39:01Z \r  0 0\r100 27\nmore\n";
        let lines = lines(text);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].text, "Hello");
        assert_eq!(lines[1].text, "\r  0 0\r100 27\nmore");
    }

    #[rstest::rstest]
    // The first turn is still to come, or just now under way.
    #[case(3, &[], true)]
    #[case(11, &[(10, "  % Total    % Received")], true)]
    // It has come: with the reply, or with something else.
    #[case(11, &[(10, "Hello")], false)]
    #[case(14, &[(10, "sh: curl: not found")], false)]
    // Old enough to have written something.
    #[case(26, &[], false)]
    fn a_client_that_has_just_begun_is_given_time(
        #[case] age: i64,
        #[case] lines: &[(i64, &str)],
        #[case] early: bool,
    ) {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let pod = evidence::Pod {
            containers: vec![evidence::Container {
                name: "client".into(),
                state: ContainerState::Running { since: Some(at(0)) },
                ..evidence::Container::default()
            }],
            ..evidence::Pod::default()
        };
        let log = ClientLog {
            pod: "client-1".into(),
            container: "client".into(),
            lines: lines
                .iter()
                .map(|(second, text)| LogLine { at: at(*second), text: (*text).into() })
                .collect(),
            read_at: at(age),
            clock: Clock::Node,
        };
        assert_eq!(too_early(&pod, &log, "Hello", Duration::from_secs(25)), early);
    }

    proptest! {
        #[test]
        fn whatever_curl_prints_is_an_answer(
            text in "\\PC*",
            near in "(HTTP/1\\.1 (100|200|503)( OK)?\r\n|server: envoy|:|\r\n|\n|Hello|[0-9]{1,6}|\\PC){0,12}",
        ) {
            for text in [&text, &near] {
                let reply = reply(text);
                prop_assert!(text.contains(&reply.body) && text.contains(&reply.error));
                prop_assert!(text.contains(&reply.server));
            }
        }

        /// No line is made up, and none is without a time.
        #[test]
        fn whatever_a_log_holds_has_lines(
            text in "\\PC*",
            near in "(2026-11-24T14:03:48(\\.[0-9]{1,12})?(Z|\\+01:00)? ?|\n|\r|Hello|-9999-|\\PC){0,12}",
        ) {
            for text in [&text, &near] {
                for line in lines(text) {
                    prop_assert!(line.text.split('\n').all(|part| text.contains(part)), "{text:?}");
                }
            }
        }
    }
}
