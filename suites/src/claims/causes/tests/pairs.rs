//! Two faults at once: what makes a claim fall is told from what only stands beside it.

use rstest::rstest;

use crate::judge;
use crate::judgement::Verdict;
use crate::testing::claim_cases;
use crate::testing::healthy;

/// What a claim that does not hold is put down to, after these cases of the claims' own tables.
fn because(id: &str, faults: &[(&str, &str)]) -> Option<String> {
    let mut evidence = healthy();
    for (claim, name) in faults {
        let cases = claim_cases();
        let row = cases.iter().find(|(entry, case)| (entry.id, case.name) == (*claim, *name));
        (row.unwrap_or_else(|| panic!("{claim} has no case {name}")).1.change)(&mut evidence);
    }
    let report = judge(&evidence, &[]);
    let claim = report.claims.into_iter().find(|claim| claim.id == id).expect("it is a claim");
    assert!(claim.verdict != Verdict::Pass, "{id} holds: {faults:?}");
    claim.because
}

/// A claim falls in a way of its own while another one is red that could explain it: `EFFECT, HOW IT FALLS,
/// THE OTHER, HOW IT FALLS`. A wrong cause is worse than none.
#[rstest]
#[case("prepare::dns_on_pod_network", "outside", "prepare::nodes_ready", "not_ready")]
#[case("install::istio_version", "proxy_silent", "mesh::proxies_in_sync", "stale")]
#[case("install::control_plane_running", "no_namespace", "kiali::running", "another_version")]
#[case(
    "install::namespace_labelled",
    "revision_without_webhooks",
    "install::default_profile",
    "egress"
)]
#[case(
    "install::injection_webhook",
    "service_without_port",
    "install::default_profile",
    "no_namespace"
)]
#[case("demo::backend_service", "stranger", "demo::backend_deployment", "pod_in_words")]
#[case("demo::backend_deployment", "last_one_counts", "prepare::nodes_ready", "demo_waits")]
#[case("demo::backend_deployment", "pod_in_words", "prepare::nodes_ready", "disk")]
#[case("demo::backend_deployment", "waited", "prepare::nodes_ready", "no_cpu_before")]
#[case("demo::client_logs_show_reply", "logs_unseen", "prepare::nodes_ready", "not_ready")]
#[case("demo::client_logs_show_reply", "old", "prepare::nodes_ready", "not_ready")]
#[case("demo::client_logs_show_reply", "too_early", "prepare::nodes_ready", "no_nodes")]
#[case(
    "demo::client_logs_show_reply",
    "cannot_resolve",
    "demo::backend_service",
    "named_target_elsewhere"
)]
#[case("demo::client_logs_show_reply", "old", "demo::client_deployment", "without_curl")]
#[case("demo::client_logs_show_reply", "too_early", "demo::client_deployment", "no_loop")]
#[case("demo::backend_replies", "curl_error", "prepare::dns_on_pod_network", "hint_names_it")]
#[case("demo::backend_replies", "similar_body", "demo::backend_deployment", "last_one_counts")]
#[case("demo::backend_replies", "no_client", "demo::client_deployment", "no_loop")]
#[case("mesh::two_containers_per_pod", "no_namespace", "demo::backend_deployment", "no_namespace")]
#[case("mesh::two_containers_per_pod", "no_pods", "demo::backend_deployment", "other_text")]
#[case(
    "mesh::two_containers_per_pod",
    "tagged_like_it",
    "demo::backend_deployment",
    "pod_in_words"
)]
#[case("mesh::pods_ready", "not_ready_meanwhile", "demo::backend_deployment", "missing")]
#[case(
    "mesh::unlabelled_namespace_left_alone",
    "everywhere",
    "install::namespace_labelled",
    "no_such_namespace"
)]
#[case(
    "mesh::unlabelled_namespace_left_alone",
    "forbidden",
    "install::namespace_labelled",
    "missing"
)]
#[case(
    "mesh::unlabelled_namespace_left_alone",
    "no_namespace",
    "install::namespace_labelled",
    "revision_without_webhooks"
)]
#[case("mesh::outbound_redirected", "port_left_out", "mesh::init_arguments", "cni")]
#[case("mesh::traffic_through_proxies", "no_counter", "prepare::nodes_ready", "no_cpu_before")]
#[case("mesh::traffic_through_proxies", "no_traffic", "prepare::nodes_ready", "no_cpu_before")]
#[case(
    "mesh::traffic_through_proxies",
    "backend_stands_still",
    "demo::backend_service",
    "port_renamed"
)]
#[case(
    "mesh::traffic_through_proxies",
    "backend_stands_still",
    "mesh::inbound_redirected",
    "other_target"
)]
#[case("mesh::traffic_through_proxies", "no_counter", "mesh::outbound_redirected", "port_left_out")]
#[case("ingress::service_is_load_balancer", "no_https", "install::default_profile", "no_gateway")]
#[case(
    "ingress::external_address",
    "unspecified",
    "ingress::service_is_load_balancer",
    "node_port"
)]
#[case("ingress::address_answers", "no_route", "install::default_profile", "no_namespace")]
#[case("ingress::address_answers", "not_ready", "ingress::external_address", "pending")]
#[case("ingress::routes_into_mesh", "another_text", "install::default_profile", "no_definition")]
#[case("ingress::routes_into_mesh", "not_routed", "demo::backend_service", "missing")]
#[case("ingress::routes_into_mesh", "two_newlines", "demo::backend_deployment", "other_text")]
#[case("ingress::routes_into_mesh", "nothing_answers", "ingress::address_answers", "not_ready")]
#[case("kiali::running", "another_version", "prepare::nodes_ready", "gateway_waits")]
#[case("kiali::console_served", "not_found", "kiali::redirects_to_web_root", "broken")]
#[case("kiali::console_served", "white_page", "kiali::redirects_to_web_root", "another_root")]
fn what_stands_beside_it_is_no_cause(
    #[case] id: &str,
    #[case] how: &str,
    #[case] other: &str,
    #[case] how_the_other: &str,
) {
    assert_eq!(because(id, &[(other, how_the_other), (id, how)]), None);
}

/// The same, where the one does follow from the other.
#[rstest]
#[case(
    "install::namespace_labelled",
    "revision_without_webhooks",
    "install::default_profile",
    "no_istiod",
    "install::default_profile"
)]
#[case(
    "install::injection_webhook",
    "not_labelled",
    "install::default_profile",
    "no_istiod",
    "install::namespace_labelled"
)]
#[case(
    "demo::client_logs_show_reply",
    "cannot_resolve",
    "prepare::dns_on_pod_network",
    "outside",
    "prepare::dns_on_pod_network"
)]
#[case(
    "demo::client_logs_show_reply",
    "too_early",
    "prepare::nodes_ready",
    "not_ready",
    "prepare::nodes_ready"
)]
#[case(
    "demo::client_logs_show_reply",
    "cannot_resolve",
    "demo::backend_service",
    "missing",
    "demo::backend_service"
)]
#[case(
    "demo::client_logs_show_reply",
    "old",
    "demo::backend_service",
    "missing",
    "demo::backend_service"
)]
#[case(
    "demo::client_logs_show_reply",
    "old",
    "demo::client_deployment",
    "no_loop",
    "demo::client_deployment"
)]
#[case(
    "demo::backend_replies",
    "curl_error",
    "prepare::nodes_ready",
    "no_cpu_before",
    "demo::backend_service"
)]
#[case(
    "mesh::two_containers_per_pod",
    "none_started",
    "demo::backend_deployment",
    "no_namespace",
    "demo::client_deployment"
)]
#[case(
    "mesh::pods_ready",
    "loops",
    "demo::backend_deployment",
    "missing",
    "demo::client_deployment"
)]
#[case(
    "ingress::address_answers",
    "not_ready",
    "install::default_profile",
    "no_gateway",
    "install::default_profile"
)]
#[case(
    "ingress::address_answers",
    "no_route",
    "install::control_plane_running",
    "image_missing",
    "install::control_plane_running"
)]
#[case(
    "ingress::address_answers",
    "refused",
    "ingress::external_address",
    "pending",
    "ingress::external_address"
)]
#[case(
    "kiali::console_served",
    "not_found",
    "kiali::redirects_to_web_root",
    "another_root",
    "kiali::redirects_to_web_root"
)]
fn what_it_follows_from_is_its_cause(
    #[case] id: &str,
    #[case] how: &str,
    #[case] other: &str,
    #[case] how_the_other: &str,
    #[case] root: &str,
) {
    assert_eq!(because(id, &[(other, how_the_other), (id, how)]).as_deref(), Some(root));
}

/// One fault makes two claims fall, and the table has a relation between them: `CLAIM, FAULT, ROOT`.
#[rstest]
#[case("prepare::load_balancer_address_free", "ingress::external_address", "held_by_another", None)]
#[case(
    "install::istio_version",
    "demo::client_logs_show_reply",
    "one_of_two",
    Some("mesh::proxies_in_sync")
)]
#[case(
    "install::control_plane_running",
    "prepare::load_balancer_address_free",
    "before_in_vain",
    None
)]
#[case(
    "mesh::pods_ready",
    "mesh::two_containers_per_pod",
    "no_application",
    Some("mesh::two_containers_per_pod")
)]
#[case("mesh::pods_ready", "mesh::two_containers_per_pod", "no_namespace", None)]
#[case(
    "mesh::pods_ready",
    "mesh::two_containers_per_pod",
    "not_labelled",
    Some("mesh::two_containers_per_pod")
)]
#[case("mesh::init_arguments", "mesh::two_containers_per_pod", "no_namespace", None)]
#[case("mesh::traffic_through_proxies", "demo::backend_replies", "no_client", None)]
#[case("ingress::external_address", "prepare::load_balancer_address_free", "before_in_vain", None)]
#[case("kiali::running", "prepare::load_balancer_address_free", "before_in_vain", None)]
#[case("kiali::console_served", "prepare::load_balancer_address_free", "before_in_vain", None)]
fn what_falls_together_has_its_cause_by_what_was_seen(
    #[case] id: &str,
    #[case] fault: &str,
    #[case] how: &str,
    #[case] root: Option<&str>,
) {
    assert_eq!(because(id, &[(fault, how)]).as_deref(), root);
}
