//! What turns the claims of *install* red, what leaves them unjudged, and what does not matter.

use jiff::SignedDuration;

use crate::evidence::{
    BundleFacts, Container, ContainerState, Evidence, LabelExpression, Observation, Pod,
    Termination, Webhook,
};
use crate::testing::{backend, client, demo_pod, gateway, installed, istiod, of, scale_to_zero};

fn proxy(pod: &mut Pod) -> &mut Container {
    let mut all = pod.containers.iter_mut().chain(&mut pod.init_containers);
    all.find(|container| container.name == "istio-proxy").unwrap()
}

fn reports(evidence: &mut Evidence) -> &mut crate::evidence::Istiod {
    of(&mut evidence.install.istiod).values_mut().next().unwrap()
}

/// Gives every image of Istio a tag made of the expected version.
fn tag(evidence: &mut Evidence, pattern: &str) {
    let tag = pattern.replace("{}", &evidence.expectations.istio_version);
    let pods = of(&mut evidence.install.pods).iter_mut().chain(of(&mut evidence.demo.pods));
    for pod in pods {
        for container in pod.containers.iter_mut().chain(&mut pod.init_containers) {
            if container.name == "discovery" || container.name.starts_with("istio-") {
                container.image = format!("mirror.example:5000/istio/any{tag}");
            }
        }
    }
}

pub(crate) mod all_parts_are_of_one_version {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        distroless(|e| tag(e, ":{}-distroless"), Pass);
        digest(|e| tag(e, "@sha256:0123"), Pass);
        moving_tag(|e| tag(e, ":latest"), Pass);
        no_istioctl(|e| e.install.istioctl_version = Observation::not_asked("not used"), Pass);
        istioctl_not_there(|e| e.install.istioctl_version = Observation::absent("no istioctl"), Pass);
        pod_on_its_way_out(|e| { let pod = demo_pod(e, "echo"); pod.terminating = true; proxy(pod).image = "istio/proxyv2:1.1.0".into(); }, Pass);
        completed_job(|e| {
            let mut job = demo_pod(e, "echo").clone();
            job.name = "job".into();
            job.phase = "Succeeded".into();
            of(&mut e.demo.pods).push(job);
        }, Pass);
        old_and_over(|e| {
            for phase in ["Succeeded", "Failed"] {
                let mut old = demo_pod(e, "echo").clone();
                old.name = phase.to_lowercase();
                old.phase = phase.into();
                proxy(&mut old).image = "docker.io/istio/proxyv2:1.19.7".into();
                of(&mut e.demo.pods).push(old);
            }
        }, Pass);
        asked_for_another(|e| e.expectations.istio_version = "1.99.0".into(), Fail);
        whole_of_another(|e| e.expectations.istio_version = "1.99.0".into(), Fail);
        whole_of_another_is_judged_as_that(|e| e.expectations.istio_version = "1.99.0".into(), Fail);
        half_of_another(|e| { e.expectations.istio_version = "1.99.0".into(); of(&mut reports(e).proxies)[1].istio_version = "1.19.7".into(); }, Fail);
        other_half_unseen(|e| { e.expectations.istio_version = "1.99.0".into(); reports(e).proxies = Observation::failed("time-out"); }, Fail);
        longer_version(|e| tag(e, ":{}1"), Fail);
        istiod_image(|e| istiod(e).containers[0].image = "docker.io/istio/pilot:1.19.7".into(), Fail);
        istiod_image_is_a_part(|e| istiod(e).containers[0].image = "docker.io/istio/pilot:1.19.7".into(), Fail);
        whole_but_for_an_image(|e| { e.expectations.istio_version = "1.99.0".into(); proxy(gateway(e)).image = "istio/proxyv2:1.19.7".into(); }, Fail);
        whole_but_for_a_silent_proxy(|e| { e.expectations.istio_version = "1.99.0".into(); of(&mut reports(e).proxies)[0].istio_version.clear(); }, Fail);
        whole_on_somebodys_cluster(|e| { e.expectations.istio_version = "1.99.0".into(); e.subject.provider = crate::evidence::Provider::Existing; e.subject.active = true; }, Fail);
        istiod_report(|e| reports(e).version = Observation::seen("1.19.7".into()), Fail);
        gateway_image(|e| proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail);
        sidecar_image(|e| proxy(demo_pod(e, "echo")).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail);
        chosen_image(|e| {
            let pod = demo_pod(e, "echo");
            pod.annotations.insert("sidecar.istio.io/proxyImage".into(), "istio/proxyv2:1.19.7".into());
            proxy(pod).image = "istio/proxyv2:1.19.7".into();
        }, Fail);
        not_installed(|e| {
            of(&mut e.install.pods).clear();
            of(&mut e.install.deployments).clear();
        }, Fail);
        init_image(|e| demo_pod(e, "client").init_containers[0].image = "docker.io/istio/proxyv2:1.19.7".into(), Fail);
        old_proxy_of_a_known_pod(|e| {
            let echo = format!("{}.client", demo_pod(e, "echo").name);
            let row = of(&mut reports(e).proxies).iter_mut().find(|row| row.proxy == echo).unwrap();
            row.istio_version = "1.19.7".into();
        }, Fail);
        sidecar_report(|e| of(&mut reports(e).proxies)[1].istio_version = "1.19.7".into(), Fail);
        other_proxy(|e| {
            let mut other = of(&mut reports(e).proxies)[0].clone();
            other.proxy = "pod.elsewhere".into();
            other.istio_version = "1.19.7".into();
            of(&mut reports(e).proxies).push(other);
        }, Fail);
        istioctl(|e| e.install.istioctl_version = Observation::seen("1.19.7".into()), Fail);
        no_istiod(|e| of(&mut e.install.pods).retain(|pod| pod.labels.get("istio").is_none_or(|v| v != "pilot")), Fail);
        istiod_scaled_to_zero(|e| {
            scale_to_zero(installed(e, "istiod"));
            of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
        }, Fail);
        istiod_pending(|e| istiod(e).phase = "Pending".into(), Fail);
        no_namespace(|e| e.install.pods = Observation::absent("no namespace"), Fail);
        istiod_silent(|e| reports(e).version = Observation::failed("time-out"), Unjudged);
        istiod_not_asked(|e| of(&mut e.install.istiod).clear(), Unjudged);
        proxies_unseen(|e| reports(e).proxies = Observation::failed("time-out"), Unjudged);
        proxy_unknown(|e| { of(&mut reports(e).proxies).remove(0); }, Unjudged);
        proxy_silent(|e| of(&mut reports(e).proxies)[0].istio_version.clear(), Unjudged);
        reports_unseen(|e| e.install.istiod = Observation::failed("forbidden"), Unjudged);
        pods_unseen(|e| e.install.pods = Observation::failed("forbidden"), Unjudged);
        demo_unseen(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged);
        demo_not_asked(|e| e.demo.pods = Observation::not_asked("--only"), Skipped);
        istioctl_unseen(|e| e.install.istioctl_version = Observation::failed("killed"), Unjudged);
        proven_wrong_anyhow(|e| {
            e.install.istiod = Observation::failed("forbidden");
            proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into();
        }, Fail);
    }
}

fn add_deployment(evidence: &mut Evidence, name: &str, istio: &str) {
    let gateway = evidence.expectations.gateway.clone();
    let mut copy = installed(evidence, &gateway).clone();
    copy.name = name.into();
    copy.template_labels.insert("istio".into(), istio.into());
    of(&mut evidence.install.deployments).push(copy);
}

fn remove_deployment(evidence: &mut Evidence, name: &str) {
    of(&mut evidence.install.deployments).retain(|deployment| deployment.name != name);
}

pub(crate) mod it_is_the_default_profile {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        no_operator(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("istiooperators")), Pass);
        other_workload(|e| add_deployment(e, "prometheus", "none"), Pass);
        egress(|e| add_deployment(e, "istio-egressgateway", "egressgateway"), Fail);
        egress_by_label(|e| add_deployment(e, "leave", "egressgateway"), Fail);
        second_ingress(|e| add_deployment(e, "second", "ingressgateway"), Fail);
        no_gateway(|e| { let name = e.expectations.gateway.clone(); remove_deployment(e, &name); }, Fail);
        no_istiod(|e| remove_deployment(e, "istiod"), Fail);
        nothing(|e| of(&mut e.install.deployments).clear(), Fail);
        no_namespace(|e| e.install.deployments = Observation::absent("no namespace"), Fail);
        definition_missing(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("sidecars")), Fail);
        definition_named(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("sidecars")), Fail);
        definitions_all_missing(|e| of(&mut e.install.crds).clear(), Fail);
        definition_not_served(|e| of(&mut e.install.crds)[0].established = false, Fail);
        no_definition(|e| of(&mut e.install.crds).clear(), Fail);
        definitions_unseen(|e| e.install.crds = Observation::failed("forbidden"), Unjudged);
        deployments_unseen(|e| e.install.deployments = Observation::failed("forbidden"), Unjudged);
        proven_wrong_anyhow(|e| {
            e.install.crds = Observation::failed("forbidden");
            remove_deployment(e, "istiod");
        }, Fail);
        options_are_kept(|e| {
            let install_set = vec!["values.a=b".to_owned()];
            e.subject.bundle = Some(BundleFacts { origin: "lab".into(), key: String::new(), install_set, notes: vec![] });
            remove_deployment(e, "istiod");
        }, Fail);
    }
}

/// Ends the first container of a pod some time before the look.
fn crashed(evidence: &mut Evidence, minutes_ago: i64, restarts: u32) -> &mut Container {
    let finished_at = Some(evidence.recorded_at - SignedDuration::from_mins(minutes_ago));
    let container = &mut istiod(evidence).containers[0];
    container.restarts = restarts;
    let end = Termination { exit_code: 137, reason: "OOMKilled".into(), finished_at };
    container.last_termination = Some(end);
    container
}

pub(crate) mod its_pods_run {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        completed(|e| {
            let mut job = istiod(e).clone();
            job.name = "job".into();
            job.phase = "Succeeded".into();
            job.ready = false;
            job.containers[0].ready = false;
            of(&mut e.install.pods).push(job);
        }, Pass);
        two_completed(|e| {
            for name in ["job", "another-job"] {
                let mut job = istiod(e).clone();
                job.name = name.into();
                job.phase = "Succeeded".into();
                of(&mut e.install.pods).push(job);
            }
        }, Pass);
        istiod_known_by_app(|e| { installed(e, "istiod").template_labels.remove("istio"); }, Pass);
        istiod_known_by_istio(|e| { installed(e, "istiod").template_labels.remove("app"); }, Pass);
        restarted_once(|e| { crashed(e, 1, 1); }, Pass);
        restarted_long_ago(|e| { crashed(e, 11, 9); }, Pass);
        old_pod_leaves(|e| {
            let mut old = istiod(e).clone();
            old.name = "old".into();
            old.terminating = true;
            old.ready = false;
            of(&mut e.install.pods).push(old);
        }, Pass);
        kiali_scaled_to_zero(|e| {
            scale_to_zero(installed(e, "kiali"));
            of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("kiali"));
        }, Pass);
        restart_loop(|e| { crashed(e, 9, 3); }, Fail);
        crash_loop(|e| {
            let container = crashed(e, 60, 7);
            container.ready = false;
            container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() };
        }, Fail);
        crash_hint(|e| {
            let container = crashed(e, 60, 7);
            container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
        }, Fail);
        init_crash_loop(|e| {
            let mut init = istiod(e).containers[0].clone();
            init.name = "init".into();
            init.ready = false;
            init.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
            istiod(e).init_containers.push(init);
        }, Fail);
        pending(|e| {
            let pod = istiod(e);
            pod.phase = "Pending".into();
            pod.ready = false;
            pod.containers.iter_mut().for_each(|container| {
                container.ready = false;
                container.state = ContainerState::Unknown;
            });
            pod.reason = Some("0/1 nodes are available: 1 Insufficient cpu.".into());
        }, Fail);
        image_missing(|e| {
            let pod = gateway(e);
            pod.phase = "Pending".into();
            pod.containers[0].ready = false;
            pod.containers[0].state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: "no such image".into() };
        }, Fail);
        not_ready(|e| { let pod = gateway(e); pod.ready = false; pod.containers[0].ready = false; }, Fail);
        container_not_ready(|e| gateway(e).containers[0].ready = false, Fail);
        pod_not_ready(|e| gateway(e).ready = false, Fail);
        failed(|e| { let pod = gateway(e); pod.phase = "Failed".into(); pod.reason = Some("Evicted".into()); }, Fail);
        kiali_ill(|e| of(&mut e.install.pods).iter_mut().find(|pod| pod.name.starts_with("kiali")).unwrap().ready = false, Fail);
        istiod_scaled_to_zero(|e| {
            scale_to_zero(installed(e, "istiod"));
            of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
        }, Fail);
        istiod_gets_no_pod(|e| of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod")), Fail);
        gateway_scaled_to_zero(|e| {
            let name = e.expectations.gateway.clone();
            scale_to_zero(installed(e, &name));
            of(&mut e.install.pods).retain(|pod| !pod.name.starts_with(&name));
        }, Fail);
        a_replica_was_refused(|e| installed(e, "istiod").replicas = 2, Fail);
        two_replicas(|e| { let istiod = installed(e, "istiod"); istiod.replicas = 2; istiod.current_replicas = 2; istiod.updated_replicas = 2; istiod.available_replicas = 2; }, Pass);
        all_leave(|e| of(&mut e.install.pods).iter_mut().for_each(|pod| pod.terminating = true), Fail);
        nothing(|e| { of(&mut e.install.pods).clear(); of(&mut e.install.deployments).clear(); }, Fail);
        no_namespace(|e| e.install.pods = Observation::absent("no namespace"), Fail);
        pods_unseen(|e| e.install.pods = Observation::failed("forbidden"), Unjudged);
        deployments_unseen(|e| e.install.deployments = Observation::failed("forbidden"), Unjudged);
        proven_wrong_anyhow(|e| {
            e.install.deployments = Observation::failed("forbidden");
            gateway(e).ready = false;
        }, Fail);
    }
}

/// Replaces the labels of the demo's namespace.
fn label(evidence: &mut Evidence, labels: &[(&str, &str)]) {
    let namespace = evidence.expectations.namespace.clone();
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    of(&mut evidence.install.namespaces).insert(namespace, labels.collect());
}

fn delete_namespace(evidence: &mut Evidence) {
    let namespace = evidence.expectations.namespace.clone();
    of(&mut evidence.install.namespaces).remove(&namespace);
}

pub(crate) mod the_namespace_is_labelled {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        webhooks_unseen(|e| e.install.webhooks = Observation::failed("forbidden"), Pass);
        revision(|e| label(e, &[("istio.io/rev", "default")]), Pass);
        both(|e| label(e, &[("istio-injection", "enabled"), ("istio.io/rev", "none")]), Pass);
        missing(|e| label(e, &[]), Fail);
        missing_for_a_revision(|e| { only_revision(e, "1-20-3"); label(e, &[]); }, Fail);
        disabled(|e| label(e, &[("istio-injection", "disabled")]), Fail);
        misspelt(|e| label(e, &[("istio-injection", "enable")]), Fail);
        upper_case(|e| label(e, &[("istio-injection", "Enabled")]), Fail);
        other_label(|e| label(e, &[("istio-inject", "enabled")]), Fail);
        disabled_and_revision(|e| label(e, &[("istio-injection", "disabled"), ("istio.io/rev", "default")]), Fail);
        revision_of_nobody(|e| label(e, &[("istio.io/rev", "canary")]), Fail);
        revision_without_webhooks(|e| {
            label(e, &[("istio.io/rev", "default")]);
            of(&mut e.install.webhooks).clear();
        }, Fail);
        no_such_namespace(delete_namespace, Fail);
        namespaces_unseen(|e| e.install.namespaces = Observation::failed("forbidden"), Unjudged);
        revision_webhooks_unseen(|e| {
            label(e, &[("istio.io/rev", "default")]);
            e.install.webhooks = Observation::failed("forbidden");
        }, Unjudged);
        revision_of_a_deactivated_webhook(|e| {
            label(e, &[("istio.io/rev", "default")]);
            for webhook in active(e) {
                webhook.object_selector.match_labels.insert("istio.io/deactivated".into(), "never-match".into());
            }
        }, Fail);
        selects_strangely(|e| {
            label(e, &[("istio.io/rev", "canary")]);
            strange(e);
        }, Unjudged);
    }
}

/// The webhooks that are not switched off.
fn active(evidence: &mut Evidence) -> impl Iterator<Item = &mut Webhook> {
    let off = |webhook: &Webhook| {
        webhook.object_selector.match_labels.contains_key("istio.io/deactivated")
    };
    of(&mut evidence.install.webhooks).iter_mut().filter(move |webhook| !off(webhook))
}

/// Gives every active webhook an operator that nobody knows.
fn strange(evidence: &mut Evidence) {
    for webhook in active(evidence) {
        webhook.namespace_selector.match_labels.clear();
        webhook.namespace_selector.match_expressions =
            vec![LabelExpression { key: "a".into(), operator: "Near".into(), values: vec![] }];
    }
}

fn deactivate(evidence: &mut Evidence) {
    for webhook in active(evidence) {
        let never = ("istio.io/deactivated".to_owned(), "never-match".to_owned());
        webhook.namespace_selector.match_labels.extend([never.clone()]);
        webhook.object_selector.match_labels.extend([never]);
    }
}

fn bundle(evidence: &mut Evidence, change: fn(&mut crate::evidence::CaBundle)) {
    active(evidence).for_each(|webhook| change(&mut webhook.ca_bundle));
}

fn endpoints(evidence: &mut Evidence) -> &mut crate::evidence::Endpoint {
    of(&mut evidence.install.endpoints).iter_mut().find(|one| one.service == "istiod").unwrap()
}

/// A control plane of a named revision alone, as Helm charts install it: without the default tag.
fn only_revision(evidence: &mut Evidence, revision: &str) {
    let webhooks = of(&mut evidence.install.webhooks);
    webhooks.retain(|it| {
        it.configuration == "istio-revision-tag-default" && it.name.starts_with("rev.")
    });
    assert!(!webhooks.is_empty());
    for webhook in webhooks {
        webhook.configuration = format!("istio-sidecar-injector-{revision}");
        webhook.revision = Some(revision.into());
        webhook.tag = None;
        for selector in [&mut webhook.namespace_selector, &mut webhook.object_selector] {
            for expression in &mut selector.match_expressions {
                if expression.key == "istio.io/rev" && expression.operator == "In" {
                    expression.values = vec![revision.into()];
                }
            }
        }
    }
}

/// The webhook of a revision that was removed, beside the one that is there.
fn left_webhook(evidence: &mut Evidence) {
    let mut left = active(evidence).next().unwrap().clone();
    left.configuration = "istio-sidecar-injector-old".into();
    left.service.as_mut().unwrap().name = "istiod-old".into();
    left.namespace_selector = crate::evidence::LabelSelector::default();
    left.object_selector = crate::evidence::LabelSelector::default();
    of(&mut evidence.install.webhooks).push(left);
}

pub(crate) mod a_webhook_injects {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
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
        demo_not_there_yet(|e| e.demo.deployments = Observation::absent("no namespace"), Pass);
        other_webhooks_are_strange(|e| {
            let mut others: Vec<_> = active(e).map(|webhook| webhook.clone()).collect();
            for other in &mut others {
                other.service.as_mut().unwrap().path = "/mutate".into();
                other.ca_bundle.bytes = 0;
            }
            of(&mut e.install.webhooks).extend(others);
        }, Pass);
        overlap(|e| {
            let copies: Vec<_> = active(e).map(|webhook| Webhook { configuration: "again".into(), ..webhook.clone() }).collect();
            of(&mut e.install.webhooks).extend(copies);
        }, Pass);
        deleted(|e| of(&mut e.install.webhooks).clear(), Fail);
        only_the_deactivated_ones(|e| of(&mut e.install.webhooks).retain(|one| one.object_selector.match_labels.contains_key("istio.io/deactivated")), Fail);
        deactivated(deactivate, Fail);
        not_labelled(|e| label(e, &[]), Fail);
        not_labelled_for_a_revision(|e| { only_revision(e, "1-20-3"); label(e, &[]); }, Fail);
        labelled_for_the_default_revision(|e| only_revision(e, "1-20-3"), Fail);
        labelled_for_a_revision(|e| { only_revision(e, "1-20-3"); label(e, &[("istio.io/rev", "1-20-3")]); }, Pass);
        left_by_a_revision(|e| left_webhook(e), Fail);
        switched_off(|e| label(e, &[("istio-injection", "disabled")]), Fail);
        pods_opt_out(|e| { backend(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail);
        client_opts_out(|e| { client(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail);
        selector_changed(|e| active(e).for_each(|webhook| { webhook.namespace_selector.match_labels.insert("team".into(), "b".into()); }), Fail);
        no_such_namespace(delete_namespace, Fail);
        bundle_empty(|e| bundle(e, |bundle| *bundle = crate::evidence::CaBundle::default()), Fail);
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
        endpoint_not_ready_though_its_pod_is(|e| endpoints(e).ready = false, Fail);
        endpoint_not_ready_as_nobody_knows_why(|e| endpoints(e).ready = false, Fail);
        istiod_gone(|e| {
            of(&mut e.install.endpoints).retain(|one| one.service != "istiod");
            scale_to_zero(installed(e, "istiod"));
        }, Fail);
        istiod_gone_but_ignored(|e| {
            of(&mut e.install.endpoints).clear();
            active(e).for_each(|webhook| webhook.failure_policy = "Ignore".into());
        }, Fail);
        bundle_of_tomorrow(|e| {
            let then = e.recorded_at + SignedDuration::from_hours(1);
            active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_before = then);
        }, Unjudged);
        calls_a_url(|e| active(e).for_each(|webhook| { webhook.service = None; webhook.url = Some("https://istiod.example/inject".into()); }), Unjudged);
        calls_elsewhere(|e| active(e).for_each(|webhook| webhook.service.as_mut().unwrap().namespace = "elsewhere".into()), Unjudged);
        selects_strangely(strange, Unjudged);
        webhooks_unseen(|e| e.install.webhooks = Observation::failed("forbidden"), Unjudged);
        namespaces_unseen(|e| e.install.namespaces = Observation::failed("forbidden"), Unjudged);
        deployments_unseen(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged);
        services_unseen(|e| e.install.services = Observation::failed("forbidden"), Unjudged);
        no_services(|e| e.install.services = Observation::absent("no namespace"), Fail);
        endpoints_unseen(|e| e.install.endpoints = Observation::failed("forbidden"), Unjudged);
        proven_wrong_anyhow(|e| {
            e.install.endpoints = Observation::failed("forbidden");
            bundle(e, |bundle| bundle.bytes = 0);
        }, Fail);
        not_labelled_anyhow(|e| {
            e.demo.deployments = Observation::failed("forbidden");
            label(e, &[]);
        }, Fail);
        opt_out_hint(|e| { backend(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail);
        opts_out_beside_a_label_that_does_no_harm(|e| {
            let labels = &mut backend(e).template_labels;
            labels.insert("sidecar.istio.io/inject".into(), "false".into());
            labels.insert("istio.io/rev".into(), "default".into());
        }, Fail);
        opts_out_in_other_words(|e| {
            backend(e).template_labels.insert("mesh".into(), "no".into());
            active(e).for_each(|webhook| { webhook.object_selector.match_labels.insert("mesh".into(), "yes".into()); });
        }, Fail);
    }
}
