//! Whether the client's log shows the backend's reply, now and not only once.

use jiff::{SignedDuration, Timestamp};

use super::log_lines::{Piece, pieces};
use super::{apply, client_image, deployment, is_pod_of, scale_up};
use crate::combine::all_hold;
use crate::evidence::{ClientLog, Clock, ContainerState, Evidence, Expectations, LogLine, Pod};
use crate::format::{excerpt, format_pod_state};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps;

/// What a loop turn takes besides its sleep, and how far clocks may differ that ought to agree.
const GRACE: SignedDuration = SignedDuration::from_secs(5);
/// So many turns may the newest reply be old.
const TURNS: i32 = 3;

pub(in super::super) fn client_logs_show_reply(evidence: &Evidence) -> Judged {
    let Expectations { namespace, client_deployment, .. } = &evidence.expectations;
    let object = format!("deployment {namespace}/{client_deployment}");
    let show = evidence.kubectl(&["-n", namespace, "get", "pods"]);
    let shows = || format!("`{show}` shows the pods");
    let pods = require(
        &evidence.demo.pods,
        &format!("the pods of namespace {namespace}"),
        &object,
        shows,
    )?;
    let clients: Vec<_> =
        pods.iter().filter(|pod| is_pod_of(evidence, pod, client_deployment)).collect();
    let running: Vec<_> = clients.iter().filter(|pod| pod.is_running()).collect();
    if running.is_empty() {
        let fail = Judgement::fail("no client pod runs, so there is no log to read")
            .expected(format!("a running pod of {client_deployment}"));
        return Err(match clients.first() {
            Some(pod) => fail
                .observed(format!("{} is {}", pod.name, format_pod_state(pod)))
                .object(Object::pod(pod))
                .legacy_hint(steps::joined(steps::pods::diagnose(evidence, pod))),
            None => fail.observed("no client pod").object(object).legacy_hint(
                match deployment(evidence, client_deployment) {
                    Some(client) if client.replicas == 0 => scale_up(evidence, client_deployment),
                    Some(_) => shows(),
                    None => apply(evidence, "client.yaml"),
                },
            ),
        });
    }
    let what = "the client's log";
    let logs = require(&evidence.demo.client_logs, what, &object, || {
        format!("`{}` shows it", show_log(evidence, running[0]))
    })?;
    let container = &evidence.expectations.client.container;
    let words = all_hold(running.iter().map(|pod| {
        match logs.iter().find(|log| log.pod == pod.name && log.container == *container) {
            Some(log) => shows_reply(evidence, pod, log),
            None => Err(Judgement::unjudged(format!("the log of {} was not read", pod.name))),
        }
    }))?;
    Ok(Judgement::pass(words.join("; ")))
}

/// What stands in a client pod's log where the reply should, if anything does.
pub(in super::super) fn trouble_in_log(evidence: &Evidence, pod: &str) -> Option<String> {
    let logs = evidence.demo.client_logs.value()?;
    let container = &evidence.expectations.client.container;
    let log = logs.iter().find(|log| log.pod == pod && log.container == *container)?;
    read(log, &evidence.expectations.reply).trouble
}

/// What a line of the client's log is, for whoever shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMark {
    /// The newest reply.
    NewestReply,
    /// A reply before it.
    Reply,
    /// Something that is neither a reply nor curl's meter, with no reply after it.
    Trouble,
    /// The same, before a later reply: it is over.
    PastTrouble,
    /// curl's progress meter, or nothing.
    Meter,
}

/// What the lines of a client's log are, in order.
pub fn log_marks(log: &ClientLog, reply: &str) -> Vec<LogMark> {
    let mut marks: Vec<_> = log
        .lines
        .iter()
        .map(|line| {
            let pieces = pieces(&line.text, reply);
            if pieces.iter().any(|piece| matches!(piece, Piece::Other(_))) {
                LogMark::Trouble
            } else if pieces.contains(&Piece::Reply) {
                LogMark::Reply
            } else {
                LogMark::Meter
            }
        })
        .collect();
    // A line that holds both ends with the reply: what stands before it is over.
    let replied = |line: &LogLine| pieces(&line.text, reply).last() == Some(&Piece::Reply);
    if let Some(newest) = log.lines.iter().rposition(replied) {
        for mark in marks.iter_mut().take(newest + 1) {
            if *mark == LogMark::Trouble {
                *mark = LogMark::PastTrouble;
            }
        }
        if let Some(mark) = marks.get_mut(newest).filter(|mark| **mark == LogMark::Reply) {
            *mark = LogMark::NewestReply;
        }
    }
    marks
}

fn show_log(evidence: &Evidence, pod: &Pod) -> String {
    let container = ["-c", &evidence.expectations.client.container, "--timestamps", "--tail=20"];
    evidence.kubectl(&[&["-n", &pod.namespace, "logs", &pod.name][..], &container].concat())
}

/// What a log tells, read from its end.
#[derive(Default)]
struct Reading {
    /// When the newest reply was written.
    reply: Option<Timestamp>,
    /// What followed it that is neither a reply nor curl's meter; all there is without a reply.
    /// The first of them: where the trouble began.
    trouble: Option<String>,
    /// When requests began after it, by the heads of curl's meter.
    requests: Vec<Timestamp>,
}

fn read(log: &ClientLog, reply: &str) -> Reading {
    let mut reading = Reading::default();
    for line in &log.lines {
        for piece in pieces(&line.text, reply) {
            match piece {
                Piece::Reply => {
                    reading = Reading { reply: Some(line.at), ..Reading::default() };
                }
                Piece::Other(text) => {
                    reading.trouble.get_or_insert(text);
                }
                Piece::MeterHead => reading.requests.push(line.at),
                Piece::Meter => {}
            }
        }
    }
    reading
}

fn shows_reply(evidence: &Evidence, pod: &Pod, log: &ClientLog) -> Judged {
    let Expectations { reply, client_interval_seconds, backend_deployment, .. } =
        &evidence.expectations;
    let interval = SignedDuration::from_secs(i64::from(*client_interval_seconds));
    let reading = read(log, reply);
    let look = format!("`{}` shows the log", show_log(evidence, pod));
    let backend_gone =
        deployment(evidence, backend_deployment).is_some_and(|backend| backend.replicas == 0);
    let fail = |summary: &str, observed: String| {
        let (cause, hint) = if backend_gone {
            let cause = format!(": {backend_deployment} is scaled to zero");
            (cause, scale_up(evidence, backend_deployment))
        } else if observed.contains("curl: not found") {
            (": there is no curl in the client's image".to_owned(), client_image(evidence))
        } else {
            (String::new(), look.clone())
        };
        Err(Judgement::fail(format!("{summary}{cause}"))
            .expected(format!(
                "the line `{reply}` every {client_interval_seconds} s, and no error after it"
            ))
            .observed(observed)
            .object(Object::pod(pod))
            .legacy_hint(hint))
    };
    if let Some(trouble) = &reading.trouble {
        let summary = if reading.reply.is_some() {
            "something else than the reply came last in the client's log"
        } else {
            "the client's log shows something else than the reply"
        };
        return fail(summary, format!("`{}`", excerpt(trouble)));
    }
    let Some(newest) = reading.reply else {
        if let Some(age) =
            running_for(evidence, pod, log.read_at).filter(|age| *age < interval * 2 + GRACE)
        {
            return Err(Judgement::unjudged(format!(
                "too early: the client in {} began {} s ago, and asks every {client_interval_seconds} s",
                pod.name,
                age.as_secs()
            )));
        }
        let requests = reading.requests.len();
        return fail(
            "the client's log shows no reply",
            match requests {
                0 => "no line of a request".to_owned(),
                number => format!("{number} requests without a reply"),
            },
        );
    };
    // One request may be on its way. What begins right beside the reply is its own request: the
    // log's two streams are not in step.
    let unanswered =
        reading.requests.iter().filter(|at| at.duration_since(newest) > interval / 2).count();
    if unanswered > 1 {
        return fail(
            "the client's newest requests brought no reply",
            format!("{unanswered} requests without a reply since {newest}"),
        );
    }
    let age = log.read_at.duration_since(newest);
    let limit = interval * TURNS + GRACE;
    let clocks_differ = match log.clock {
        // The same clock wrote the log.
        Clock::Node => false,
        Clock::ApiServer | Clock::Collector => age < -GRACE,
    };
    if clocks_differ {
        return Err(Judgement::unjudged(format!(
            "the newest reply in {} is {} s in the future by the clock of {}: whether it is fresh \
             cannot be told",
            pod.name,
            -age.as_secs(),
            whose(log.clock)
        )));
    }
    if age <= limit {
        return Ok(Judgement::pass(format!(
            "{}: `{reply}`, {} s ago",
            pod.name,
            age.as_secs().max(0)
        )));
    }
    let said = format!(
        "the newest reply is {} s old, by the clock of {}",
        age.as_secs(),
        whose(log.clock)
    );
    // A log without any newer line may be old only by a wrong clock, unless that clock is the
    // log's own.
    if log.clock == Clock::Collector && !backend_gone {
        return Err(Judgement::unjudged(format!("{said}, which may be wrong")));
    }
    fail("the client's log shows old replies only", said)
}

fn whose(clock: Clock) -> &'static str {
    match clock {
        Clock::Node => "the node",
        Clock::ApiServer => "the API server",
        Clock::Collector => "the machine that looked",
    }
}

/// How long a pod's client has been running.
fn running_for(evidence: &Evidence, pod: &Pod, now: Timestamp) -> Option<SignedDuration> {
    let name = &evidence.expectations.client.container;
    let client = pod.containers.iter().find(|container| container.name == *name)?;
    match client.state {
        ContainerState::Running { since } => {
            since.or(pod.created_at).map(|since| now.duration_since(since))
        }
        _ => None,
    }
}
