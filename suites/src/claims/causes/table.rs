//! Which claim may explain which others: the cause before its consequences, what lies deepest first.

use super::{Relation, cluster, demo, install, mesh, outside, sidecar};

/// Every relation. A claim is explained by the first row that fits it.
pub(super) const RELATIONS: &[Relation] = &[
    // What the cluster is made of.
    Relation {
        cause: "prepare::nodes_ready",
        effects: &["prepare::dns_on_pod_network"],
        shown: cluster::dns_waits_for_nodes,
    },
    Relation {
        cause: "prepare::nodes_ready",
        effects: &["install::control_plane_running"],
        shown: cluster::control_plane_waits_for_nodes,
    },
    Relation {
        cause: "prepare::nodes_ready",
        effects: &["demo::backend_deployment", "demo::client_deployment"],
        shown: cluster::deployment_waits_for_nodes,
    },
    Relation {
        cause: "prepare::nodes_ready",
        effects: &["kiali::running"],
        shown: cluster::kiali_waits_for_nodes,
    },
    Relation {
        cause: "prepare::nodes_ready",
        effects: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::inbound_redirected",
            "mesh::outbound_redirected",
            "mesh::live_rules",
            "mesh::traffic_through_proxies",
        ],
        shown: cluster::no_node_answers,
    },
    Relation {
        cause: "prepare::no_competing_load_balancer",
        effects: &["prepare::load_balancer_address_free"],
        shown: cluster::others_hold_the_addresses,
    },
    // What was installed.
    Relation {
        cause: "install::default_profile",
        effects: &["install::control_plane_running", "install::istio_version"],
        shown: install::istiod_is_not_installed,
    },
    Relation {
        cause: "install::default_profile",
        effects: &["install::namespace_labelled"],
        shown: install::no_revision_is_installed,
    },
    Relation {
        cause: "install::default_profile",
        effects: &["install::injection_webhook"],
        shown: install::webhook_is_not_installed,
    },
    Relation {
        cause: "install::default_profile",
        effects: &["mesh::proxies_in_sync"],
        shown: install::istiod_is_not_installed,
    },
    Relation {
        cause: "install::default_profile",
        effects: &["ingress::service_is_load_balancer"],
        shown: outside::gateway_is_not_installed,
    },
    Relation {
        cause: "install::default_profile",
        effects: &["ingress::address_answers"],
        shown: outside::gateway_has_no_deployment,
    },
    Relation {
        cause: "install::default_profile",
        effects: &["ingress::routes_into_mesh"],
        shown: outside::routes_are_not_defined,
    },
    Relation {
        cause: "install::default_profile",
        effects: &["kiali::running"],
        shown: install::istio_namespace_is_missing,
    },
    Relation {
        cause: "install::control_plane_running",
        effects: &["install::istio_version"],
        shown: install::no_istiod_tells_its_version,
    },
    Relation {
        cause: "install::control_plane_running",
        effects: &["install::injection_webhook"],
        shown: install::nobody_answers_the_webhook,
    },
    Relation {
        cause: "install::control_plane_running",
        effects: &["mesh::proxies_in_sync"],
        shown: |case| install::istiod_is_down(case.evidence),
    },
    Relation {
        cause: "install::control_plane_running",
        effects: &["demo::backend_deployment", "demo::client_deployment"],
        shown: install::sidecars_wait_for_istiod,
    },
    Relation {
        cause: "install::control_plane_running",
        effects: &["ingress::address_answers"],
        shown: outside::no_gateway_pod_is_ready,
    },
    Relation {
        cause: "install::control_plane_running",
        effects: &["ingress::routes_into_mesh"],
        shown: outside::nobody_takes_the_route,
    },
    // The demo's namespace, and its label.
    Relation {
        cause: "install::namespace_labelled",
        effects: &[
            "demo::backend_service",
            "demo::backend_deployment",
            "demo::client_deployment",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::two_containers_per_pod",
            "mesh::pods_ready",
            "mesh::init_arguments",
            "mesh::inbound_redirected",
            "mesh::outbound_redirected",
            "mesh::live_rules",
            "mesh::traffic_through_proxies",
            "mesh::proxies_in_sync",
        ],
        shown: |case| mesh::namespace_is_missing(case.evidence),
    },
    Relation {
        cause: "install::namespace_labelled",
        effects: &["install::injection_webhook"],
        shown: mesh::webhook_misses_the_label,
    },
    Relation {
        cause: "install::namespace_labelled",
        effects: &["mesh::unlabelled_namespace_left_alone"],
        shown: mesh::dry_run_misses_the_label,
    },
    Relation {
        cause: "install::namespace_labelled",
        effects: &["mesh::two_containers_per_pod"],
        shown: mesh::pods_miss_the_label,
    },
    // The webhook.
    Relation {
        cause: "install::injection_webhook",
        effects: &["mesh::unlabelled_namespace_left_alone"],
        shown: mesh::dry_run_misses_the_webhook,
    },
    Relation {
        cause: "install::injection_webhook",
        effects: &["mesh::two_containers_per_pod"],
        shown: mesh::pods_miss_the_webhook,
    },
    Relation {
        cause: "install::injection_webhook",
        effects: &["mesh::two_containers_per_pod"],
        shown: mesh::template_refuses_the_sidecar,
    },
    Relation {
        cause: "install::injection_webhook",
        effects: &["demo::backend_deployment", "demo::client_deployment"],
        shown: install::pods_cannot_be_made,
    },
    // The demo.
    Relation {
        cause: "prepare::dns_on_pod_network",
        effects: &["demo::client_logs_show_reply", "demo::backend_replies"],
        shown: demo::names_are_not_resolved,
    },
    Relation {
        cause: "demo::client_deployment",
        effects: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
        ],
        shown: demo::there_is_no_client,
    },
    Relation {
        cause: "demo::client_deployment",
        effects: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::proxies_in_sync",
        ],
        shown: sidecar::no_client_proxy_runs,
    },
    Relation {
        cause: "demo::client_deployment",
        effects: &["demo::client_logs_show_reply", "demo::backend_replies"],
        shown: demo::client_cannot_ask,
    },
    Relation {
        cause: "demo::backend_deployment",
        effects: &["demo::backend_service"],
        shown: demo::nobody_is_behind_the_service,
    },
    Relation {
        cause: "demo::backend_deployment",
        effects: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "ingress::routes_into_mesh",
        ],
        shown: demo::backend_replies_as_told,
    },
    Relation {
        cause: "demo::backend_service",
        effects: &["demo::client_logs_show_reply", "demo::backend_replies"],
        shown: demo::service_leads_nowhere,
    },
    Relation {
        cause: "demo::backend_service",
        effects: &["ingress::routes_into_mesh"],
        shown: outside::route_leads_nowhere,
    },
    Relation {
        cause: "demo::backend_deployment",
        effects: &["mesh::two_containers_per_pod", "mesh::pods_ready"],
        shown: mesh::backend_pods_are_ill,
    },
    Relation {
        cause: "demo::client_deployment",
        effects: &["mesh::two_containers_per_pod", "mesh::pods_ready"],
        shown: mesh::client_pods_are_ill,
    },
    // Sidecars and their redirection.
    Relation {
        cause: "mesh::two_containers_per_pod",
        effects: &["mesh::pods_ready"],
        shown: mesh::pods_have_only_another_number,
    },
    Relation {
        cause: "mesh::two_containers_per_pod",
        effects: &[
            "mesh::init_arguments",
            "mesh::inbound_redirected",
            "mesh::outbound_redirected",
            "mesh::live_rules",
        ],
        shown: mesh::no_pod_is_injected,
    },
    Relation {
        cause: "mesh::two_containers_per_pod",
        effects: &["mesh::proxies_in_sync"],
        shown: mesh::no_pod_runs,
    },
    Relation {
        cause: "mesh::init_arguments",
        effects: &["mesh::inbound_redirected", "mesh::outbound_redirected", "mesh::live_rules"],
        shown: mesh::no_container_redirects,
    },
    Relation {
        cause: "mesh::init_arguments",
        effects: &["mesh::inbound_redirected", "mesh::outbound_redirected"],
        shown: mesh::rules_are_as_told,
    },
    Relation {
        cause: "demo::backend_replies",
        effects: &["mesh::traffic_through_proxies"],
        shown: demo::nothing_was_answered,
    },
    Relation {
        cause: "demo::backend_replies",
        effects: &["demo::client_logs_show_reply", "mesh::traffic_through_proxies"],
        shown: demo::a_proxy_answers_instead,
    },
    Relation {
        cause: "demo::backend_replies",
        effects: &["demo::client_logs_show_reply"],
        shown: demo::the_log_says_the_same,
    },
    Relation {
        cause: "demo::backend_replies",
        effects: &["ingress::routes_into_mesh"],
        shown: demo::the_backends_proxy_forbids,
    },
    Relation {
        cause: "demo::backend_service",
        effects: &["mesh::traffic_through_proxies"],
        shown: demo::requests_do_not_arrive,
    },
    Relation {
        cause: "mesh::two_containers_per_pod",
        effects: &["mesh::traffic_through_proxies"],
        shown: mesh::traffic_meets_no_sidecar,
    },
    Relation {
        cause: "mesh::inbound_redirected",
        effects: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        shown: mesh::rules_lead_past_the_proxy,
    },
    Relation {
        cause: "mesh::live_rules",
        effects: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        shown: mesh::live_rules_lead_past_the_proxy,
    },
    Relation {
        cause: "mesh::outbound_redirected",
        effects: &["mesh::traffic_through_proxies"],
        shown: mesh::traffic_leaves_beside_the_proxy,
    },
    Relation {
        cause: "mesh::inbound_redirected",
        effects: &["mesh::traffic_through_proxies"],
        shown: mesh::traffic_enters_beside_the_proxy,
    },
    Relation {
        cause: "mesh::proxies_in_sync",
        effects: &["install::istio_version"],
        shown: install::istiod_does_not_know_the_proxy,
    },
    // The way in.
    Relation {
        cause: "ingress::service_is_load_balancer",
        effects: &["ingress::external_address"],
        shown: outside::service_asks_for_no_address,
    },
    Relation {
        cause: "prepare::load_balancer_address_free",
        effects: &["ingress::external_address"],
        shown: outside::service_is_pending,
    },
    Relation {
        cause: "ingress::external_address",
        effects: &["ingress::address_answers", "ingress::routes_into_mesh"],
        shown: outside::gateway_has_no_address,
    },
    Relation {
        cause: "ingress::address_answers",
        effects: &["ingress::routes_into_mesh"],
        shown: outside::nothing_answers,
    },
    // The console.
    Relation {
        cause: "kiali::running",
        effects: &["install::control_plane_running"],
        shown: outside::only_kiali_is_ill,
    },
    Relation {
        cause: "kiali::running",
        effects: &[
            "kiali::redirects_to_web_root",
            "kiali::reachable_on_exposed_port",
            "kiali::console_served",
        ],
        shown: outside::no_kiali_pod_is_ready,
    },
    Relation {
        cause: "kiali::running",
        effects: &[
            "kiali::redirects_to_web_root",
            "kiali::reachable_on_exposed_port",
            "kiali::console_served",
        ],
        shown: outside::another_program_runs_as_kiali,
    },
    Relation {
        cause: "kiali::redirects_to_web_root",
        effects: &["kiali::reachable_on_exposed_port", "kiali::console_served"],
        shown: outside::kiali_has_another_root,
    },
    Relation {
        cause: "kiali::redirects_to_web_root",
        effects: &["kiali::reachable_on_exposed_port", "kiali::console_served"],
        shown: outside::kiali_answers_an_error,
    },
];
