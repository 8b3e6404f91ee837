//! The kinds of facts that a reader of the tutorial sees: for each the claims about it, and Istio's changes that explain
//! a difference.

use std::collections::BTreeMap;

use super::{cluster_facts, demo_facts, rule_facts};
use crate::evidence::Evidence;

/// The facts of one kind: an object by its meaning, and its value.
pub(super) type Facts = BTreeMap<String, String>;

/// A kind of facts.
pub(super) struct Kind {
    /// The id of a difference.
    pub(super) id: &'static str,
    /// What the object is: `deployment`, `containers of pods of`.
    pub(super) label: &'static str,
    /// Reads the facts; nothing where they were not observed.
    pub(super) read: fn(&Evidence) -> Option<Facts>,
    /// The claims about these facts. Where one of them has another verdict, the fact belongs to that difference.
    pub(super) claims: &'static [&'static str],
    /// Whether only objects that both files have are compared: another fact tells that an object is gone.
    pub(super) in_both: bool,
    /// Finds the id of Istio's change that explains the difference of two values; empty where there is none.
    pub(super) change: fn(&str, &str) -> &'static str,
}

/// No change of Istio explains it.
fn unknown(_: &str, _: &str) -> &'static str {
    ""
}

/// All kinds, in the order of a report.
pub(super) const KINDS: [Kind; 25] = [
    Kind {
        id: "istio-version",
        label: "Istio version of",
        read: cluster_facts::istio_versions,
        claims: &["install::istio_version"],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "kubernetes-version",
        label: "Kubernetes version of",
        read: cluster_facts::kubernetes_version,
        claims: &["prepare::kubernetes_version_supported"],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "nodes",
        label: "nodes of",
        read: cluster_facts::nodes,
        claims: &["prepare::nodes_ready"],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "load-balancer-service",
        label: "service",
        read: cluster_facts::other_load_balancers,
        claims: &[
            "prepare::no_competing_load_balancer",
            "prepare::load_balancer_address_free",
            "ingress::external_address",
        ],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "crd",
        label: "CRD",
        read: cluster_facts::crds,
        claims: &["install::default_profile"],
        in_both: false,
        change: crd_change,
    },
    Kind {
        id: "control-plane",
        label: "deployment",
        read: cluster_facts::deployments,
        claims: &[
            "install::default_profile",
            "install::control_plane_running",
            "prepare::nodes_ready",
            "kiali::running",
        ],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "mesh-workload",
        label: "pods of",
        read: cluster_facts::mesh_workloads,
        claims: &["install::default_profile", "install::control_plane_running"],
        in_both: false,
        change: workload_change,
    },
    Kind {
        id: "gateway-service",
        label: "service",
        read: cluster_facts::gateway_service,
        claims: &[
            "ingress::service_is_load_balancer",
            "ingress::external_address",
            "prepare::load_balancer_address_free",
            "ingress::address_answers",
        ],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "istio-service",
        label: "service",
        read: cluster_facts::services,
        claims: &["install::default_profile", "install::injection_webhook", "kiali::running"],
        in_both: false,
        change: service_change,
    },
    Kind {
        id: "injection-webhook",
        label: "injection webhooks",
        read: cluster_facts::webhooks,
        claims: &["install::injection_webhook"],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "namespace-labels",
        label: "Istio's labels of namespace",
        read: demo_facts::namespace_labels,
        claims: &["install::namespace_labelled"],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "demo-service",
        label: "service",
        read: demo_facts::services,
        claims: &["demo::backend_service"],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "demo-deployment",
        label: "deployment",
        read: demo_facts::deployments,
        claims: &["demo::backend_deployment", "demo::client_deployment", "mesh::pods_ready"],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "demo-pods",
        label: "pods of",
        read: demo_facts::other_pods,
        claims: &["mesh::two_containers_per_pod", "mesh::pods_ready"],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "address-families",
        label: "address families of the pods of",
        read: demo_facts::address_families,
        claims: &[],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "pod-containers",
        label: "containers in the pods of",
        read: demo_facts::containers,
        claims: &["mesh::two_containers_per_pod"],
        in_both: true,
        change: container_change,
    },
    Kind {
        id: "pod-state",
        label: "state of the pods of",
        read: demo_facts::states,
        claims: &[
            "mesh::pods_ready",
            "mesh::two_containers_per_pod",
            "demo::backend_deployment",
            "demo::client_deployment",
        ],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "injected-containers",
        label: "containers of a new pod in",
        read: demo_facts::dry_runs,
        claims: &[
            "mesh::two_containers_per_pod",
            "mesh::unlabelled_namespace_left_alone",
            "install::injection_webhook",
            "install::namespace_labelled",
        ],
        in_both: true,
        change: container_change,
    },
    Kind {
        id: "init-arguments",
        label: "arguments of istio-init in the pods of",
        read: rule_facts::init_arguments,
        claims: &["mesh::init_arguments"],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "init-log",
        label: "log of istio-init in the pods of",
        read: rule_facts::init_log,
        claims: &["mesh::init_arguments"],
        in_both: true,
        change: log_change,
    },
    Kind {
        id: "mesh-resource",
        label: "",
        read: demo_facts::resources,
        claims: &["demo::backend_replies", "ingress::routes_into_mesh"],
        in_both: false,
        change: unknown,
    },
    Kind {
        id: "reply",
        label: "",
        read: demo_facts::replies,
        claims: &[
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
            "ingress::address_answers",
        ],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "kiali-image",
        label: "image of",
        read: cluster_facts::kiali_image,
        claims: &["kiali::running"],
        in_both: true,
        change: |_, _| "kiali-addon",
    },
    Kind {
        id: "kiali-version",
        label: "version of",
        read: cluster_facts::kiali_version,
        claims: &["kiali::running", "kiali::console_served"],
        in_both: true,
        change: unknown,
    },
    Kind {
        id: "kiali-reply",
        label: "",
        read: cluster_facts::kiali_replies,
        claims: &["kiali::redirects_to_web_root", "kiali::reachable_on_exposed_port"],
        in_both: true,
        change: unknown,
    },
];

fn container_change(was: &str, now: &str) -> &'static str {
    let is_native = |value: &str| value.contains(demo_facts::NATIVE);
    let has_validation = |value: &str| value.contains(crate::facts::sidecar::VALIDATION);
    if is_native(was) != is_native(now) {
        "native-sidecars"
    } else if has_validation(was) != has_validation(now) {
        "istio-cni"
    } else {
        ""
    }
}

fn log_change(was: &str, now: &str) -> &'static str {
    let is_final = |value: &str| value.contains("Final iptables state");
    if is_final(was) == is_final(now) { "" } else { "init-log-final-state" }
}

fn crd_change(was: &str, now: &str) -> &'static str {
    match () {
        () if was.contains("istiooperators.install.istio.io") => "istio-operator-crd-gone",
        () if now.contains("trafficextensions.extensions.istio.io") => "traffic-extension-crd",
        () => "",
    }
}

fn service_change(_: &str, now: &str) -> &'static str {
    if now.contains("istiod-revision-tag-") { "revision-tag-service" } else { "" }
}

fn workload_change(was: &str, now: &str) -> &'static str {
    if was.contains("istio-cni") == now.contains("istio-cni") { "" } else { "istio-cni" }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    type Change = fn(&str, &str) -> &'static str;
    const OWN: &str = "the application and istio-proxy, init istio-init";
    const NATIVE: &str = "the application, init istio-init, init istio-proxy (native sidecar)";
    const CNI: &str = "the application and istio-proxy, init istio-validation";

    #[rstest]
    #[case::native(container_change, OWN, NATIVE, "native-sidecars")]
    #[case::no_longer_native(container_change, NATIVE, OWN, "native-sidecars")]
    #[case::cni(container_change, OWN, CNI, "istio-cni")]
    #[case::same_containers(container_change, OWN, "the application", "")]
    #[case::operator_gone(
        crd_change,
        "istiooperators.install.istio.io",
        "",
        "istio-operator-crd-gone"
    )]
    #[case::traffic_extension(
        crd_change,
        "",
        "trafficextensions.extensions.istio.io",
        "traffic-extension-crd"
    )]
    #[case::another_crd(crd_change, "", "gateways.networking.istio.io", "")]
    #[case::final_state(
        log_change,
        "below the line `Command output:`",
        "below the line `Final iptables state`",
        "init-log-final-state"
    )]
    #[case::same_log(log_change, "below the line `a`", "below the line `b`", "")]
    fn change_of_istio_explains_two_values(
        #[case] change: Change,
        #[case] was: &str,
        #[case] now: &str,
        #[case] id: &str,
    ) {
        assert_eq!(change(was, now), id);
    }
}
