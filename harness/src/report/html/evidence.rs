//! The evidence that the page shows: pods, the client's log, rules, the logs that print them, the ends of the
//! other logs.

use meshcheck_suites::Evidence;
use meshcheck_suites::claims::{LogMark, log_marks};
use meshcheck_suites::evidence::{ClientLog, Container, ContainerState, Observation, Pod};

use super::container_logs::{LOGS, container_logs};
use super::rules::TraceView;
use super::{LINE, clean, cut};

/// How much of a log or of rules the page shows, in bytes.
pub(super) const EXCERPT: usize = 6000;
/// How many lines of the client's log.
const LINES: usize = 60;
/// How many pods, traces and excerpts are shown: a browser must open the page at once.
const PODS: usize = 200;
const TRACES: usize = 12;
const EXCERPTS: usize = 16;

/// The evidence that the page shows.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) pods: Vec<PodView>,
    pub(super) of_pods: Vec<OfPod>,
    pub(super) left_out: Option<String>,
}

/// The logs and rules of one pod.
#[derive(Default)]
pub(super) struct OfPod {
    pub(super) pod: String,
    pub(super) logs: Vec<LogView>,
    pub(super) traces: Vec<TraceView>,
    pub(super) excerpts: Vec<Excerpt>,
}

/// A log or a set of rules as one text.
pub(super) struct Excerpt {
    pub(super) pod: String,
    pub(super) name: String,
    pub(super) text: String,
}

/// A row of the table of pods.
pub(super) struct PodView {
    pub(super) name: String,
    pub(super) phase: String,
    pub(super) ready: String,
    pub(super) is_ready: bool,
    pub(super) restarts: u32,
    pub(super) node: String,
    pub(super) containers: String,
}

/// The client's log.
pub(super) struct LogView {
    pod: String,
    pub(super) name: String,
    pub(super) lines: Vec<LineView>,
    /// Whether it ends with errors.
    pub(super) open: bool,
}

/// A line of it.
pub(super) struct LineView {
    pub(super) time: String,
    pub(super) text: String,
    pub(super) note: String,
    pub(super) class: &'static str,
}

/// Collects the evidence for the page, not more than a browser opens at once.
pub(super) fn shown(evidence: &Evidence, mut traces: Vec<TraceView>) -> Shown {
    let mut pods = pods(evidence);
    let mut logs = logs(evidence);
    let mut excerpts = excerpts(evidence);
    let mut container_logs = container_logs(evidence);
    let mut left = Vec::new();
    let mut keep = |what: &str, length: usize, most: usize| {
        if length > most {
            left.push(format!("{} {what}", length - most));
        }
    };
    keep("pods", pods.len(), PODS);
    keep("client logs", logs.len(), TRACES);
    keep("traces of packets", traces.len(), TRACES);
    keep("logs and sets of rules", excerpts.len(), EXCERPTS);
    keep("logs of containers", container_logs.len(), LOGS);
    pods.truncate(PODS);
    logs.truncate(TRACES);
    traces.truncate(TRACES);
    excerpts.truncate(EXCERPTS);
    container_logs.truncate(LOGS);
    excerpts.extend(container_logs);
    let left_out = (!left.is_empty()).then(|| {
        format!(
            "Not shown, to keep the page small: {}. The evidence has all of it.",
            left.join(", ")
        )
    });
    Shown { pods, of_pods: group(logs, traces, excerpts), left_out }
}

/// Groups the logs and rules by pod; the pods with the traces and the client's log come first.
fn group(logs: Vec<LogView>, traces: Vec<TraceView>, excerpts: Vec<Excerpt>) -> Vec<OfPod> {
    let mut all: Vec<OfPod> = Vec::new();
    for log in logs {
        of_pod(&mut all, &log.pod).logs.push(log);
    }
    for trace in traces {
        of_pod(&mut all, &trace.pod).traces.push(trace);
    }
    for excerpt in excerpts {
        of_pod(&mut all, &excerpt.pod).excerpts.push(excerpt);
    }
    all
}

/// Returns the group of a pod, by its name without the namespace: rules are recorded without it.
fn of_pod<'g>(all: &'g mut Vec<OfPod>, pod: &str) -> &'g mut OfPod {
    let pod = pod.rsplit('/').next().unwrap_or_default();
    let at = all.iter().position(|group| group.pod == pod).unwrap_or_else(|| {
        all.push(OfPod { pod: pod.to_owned(), ..OfPod::default() });
        all.len() - 1
    });
    &mut all[at]
}

/// Lists the pods; those that are not ready come first.
fn pods(evidence: &Evidence) -> Vec<PodView> {
    let lists = [&evidence.demo.pods, &evidence.install.pods];
    let mut pods: Vec<_> =
        lists.into_iter().filter_map(|list| list.value()).flatten().map(pod).collect();
    pods.sort_by_key(|pod| pod.is_ready);
    pods
}

fn pod(pod: &Pod) -> PodView {
    // As `kubectl get pods` counts: a sidecar that is an init container is among them.
    let counted: Vec<_> = pod.counted_containers().collect();
    let ready = counted.iter().filter(|it| it.ready).count();
    let phase = if pod.terminating { "Terminating" } else { pod.phase.as_str() };
    let states: Vec<_> = counted.iter().map(|it| container(it)).collect();
    PodView {
        name: clean(&format!("{}/{}", pod.namespace, pod.name)),
        phase: clean(phase),
        ready: format!("{ready}/{}", counted.len()),
        is_ready: pod.phase == "Succeeded" || !counted.is_empty() && ready == counted.len(),
        restarts: counted.iter().map(|it| it.restarts).fold(0, u32::saturating_add),
        node: clean(pod.node.as_deref().unwrap_or("none")),
        containers: cut(&clean(&states.join(", ")), LINE, "the evidence has all of it"),
    }
}

fn container(container: &Container) -> String {
    let name = &container.name;
    match &container.state {
        ContainerState::Running { .. } if container.ready => name.clone(),
        ContainerState::Running { .. } => format!("{name} (not ready)"),
        ContainerState::Waiting { reason, .. } => format!("{name} ({reason})"),
        ContainerState::Terminated(end) => {
            format!("{name} ({}, exit {})", end.reason, end.exit_code)
        }
        ContainerState::Unknown => format!("{name} (not reported)"),
    }
}

fn logs(evidence: &Evidence) -> Vec<LogView> {
    let reply = &evidence.expectations.reply;
    evidence.demo.client_logs.value().into_iter().flatten().map(|it| log(it, reply)).collect()
}

fn log(log: &ClientLog, reply: &str) -> LogView {
    let marks = log_marks(log, reply);
    let skipped = log.lines.len().saturating_sub(LINES);
    let lines: Vec<_> = log
        .lines
        .iter()
        .zip(&marks)
        .skip(skipped)
        .map(|(line, mark)| {
            let age = log.read_at.duration_since(line.at).as_secs();
            let (class, note) = match mark {
                LogMark::NewestReply => {
                    ("newest", format!("the newest reply, {age} s before the log was read"))
                }
                LogMark::Trouble => ("trouble", "no reply came after it".to_owned()),
                LogMark::PastTrouble => ("past", "a reply came later".to_owned()),
                LogMark::Reply => ("", String::new()),
                LogMark::Meter => ("meter", String::new()),
            };
            LineView {
                time: line.at.strftime("%H:%M:%S").to_string(),
                text: cut(clean(&line.text).trim(), LINE, "the evidence has all of it"),
                note,
                class,
            }
        })
        .collect();
    let before = if skipped == 0 { String::new() } else { format!(", its last {LINES} lines") };
    LogView {
        pod: clean(&log.pod),
        name: format!("log of {}{before}", clean(&log.pod)),
        open: marks.contains(&LogMark::Trouble) || !marks.contains(&LogMark::NewestReply),
        lines,
    }
}

/// Formats what was read, or why nothing was; nothing where it was not collected.
pub(super) fn format_observation(observation: &Observation<String>) -> Option<String> {
    let cut = |text: &str| cut(&clean(text), EXCERPT, "the evidence has all of it");
    match observation {
        Observation::Seen { value } => Some(cut(value)),
        Observation::Absent { reason } => Some(format!("absent: {}", cut(reason))),
        Observation::Failed { reason } => Some(format!("cannot read it: {}", cut(reason))),
        Observation::NotAsked { .. } => None,
    }
}

fn excerpts(evidence: &Evidence) -> Vec<Excerpt> {
    let mesh = &evidence.mesh;
    let all = [
        ("log of istio-init in", &mesh.init_logs),
        ("rules in force in", &mesh.live_rules),
        ("IPv6 rules in force in", &mesh.live_rules_v6),
    ];
    let all = all.into_iter().flat_map(|(what, all)| all.iter().map(move |it| (what, it)));
    all.filter_map(|(what, (pod, text))| {
        let pod = clean(pod);
        let name = format!("{what} {pod}");
        Some(Excerpt { name, text: format_observation(text)?, pod })
    })
    .collect()
}
