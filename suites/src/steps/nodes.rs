//! Steps on nodes.

use super::{Impact, Purpose, Step};
use crate::evidence::{Evidence, Node};
use crate::facts::gateway_address::is_local_cluster;
use crate::hint::{escape_backquotes, quote};

/// Lists the nodes.
pub(crate) fn list(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["get", "nodes"]), text)
}

/// Describes a node: its conditions and events.
pub(crate) fn describe(evidence: &Evidence, node: &Node, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["describe", "node", &node.name]), text)
}

/// Describes all nodes: what their pods request.
pub(crate) fn describe_all(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["describe", "nodes"]), text)
}

/// Shows the pods of all nodes, where each node has its maximum number of pods.
pub(crate) fn free_pod_slot(evidence: &Evidence) -> Vec<Step> {
    let pods = evidence.kubectl(&["get", "pods", "--all-namespaces", "-o", "wide"]);
    let text = "Delete pods that nobody needs, add a node, or raise the maximum number of pods of the kubelet (maxPods)";
    vec![Step::inspect(pods, "Show the pods of each node"), Step::advice(Purpose::Fix, text)]
}

/// Makes a node schedulable again.
pub(crate) fn uncordon(evidence: &Evidence, node: &Node, text: &str) -> Step {
    Step::fix(Impact::Changes, evidence.kubectl(&["uncordon", &node.name]), text)
}

/// Lists the nodes with their systems.
pub(crate) fn list_wide(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["get", "nodes", "-o", "wide"]), text)
}

/// Shows the events of all namespaces.
pub(crate) fn show_events(evidence: &Evidence, text: impl Into<String>) -> Step {
    Step::inspect(evidence.kubectl(&["get", "events", "--all-namespaces"]), text)
}

/// Removes a taint from a node: `node-role.kubernetes.io/control-plane=:NoSchedule`.
pub(crate) fn untaint(evidence: &Evidence, node: &Node, taint: &str) -> Step {
    let is_of_role = taint.starts_with("node-role.kubernetes.io/");
    let more = if is_of_role { "" } else { ", if nobody needs it" };
    // `kubectl` prints no `=` before an empty value, and takes none.
    let taint = format!("{}-", taint.replace("=:", ":"));
    let command = evidence.kubectl(&["taint", "nodes", &node.name, &taint]);
    Step::fix(
        Impact::Changes,
        command,
        format!("Remove the taint, so that pods can be scheduled on the node{more}"),
    )
}

/// Shows the program that removes a taint when the node is ready for pods: the cluster would set the taint again.
pub(crate) fn wait_for_untaint(evidence: &Evidence, key: &str, owner: &str) -> Vec<Step> {
    let cloud = if key.starts_with("node.cloudprovider.kubernetes.io/") {
        ", or start the kubelets without an external cloud provider"
    } else {
        ""
    };
    let key = escape_backquotes(key);
    let list = ["-n", "kube-system", "get", "pods", "-o", "wide"];
    let text = format!("Show the system's pods: {owner} removes the taint {key} by itself");
    let fix =
        format!("Install or repair {owner}{cloud}; a taint that is removed by hand can come back");
    vec![
        Step::inspect(evidence.kubectl(&list), text),
        Step::advice(Purpose::Fix, fix),
        describe_all(evidence, "Show the conditions and events of the nodes"),
    ]
}

/// Frees disk space on a node, and shows the usage.
pub(crate) fn free_disk(evidence: &Evidence, node: &Node) -> Vec<Step> {
    let name = escape_backquotes(&node.name);
    let free = format!(
        "Free disk space on node {name}, because its kubelet evicts pods while disk space is low"
    );
    let show = evidence.on_node(&node.name, &["df", "-h", "/"]);
    let mut steps = vec![
        Step::advice(Purpose::Fix, free),
        Step::inspect(show, "Show the disk usage of the node"),
    ];
    if is_local_cluster(evidence) {
        let text = "Delete the images without a name on this machine, whose disk the node uses";
        steps.push(Step::fix(Impact::Deletes, "docker image prune".into(), text));
    }
    steps
}

/// Shows the clock of a node, of the first one where none is named, and sets it. `text` is the advice.
pub(crate) fn set_clock(evidence: &Evidence, node: Option<&str>, text: &str) -> Vec<Step> {
    let first = || evidence.cluster.nodes.value()?.first().map(|node| node.name.as_str());
    let node = node.or_else(first).filter(|_| is_local_cluster(evidence));
    let show = node.map(|node| {
        let command = evidence.on_node(node, &["date", "-u"]);
        Step::inspect(command, "Compare the node's clock with the true time")
    });
    let sleep = "A virtual machine or WSL can lose time while its host sleeps: restart it";
    show.into_iter().chain([Step::advice(Purpose::Fix, format!("{text}. {sleep}"))]).collect()
}

/// Makes a node trust the CA certificate in file `ca.crt`.
pub(crate) fn trust_certificate(evidence: &Evidence, node: &str) -> Vec<Step> {
    let place = quote(&format!("{node}:/usr/local/share/ca-certificates/"));
    let copy = "Copy the CA certificate of the registry, or of the company's TLS proxy, from ca.crt to the node";
    let trust = ["sh", "-c", "update-ca-certificates && systemctl restart containerd"];
    let trust = evidence.on_node(node, &trust);
    vec![
        Step::fix(Impact::Changes, format!("docker cp ca.crt {place}"), copy),
        Step::fix(Impact::Changes, trust, "Make the node trust the certificate"),
    ]
}

/// Loads the kernel modules that istio-init's rules need, on a node. A kernel of WSL has only those that it was built with.
pub(crate) fn load_modules(evidence: &Evidence, node: &str) -> Vec<Step> {
    let mut nodes = evidence.cluster.nodes.value().into_iter().flatten();
    let is_of_wsl = nodes.any(|it| it.name == node && it.kernel.contains("microsoft"));
    let update = "Update the kernel of WSL, where the module is missing: on Windows, run wsl --update, then wsl --shutdown";
    let update = is_of_wsl.then(|| Step::advice(Purpose::Fix, update));
    update.into_iter().chain([load_listed_modules(evidence, node)]).collect()
}

fn load_listed_modules(evidence: &Evidence, node: &str) -> Step {
    let modules = ["modprobe", "-a", "iptable_nat", "xt_REDIRECT", "xt_owner", "xt_conntrack"];
    let text = "Load the kernel modules for istio-init's rules, and list them in /etc/modules-load.d/istio.conf \
                to load them at each boot";
    Step::fix(Impact::Changes, evidence.on_node(node, &modules), text)
}

/// Lists the nodes with the label that excludes them from load balancers.
pub(crate) fn show_excluded(evidence: &Evidence) -> Step {
    // A column of the label would be empty: the label has no value.
    let command = evidence.kubectl(&["get", "nodes", "-l", Node::EXCLUDED]);
    Step::inspect(command, "List the nodes with the label that excludes them from load balancers")
}

/// Removes the label that excludes nodes from load balancers.
pub(crate) fn include_in_load_balancers(evidence: &Evidence, nodes: &[&str]) -> Step {
    let label = format!("{}-", Node::EXCLUDED);
    let command = evidence.kubectl(&[&["label", "nodes"], nodes, &[label.as_str()]].concat());
    let text =
        "Remove the label: MetalLB 0.14 and later announces no address from an excluded node";
    Step::fix(Impact::Changes, command, text)
}
