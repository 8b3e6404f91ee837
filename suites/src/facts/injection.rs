//! Injection: the labels of the demo's namespace, the labels of a pod, and dry runs.

use std::collections::BTreeMap;

use super::refusal::{classify_refusal, injection_error};
use super::sidecar::SIDECAR;
use super::webhooks::{INJECTION, REVISION};
use crate::evidence::{DryRun, Evidence, Observation, Pod};

/// The label or annotation that disables injection for a pod.
pub(crate) const INJECT: &str = "sidecar.istio.io/inject";
/// The annotation that names the way of redirection: `REDIRECT`, `TPROXY` or `NONE`.
pub(crate) const INTERCEPTION_MODE: &str = "sidecar.istio.io/interceptionMode";
/// The annotation that holds a part of the mesh configuration for one pod.
const PROXY_CONFIG: &str = "proxy.istio.io/config";
/// The annotation that sets the image of a pod's own proxy.
pub(crate) const PROXY_IMAGE: &str = "sidecar.istio.io/proxyImage";
/// The annotation that requests or refuses a native sidecar. It precedes the default and the option of the installation.
/// Source: `pkg/kube/inject/inject.go` of Istio 1.24.
pub(crate) const NATIVE_SIDECAR: &str = "sidecar.istio.io/nativeSidecar";

/// The labels of the demo's namespace, where it exists.
pub(crate) fn demo_labels(evidence: &Evidence) -> Option<&BTreeMap<String, String>> {
    evidence.install.namespaces.value()?.get(&evidence.expectations.namespace)
}

/// Returns why a namespace that is being deleted still exists; none where it is not being deleted.
pub(crate) fn find_deletion<'e>(evidence: &'e Evidence, namespace: &str) -> Option<&'e str> {
    let mut deleted = evidence.install.terminating_namespaces.iter();
    let found = deleted.find(|it| it.name == namespace)?;
    Some(if found.message.is_empty() { "Terminating" } else { &found.message })
}

/// Whether the demo's namespace does not exist, or is being deleted with all that is in it.
pub(crate) fn demo_namespace_is_missing(evidence: &Evidence) -> bool {
    let deleted = find_deletion(evidence, &evidence.expectations.namespace).is_some();
    evidence.install.namespaces.value().is_some() && (deleted || demo_labels(evidence).is_none())
}

/// The annotations that change a pod's redirection. Injection writes some with their defaults, which change nothing.
/// Source: `files/injection-template.yaml` of Istio's chart `istio-discovery`, and `tools/istio-iptables` for the
/// variables of `proxyMetadata`.
pub(crate) fn redirection_annotations(pod: &Pod) -> Vec<&str> {
    let changes = |(key, value): &(&String, &String)| match key.as_str() {
        INTERCEPTION_MODE => *value != "REDIRECT",
        "traffic.sidecar.istio.io/includeOutboundIPRanges"
        | "traffic.sidecar.istio.io/includeInboundPorts" => *value != "*",
        "traffic.sidecar.istio.io/excludeInboundPorts" => {
            value.split(',').any(|port| !["15020", "15021", "15090", ""].contains(&port.trim()))
        }
        PROXY_CONFIG => value.lines().any(changes_redirection),
        key => key.starts_with("traffic.sidecar.istio.io/") && !value.is_empty(),
    };
    pod.annotations.iter().filter(changes).map(|(key, _)| key.as_str()).collect()
}

/// Whether a line of a pod's mesh configuration changes its redirection.
fn changes_redirection(line: &str) -> bool {
    ["ISTIO_OUTBOUND_OWNER_GROUPS", "interceptionMode"].iter().any(|it| line.contains(it))
}

/// Whether a pod's mesh configuration changes its redirection and other settings too.
pub(crate) fn has_other_proxy_config(pod: &Pod) -> bool {
    let lines = || pod.annotations.get(PROXY_CONFIG).into_iter().flat_map(|value| value.lines());
    let known =
        |line: &str| changes_redirection(line) || ["", "proxyMetadata:"].contains(&line.trim());
    lines().any(changes_redirection) && !lines().all(known)
}

/// Returns the annotations of a pod that may request a container from other webhooks than Istio's, which have these names:
/// those on injection, or else those of a webhook's own domain, such as `dapr.io/enabled` of `sidecar-injector.dapr.io`.
pub(crate) fn requests_of_injection<'p>(pod: &'p Pod, webhooks: &[&str]) -> Vec<&'p String> {
    let is_others = |key: &&String| !key.contains("istio.io/") && !key.contains("kubernetes.io/");
    let keys = || pod.other_annotations.iter().filter(is_others);
    let on_injection: Vec<_> = keys().filter(|key| key.contains("inject")).collect();
    if !on_injection.is_empty() {
        return on_injection;
    }
    let has_domain = |key: &&String| {
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        let is_below = |it: &&str| it.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        domain.contains('.') && webhooks.iter().any(is_below)
    };
    keys().filter(has_domain).collect()
}

/// Whether labels of a namespace enable injection by the default revision.
pub(crate) fn enables_injection(labels: &BTreeMap<String, String>) -> bool {
    labels.get(INJECTION).is_some_and(|value| value == "enabled")
}

/// Whether labels of a namespace name a revision for injection.
pub(crate) fn names_revision(labels: &BTreeMap<String, String>) -> bool {
    labels.contains_key(REVISION)
}

/// Whether the pod of a dry run has a sidecar.
pub(crate) fn dry_run_has_sidecar(run: &DryRun) -> bool {
    run.containers.iter().chain(&run.init_containers).any(|container| container.name == SIDECAR)
}

/// Whether a pod that is created now gets no sidecar, or cannot be created because the webhook fails.
pub(crate) fn injects_nothing(dry_run: &Observation<DryRun>) -> bool {
    match dry_run {
        Observation::Seen { value } => !dry_run_has_sidecar(value),
        Observation::Absent { .. } | Observation::NotAsked { .. } => false,
        Observation::Failed { reason } => {
            is_webhook_failure(reason) || injection_error(dry_run).is_some()
        }
    }
}

/// Whether the message of the API server says that Istio's webhook does not answer.
pub(crate) fn is_webhook_failure(text: &str) -> bool {
    classify_refusal(text).injection_failure().is_some()
}

/// Whether a pod's annotation asks for no redirection.
pub(crate) fn has_mode_none(pod: &Pod) -> bool {
    pod.annotations.get(INTERCEPTION_MODE).is_some_and(|mode| mode == "NONE")
}

/// Whether a pod has `sidecar.istio.io/inject: "false"`.
pub(crate) fn has_injection_disabled(pod: &Pod) -> bool {
    [&pod.annotations, &pod.labels]
        .into_iter()
        .any(|map| map.get(INJECT).is_some_and(|value| value == "false"))
}

/// Whether a pod gets no sidecar, whatever its namespace's labels are.
pub(crate) fn refuses_sidecar(pod: &Pod) -> bool {
    has_injection_disabled(pod) || pod.host_network
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Container;
    use crate::testing::{healthy, of};
    use rstest::rstest;

    fn map(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn namespace_is_missing_only_where_the_others_were_listed() {
        let mut evidence = healthy();
        assert!(demo_labels(&evidence).is_some_and(enables_injection));
        assert!(!demo_namespace_is_missing(&evidence));
        crate::testing::terminate_namespace(&mut evidence, "client", "");
        assert!(demo_namespace_is_missing(&evidence));
        evidence.install.terminating_namespaces.clear();
        of(&mut evidence.install.namespaces).remove("client");
        assert!(demo_namespace_is_missing(&evidence));
        evidence.install.namespaces = Observation::failed("no answer");
        assert!(demo_labels(&evidence).is_none());
        assert!(!demo_namespace_is_missing(&evidence));
    }

    #[test]
    fn mesh_configuration_of_a_pod_may_hold_more_than_its_redirection() {
        let value = "concurrency: 2\nproxyMetadata:\n  ISTIO_OUTBOUND_OWNER_GROUPS: root\n";
        let annotations = BTreeMap::from([(PROXY_CONFIG.to_owned(), value.to_owned())]);
        assert!(has_other_proxy_config(&Pod { annotations, ..Pod::default() }));
    }

    #[rstest]
    #[case("traffic.sidecar.istio.io/excludeOutboundPorts", "80", true)]
    #[case("traffic.sidecar.istio.io/excludeOutboundPorts", "", false)]
    #[case("traffic.sidecar.istio.io/includeOutboundIPRanges", "*", false)]
    #[case("traffic.sidecar.istio.io/includeInboundPorts", "80", true)]
    #[case("traffic.sidecar.istio.io/excludeInboundPorts", "15090,15021,15020", false)]
    #[case("traffic.sidecar.istio.io/excludeInboundPorts", "15090,5678", true)]
    #[case("traffic.sidecar.istio.io/kubevirtInterfaces", "docker0", true)]
    #[case("sidecar.istio.io/interceptionMode", "NONE", true)]
    #[case("sidecar.istio.io/interceptionMode", "REDIRECT", false)]
    #[case(
        "proxy.istio.io/config",
        "proxyMetadata:\n  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"1000\"",
        true
    )]
    #[case("proxy.istio.io/config", "holdApplicationUntilProxyStarts: true", false)]
    #[case("sidecar.istio.io/inject", "true", false)]
    fn annotation_changes_the_redirection_unless_it_has_its_default(
        #[case] key: &str,
        #[case] value: &str,
        #[case] changes: bool,
    ) {
        let annotations = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let pod = Pod { annotations, ..Pod::default() };
        assert_eq!(redirection_annotations(&pod), if changes { vec![key] } else { vec![] });
        assert!(!has_other_proxy_config(&pod));
    }

    #[rstest]
    #[case::enabled("istio-injection", "enabled", (true, false))]
    #[case::disabled("istio-injection", "disabled", (false, false))]
    #[case::revision("istio.io/rev", "1-20", (false, true))]
    #[case::another("team", "enabled", (false, false))]
    fn labels_enable_injection_or_name_a_revision(
        #[case] key: &str,
        #[case] value: &str,
        #[case] expected: (bool, bool),
    ) {
        let labels = map(key, value);
        assert_eq!((enables_injection(&labels), names_revision(&labels)), expected);
    }

    #[rstest]
    #[case::container(&["app", "istio-proxy"], &[], false)]
    #[case::native(&["app"], &["istio-proxy"], false)]
    #[case::none(&["app"], &["istio-init"], true)]
    fn dry_run_without_a_sidecar_injects_nothing(
        #[case] main: &[&str],
        #[case] init: &[&str],
        #[case] nothing: bool,
    ) {
        let all = |names: &[&str]| {
            names
                .iter()
                .map(|&name| Container { name: name.into(), ..Default::default() })
                .collect()
        };
        let (containers, init_containers) = (all(main), all(init));
        let run = DryRun { namespace: "client".into(), containers, init_containers };
        assert_eq!(injects_nothing(&Observation::seen(run)), nothing);
    }

    #[rstest]
    #[case::webhook(Observation::failed("failed calling webhook \"x.istio.io\""), true)]
    #[case::another_webhook(Observation::failed("failed calling webhook \"x.example\""), false)]
    #[case::another_reason(Observation::failed("istiod is forbidden"), false)]
    #[case::absent(Observation::absent("no namespace"), false)]
    #[case::not_asked(Observation::not_asked("--only"), false)]
    fn failed_dry_run_injects_nothing_where_istios_webhook_fails(
        #[case] run: Observation<DryRun>,
        #[case] nothing: bool,
    ) {
        assert_eq!(injects_nothing(&run), nothing);
    }

    #[rstest]
    #[case::annotation(map(INJECT, "false"), BTreeMap::new(), false, true)]
    #[case::label(BTreeMap::new(), map(INJECT, "false"), false, true)]
    #[case::agrees(map(INJECT, "true"), BTreeMap::new(), false, false)]
    #[case::host_network(BTreeMap::new(), BTreeMap::new(), true, true)]
    #[case::none(BTreeMap::new(), BTreeMap::new(), false, false)]
    fn pod_refuses_by_annotation_label_or_host_network(
        #[case] annotations: BTreeMap<String, String>,
        #[case] labels: BTreeMap<String, String>,
        #[case] host_network: bool,
        #[case] refuses: bool,
    ) {
        let pod = Pod { labels, annotations, host_network, ..Pod::default() };
        assert_eq!(refuses_sidecar(&pod), refuses);
    }
}
