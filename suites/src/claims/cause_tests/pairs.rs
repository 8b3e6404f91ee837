//! Tests on two faults at once: an independent failure is not taken for the cause.

use super::NONE;
use crate::judge;
use crate::judgement::Verdict;
use crate::testing::{claim_cases, healthy};

/// A claim, the cases (claim and name) that make it fail, and its cause.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// `EFFECT CASE beside OTHER_CLAIM CASE => CAUSE;`, or `EFFECT by OTHER_CLAIM CASE => CAUSE;`
macro_rules! pairs {
    ($($effect:literal by $other:literal $name:ident => $cause:expr;)+) => {
        &[$(($effect, &[($other, stringify!($name))], $cause)),+]
    };
    ($($effect:literal $case:ident beside $other:literal $name:ident => $cause:expr;)+) => {
        &[$((
            $effect,
            &[($other, stringify!($name)), ($effect, stringify!($case))],
            $cause,
        )),+]
    };
}

/// A claim fails for its own reason while a claim that could be its cause also fails.
const BESIDE: &[Row] = pairs! {
    "prepare::dns_on_pod_network" outside beside "prepare::nodes_ready" not_ready => NONE;
    "install::istio_version" proxy_without_version beside "mesh::proxies_in_sync" stale => NONE;
    "install::control_plane_running" no_namespace beside "kiali::running" another_version => NONE;
    "install::namespace_labelled" revision_without_webhooks beside "install::default_profile" egress => NONE;
    "install::injection_webhook" service_without_port beside "install::default_profile" no_namespace => NONE;
    "demo::backend_service" endpoint_of_another_pod beside "demo::backend_deployment" image_not_pulled => NONE;
    "demo::backend_deployment" text_given_twice beside "prepare::nodes_ready" demo_waits => NONE;
    "demo::backend_deployment" image_not_pulled beside "prepare::nodes_ready" disk_pressure => NONE;
    "demo::backend_deployment" unavailable_after_a_wait beside "prepare::nodes_ready" no_cpu_for_istiod => NONE;
    "demo::client_logs_show_reply" logs_unread beside "prepare::nodes_ready" not_ready => NONE;
    "demo::client_logs_show_reply" old beside "prepare::nodes_ready" not_ready => NONE;
    "demo::client_logs_show_reply" too_early beside "prepare::nodes_ready" no_nodes => NONE;
    "demo::client_logs_show_reply" cannot_resolve beside "demo::backend_service" named_target_elsewhere => NONE;
    "demo::client_logs_show_reply" old beside "demo::client_deployment" other_image => NONE;
    "demo::client_logs_show_reply" too_early beside "demo::client_deployment" one_request_only => NONE;
    "demo::backend_replies" curl_error beside "prepare::dns_on_pod_network" outside_and_named_rke2_dns => NONE;
    "demo::backend_replies" text_with_more_words beside "demo::backend_deployment" text_given_twice => NONE;
    "demo::backend_replies" no_client beside "demo::client_deployment" one_request_only => NONE;
    "mesh::two_containers_per_pod" no_namespace beside "demo::backend_deployment" no_namespace => NONE;
    "mesh::two_containers_per_pod" no_pods beside "demo::backend_deployment" other_text => NONE;
    "mesh::two_containers_per_pod" image_with_similar_tag beside "demo::backend_deployment" image_not_pulled => NONE;
    "mesh::pods_ready" not_ready_meanwhile beside "demo::backend_deployment" missing => NONE;
    "mesh::unlabelled_namespace_left_alone" injected_in_all_namespaces beside "install::namespace_labelled" no_such_namespace => NONE;
    "mesh::unlabelled_namespace_left_alone" forbidden beside "install::namespace_labelled" no_label => NONE;
    "mesh::unlabelled_namespace_left_alone" no_namespace beside "install::namespace_labelled" revision_without_webhooks => NONE;
    "mesh::outbound_redirected" port_excluded beside "mesh::init_arguments" cni => NONE;
    "mesh::traffic_through_proxies" service_hidden_from_the_client beside "prepare::nodes_ready" no_cpu_for_istiod => NONE;
    "mesh::traffic_through_proxies" no_traffic beside "prepare::nodes_ready" no_cpu_for_istiod => NONE;
    "mesh::traffic_through_proxies" backend_counter_stops beside "demo::backend_service" port_renamed => NONE;
    "mesh::traffic_through_proxies" backend_counter_stops beside "mesh::inbound_redirected" redirected_to_another_port => NONE;
    "mesh::traffic_through_proxies" service_hidden_from_the_client beside "mesh::outbound_redirected" port_excluded => NONE;
    "ingress::service_is_load_balancer" no_https beside "install::default_profile" no_gateway => NONE;
    "ingress::external_address" unspecified beside "ingress::service_is_load_balancer" node_port => NONE;
    "ingress::address_answers" no_route beside "install::default_profile" no_namespace => NONE;
    "ingress::address_answers" not_ready beside "ingress::external_address" pending => NONE;
    "ingress::routes_into_mesh" another_text beside "install::default_profile" definitions_all_missing => NONE;
    "ingress::routes_into_mesh" not_routed beside "demo::backend_service" missing => NONE;
    "demo::backend_replies" empty_reply_of_envoy beside "demo::backend_service" port_named_tcp => NONE;
    "ingress::routes_into_mesh" denied_at_the_backend beside "demo::backend_service" headless => NONE;
    "ingress::routes_into_mesh" two_newlines beside "demo::backend_deployment" other_text => NONE;
    "ingress::routes_into_mesh" nothing_answers beside "ingress::address_answers" not_ready => NONE;
    "kiali::running" another_version beside "prepare::nodes_ready" gateway_waits => NONE;
    "kiali::console_served" not_found beside "kiali::redirects_to_web_root" server_error => NONE;
    "kiali::console_served" empty_page beside "kiali::redirects_to_web_root" another_root => NONE;
};

/// One claim fails because of the other.
const FOLLOWS: &[Row] = pairs! {
    "install::namespace_labelled" revision_without_webhooks beside "install::default_profile" no_istiod => "install::default_profile";
    "install::injection_webhook" not_labelled beside "install::default_profile" no_istiod => "install::namespace_labelled";
    "demo::client_logs_show_reply" cannot_resolve beside "prepare::dns_on_pod_network" outside => "prepare::dns_on_pod_network";
    "demo::client_logs_show_reply" too_early beside "prepare::nodes_ready" not_ready => "prepare::nodes_ready";
    "demo::client_logs_show_reply" cannot_resolve beside "demo::backend_service" missing => "demo::backend_service";
    "demo::client_logs_show_reply" old beside "demo::backend_service" missing => "demo::backend_service";
    "demo::client_logs_show_reply" old beside "demo::client_deployment" one_request_only => "demo::client_deployment";
    "demo::backend_replies" curl_error beside "prepare::nodes_ready" no_cpu_for_istiod => "demo::backend_service";
    "demo::backend_replies" empty_reply_of_envoy beside "demo::backend_service" headless => "demo::backend_service";
    "demo::backend_replies" empty_reply_of_envoy beside "demo::backend_service" port_named_grpc => "demo::backend_service";
    "ingress::routes_into_mesh" connection_to_the_backend_refused beside "demo::backend_service" headless => "demo::backend_service";
    "mesh::two_containers_per_pod" no_pod_started beside "demo::backend_deployment" no_namespace => "demo::client_deployment";
    "mesh::pods_ready" restart_loop beside "demo::backend_deployment" missing => "demo::client_deployment";
    "ingress::address_answers" not_ready beside "install::default_profile" no_gateway => "install::default_profile";
    "ingress::address_answers" no_route beside "install::control_plane_running" image_missing => "install::control_plane_running";
    "ingress::address_answers" refused beside "ingress::external_address" pending => "ingress::external_address";
    "kiali::console_served" not_found beside "kiali::redirects_to_web_root" another_root => "kiali::redirects_to_web_root";
};

/// One fault makes two claims fail, and one may be the cause of the other.
const TOGETHER: &[Row] = pairs! {
    "prepare::load_balancer_address_free" by "ingress::external_address" held_by_another => "prepare::no_competing_load_balancer";
    "install::istio_version" by "demo::client_logs_show_reply" one_of_two_logs_empty => "mesh::proxies_in_sync";
    "install::control_plane_running" by "prepare::load_balancer_address_free" before_install_no_address => NONE;
    "mesh::pods_ready" by "mesh::two_containers_per_pod" no_application => "mesh::two_containers_per_pod";
    "mesh::pods_ready" by "mesh::two_containers_per_pod" no_namespace => NONE;
    "mesh::pods_ready" by "mesh::two_containers_per_pod" not_labelled => "mesh::two_containers_per_pod";
    "mesh::init_arguments" by "mesh::two_containers_per_pod" no_namespace => NONE;
    "mesh::traffic_through_proxies" by "demo::backend_replies" no_client => NONE;
    "ingress::external_address" by "prepare::load_balancer_address_free" before_install_no_address => NONE;
    "kiali::running" by "prepare::load_balancer_address_free" before_install_no_address => NONE;
    "kiali::console_served" by "prepare::load_balancer_address_free" before_install_no_address => NONE;
};

fn wrong(rows: &[Row]) -> Vec<String> {
    let cases = claim_cases();
    let judged = rows.iter().map(|(effect, changes, cause)| {
        let mut evidence = healthy();
        for (claim, name) in *changes {
            let row = cases.iter().find(|(entry, case)| (entry.id, case.name) == (claim, name));
            (row.unwrap_or_else(|| panic!("{claim} has no case {name}")).1.change)(&mut evidence);
        }
        let report = judge(&evidence, &[]);
        let claim = report.claims.iter().find(|claim| claim.id == *effect).expect(effect);
        let because = claim.because.as_deref().unwrap_or(NONE);
        let right = claim.verdict != Verdict::Pass && because == *cause;
        (!right).then(|| format!("{changes:?}: {effect} {} because of `{because}`", claim.verdict))
    });
    judged.flatten().collect()
}

#[test]
fn independent_failure_has_no_cause() {
    assert_eq!(wrong(BESIDE), [""; 0]);
}

#[test]
fn dependent_failure_has_its_cause() {
    assert_eq!(wrong(FOLLOWS), [""; 0]);
}

#[test]
fn failures_of_one_fault_have_its_cause() {
    assert_eq!(wrong(TOGETHER), [""; 0]);
}
