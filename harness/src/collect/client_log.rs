//! The client's log: its end, read when there is something in it to judge.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use meshcheck_suites::claims::{LogMark, log_marks};
use meshcheck_suites::evidence::{self, ClientLog, Clock, ContainerState, LogLine};
use tokio::time::Instant;

use super::Scene;
use super::demo::application;
use super::logs::{self, Keep};
use super::look::Missing;
use crate::wait::{Look, Wait};

/// How many of the log's last lines are read: a turn of the client's loop writes four or five.
const LOG_LINES: usize = 80;

/// What a turn of the client's loop may take longer than its pause, at the most.
const MARGIN: Duration = Duration::from_secs(5);

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
/// turns: before them there is nothing in its log. Where the backend has replied to us, at `replied_at` by the
/// node's clock, and the log still shows what was before, the client is given its next turn: what was just
/// mended is not told to be broken.
///
/// # Errors
///
/// When the server refuses, or does not answer in time.
pub(super) async fn log(
    scene: &Scene<'_>,
    pod: &evidence::Pod,
    clock: Reading,
    replied_at: Option<Timestamp>,
) -> Result<ClientLog, Missing> {
    let reply = scene.expectations.reply.as_str();
    let turn = Duration::from_secs(u64::from(scene.expectations.client_interval_seconds));
    let patience = turn * 2 + MARGIN;
    let last = std::cell::RefCell::new(Err(Missing::Failed("not read".into())));
    let waiting = Wait::new("the client's turn", patience).every(Duration::from_millis(500));
    let waited = waiting.until(
        |_| (),
        || async {
            let limit = scene.limit;
            let seen = tokio::time::timeout(limit, read_log(scene, pod, clock)).await;
            let seen = seen.unwrap_or_else(|_| {
                let seconds = limit.as_secs_f64();
                Err(Missing::Failed(format!("no answer within {seconds} s")))
            });
            let early = seen.as_ref().is_ok_and(|log| {
                let behind = |at| is_behind(log, reply, at, turn + MARGIN);
                too_early(pod, log, reply, patience) || replied_at.is_some_and(behind)
            });
            *last.borrow_mut() = seen;
            if early { Look::NotYet("no turn yet".into()) } else { Look::Ready(()) }
        },
    );
    let what = format!("the next turn of {}'s loop", pod.name);
    // What was read last is the evidence, whether or not a turn came.
    drop(scene.awaited(&what, patience, waited).await);
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

/// Whether a log shows no good end, and nothing yet of the client's first turn after `since`. One is due
/// within `turn`.
fn is_behind(log: &ClientLog, reply: &str, since: Timestamp, turn: Duration) -> bool {
    let turn = SignedDuration::try_from(turn).unwrap_or_default();
    let marks = log_marks(log, reply);
    let lines = || log.lines.iter().zip(&marks);
    let says = |mark: LogMark| lines().any(|(line, it)| *it == mark && line.at >= since);
    let said = says(LogMark::NewestReply) || says(LogMark::Trouble);
    let fresh = lines()
        .any(|(line, it)| *it == LogMark::NewestReply && since.duration_since(line.at) <= turn);
    let good = fresh && !marks.contains(&LogMark::Trouble);
    !good && !said && log.read_at.duration_since(since) <= turn
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn client_log(read_at: i64, lines: &[(i64, &str)]) -> ClientLog {
        let line = |(second, text): &(i64, &str)| LogLine { at: at(*second), text: (*text).into() };
        ClientLog {
            pod: "client-1".into(),
            container: "client".into(),
            lines: lines.iter().map(line).collect(),
            read_at: at(read_at),
            clock: Clock::Node,
        }
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
        let pod = evidence::Pod {
            containers: vec![evidence::Container {
                name: "client".into(),
                state: ContainerState::Running { since: Some(at(0)) },
                ..evidence::Container::default()
            }],
            ..evidence::Pod::default()
        };
        let log = client_log(age, lines);
        assert_eq!(too_early(&pod, &log, "Hello", Duration::from_secs(25)), early);
    }

    const ERROR: &str = "curl: (7) Failed to connect";

    /// The backend replied at second 100, a turn takes 15 seconds at the most.
    #[rstest::rstest]
    // What the log says last is from before.
    #[case(101, &[(92, ERROR)], true)]
    #[case(101, &[(82, "Hello"), (92, "no healthy upstream")], true)]
    #[case(101, &[(82, ERROR), (92, "  % Total    % Received % Xferd")], true)]
    #[case(101, &[(60, "Hello")], true)]
    #[case(101, &[], true)]
    // A turn since then has told, well or not.
    #[case(103, &[(92, ERROR), (102, "Hello")], false)]
    #[case(103, &[(92, ERROR), (102, ERROR)], false)]
    // All was well before.
    #[case(101, &[(92, "Hello")], false)]
    #[case(101, &[(82, ERROR), (92, "Hello")], false)]
    // No turn came.
    #[case(116, &[(92, ERROR)], false)]
    fn a_log_from_before_the_backend_replied_is_given_a_turn(
        #[case] read_at: i64,
        #[case] lines: &[(i64, &str)],
        #[case] behind: bool,
    ) {
        let log = client_log(read_at, lines);
        assert_eq!(is_behind(&log, "Hello", at(100), Duration::from_secs(15)), behind);
    }

    proptest! {
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
