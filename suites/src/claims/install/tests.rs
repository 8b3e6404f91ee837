//! What turns the claims of *install* red, what leaves them unjudged, and what does not matter.

use jiff::SignedDuration;

use super::super::mutations::{
    Case, backend, cases, client, demo_pod, gateway, installed, istiod, of, scale_to_zero,
};
use crate::evidence::{
    BundleFacts, Container, ContainerState, Evidence, LabelExpression, Observation, Pod,
    Termination, Webhook,
};

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

cases! { all_parts_are_of_one_version proves "install::istio_version":
    healthy(|_| {}, Pass, "istiod, 3 proxies");
    distroless(|e| tag(e, ":{}-distroless"), Pass, "3 proxies");
    digest(|e| tag(e, "@sha256:0123"), Pass, "3 proxies");
    moving_tag(|e| tag(e, ":latest"), Pass, "3 proxies");
    no_istioctl(|e| e.install.istioctl_version = Observation::not_asked("not used"), Pass, "istiod, 3 proxies report");
    istioctl_not_there(|e| e.install.istioctl_version = Observation::absent("no istioctl"), Pass, "istiod, 3 proxies report");
    pod_on_its_way_out(|e| { let pod = demo_pod(e, "echo"); pod.terminating = true; proxy(pod).image = "istio/proxyv2:1.1.0".into(); }, Pass, "2 proxies");
    completed_job(|e| {
        let mut job = demo_pod(e, "echo").clone();
        job.name = "job".into();
        job.phase = "Succeeded".into();
        of(&mut e.demo.pods).push(job);
    }, Pass, "3 proxies");
    old_and_over(|e| {
        for phase in ["Succeeded", "Failed"] {
            let mut old = demo_pod(e, "echo").clone();
            old.name = phase.to_lowercase();
            old.phase = phase.into();
            proxy(&mut old).image = "docker.io/istio/proxyv2:1.19.7".into();
            of(&mut e.demo.pods).push(old);
        }
    }, Pass, "3 proxies");
    asked_for_another(|e| e.expectations.istio_version = "1.99.0".into(), Fail, "not 1.99.0");
    whole_of_another(|e| e.expectations.istio_version = "1.99.0".into(), Fail, "all of it is of Istio 1.22.0");
    whole_of_another_is_judged_as_that(|e| e.expectations.istio_version = "1.99.0".into(), Fail, "`meshcheck check --context kind-");
    half_of_another(|e| { e.expectations.istio_version = "1.99.0".into(); of(&mut reports(e).proxies)[1].istio_version = "1.19.7".into(); }, Fail, "shows all versions");
    other_half_unseen(|e| { e.expectations.istio_version = "1.99.0".into(); reports(e).proxies = Observation::failed("time-out"); }, Fail, "shows all versions");
    longer_version(|e| tag(e, ":{}1"), Fail, "container discovery");
    istiod_image(|e| istiod(e).containers[0].image = "docker.io/istio/pilot:1.19.7".into(), Fail, "1.19.7");
    istiod_image_is_a_part(|e| istiod(e).containers[0].image = "docker.io/istio/pilot:1.19.7".into(), Fail, "shows all versions");
    whole_but_for_an_image(|e| { e.expectations.istio_version = "1.99.0".into(); proxy(gateway(e)).image = "istio/proxyv2:1.19.7".into(); }, Fail, "shows all versions");
    whole_but_for_a_silent_proxy(|e| { e.expectations.istio_version = "1.99.0".into(); of(&mut reports(e).proxies)[0].istio_version.clear(); }, Fail, "shows all versions");
    whole_on_somebodys_cluster(|e| { e.expectations.istio_version = "1.99.0".into(); e.subject.provider = crate::evidence::Provider::Existing; e.subject.active = true; }, Fail, "--active --istio 1.22.0");
    istiod_report(|e| reports(e).version = Observation::seen("1.19.7".into()), Fail, "istiod reports Istio 1.19.7");
    gateway_image(|e| proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail, "rollout restart deployment/");
    sidecar_image(|e| proxy(demo_pod(e, "echo")).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail, "-n client rollout restart deployment/");
    chosen_image(|e| {
        let pod = demo_pod(e, "echo");
        pod.annotations.insert("sidecar.istio.io/proxyImage".into(), "istio/proxyv2:1.19.7".into());
        proxy(pod).image = "istio/proxyv2:1.19.7".into();
    }, Fail, "annotations/sidecar.istio.io~1proxyImage");
    not_installed(|e| {
        of(&mut e.install.pods).clear();
        of(&mut e.install.deployments).clear();
    }, Fail, "install --set profile=default");
    init_image(|e| demo_pod(e, "client").init_containers[0].image = "docker.io/istio/proxyv2:1.19.7".into(), Fail, "istio-init");
    old_proxy_of_a_known_pod(|e| {
        let echo = format!("{}.client", demo_pod(e, "echo").name);
        let row = of(&mut reports(e).proxies).iter_mut().find(|row| row.proxy == echo).unwrap();
        row.istio_version = "1.19.7".into();
    }, Fail, "-n client rollout restart deployment/echo-deployment");
    sidecar_report(|e| of(&mut reports(e).proxies)[1].istio_version = "1.19.7".into(), Fail, "reports Istio 1.19.7, not");
    other_proxy(|e| {
        let mut other = of(&mut reports(e).proxies)[0].clone();
        other.proxy = "pod.elsewhere".into();
        other.istio_version = "1.19.7".into();
        of(&mut reports(e).proxies).push(other);
    }, Fail, "pod elsewhere/pod");
    istioctl(|e| e.install.istioctl_version = Observation::seen("1.19.7".into()), Fail, "istioctl reports");
    no_istiod(|e| of(&mut e.install.pods).retain(|pod| pod.labels.get("istio").is_none_or(|v| v != "pilot")), Fail, "no istiod runs");
    istiod_scaled_to_zero(|e| {
        scale_to_zero(installed(e, "istiod"));
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
    }, Fail, "scale deployment/istiod --replicas=1");
    istiod_pending(|e| istiod(e).phase = "Pending".into(), Fail, "no istiod runs");
    no_namespace(|e| e.install.pods = Observation::absent("no namespace"), Fail, "no namespace");
    istiod_silent(|e| reports(e).version = Observation::failed("time-out"), Unjudged, "time-out");
    istiod_not_asked(|e| of(&mut e.install.istiod).clear(), Unjudged, "did not say its version");
    proxies_unseen(|e| reports(e).proxies = Observation::failed("time-out"), Unjudged, "time-out");
    proxy_unknown(|e| { of(&mut reports(e).proxies).remove(0); }, Unjudged, "does not know it");
    proxy_silent(|e| of(&mut reports(e).proxies)[0].istio_version.clear(), Unjudged, "did not report");
    reports_unseen(|e| e.install.istiod = Observation::failed("forbidden"), Unjudged, "forbidden");
    pods_unseen(|e| e.install.pods = Observation::failed("forbidden"), Unjudged, "forbidden");
    demo_unseen(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged, "forbidden");
    demo_not_asked(|e| e.demo.pods = Observation::not_asked("--only"), Skipped, "--only");
    istioctl_unseen(|e| e.install.istioctl_version = Observation::failed("killed"), Unjudged, "killed");
    proven_wrong_anyhow(|e| {
        e.install.istiod = Observation::failed("forbidden");
        proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into();
    }, Fail, "1.19.7");
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

cases! { it_is_the_default_profile proves "install::default_profile":
    healthy(|_| {}, Pass, "no egress gateway; 14 definitions established");
    no_operator(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("istiooperators")), Pass, "14");
    other_workload(|e| add_deployment(e, "prometheus", "none"), Pass, "14");
    egress(|e| add_deployment(e, "istio-egressgateway", "egressgateway"), Fail, "delete deployment,service istio-egressgateway");
    egress_by_label(|e| add_deployment(e, "leave", "egressgateway"), Fail, "egress gateway is installed");
    second_ingress(|e| add_deployment(e, "second", "ingressgateway"), Fail, "delete deployment,service second");
    no_gateway(|e| { let name = e.expectations.gateway.clone(); remove_deployment(e, &name); }, Fail, "the ingress gateway is missing");
    no_istiod(|e| remove_deployment(e, "istiod"), Fail, "istiod is missing");
    nothing(|e| of(&mut e.install.deployments).clear(), Fail, "istiod is missing");
    no_namespace(|e| e.install.deployments = Observation::absent("no namespace"), Fail, "no namespace");
    definition_missing(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("sidecars")), Fail, "sidecars.networking.istio.io is missing");
    definition_named(|e| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("sidecars")), Fail, "a custom resource definition cannot be used: sidecars");
    definitions_all_missing(|e| of(&mut e.install.crds).clear(), Fail, "none of Istio's custom resource definitions");
    definition_not_served(|e| of(&mut e.install.crds)[0].established = false, Fail, "not established");
    no_definition(|e| of(&mut e.install.crds).clear(), Fail, "and 11 more");
    definitions_unseen(|e| e.install.crds = Observation::failed("forbidden"), Unjudged, "forbidden");
    deployments_unseen(|e| e.install.deployments = Observation::failed("forbidden"), Unjudged, "forbidden");
    proven_wrong_anyhow(|e| {
        e.install.crds = Observation::failed("forbidden");
        remove_deployment(e, "istiod");
    }, Fail, "istiod is missing");
    options_are_kept(|e| {
        let install_set = vec!["values.a=b".to_owned()];
        e.subject.bundle = Some(BundleFacts { origin: "lab".into(), key: String::new(), install_set, notes: vec![] });
        remove_deployment(e, "istiod");
    }, Fail, "install --set profile=default --set values.a=b -y");
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

cases! { its_pods_run proves "install::control_plane_running":
    healthy(|_| {}, Pass, "Running and ready");
    completed(|e| {
        let mut job = istiod(e).clone();
        job.name = "job".into();
        job.phase = "Succeeded".into();
        job.ready = false;
        job.containers[0].ready = false;
        of(&mut e.install.pods).push(job);
    }, Pass, "1 Completed");
    two_completed(|e| {
        for name in ["job", "another-job"] {
            let mut job = istiod(e).clone();
            job.name = name.into();
            job.phase = "Succeeded".into();
            of(&mut e.install.pods).push(job);
        }
    }, Pass, "2 Completed");
    istiod_known_by_app(|e| { installed(e, "istiod").template_labels.remove("istio"); }, Pass, "Running");
    istiod_known_by_istio(|e| { installed(e, "istiod").template_labels.remove("app"); }, Pass, "Running");
    restarted_once(|e| { crashed(e, 1, 1); }, Pass, "Running");
    restarted_long_ago(|e| { crashed(e, 11, 9); }, Pass, "Running");
    old_pod_leaves(|e| {
        let mut old = istiod(e).clone();
        old.name = "old".into();
        old.terminating = true;
        old.ready = false;
        of(&mut e.install.pods).push(old);
    }, Pass, "Running");
    kiali_scaled_to_zero(|e| {
        scale_to_zero(installed(e, "kiali"));
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("kiali"));
    }, Pass, "2 pods");
    restart_loop(|e| { crashed(e, 9, 3); }, Fail, "restarted over and over");
    crash_loop(|e| {
        let container = crashed(e, 60, 7);
        container.ready = false;
        container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() };
    }, Fail, "CrashLoopBackOff (OOMKilled, exit 137, restarted 7 times)");
    crash_hint(|e| {
        let container = crashed(e, 60, 7);
        container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
    }, Fail, "-c discovery --tail=50 --previous");
    init_crash_loop(|e| {
        let mut init = istiod(e).containers[0].clone();
        init.name = "init".into();
        init.ready = false;
        init.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
        istiod(e).init_containers.push(init);
    }, Fail, "init CrashLoopBackOff");
    pending(|e| {
        let pod = istiod(e);
        pod.phase = "Pending".into();
        pod.ready = false;
        pod.containers.iter_mut().for_each(|container| {
            container.ready = false;
            container.state = ContainerState::Unknown;
        });
        pod.reason = Some("0/1 nodes are available: 1 Insufficient cpu.".into());
    }, Fail, "Insufficient cpu");
    image_missing(|e| {
        let pod = gateway(e);
        pod.phase = "Pending".into();
        pod.containers[0].ready = false;
        pod.containers[0].state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: "no such image".into() };
    }, Fail, "describe pod");
    not_ready(|e| { let pod = gateway(e); pod.ready = false; pod.containers[0].ready = false; }, Fail, "ready containers 0/1: istio-proxy running, not ready");
    container_not_ready(|e| gateway(e).containers[0].ready = false, Fail, "ready containers 0/1");
    pod_not_ready(|e| gateway(e).ready = false, Fail, "Running");
    failed(|e| { let pod = gateway(e); pod.phase = "Failed".into(); pod.reason = Some("Evicted".into()); }, Fail, "Evicted");
    kiali_ill(|e| of(&mut e.install.pods).iter_mut().find(|pod| pod.name.starts_with("kiali")).unwrap().ready = false, Fail, "kiali");
    istiod_scaled_to_zero(|e| {
        scale_to_zero(installed(e, "istiod"));
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
    }, Fail, "scale deployment/istiod --replicas=1");
    istiod_gets_no_pod(|e| of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod")), Fail, "describe deployment/istiod");
    gateway_scaled_to_zero(|e| {
        let name = e.expectations.gateway.clone();
        scale_to_zero(installed(e, &name));
        of(&mut e.install.pods).retain(|pod| !pod.name.starts_with(&name));
    }, Fail, "scaled to zero");
    a_replica_was_refused(|e| installed(e, "istiod").replicas = 2, Fail, "istiod: 1 of 2 available");
    two_replicas(|e| { let istiod = installed(e, "istiod"); istiod.replicas = 2; istiod.current_replicas = 2; istiod.updated_replicas = 2; istiod.available_replicas = 2; }, Pass, "Running");
    all_leave(|e| of(&mut e.install.pods).iter_mut().for_each(|pod| pod.terminating = true), Fail, "no pods");
    nothing(|e| { of(&mut e.install.pods).clear(); of(&mut e.install.deployments).clear(); }, Fail, "istiod is not installed");
    no_namespace(|e| e.install.pods = Observation::absent("no namespace"), Fail, "no namespace");
    pods_unseen(|e| e.install.pods = Observation::failed("forbidden"), Unjudged, "forbidden");
    deployments_unseen(|e| e.install.deployments = Observation::failed("forbidden"), Unjudged, "forbidden");
    proven_wrong_anyhow(|e| {
        e.install.deployments = Observation::failed("forbidden");
        gateway(e).ready = false;
    }, Fail, "Running");
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

cases! { the_namespace_is_labelled proves "install::namespace_labelled":
    healthy(|_| {}, Pass, "istio-injection=enabled");
    webhooks_unseen(|e| e.install.webhooks = Observation::failed("forbidden"), Pass, "enabled");
    revision(|e| label(e, &[("istio.io/rev", "default")]), Pass, "istio.io/rev=default");
    both(|e| label(e, &[("istio-injection", "enabled"), ("istio.io/rev", "none")]), Pass, "enabled");
    missing(|e| label(e, &[]), Fail, "label namespace client istio-injection=enabled");
    missing_for_a_revision(|e| { only_revision(e, "1-20-3"); label(e, &[]); }, Fail, "label namespace client istio.io/rev=1-20-3 istio-injection-");
    disabled(|e| label(e, &[("istio-injection", "disabled")]), Fail, "--overwrite");
    misspelt(|e| label(e, &[("istio-injection", "enable")]), Fail, "only `enabled`");
    upper_case(|e| label(e, &[("istio-injection", "Enabled")]), Fail, "only `enabled`");
    other_label(|e| label(e, &[("istio-inject", "enabled")]), Fail, "not labelled");
    disabled_and_revision(|e| label(e, &[("istio-injection", "disabled"), ("istio.io/rev", "default")]), Fail, "switched off");
    revision_of_nobody(|e| label(e, &[("istio.io/rev", "canary")]), Fail, "installed revisions: default");
    revision_without_webhooks(|e| {
        label(e, &[("istio.io/rev", "default")]);
        of(&mut e.install.webhooks).clear();
    }, Fail, "istio.io/rev-");
    no_such_namespace(delete_namespace, Fail, "create namespace client");
    namespaces_unseen(|e| e.install.namespaces = Observation::failed("forbidden"), Unjudged, "forbidden");
    revision_webhooks_unseen(|e| {
        label(e, &[("istio.io/rev", "default")]);
        e.install.webhooks = Observation::failed("forbidden");
    }, Unjudged, "forbidden");
    revision_of_a_deactivated_webhook(|e| {
        label(e, &[("istio.io/rev", "default")]);
        for webhook in active(e) {
            webhook.object_selector.match_labels.insert("istio.io/deactivated".into(), "never-match".into());
        }
    }, Fail, "istio.io/rev-");
    selects_strangely(|e| {
        label(e, &[("istio.io/rev", "canary")]);
        strange(e);
    }, Unjudged, "not known here");
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

cases! { a_webhook_injects proves "install::injection_webhook":
    healthy(|_| {}, Pass, "selects namespace client, and istiod");
    only_the_active_ones(|e| {
        let active: Vec<_> = active(e).map(|webhook| webhook.clone()).collect();
        e.install.webhooks = Observation::seen(active);
    }, Pass, "selects namespace");
    deactivated_one_is_broken(|e| {
        for webhook in of(&mut e.install.webhooks) {
            if webhook.object_selector.match_labels.contains_key("istio.io/deactivated") {
                webhook.ca_bundle.bytes = 0;
            }
        }
    }, Pass, "selects namespace");
    by_revision(|e| label(e, &[("istio.io/rev", "default")]), Pass, "rev.namespace");
    demo_not_there_yet(|e| e.demo.deployments = Observation::absent("no namespace"), Pass, "selects");
    other_webhooks_are_strange(|e| {
        let mut others: Vec<_> = active(e).map(|webhook| webhook.clone()).collect();
        for other in &mut others {
            other.service.as_mut().unwrap().path = "/mutate".into();
            other.ca_bundle.bytes = 0;
        }
        of(&mut e.install.webhooks).extend(others);
    }, Pass, "selects");
    overlap(|e| {
        let copies: Vec<_> = active(e).map(|webhook| Webhook { configuration: "again".into(), ..webhook.clone() }).collect();
        of(&mut e.install.webhooks).extend(copies);
    }, Pass, "they overlap");
    deleted(|e| of(&mut e.install.webhooks).clear(), Fail, "no webhook injects sidecars");
    only_the_deactivated_ones(|e| of(&mut e.install.webhooks).retain(|one| one.object_selector.match_labels.contains_key("istio.io/deactivated")), Fail, "each one is deactivated");
    deactivated(deactivate, Fail, "each one is deactivated");
    not_labelled(|e| label(e, &[]), Fail, "only because it is not labelled");
    not_labelled_for_a_revision(|e| { only_revision(e, "1-20-3"); label(e, &[]); }, Fail, "label namespace client istio.io/rev=1-20-3 istio-injection-");
    labelled_for_the_default_revision(|e| only_revision(e, "1-20-3"), Fail, "serve the revision `1-20-3`, and istio-injection is for the default one");
    labelled_for_a_revision(|e| { only_revision(e, "1-20-3"); label(e, &[("istio.io/rev", "1-20-3")]); }, Pass, "istio-sidecar-injector-1-20-3");
    left_by_a_revision(|e| left_webhook(e), Fail, "delete mutatingwebhookconfiguration istio-sidecar-injector-old");
    switched_off(|e| label(e, &[("istio-injection", "disabled")]), Fail, "only because it is not labelled");
    pods_opt_out(|e| { backend(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "keep injection away");
    client_opts_out(|e| { client(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "the pods of client-deployment");
    selector_changed(|e| active(e).for_each(|webhook| { webhook.namespace_selector.match_labels.insert("team".into(), "b".into()); }), Fail, "whatever its label");
    no_such_namespace(delete_namespace, Fail, "no namespace client");
    bundle_empty(|e| bundle(e, |bundle| *bundle = crate::evidence::CaBundle::default()), Fail, "delete pod -l app=istiod");
    bundle_garbage(|e| bundle(e, |bundle| { bundle.error = Some("no PEM".into()); bundle.certificates.clear(); }), Fail, "no PEM");
    bundle_ends_now(|e| {
        let now = e.recorded_at;
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_after = now);
    }, Fail, "has expired");
    bundle_begins_now(|e| {
        let now = e.recorded_at;
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_before = now);
    }, Pass, "selects namespace");
    bundle_without_certificate(|e| bundle(e, |bundle| bundle.certificates.clear()), Fail, "holds no certificate");
    bundle_expired(|e| {
        let then = e.recorded_at - SignedDuration::from_hours(1);
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_after = then);
    }, Fail, "has expired");
    service_without_port(|e| of(&mut e.install.services).iter_mut().find(|one| one.name == "istiod").unwrap().ports.retain(|port| port.port != 443), Fail, "has no such port");
    service_deleted(|e| of(&mut e.install.services).retain(|one| one.name != "istiod"), Fail, "which is not there");
    endpoint_not_ready(|e| endpoints(e).ready = false, Fail, "none of them ready");
    endpoint_without_address(|e| endpoints(e).addresses.clear(), Fail, "no ready endpoint");
    endpoint_not_ready_though_its_pod_is(|e| endpoints(e).ready = false, Fail, "patch service istiod");
    endpoint_not_ready_as_nobody_knows_why(|e| endpoints(e).ready = false, Fail, "no new pod can be made\"");
    istiod_gone(|e| {
        of(&mut e.install.endpoints).retain(|one| one.service != "istiod");
        scale_to_zero(installed(e, "istiod"));
    }, Fail, "istiod is scaled to zero: see install::control_plane_running");
    istiod_gone_but_ignored(|e| {
        of(&mut e.install.endpoints).clear();
        active(e).for_each(|webhook| webhook.failure_policy = "Ignore".into());
    }, Fail, "new pods get no sidecar");
    bundle_of_tomorrow(|e| {
        let then = e.recorded_at + SignedDuration::from_hours(1);
        active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_before = then);
    }, Unjudged, "one of the clocks is wrong");
    calls_a_url(|e| active(e).for_each(|webhook| { webhook.service = None; webhook.url = Some("https://istiod.example/inject".into()); }), Unjudged, "istiod.example");
    calls_elsewhere(|e| active(e).for_each(|webhook| webhook.service.as_mut().unwrap().namespace = "elsewhere".into()), Unjudged, "elsewhere/istiod");
    selects_strangely(strange, Unjudged, "not known here");
    webhooks_unseen(|e| e.install.webhooks = Observation::failed("forbidden"), Unjudged, "forbidden");
    namespaces_unseen(|e| e.install.namespaces = Observation::failed("forbidden"), Unjudged, "forbidden");
    deployments_unseen(|e| e.demo.deployments = Observation::failed("forbidden"), Unjudged, "forbidden");
    services_unseen(|e| e.install.services = Observation::failed("forbidden"), Unjudged, "forbidden");
    no_services(|e| e.install.services = Observation::absent("no namespace"), Fail, "no namespace");
    endpoints_unseen(|e| e.install.endpoints = Observation::failed("forbidden"), Unjudged, "forbidden");
    proven_wrong_anyhow(|e| {
        e.install.endpoints = Observation::failed("forbidden");
        bundle(e, |bundle| bundle.bytes = 0);
    }, Fail, "CA bundle is empty");
    not_labelled_anyhow(|e| {
        e.demo.deployments = Observation::failed("forbidden");
        label(e, &[]);
    }, Fail, "only because it is not labelled");
    opt_out_hint(|e| { backend(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "patch deployment/echo-deployment -p");
    opts_out_beside_a_label_that_does_no_harm(|e| {
        let labels = &mut backend(e).template_labels;
        labels.insert("sidecar.istio.io/inject".into(), "false".into());
        labels.insert("istio.io/rev".into(), "default".into());
    }, Fail, r#"labels\":{\"sidecar.istio.io/inject\":null}}}}}'"#);
    opts_out_in_other_words(|e| {
        backend(e).template_labels.insert("mesh".into(), "no".into());
        active(e).for_each(|webhook| { webhook.object_selector.match_labels.insert("mesh".into(), "yes".into()); });
    }, Fail, "whatever its label");
}

/// What `completeness` reads: that no claim is without its cases.
pub(in super::super) const TABLES: &[&[Case]] = &[
    all_parts_are_of_one_version::table::CASES,
    it_is_the_default_profile::table::CASES,
    its_pods_run::table::CASES,
    the_namespace_is_labelled::table::CASES,
    a_webhook_injects::table::CASES,
];
