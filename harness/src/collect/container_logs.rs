//! The ends of containers' logs, for the reader who fixes the mesh: `record --include-logs`. No claim looks at them.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::Api;
use kube::api::LogParams;
use meshcheck_suites::evidence::{Container, ContainerLog, ContainerState, Observation, Pod};

use super::api::logs::{self, Keep};
use super::api::observe::observe;
use super::context::CollectContext;
use super::mesh;

/// How many of a log's last lines are read.
const LINES: usize = 500;

/// How much of a log is kept, in bytes.
const BYTES: usize = 128 << 10;

/// How much of all logs is kept, in bytes: the file is to fit into a mail.
const ALL_BYTES: usize = 8 << 20;

/// How many are read at once.
const AT_ONCE: usize = 8;

/// The ends of the logs of all containers of these pods that have begun, and of their runs before where
/// they were restarted: those say why.
pub(super) async fn collect(context: &CollectContext<'_>, pods: Vec<&Pod>) -> Vec<ContainerLog> {
    let mut wanted: Vec<(&Pod, &Container, bool)> = Vec::new();
    for pod in pods {
        // What istio-init says is in the evidence already, whole.
        let init = pod.init_containers.iter().filter(|it| it.name != mesh::INIT);
        for container in pod.containers.iter().chain(init) {
            if !matches!(container.state, ContainerState::Waiting { .. } | ContainerState::Unknown)
            {
                wanted.push((pod, container, false));
            }
            if container.restarts > 0 {
                wanted.push((pod, container, true));
            }
        }
    }
    let reads = wanted.into_iter().map(|(pod, container, previous)| async move {
        one(context, pod, &container.name, previous).await
    });
    let mut all: Vec<_> = futures::stream::iter(reads).buffered(AT_ONCE).collect().await;
    within(&mut all, ALL_BYTES);
    all
}

async fn one(
    context: &CollectContext<'_>,
    pod: &Pod,
    container: &str,
    previous: bool,
) -> ContainerLog {
    let pods: Api<ApiPod> = Api::namespaced(context.client.clone(), &pod.namespace);
    let parameters = LogParams {
        timestamps: true,
        previous,
        tail_lines: i64::try_from(LINES).ok(),
        ..LogParams::default()
    };
    let read = logs::read(&pods, &pod.name, container, Keep::Last(BYTES), parameters);
    let text = observe(context.limit, read).await;
    let mut cut = false;
    let text = text.map(|text| {
        let whole = without_half_a_line(&text);
        cut = whole.len() < text.len() || whole.lines().count() >= LINES;
        whole.to_owned()
    });
    ContainerLog {
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        container: container.to_owned(),
        previous,
        text,
        cut,
    }
}

/// A log that was cut begins in the middle of a line: what named a secret there may be gone. It begins with
/// the next one.
fn without_half_a_line(text: &str) -> &str {
    let stamped =
        text.split_once(' ').is_some_and(|(time, _)| time.parse::<jiff::Timestamp>().is_ok());
    if text.is_empty() || stamped {
        return text;
    }
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

/// Leaves out what is too much, the last ones first.
fn within(logs: &mut [ContainerLog], limit: usize) {
    let mut total = 0;
    for log in logs {
        let Some(length) = log.text.value().map(String::len) else { continue };
        total += length;
        if total > limit {
            total -= length;
            let reason = format!("left out: all logs together may take {} MiB", limit >> 20);
            log.text = Observation::not_asked(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "2026-11-24T03:39:00.1Z a\n2026-11-24T03:39:00.1Z b",
        "2026-11-24T03:39:00.1Z a\n2026-11-24T03:39:00.1Z b"
    )]
    #[case("hunter2 logged in\n2026-11-24T03:39:00Z b\n", "2026-11-24T03:39:00Z b\n")]
    #[case("hunter2", "")]
    #[case("", "")]
    fn cut_first_line_is_removed(#[case] text: &str, #[case] whole: &str) {
        assert_eq!(without_half_a_line(text), whole);
    }

    #[test]
    fn all_logs_together_are_bounded() {
        let log = |length: usize| ContainerLog {
            namespace: String::new(),
            pod: String::new(),
            container: String::new(),
            previous: false,
            text: Observation::seen("x".repeat(length)),
            cut: false,
        };
        let mut logs = [log(5), log(6), log(4)];
        within(&mut logs, 10);
        let kept: Vec<_> = logs.iter().map(|it| it.text.value().map(String::len)).collect();
        assert_eq!(kept, [Some(5), None, Some(4)]);
        assert!(logs[1].text.reason().unwrap().contains("left out"));
    }
}
