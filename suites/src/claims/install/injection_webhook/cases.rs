//! The cases of the claim.

use jiff::SignedDuration;

use crate::claims::install::testing::{
    active, add_unknown_operator, delete_namespace, keep_only_revision, label,
};
use crate::entry::cases;
use crate::evidence::{CaBundle, Endpoint, Evidence, LabelSelector, Observation, Webhook};
use crate::testing::{backend, client, installed, of, refuse, scale_to_zero};

fn deactivate(evidence: &mut Evidence) {
    for webhook in active(evidence) {
        let never = ("istio.io/deactivated".to_owned(), "never-match".to_owned());
        webhook.namespace_selector.match_labels.extend([never.clone()]);
        webhook.object_selector.match_labels.extend([never]);
    }
}

fn bundle(evidence: &mut Evidence, change: fn(&mut CaBundle)) {
    active(evidence).for_each(|webhook| change(&mut webhook.ca_bundle));
}

fn endpoints(evidence: &mut Evidence) -> &mut Endpoint {
    of(&mut evidence.install.endpoints).iter_mut().find(|one| one.service == "istiod").unwrap()
}

/// Adds the webhook of a removed revision beside the installed one.
fn left_webhook(evidence: &mut Evidence) {
    let mut left = active(evidence).next().unwrap().clone();
    left.configuration = "istio-sidecar-injector-old".into();
    left.service.as_mut().unwrap().name = "istiod-old".into();
    left.namespace_selector = LabelSelector::default();
    left.object_selector = LabelSelector::default();
    of(&mut evidence.install.webhooks).push(left);
}

cases! { Evidence:
    healthy(|_| {}, Pass);
    only_the_active_ones(|e| {
        let active: Vec<_> = active(e).map(|webhook| webhook.clone()).collect();
        e.install.webhooks = Observation::seen(active);
    }, Pass);
    deactivated_one_is_broken(|e| {
        for webhook in of(&mut e.install.webhooks) {
            if webhook.object_selector.match_labels.contains_key("istio.io/deactivated") {
                webhook.ca_bundle.bytes = 0;
            }
        }
    }, Pass);
    by_revision(|e| label(e, &[("istio.io/rev", "default")]), Pass);
    no_demo_yet(|e| e.demo.deployments = Observation::absent("no namespace"), Pass);
    other_mutating_webhooks(|e| {
        let mut others: Vec<_> = active(e).map(|webhook| webhook.clone()).collect();
        for other in &mut others {
            other.service.as_mut().unwrap().path = "/mutate".into();
            other.ca_bundle.bytes = 0;
        }
        of(&mut e.install.webhooks).extend(others);
    }, Pass);
    webhooks_overlap(|e| {
        let copies: Vec<_> = active(e).map(|webhook| Webhook { configuration: "again".into(), ..webhook.clone() }).collect();
        of(&mut e.install.webhooks).extend(copies);
    }, Pass);
    deleted(|e| of(&mut e.install.webhooks).clear(), Fail);
    only_the_deactivated_ones(|e| of(&mut e.install.webhooks).retain(|one| one.object_selector.match_labels.contains_key("istio.io/deactivated")), Fail);
    deactivated(deactivate, Fail);
    not_labelled(|e| label(e, &[]), Fail);
    not_labelled_for_a_revision(|e| { keep_only_revision(e, "1-20-3"); label(e, &[]); }, Fail);
    labelled_for_the_default_revision(|e| keep_only_revision(e, "1-20-3"), Fail);
    labelled_for_a_revision(|e| { keep_only_revision(e, "1-20-3"); label(e, &[("istio.io/rev", "1-20-3")]); }, Pass);
    left_by_removed_revision(|e| left_webhook(e), Fail);
    injection_disabled(|e| label(e, &[("istio-injection", "disabled")]), Fail);
    pods_opt_out(|e| { backend(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail);
    client_opts_out(|e| { client(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail);
    selector_changed(|e| active(e).for_each(|webhook| { webhook.namespace_selector.match_labels.insert("team".into(), "b".into()); }), Fail);
    no_such_namespace(delete_namespace, Fail);
    bundle_empty(|e| bundle(e, |bundle| *bundle = CaBundle::default()), Fail);
    bundle_garbage(|e| bundle(e, |bundle| { bundle.error = Some("no PEM".into()); bundle.certificates.clear(); }), Fail);
    bundle_ends_now(|e| {
        let now = e.recorded_at;
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_after = now);
    }, Fail);
    bundle_begins_now(|e| {
        let now = e.recorded_at;
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_before = now);
    }, Pass);
    bundle_without_certificate(|e| bundle(e, |bundle| bundle.certificates.clear()), Fail);
    bundle_expired(|e| {
        let then = e.recorded_at - SignedDuration::from_hours(1);
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_after = then);
    }, Fail);
    service_without_port(|e| of(&mut e.install.services).iter_mut().find(|one| one.name == "istiod").unwrap().ports.retain(|port| port.port != 443), Fail);
    service_deleted(|e| of(&mut e.install.services).retain(|one| one.name != "istiod"), Fail);
    endpoint_not_ready(|e| endpoints(e).ready = false, Fail);
    endpoint_without_address(|e| endpoints(e).addresses.clear(), Fail);
    istiod_scaled_to_zero(|e| {
        of(&mut e.install.endpoints).retain(|one| one.service != "istiod");
        scale_to_zero(installed(e, "istiod"));
    }, Fail);
    no_endpoint_and_failures_ignored(|e| {
        of(&mut e.install.endpoints).clear();
        active(e).for_each(|webhook| webhook.failure_policy = "Ignore".into());
    }, Fail);
    bundle_begins_later(|e| {
        let then = e.recorded_at + SignedDuration::from_hours(1);
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_before = then);
    }, Unjudged);
    calls_a_url(|e| active(e).for_each(|webhook| { webhook.service = None; webhook.url = Some("https://istiod.example/inject".into()); }), Unjudged);
    calls_elsewhere(|e| active(e).for_each(|webhook| webhook.service.as_mut().unwrap().namespace = "elsewhere".into()), Unjudged);
    unknown_selector(add_unknown_operator, Unjudged);
    webhooks_unread(|e| e.install.webhooks = Observation::failed("forbidden"), Unjudged);
    namespaces_unread(|e| e.install.namespaces = Observation::failed("forbidden"), Unjudged);
    deployments_unread(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged);
    services_unread(|e| e.install.services = Observation::failed("forbidden"), Unjudged);
    no_services(|e| e.install.services = Observation::absent("no namespace"), Fail);
    endpoints_unread(|e| e.install.endpoints = Observation::failed("forbidden"), Unjudged);
    bundle_empty_and_endpoints_unread(|e| {
        e.install.endpoints = Observation::failed("forbidden");
        bundle(e, |bundle| bundle.bytes = 0);
    }, Fail);
    not_labelled_and_deployments_unread(|e| {
        e.demo.deployments = Observation::failed("forbidden");
        label(e, &[]);
    }, Fail);
    pods_opt_out_and_have_another_label(|e| {
        let labels = &mut backend(e).template_labels;
        labels.insert("sidecar.istio.io/inject".into(), "false".into());
        labels.insert("istio.io/rev".into(), "default".into());
    }, Fail);
    pods_miss_an_unknown_label(|e| {
        backend(e).template_labels.insert("mesh".into(), "no".into());
        active(e).for_each(|webhook| { webhook.object_selector.match_labels.insert("mesh".into(), "yes".into()); });
    }, Fail);
    call_times_out(|e| fail_call(e, "Post \"https://istiod.istio-system.svc:443/inject?timeout=10s\": context deadline exceeded"), Fail);
    call_times_out_at_another_port(|e| {
        let services = of(&mut e.install.services).iter_mut().filter(|it| it.name == "istiod");
        let ports = services.flat_map(|it| &mut it.ports).filter(|it| it.port == 443);
        ports.for_each(|it| it.target_port = "10250".into());
        fail_call(e, "Post \"https://istiod.istio-system.svc:443/inject?timeout=10s\": context deadline exceeded");
    }, Fail);
    template_fails(|e| e.mesh.dry_run_labelled = Observation::failed("the API server answered 400: admission webhook \"namespace.sidecar-injector.istio.io\" denied the request: failed to run injection template: no such value"), Fail);
    pod_is_invalid_after_the_call(|e| e.mesh.dry_run_labelled = Observation::failed("Pod \"a\" is invalid: spec.containers[1].resources.requests: Invalid value: \"1\": must be less than or equal to cpu limit of 50m"), Pass);
    call_is_refused(|e| fail_call(e, "dial tcp 10.96.0.9:443: connect: connection refused"), Fail);
    call_goes_to_a_proxy(|e| fail_call(e, "proxyconnect tcp: dial tcp 10.0.0.5:3128: i/o timeout"), Fail);
    call_is_not_trusted(|e| fail_call(e, "x509: certificate signed by unknown authority"), Fail);
    call_is_before_the_certificate(|e| fail_call(e, "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-11-29T07:11:22Z"), Fail);
    call_finds_no_service(|e| fail_call(e, "service \"istiod\" not found"), Fail);
    call_is_answered_by_an_error(|e| fail_call(e, "an error on the server (\"upstream\") has prevented the request from succeeding"), Fail);
    call_of_another_webhook(|e| e.mesh.dry_run_labelled = Observation::failed("failed calling webhook \"policy.example.com\": EOF"), Pass);
    call_of_another_mutating_webhook(|e| {
        e.mesh.dry_run_labelled = Observation::failed("failed calling webhook \"policy.example.com\": EOF");
        let webhooks = of(&mut e.install.webhooks);
        webhooks.push(Webhook { name: "policy.example.com".into(), ..Webhook::default() });
    }, Unjudged);
    dry_run_forbidden(|e| e.mesh.dry_run_labelled = Observation::failed("forbidden: needs `create` on `pods`"), Unjudged);
    dry_run_refused_after_the_call(|e| e.mesh.dry_run_labelled = Observation::failed("pods \"a\" is forbidden: exceeded quota: team, requested: pods=1"), Pass);
    call_for_a_replica_set(|e| {
        e.mesh.dry_run_labelled = Observation::not_asked("--only");
        refuse(backend(e), "failed calling webhook \"namespace.sidecar-injector.istio.io\": context deadline exceeded");
    }, Fail);
}

/// The dry run fails because the API server cannot call the webhook.
fn fail_call(evidence: &mut Evidence, words: &str) {
    let webhook =
        "failed calling webhook \"namespace.sidecar-injector.istio.io\": failed to call webhook";
    let reason =
        format!("the API server answered 500: Internal error occurred: {webhook}: {words}");
    evidence.mesh.dry_run_labelled = Observation::failed(reason);
}
