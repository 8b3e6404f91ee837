//! The rules in force in each pod's network namespace, read through the node's container: kind only.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt as _};
use meshcheck_suites::evidence::{self, Observation};

use super::api::list::list_in;
use super::api::observe::{Missing, observe};
use super::context::CollectContext;
use crate::process::Call;

/// Stands between the rules of two pods.
const MARK: &str = "--meshcheck-pod--";

/// Where containerd keeps the process ids of its containers.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// Prints the rules in the network namespace of a process. Where the newer tables hold none, the older
/// ones may: which of them a sidecar's image uses depends on the kernel.
const SHOW: &str = r#"
show() {
  saved=$(nsenter -t "$1" -n iptables-save) || return 1
  case "$saved" in
    *'-A '*) ;;
    *) older=$(nsenter -t "$1" -n iptables-legacy-save 2>/dev/null) && [ -n "$older" ] && saved=$older ;;
  esac
  printf '%s\n' "$saved"
}
"#;

/// The rules of these pods, by pod.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    pods: &[evidence::Pod],
) -> BTreeMap<String, Observation<String>> {
    let wanted: Vec<_> = pods.iter().filter(|pod| pod.is_running() && !pod.host_network).collect();
    let all = |observation: Observation<String>| {
        wanted.iter().map(|pod| (pod.name.clone(), observation.clone())).collect()
    };
    if !context.nodes_are_containers {
        return all(Observation::not_asked(
            "no container of kind on this machine is where this cluster's server was asked",
        ));
    }
    let containers = containers(&context.client, &context.expectations.namespace);
    let containers = match observe(context.limit, containers).await {
        Observation::Seen { value } => value,
        other => return all(Observation::failed(other.reason().unwrap_or_default())),
    };
    let mut by_node: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut found: BTreeMap<String, Observation<String>> = BTreeMap::new();
    for pod in &wanted {
        if let (Some(node), Some(container)) = (pod.node.as_deref(), containers.get(&pod.name)) {
            by_node.entry(node).or_default().push((&pod.name, container));
        } else {
            let reason = "no container of the pod runs yet";
            found.insert(pod.name.clone(), Observation::failed(reason));
        }
    }
    let nodes = by_node.into_iter().map(|(node, pods)| on_node(node, pods, context.limit));
    for rules in futures::future::join_all(nodes).await {
        found.extend(rules);
    }
    found
}

/// The id of one running container of each pod: all of a pod share its network namespace.
async fn containers(client: &Client, namespace: &str) -> Result<BTreeMap<String, String>, Missing> {
    let running = |pod: &Pod| {
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        let running = statuses
            .iter()
            .find(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()))?;
        let id = running.container_id.as_ref()?.strip_prefix("containerd://")?;
        id.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| (pod.name_any(), id.to_owned()))
    };
    Ok(list_in(client, namespace, running).await?.into_iter().flatten().collect())
}

/// The rules of the pods on one node, in one command.
async fn on_node(
    node: &str,
    pods: Vec<(&str, &str)>,
    limit: Duration,
) -> Vec<(String, Observation<String>)> {
    let mut script = SHOW.to_owned();
    for (_, container) in &pods {
        let _ = writeln!(
            script,
            "echo '{MARK}'; show \"$(cat {TASKS}/{container}/init.pid)\" || echo '# failed'"
        );
    }
    let call = Call::docker().args(["exec", node, "sh", "-c", &script]).within(limit);
    let output = match call.output().await {
        Ok(output) => output,
        Err(error) => {
            let reason = crate::chain(&error);
            return pods
                .into_iter()
                .map(|(pod, _)| (pod.to_owned(), Observation::failed(reason.clone())))
                .collect();
        }
    };
    let mark = format!("{MARK}\n");
    let mut rules = output.split(&mark).skip(1);
    pods.into_iter()
        .map(|(pod, _)| {
            let seen = match rules.next() {
                Some(text) if text.trim_end().ends_with("# failed") => {
                    Observation::failed(format!("iptables-save failed on node {node}"))
                }
                Some(text) => Observation::seen(text.to_owned()),
                None => Observation::failed(format!("no answer from node {node}")),
            };
            (pod.to_owned(), seen)
        })
        .collect()
}
