//! The text of states: pods, containers, lists, counts, and quotations from the cluster.

pub(crate) mod refusal;
pub(crate) mod rollout;
#[cfg(test)]
mod tests;

use crate::evidence::{Container, ContainerState, HttpAnswer, Pod, Termination};
use crate::facts::workload::find_troubled_container;

/// The maximum length of a quotation, in characters: an error of the API server with a webhook's answer has some 500.
const EXCERPT: usize = 600;
/// The length of a longer text's beginning in its quotation.
const EXCERPT_HEAD: usize = 200;

/// Quotes a text of the cluster in one line, without control characters. A long text keeps its end, because an error of
/// the API server begins with the request and ends with the reason.
pub(crate) fn excerpt(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = line.chars().count();
    if length <= EXCERPT {
        return line;
    }
    let head: String = line.chars().take(EXCERPT_HEAD).collect();
    let tail: String = line.chars().skip(length - (EXCERPT - EXCERPT_HEAD)).collect();
    format!("{head} [...] {tail}")
}

/// Formats a list: `a`, `a and b`, `a, b and c`.
pub(crate) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => "none".to_owned(),
        [only] => only.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// Formats status and body of an answer: ``404 `not found` ``, or `404` where the body is empty.
pub(crate) fn format_answer(answer: &HttpAnswer) -> String {
    let body = excerpt(&answer.body);
    if body.is_empty() { answer.status.to_string() } else { format!("{} `{body}`", answer.status) }
}

/// Formats the reason of a missing answer: `no answer to GET http://…: from this machine: …`.
pub(crate) fn format_silence(reason: &str) -> String {
    match reason.strip_prefix("nothing answers") {
        Some(rest) if rest.starts_with(':') => format!("no answer{rest}"),
        Some(rest) => format!("no answer to{rest}"),
        None => reason.to_owned(),
    }
}

/// A noun with its plural.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noun(pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const CLUSTER: Noun = Noun("cluster", "clusters");
pub(crate) const CONTAINER: Noun = Noun("container", "containers");
pub(crate) const CPU: Noun = Noun("CPU", "CPUs");
pub(crate) const CRD: Noun = Noun("CRD", "CRDs");
pub(crate) const DEPLOYMENT: Noun = Noun("deployment", "deployments");
pub(crate) const ENDPOINT: Noun = Noun("endpoint", "endpoints");
pub(crate) const INJECTION_WEBHOOK: Noun = Noun("injection webhook", "injection webhooks");
pub(crate) const EXTRA_CONTAINER: Noun = Noun("extra container", "extra containers");
pub(crate) const NODE: Noun = Noun("node", "nodes");
pub(crate) const OBJECT: Noun = Noun("object", "objects");
pub(crate) const OLD_REPLICA: Noun = Noun("old replica", "old replicas");
pub(crate) const OTHER: Noun = Noun("other", "others");
pub(crate) const OTHER_NODE: Noun = Noun("other node", "other nodes");
pub(crate) const OTHER_WEBHOOK: Noun = Noun("other webhook", "other webhooks");
pub(crate) const POD: Noun = Noun("pod", "pods");
pub(crate) const POOL: Noun = Noun("IPAddressPool", "IPAddressPools");
pub(crate) const PROXY: Noun = Noun("proxy", "proxies");
pub(crate) const RIGHT: Noun = Noun("right", "rights");
pub(crate) const SERVICE: Noun = Noun("service", "services");

/// Formats a number with its noun: `1 pod`, `2 pods`.
pub(crate) fn count(number: usize, noun: Noun) -> String {
    format!("{number} {}", if number == 1 { noun.0 } else { noun.1 })
}

/// Formats the state of a container: `running`, `CrashLoopBackOff (exit 1, restarted 7 times)`.
pub(crate) fn format_container_state(container: &Container) -> String {
    let mut notes = Vec::new();
    let state = match &container.state {
        ContainerState::Unknown => "in an unknown state".to_owned(),
        ContainerState::Waiting { reason, message } => {
            if reason.is_empty() {
                "waiting".to_owned()
            } else {
                if !message.is_empty() && container.last_termination.is_none() {
                    notes.push(excerpt(message));
                }
                reason.clone()
            }
        }
        ContainerState::Running { .. } if container.ready => "running".to_owned(),
        ContainerState::Running { .. } => "running, not ready".to_owned(),
        ContainerState::Terminated(end) => {
            notes.push(format!("exit {}", end.exit_code));
            if end.reason.is_empty() { "terminated".to_owned() } else { end.reason.clone() }
        }
    };
    if let Some(end) = container.last_termination.as_ref().map(last_end)
        && !notes.contains(&end)
    {
        notes.push(end);
    }
    match container.restarts {
        0 => {}
        1 => notes.push("restarted once".to_owned()),
        times => notes.push(format!("restarted {times} times")),
    }
    if notes.is_empty() { state } else { format!("{state} ({})", notes.join(", ")) }
}

fn last_end(end: &Termination) -> String {
    match end.reason.as_str() {
        "" | "Error" | "Completed" => format!("exit {}", end.exit_code),
        reason => format!("{reason}, exit {}", end.exit_code),
    }
}

/// Formats the number of ready containers as `kubectl get pods` does: `1/2`.
pub(crate) fn format_ready_containers(pod: &Pod) -> String {
    let ready = pod.counted_containers().filter(|container| container.ready).count();
    format!("{ready}/{}", pod.counted_containers().count())
}

/// Formats the state of a pod, with the container that is not ready:
/// `Running, READY 1/2: container istio-proxy CrashLoopBackOff (exit 1, restarted 7 times)`.
pub(crate) fn format_pod_state(pod: &Pod) -> String {
    let mut state = if pod.terminating {
        "Terminating".to_owned()
    } else if pod.phase.is_empty() {
        "phase unknown".to_owned()
    } else {
        pod.phase.clone()
    };
    if pod.phase != "Succeeded" {
        state = format!("{state}, READY {}", format_ready_containers(pod));
    }
    if let Some(it) = find_troubled_container(pod) {
        return format!("{state}: container {} {}", it.name, format_container_state(it));
    }
    match &pod.reason {
        Some(reason) => format!("{state}: {}", excerpt(reason).trim_end_matches('.')),
        None if pod.is_running() && !pod.ready => {
            format!("{state}: condition Ready is not True")
        }
        None => state,
    }
}
