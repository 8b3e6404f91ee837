//! The rules in force in each pod's network namespace, read through the node's container: kind only.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt as _};
use meshcheck_netfilter::Family;
use meshcheck_suites::evidence::{self, Observation};

use super::api::list::list_in;
use super::api::observe::{Missing, observe};
use super::context::CollectContext;
use crate::process::Call;

/// Stands between the rules of two pods.
const MARK: &str = "--meshcheck-pod--";

/// Where containerd keeps the process ids of its containers.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// Stands before the names of native nftables tables.
const NATIVE: &str = "# native nftables:";

/// Prints the rules in the network namespace of a process, of `iptables` or `ip6tables`. Where the newer tables hold
/// none, the older ones may: which of them a sidecar's image uses depends on the kernel. Istio can also set native
/// nftables rules (`values.global.nativeNftables`), which `iptables-save` does not show. Their tables are
/// called `istio-proxy-nat`, `-mangle` and `-raw`. Source: `tools/istio-nftables/pkg/constants/constants.go` of Istio.
const SHOW: &str = r#"
show() {
  saved=$(nsenter -t "$1" -n "$2-save") || return 1
  case "$saved" in
    *'-A '*) ;;
    *)
      native=$(nsenter -t "$1" -n nft list tables 2>/dev/null | grep -o 'istio-proxy-.*')
      if [ -n "$native" ]; then echo '# native nftables:' $native; return 0; fi
      older=$(nsenter -t "$1" -n "$2-legacy-save" 2>/dev/null) && [ -n "$older" ] && saved=$older
      ;;
  esac
  printf '%s\n' "$saved"
}
"#;

/// Rules by pod.
type ByPod = BTreeMap<String, Observation<String>>;

/// A pod's rules of one family, and a container of it.
type Requested<'a> = (&'a str, Family, &'a str);

/// The rules of these pods: of IPv4, and of IPv6 where a pod has such an address.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    pods: &[evidence::Pod],
) -> (ByPod, ByPod) {
    let wanted: Vec<_> = pods.iter().filter(|pod| pod.is_running() && !pod.host_network).collect();
    let all = |observation: Observation<String>| {
        by_family(wanted.iter().flat_map(|pod| {
            families(pod).map(|family| (pod.name.clone(), family, observation.clone()))
        }))
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
    let mut by_node: BTreeMap<&str, Vec<Requested<'_>>> = BTreeMap::new();
    let mut found = Vec::new();
    for pod in &wanted {
        for family in families(pod) {
            if let (Some(node), Some(container)) = (pod.node.as_deref(), containers.get(&pod.name))
            {
                by_node.entry(node).or_default().push((&pod.name, family, container));
            } else {
                let reason = "no container of the pod runs yet";
                found.push((pod.name.clone(), family, Observation::failed(reason)));
            }
        }
    }
    let nodes = by_node.into_iter().map(|(node, pods)| on_node(node, pods, context.limit));
    found.extend(futures::future::join_all(nodes).await.into_iter().flatten());
    by_family(found)
}

/// The families whose rules are read.
fn families(pod: &evidence::Pod) -> impl Iterator<Item = Family> + use<> {
    let v6 = pod.addresses().any(|address| address.is_ipv6());
    [Family::V4].into_iter().chain(v6.then_some(Family::V6))
}

fn by_family(
    found: impl IntoIterator<Item = (String, Family, Observation<String>)>,
) -> (ByPod, ByPod) {
    let (mut v4, mut v6) = (ByPod::new(), ByPod::new());
    for (pod, family, rules) in found {
        let by_pod = if family == Family::V4 { &mut v4 } else { &mut v6 };
        by_pod.insert(pod, rules);
    }
    (v4, v6)
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
    wanted: Vec<Requested<'_>>,
    limit: Duration,
) -> Vec<(String, Family, Observation<String>)> {
    let call = Call::docker().args(["exec", node, "sh", "-c", &script(&wanted)]).within(limit);
    let output = call.output().await.map_err(|error| crate::chain(&error));
    let mark = format!("{MARK}\n");
    let mut rules = output.as_deref().unwrap_or_default().split(&mark).skip(1);
    wanted
        .into_iter()
        .map(|(pod, family, _)| {
            let seen = match (&output, rules.next()) {
                (Err(reason), _) => Observation::failed(reason.clone()),
                (_, Some(text)) => rules_of(text, family, node),
                (_, None) => Observation::failed(format!("no answer from node {node}")),
            };
            (pod.to_owned(), family, seen)
        })
        .collect()
}

/// What the node's shell printed for one pod.
fn rules_of(text: &str, family: Family, node: &str) -> Observation<String> {
    let program = program(family);
    if let Some(tables) = text.strip_prefix(NATIVE) {
        return Observation::failed(format!(
            "Istio set native nftables rules (table {}), which {program}-save does not show",
            tables.split_whitespace().collect::<Vec<_>>().join(", ")
        ));
    }
    if text.trim_end().ends_with("# failed") {
        return Observation::failed(format!("{program}-save failed on node {node}"));
    }
    Observation::seen(text.to_owned())
}

fn program(family: Family) -> &'static str {
    if family == Family::V4 { "iptables" } else { "ip6tables" }
}

/// What the node's shell runs.
fn script(wanted: &[Requested<'_>]) -> String {
    let mut script = SHOW.to_owned();
    for (_, family, container) in wanted {
        let program = program(*family);
        let pid = format!("\"$(cat {TASKS}/{container}/init.pid)\"");
        let _ = writeln!(script, "echo '{MARK}'; show {pid} {program} || echo '# failed'");
    }
    script
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn pod(ips: &[&str]) -> evidence::Pod {
        let ips: Vec<_> = ips.iter().copied().map(str::to_owned).collect();
        evidence::Pod { ip: ips.first().cloned(), ips, ..evidence::Pod::default() }
    }

    #[test]
    fn pod_with_an_address_of_ipv6_has_both_kinds_of_rules_read() {
        let families = |ips: &[&str]| families(&pod(ips)).collect::<Vec<_>>();
        assert_eq!(families(&["10.244.0.8"]), [Family::V4]);
        assert_eq!(families(&["10.244.0.8", "fd00::8"]), [Family::V4, Family::V6]);
        assert_eq!(families(&["fd00::8"]), [Family::V4, Family::V6]);
        assert_eq!(families(&[]), [Family::V4]);
    }

    #[test]
    fn script_asks_the_program_of_each_family() {
        let script = script(&[("a", Family::V4, "c0ffee"), ("a", Family::V6, "c0ffee")]);
        let calls: Vec<_> = script.lines().filter(|line| line.starts_with("echo")).collect();
        assert!(calls[0].contains("c0ffee/init.pid)\" iptables ||"), "{script}");
        assert!(calls[1].contains("c0ffee/init.pid)\" ip6tables ||"), "{script}");
    }

    #[rstest]
    #[case::rules("*nat\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n", None)]
    #[case::no_rules("\n", None)]
    #[case::failed("# failed\n", Some("iptables-save failed on node n"))]
    #[case::native(
        "# native nftables: istio-proxy-nat istio-proxy-raw\n",
        Some(
            "Istio set native nftables rules (table istio-proxy-nat, istio-proxy-raw), which iptables-save does \
             not show"
        )
    )]
    fn native_rules_are_no_absence_of_rules(#[case] text: &str, #[case] reason: Option<&str>) {
        let seen = rules_of(text, Family::V4, "n");
        assert_eq!(seen.reason(), reason);
        assert_eq!(seen.value().is_some(), reason.is_none());
    }

    #[test]
    fn script_marks_native_rules_with_the_mark_that_is_read() {
        assert!(SHOW.contains(&format!("echo '{NATIVE}' $native")));
    }

    #[test]
    fn rules_are_stored_with_their_family() {
        let seen = |text: &str| Observation::seen(text.to_owned());
        let found = [(Family::V6, "six"), (Family::V4, "four")];
        let found = found.map(|(family, text)| ("a".to_owned(), family, seen(text)));
        let (v4, v6) = by_family(found);
        assert_eq!(
            (v4["a"].value().unwrap(), v6["a"].value().unwrap()),
            (&"four".to_owned(), &"six".to_owned())
        );
    }
}
