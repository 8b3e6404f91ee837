//! Names by their meaning: a pod is named after its workload, a node by its place in the list.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::evidence::{Evidence, Pod};

/// The label of meshcheck's temporary namespaces.
const PROBE_LABEL: &str = "meshcheck.dev/probe";

/// The name of all temporary namespaces in a comparison.
pub(super) const TEMPORARY: &str = "temporary-namespace";

/// The names of one cluster that differ between two runs, each with the name that does not.
pub(super) struct Names {
    /// Finds the names, the longest first: the name of a pod contains the name of its deployment. None where there are none.
    finder: Option<AhoCorasick>,
    /// The replacement of each.
    replacements: Vec<String>,
}

impl Names {
    /// Collects the names of pods, replica sets, nodes and the cluster itself.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut names = BTreeMap::new();
        let subject = &evidence.subject;
        for name in [&subject.context, &subject.name] {
            names.insert(name.clone(), "the-cluster".to_owned());
        }
        for (number, node) in evidence.cluster.nodes.value().into_iter().flatten().enumerate() {
            names.insert(node.name.clone(), format!("node-{}", number + 1));
        }
        for (name, labels) in evidence.install.namespaces.value().into_iter().flatten() {
            if labels.contains_key(PROBE_LABEL) {
                names.insert(name.clone(), TEMPORARY.to_owned());
            }
        }
        for pod in pods(evidence) {
            let workload = workload(pod);
            if let Some(owner) = pod.owner.as_deref().and_then(|owner| owner.split_once('/')) {
                names.insert(owner.1.to_owned(), workload.clone());
            }
            names.insert(pod.name.clone(), workload);
        }
        names.retain(|name, by| !name.is_empty() && name != by);
        let (names, replacements): (Vec<_>, Vec<_>) = names.into_iter().unzip();
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(names);
        Self { finder: finder.ok(), replacements }
    }

    /// Replaces each name in a text by the one that any run has.
    pub(super) fn replace(&self, text: &str) -> String {
        match &self.finder {
            Some(finder) => finder.replace_all(text, &self.replacements),
            None => text.to_owned(),
        }
    }
}

/// Returns all pods of a record.
fn pods(evidence: &Evidence) -> impl Iterator<Item = &Pod> {
    let dns = evidence.cluster.dns.value().map(|dns| dns.pods.as_slice()).unwrap_or_default();
    [
        &evidence.demo.pods,
        &evidence.demo.pods_at_end,
        &evidence.install.pods,
        &evidence.install.mesh_pods,
        &evidence.cluster.network_pods,
    ]
    .into_iter()
    .filter_map(|pods| pods.value())
    .flatten()
    .chain(dns)
}

/// The label that a deployment gives to its pods: the hash at the end of the name of their replica set.
const HASH_LABEL: &str = "pod-template-hash";

/// Returns the name of a pod's workload: its deployment, daemon set, stateful set or job. A pod of its own has its name.
pub(super) fn workload(pod: &Pod) -> String {
    let Some((kind, name)) = pod.owner.as_deref().and_then(|owner| owner.split_once('/')) else {
        return pod.name.clone();
    };
    if kind != "ReplicaSet" {
        let of_node = pod.node.as_deref().filter(|_| kind == "Node");
        // A static pod has its node's name at its end.
        let own = of_node.and_then(|node| pod.name.strip_suffix(node)?.strip_suffix('-'));
        return own.unwrap_or(if kind == "Node" { &pod.name } else { name }).to_owned();
    }
    let hash = pod.labels.get(HASH_LABEL).map(String::as_str);
    let by_label = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    by_label.or_else(|| name.rsplit_once('-').map(|(start, _)| start)).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::deployment("echo-5b9-x2x4", "ReplicaSet/echo-5b9", Some("5b9"), "echo")]
    #[case::no_label("echo-5b9-x2x4", "ReplicaSet/echo-5b9", None, "echo")]
    #[case::daemon_set("kube-proxy-x2x4", "DaemonSet/kube-proxy", None, "kube-proxy")]
    #[case::job("done-x2x4", "Job/done", None, "done")]
    #[case::static_pod("etcd-vm7", "Node/vm7", None, "etcd")]
    #[case::alone("shell", "", None, "shell")]
    fn pod_is_named_after_its_workload(
        #[case] name: &str,
        #[case] owner: &str,
        #[case] hash: Option<&str>,
        #[case] expected: &str,
    ) {
        let labels = hash.map(|it| (HASH_LABEL.to_owned(), it.to_owned())).into_iter().collect();
        let owner = Some(owner.to_owned()).filter(|it| !it.is_empty());
        let node = Some("vm7".to_owned());
        let pod = Pod { name: name.into(), owner, labels, node, ..Pod::default() };
        assert_eq!(workload(&pod), expected);
    }

    #[test]
    fn longest_name_is_replaced_first() {
        let evidence = crate::testing::healthy();
        let names = Names::of(&evidence);
        for pod in pods(&evidence) {
            assert_eq!(
                names.replace(&format!("pod {}.", pod.name)),
                format!("pod {}.", workload(pod))
            );
        }
        let node = &evidence.cluster.nodes.value().unwrap()[0].name;
        assert_eq!(names.replace(node), "node-1");
    }

    #[test]
    fn cluster_without_a_name_changes_no_text() {
        let mut evidence = crate::testing::healthy();
        evidence.subject.context.clear();
        assert_eq!(Names::of(&evidence).replace("a text"), "a text");
    }
}
