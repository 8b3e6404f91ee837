//! The rules for noise: values that differ between any two runs. Each rule has a name, and counts what it leaves out.

use super::names::TEMPORARY;

/// A rule: the fields whose values it leaves out.
pub(super) struct NoiseRule {
    /// Its name.
    pub(super) id: &'static str,
    /// What it leaves out, for `--view all`.
    pub(super) what: &'static str,
    /// The names of the fields. `a/b` is a field `b` anywhere below `a`.
    fields: &'static [&'static str],
}

/// All rules. The first one that fits counts.
pub(super) const RULES: [NoiseRule; 9] = [
    NoiseRule {
        id: "run",
        what: "what only a run observes before the install, its tool, and its temporary namespaces",
        fields: &["cluster/load_balancer_probe", "install/istioctl_version", TEMPORARY],
    },
    NoiseRule {
        id: "texts",
        what: "logs, rules, replies and notes as text: verdicts and facts compare their meaning",
        fields: &[
            "mesh/init_logs",
            "mesh/live_rules",
            "mesh/live_rules_v6",
            "client_logs/lines",
            "asked/replies",
            "asked/stdout",
            "asked/stderr",
            "body",
            "subject/bundle/notes",
            "logs",
        ],
    },
    NoiseRule {
        id: "restarts",
        what: "restarts of containers, and their last termination",
        fields: &["restarts", "last_termination"],
    },
    NoiseRule {
        id: "times",
        what: "times and durations",
        fields: &[
            "recorded_at",
            "took_ms",
            "waited_ms",
            "created_at",
            "since",
            "finished_at",
            "read_at",
            "clock",
            "not_before",
            "not_after",
            "certificate_ends",
            "x-envoy-upstream-service-time",
            "gateway_events",
            "events",
            "settling",
        ],
    },
    NoiseRule {
        id: "addresses",
        what: "addresses and networks of pods, services and nodes",
        fields: &[
            "ip",
            "ips",
            "cluster_ip",
            "addresses",
            "load_balancer_addresses",
            "pod_cidrs",
            "networks",
            "ingress/asked",
            "ingress/way",
            "cidr",
            "request",
            "url",
        ],
    },
    NoiseRule {
        id: "ports",
        what: "ports that Kubernetes or the system chooses",
        fields: &["node_port"],
    },
    NoiseRule {
        id: "hashes",
        what: "hashes, nonces and keys",
        fields: &["pod-template-hash", "sent", "acked", "key", "ca_bundle/bytes"],
    },
    NoiseRule {
        id: "counters",
        what: "counters and generations",
        fields: &["before", "after", "generation", "observed_generation", "requests"],
    },
    NoiseRule {
        id: "places",
        what: "names of the machine, the cluster, nodes and temporary objects",
        fields: &[
            "subject/name",
            "subject/context",
            "subject/server",
            "subject/kubeconfig",
            "subject/context_is_current",
            "subject/collected_on",
            "recorder",
            "node",
            "vantage",
            "ingress/route/namespace",
            "ingress/route/host",
        ],
    },
];

/// The name of the rule for names and addresses within a text.
pub(super) const NAMES_IN_TEXTS: NoiseRule = NoiseRule {
    id: "names",
    what: "names of pods, replica sets and nodes within texts",
    fields: &[],
};

/// Returns the rule that leaves out the value at this path.
pub(super) fn rule(path: &[String]) -> Option<&'static NoiseRule> {
    // What a run expects is its input.
    if path.first().is_some_and(|section| section == "expectations") {
        return None;
    }
    RULES.iter().find(|rule| {
        rule.fields.iter().any(|field| {
            let mut rest = path.iter();
            // A second object of the same name has a number behind it.
            let is = |segment: &String, part: &str| {
                segment
                    .strip_prefix(part)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
            };
            field.split('/').all(|part| rest.any(|segment| is(segment, part)))
        })
    })
}
