//! The client's log: its end, read when there is something in it to judge.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use meshcheck_suites::claims::{LogMark, log_marks};
use meshcheck_suites::evidence::{self, ClientLog, Clock, ContainerState, LogLine};
use tokio::time::Instant;

use super::application;
use crate::collect::api::logs::{self, Keep};
use crate::collect::api::observe::{Missing, within};
use crate::collect::context::CollectContext;
use crate::wait::Wait;

/// How many of the log's last lines are read: a turn of the client's loop writes four or five.
const LOG_LINES: usize = 80;

/// What a turn of the client's loop may take longer than its pause, at the most.
const MARGIN: Duration = Duration::from_secs(5);

/// The longest that a turn is waited for, whatever the loop's pause.
const LONGEST: Duration = Duration::from_secs(30);

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
/// node's clock, and the log still ends as it did before, the client is given its next turn: what was just
/// fixed must not fail.
pub(super) async fn log(
    context: &CollectContext<'_>,
    pod: &evidence::Pod,
    clock: Reading,
    replied_at: Option<Timestamp>,
) -> Result<ClientLog, Missing> {
    let reply = context.expectations.reply.as_str();
    let turn = Duration::from_secs(u64::from(context.expectations.client_interval_seconds));
    let first = (turn * 2 + MARGIN).min(LONGEST);
    let log =
        read_until(context, pod, clock, ("first", first), |log| !too_early(pod, log, reply, first));
    let log = log.await?;
    let next = (turn + MARGIN).min(LONGEST);
    match replied_at.filter(|_| asks(context, pod)) {
        Some(since) if is_behind(&log, reply, since, next) => {
            read_until(context, pod, clock, ("next", next), |log| {
                !is_behind(log, reply, since, next)
            })
            .await
        }
        _ => Ok(log),
    }
}

/// Whether a pod's application requests the backend's address: another one's log gets no better by waiting.
fn asks(context: &CollectContext<'_>, pod: &evidence::Pod) -> bool {
    let address = context.expectations.backend_address();
    let its = application(context, pod);
    let mut containers = pod.containers.iter().filter(|it| Some(it.name.as_str()) == its);
    containers.any(|it| it.command.iter().chain(&it.args).any(|word| word.contains(&address)))
}

/// Reads a log until it is as it is to be, or this turn of the client's loop should have come. What was read
/// last is the evidence, whether or not it has.
async fn read_until(
    context: &CollectContext<'_>,
    pod: &evidence::Pod,
    clock: Reading,
    (turn, ceiling): (&str, Duration),
    is_so: impl Fn(&ClientLog) -> bool,
) -> Result<ClientLog, Missing> {
    let waiting = Wait::new("the client's turn", ceiling).every(Duration::from_millis(500));
    let read = || within(context.limit, read_log(context, pod, clock));
    let waited = Box::pin(waiting.last(read, |log| log.as_ref().map_or(true, &is_so)));
    let what = format!("the {turn} turn of {}'s loop", pod.name);
    let last = context.awaited(&what, ceiling, waited).await;
    let late = || Missing::Failed(format!("no answer within {} s", ceiling.as_secs()));
    last.unwrap_or_else(|| Err(late()))
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

/// Whether a log has no good end, and tells nothing yet of a turn that began after `since`, a time to the
/// second. One is due within `turn`.
fn is_behind(log: &ClientLog, reply: &str, since: Timestamp, turn: Duration) -> bool {
    let turn = SignedDuration::try_from(turn).unwrap_or_default();
    let marks = log_marks(log, reply);
    let since = since.checked_add(SignedDuration::from_secs(1)).unwrap_or(since);
    let of = |wanted: LogMark| {
        log.lines.iter().zip(&marks).filter(move |(_, mark)| **mark == wanted).map(|(line, _)| line)
    };
    // Envoy's words end without a newline: the reply that follows stands in their line.
    let newest =
        of(LogMark::NewestReply).next_back().or_else(|| of(LogMark::PastTrouble).next_back());
    let is_fresh = newest.is_some_and(|line| since.duration_since(line.at) <= turn);
    // The head of curl's meter is written when a request begins, its trouble when it ends.
    let asked = of(LogMark::Meter).find(|line| line.at >= since).map(|line| line.at);
    let silent = of(LogMark::Meter).next().is_none();
    let is_told = of(LogMark::Trouble)
        .any(|line| line.at >= since && (silent || asked.is_some_and(|asked| asked <= line.at)));
    let is_good = is_fresh && of(LogMark::Trouble).next().is_none();
    !is_good && !is_told && log.read_at.duration_since(since) <= turn
}

async fn read_log(
    context: &CollectContext<'_>,
    pod: &evidence::Pod,
    clock: Reading,
) -> Result<ClientLog, Missing> {
    let container = application(context, pod)
        .ok_or_else(|| Missing::Absent(format!("pod {} has no application", pod.name)))?;
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace);
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
    fn log_keeps_its_carriage_returns() {
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
    fn new_client_is_waited_for(
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
    const HEAD: &str =
        "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current";

    /// The backend replied at second 100, a turn takes 15 seconds at the most.
    #[rstest::rstest]
    // What the log says last is from before.
    #[case(101, &[(92, ERROR)], true)]
    #[case(101, &[(82, "Hello"), (92, "no healthy upstream")], true)]
    #[case(101, &[(82, ERROR), (92, HEAD)], true)]
    #[case(101, &[(60, "Hello")], true)]
    #[case(101, &[(60, "no healthy upstreamHello")], true)]
    #[case(101, &[], true)]
    // A request from before has ended since.
    #[case(104, &[(99, HEAD), (103, ERROR)], true)]
    // It may be from before, within the second.
    #[case(101, &[(100, HEAD), (100, ERROR)], true)]
    // A turn since then has told, well or not.
    #[case(103, &[(92, ERROR), (102, "Hello")], false)]
    #[case(103, &[(92, "no healthy upstream"), (102, HEAD), (102, "no healthy upstreamHello")], false)]
    #[case(103, &[(92, "no healthy upstreamHello"), (102, "Hello")], false)]
    #[case(103, &[(92, HEAD), (92, ERROR), (102, HEAD), (102, ERROR)], false)]
    // Without a meter, by the line itself.
    #[case(103, &[(92, ERROR), (102, ERROR)], false)]
    // All was well before.
    #[case(101, &[(92, "Hello")], false)]
    #[case(101, &[(82, ERROR), (92, "Hello")], false)]
    #[case(101, &[(92, "no healthy upstreamHello")], false)]
    // No turn came.
    #[case(117, &[(92, ERROR)], false)]
    fn log_older_than_the_reply_is_read_again(
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
        fn random_log_has_lines(
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
