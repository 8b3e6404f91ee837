//! What turns the claims of *install* red, what leaves them unjudged, and what does not matter.

use jiff::SignedDuration;

use super::super::mutations::{
    Mutation, backend, client, demo_pod, gateway, installed, istiod, of, prove, scale_to_zero,
};
use crate::evidence::{
    BundleFacts, Container, ContainerState, Evidence, LabelExpression, Observation, Pod,
    Termination, Webhook,
};
use crate::judgement::Verdict::{self, Fail, Pass, Unjudged};
use rstest::rstest;

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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "istiod, 3 proxies")]
#[case::distroless(|e: &mut Evidence| tag(e, ":{}-distroless"), Pass, "3 proxies")]
#[case::digest(|e: &mut Evidence| tag(e, "@sha256:0123"), Pass, "3 proxies")]
#[case::moving_tag(|e: &mut Evidence| tag(e, ":latest"), Pass, "3 proxies")]
#[case::no_istioctl(|e: &mut Evidence| e.install.istioctl_version = Observation::not_asked("not used"), Pass, "istiod, 3 proxies report")]
#[case::istioctl_not_there(|e: &mut Evidence| e.install.istioctl_version = Observation::absent("no istioctl"), Pass, "istiod, 3 proxies report")]
#[case::pod_on_its_way_out(|e: &mut Evidence| { let pod = demo_pod(e, "echo"); pod.terminating = true; proxy(pod).image = "istio/proxyv2:1.1.0".into(); }, Pass, "2 proxies")]
#[case::completed_job(|e: &mut Evidence| {
    let mut job = demo_pod(e, "echo").clone();
    job.name = "job".into();
    job.phase = "Succeeded".into();
    of(&mut e.demo.pods).push(job);
}, Pass, "3 proxies")]
#[case::asked_for_another(|e: &mut Evidence| e.expectations.istio_version = "1.99.0".into(), Fail, "not 1.99.0")]
#[case::longer_version(|e: &mut Evidence| tag(e, ":{}1"), Fail, "container discovery")]
#[case::istiod_image(|e: &mut Evidence| istiod(e).containers[0].image = "docker.io/istio/pilot:1.19.7".into(), Fail, "1.19.7")]
#[case::istiod_report(|e: &mut Evidence| reports(e).version = Observation::seen("1.19.7".into()), Fail, "istiod reports Istio 1.19.7")]
#[case::gateway_image(|e: &mut Evidence| proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail, "rollout restart deployment/")]
#[case::sidecar_image(|e: &mut Evidence| proxy(demo_pod(e, "echo")).image = "docker.io/istio/proxyv2:1.19.7".into(), Fail, "-n client rollout restart deployment/")]
#[case::chosen_image(|e: &mut Evidence| {
    let pod = demo_pod(e, "echo");
    pod.annotations.insert("sidecar.istio.io/proxyImage".into(), "istio/proxyv2:1.19.7".into());
    proxy(pod).image = "istio/proxyv2:1.19.7".into();
}, Fail, "annotations/sidecar.istio.io~1proxyImage")]
#[case::not_installed(|e: &mut Evidence| {
    of(&mut e.install.pods).clear();
    of(&mut e.install.deployments).clear();
}, Fail, "install --set profile=default")]
#[case::init_image(|e: &mut Evidence| demo_pod(e, "client").init_containers[0].image = "docker.io/istio/proxyv2:1.19.7".into(), Fail, "istio-init")]
#[case::sidecar_report(|e: &mut Evidence| of(&mut reports(e).proxies)[1].istio_version = "1.19.7".into(), Fail, "reports Istio 1.19.7, not")]
#[case::other_proxy(|e: &mut Evidence| {
    let mut other = of(&mut reports(e).proxies)[0].clone();
    other.proxy = "pod.elsewhere".into();
    other.istio_version = "1.19.7".into();
    of(&mut reports(e).proxies).push(other);
}, Fail, "pod elsewhere/pod")]
#[case::istioctl(|e: &mut Evidence| e.install.istioctl_version = Observation::seen("1.19.7".into()), Fail, "istioctl reports")]
#[case::no_istiod(|e: &mut Evidence| of(&mut e.install.pods).retain(|pod| pod.labels.get("istio").is_none_or(|v| v != "pilot")), Fail, "no istiod runs")]
#[case::istiod_scaled_to_zero(|e: &mut Evidence| {
    scale_to_zero(installed(e, "istiod"));
    of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
}, Fail, "scale deployment/istiod --replicas=1")]
#[case::istiod_pending(|e: &mut Evidence| istiod(e).phase = "Pending".into(), Fail, "no istiod runs")]
#[case::no_namespace(|e: &mut Evidence| e.install.pods = Observation::absent("no namespace"), Fail, "no namespace")]
#[case::istiod_silent(|e: &mut Evidence| reports(e).version = Observation::failed("time-out"), Unjudged, "time-out")]
#[case::istiod_not_asked(|e: &mut Evidence| of(&mut e.install.istiod).clear(), Unjudged, "did not say its version")]
#[case::proxies_unseen(|e: &mut Evidence| reports(e).proxies = Observation::failed("time-out"), Unjudged, "time-out")]
#[case::proxy_unknown(|e: &mut Evidence| { of(&mut reports(e).proxies).remove(0); }, Unjudged, "does not know it")]
#[case::proxy_silent(|e: &mut Evidence| of(&mut reports(e).proxies)[0].istio_version.clear(), Unjudged, "did not report")]
#[case::reports_unseen(|e: &mut Evidence| e.install.istiod = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::pods_unseen(|e: &mut Evidence| e.install.pods = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::demo_unseen(|e: &mut Evidence| e.demo.pods = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::istioctl_unseen(|e: &mut Evidence| e.install.istioctl_version = Observation::failed("killed"), Unjudged, "killed")]
#[case::proven_wrong_anyhow(|e: &mut Evidence| {
    e.install.istiod = Observation::failed("forbidden");
    proxy(gateway(e)).image = "docker.io/istio/proxyv2:1.19.7".into();
}, Fail, "1.19.7")]
fn all_parts_are_of_one_version(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("install::istio_version", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "no egress gateway; 14 definitions established")]
#[case::no_operator(|e: &mut Evidence| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("istiooperators")), Pass, "14")]
#[case::other_workload(|e: &mut Evidence| add_deployment(e, "prometheus", "none"), Pass, "14")]
#[case::egress(|e: &mut Evidence| add_deployment(e, "istio-egressgateway", "egressgateway"), Fail, "delete deployment,service istio-egressgateway")]
#[case::egress_by_label(|e: &mut Evidence| add_deployment(e, "leave", "egressgateway"), Fail, "egress gateway is installed")]
#[case::second_ingress(|e: &mut Evidence| add_deployment(e, "second", "ingressgateway"), Fail, "delete deployment,service second")]
#[case::no_gateway(|e: &mut Evidence| { let name = e.expectations.gateway.clone(); remove_deployment(e, &name); }, Fail, "the ingress gateway is missing")]
#[case::no_istiod(|e: &mut Evidence| remove_deployment(e, "istiod"), Fail, "istiod is missing")]
#[case::nothing(|e: &mut Evidence| of(&mut e.install.deployments).clear(), Fail, "istiod is missing")]
#[case::no_namespace(|e: &mut Evidence| e.install.deployments = Observation::absent("no namespace"), Fail, "no namespace")]
#[case::definition_missing(|e: &mut Evidence| of(&mut e.install.crds).retain(|crd| !crd.name.starts_with("sidecars")), Fail, "sidecars.networking.istio.io is missing")]
#[case::definition_not_served(|e: &mut Evidence| of(&mut e.install.crds)[0].established = false, Fail, "not established")]
#[case::no_definition(|e: &mut Evidence| of(&mut e.install.crds).clear(), Fail, "and 11 more")]
#[case::definitions_unseen(|e: &mut Evidence| e.install.crds = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::deployments_unseen(|e: &mut Evidence| e.install.deployments = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::proven_wrong_anyhow(|e: &mut Evidence| {
    e.install.crds = Observation::failed("forbidden");
    remove_deployment(e, "istiod");
}, Fail, "istiod is missing")]
#[case::options_are_kept(|e: &mut Evidence| {
    let install_set = vec!["values.a=b".to_owned()];
    e.subject.bundle = Some(BundleFacts { origin: "lab".into(), key: String::new(), install_set, notes: vec![] });
    remove_deployment(e, "istiod");
}, Fail, "install --set profile=default --set values.a=b -y")]
fn it_is_the_default_profile(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("install::default_profile", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "Running and ready")]
#[case::completed(|e: &mut Evidence| {
    let mut job = istiod(e).clone();
    job.name = "job".into();
    job.phase = "Succeeded".into();
    job.ready = false;
    job.containers[0].ready = false;
    of(&mut e.install.pods).push(job);
}, Pass, "1 Completed")]
#[case::restarted_once(|e: &mut Evidence| { crashed(e, 1, 1); }, Pass, "Running")]
#[case::restarted_long_ago(|e: &mut Evidence| { crashed(e, 11, 9); }, Pass, "Running")]
#[case::old_pod_leaves(|e: &mut Evidence| {
    let mut old = istiod(e).clone();
    old.name = "old".into();
    old.terminating = true;
    old.ready = false;
    of(&mut e.install.pods).push(old);
}, Pass, "Running")]
#[case::kiali_scaled_to_zero(|e: &mut Evidence| {
    scale_to_zero(installed(e, "kiali"));
    of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("kiali"));
}, Pass, "2 pods")]
#[case::restart_loop(|e: &mut Evidence| { crashed(e, 9, 3); }, Fail, "restarted over and over")]
#[case::crash_loop(|e: &mut Evidence| {
    let container = crashed(e, 60, 7);
    container.ready = false;
    container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() };
}, Fail, "CrashLoopBackOff (OOMKilled, exit 137, restarted 7 times)")]
#[case::crash_hint(|e: &mut Evidence| {
    let container = crashed(e, 60, 7);
    container.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
}, Fail, "-c discovery --tail=50 --previous")]
#[case::init_crash_loop(|e: &mut Evidence| {
    let mut init = istiod(e).containers[0].clone();
    init.name = "init".into();
    init.ready = false;
    init.state = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
    istiod(e).init_containers.push(init);
}, Fail, "init CrashLoopBackOff")]
#[case::pending(|e: &mut Evidence| {
    let pod = istiod(e);
    pod.phase = "Pending".into();
    pod.ready = false;
    pod.containers.iter_mut().for_each(|container| {
        container.ready = false;
        container.state = ContainerState::Unknown;
    });
    pod.reason = Some("0/1 nodes are available: 1 Insufficient cpu.".into());
}, Fail, "Insufficient cpu")]
#[case::image_missing(|e: &mut Evidence| {
    let pod = gateway(e);
    pod.phase = "Pending".into();
    pod.containers[0].ready = false;
    pod.containers[0].state = ContainerState::Waiting { reason: "ImagePullBackOff".into(), message: "no such image".into() };
}, Fail, "describe pod")]
#[case::not_ready(|e: &mut Evidence| { let pod = gateway(e); pod.ready = false; pod.containers[0].ready = false; }, Fail, "ready containers 0/1: istio-proxy running, not ready")]
#[case::container_not_ready(|e: &mut Evidence| gateway(e).containers[0].ready = false, Fail, "ready containers 0/1")]
#[case::pod_not_ready(|e: &mut Evidence| gateway(e).ready = false, Fail, "Running")]
#[case::failed(|e: &mut Evidence| { let pod = gateway(e); pod.phase = "Failed".into(); pod.reason = Some("Evicted".into()); }, Fail, "Evicted")]
#[case::kiali_ill(|e: &mut Evidence| of(&mut e.install.pods).iter_mut().find(|pod| pod.name.starts_with("kiali")).unwrap().ready = false, Fail, "kiali")]
#[case::istiod_scaled_to_zero(|e: &mut Evidence| {
    scale_to_zero(installed(e, "istiod"));
    of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod"));
}, Fail, "scale deployment/istiod --replicas=1")]
#[case::istiod_gets_no_pod(|e: &mut Evidence| of(&mut e.install.pods).retain(|pod| !pod.name.starts_with("istiod")), Fail, "describe deployment/istiod")]
#[case::gateway_scaled_to_zero(|e: &mut Evidence| {
    let name = e.expectations.gateway.clone();
    scale_to_zero(installed(e, &name));
    of(&mut e.install.pods).retain(|pod| !pod.name.starts_with(&name));
}, Fail, "scaled to zero")]
#[case::all_leave(|e: &mut Evidence| of(&mut e.install.pods).iter_mut().for_each(|pod| pod.terminating = true), Fail, "no pods")]
#[case::nothing(|e: &mut Evidence| { of(&mut e.install.pods).clear(); of(&mut e.install.deployments).clear(); }, Fail, "istiod is not installed")]
#[case::no_namespace(|e: &mut Evidence| e.install.pods = Observation::absent("no namespace"), Fail, "no namespace")]
#[case::pods_unseen(|e: &mut Evidence| e.install.pods = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::deployments_unseen(|e: &mut Evidence| e.install.deployments = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::proven_wrong_anyhow(|e: &mut Evidence| {
    e.install.deployments = Observation::failed("forbidden");
    gateway(e).ready = false;
}, Fail, "Running")]
fn its_pods_run(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("install::control_plane_running", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "istio-injection=enabled")]
#[case::webhooks_unseen(|e: &mut Evidence| e.install.webhooks = Observation::failed("forbidden"), Pass, "enabled")]
#[case::revision(|e: &mut Evidence| label(e, &[("istio.io/rev", "default")]), Pass, "istio.io/rev=default")]
#[case::both(|e: &mut Evidence| label(e, &[("istio-injection", "enabled"), ("istio.io/rev", "none")]), Pass, "enabled")]
#[case::missing(|e: &mut Evidence| label(e, &[]), Fail, "label namespace client istio-injection=enabled")]
#[case::disabled(|e: &mut Evidence| label(e, &[("istio-injection", "disabled")]), Fail, "--overwrite")]
#[case::misspelt(|e: &mut Evidence| label(e, &[("istio-injection", "enable")]), Fail, "only `enabled`")]
#[case::upper_case(|e: &mut Evidence| label(e, &[("istio-injection", "Enabled")]), Fail, "only `enabled`")]
#[case::other_label(|e: &mut Evidence| label(e, &[("istio-inject", "enabled")]), Fail, "not labelled")]
#[case::disabled_and_revision(|e: &mut Evidence| label(e, &[("istio-injection", "disabled"), ("istio.io/rev", "default")]), Fail, "switched off")]
#[case::revision_of_nobody(|e: &mut Evidence| label(e, &[("istio.io/rev", "canary")]), Fail, "installed revisions: default")]
#[case::revision_without_webhooks(|e: &mut Evidence| {
    label(e, &[("istio.io/rev", "default")]);
    of(&mut e.install.webhooks).clear();
}, Fail, "istio.io/rev-")]
#[case::no_such_namespace(delete_namespace, Fail, "create namespace client")]
#[case::namespaces_unseen(|e: &mut Evidence| e.install.namespaces = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::revision_webhooks_unseen(|e: &mut Evidence| {
    label(e, &[("istio.io/rev", "default")]);
    e.install.webhooks = Observation::failed("forbidden");
}, Unjudged, "forbidden")]
#[case::selects_strangely(|e: &mut Evidence| {
    label(e, &[("istio.io/rev", "canary")]);
    strange(e);
}, Unjudged, "not known here")]
fn the_namespace_is_labelled(
    #[case] mutation: Mutation,
    #[case] verdict: Verdict,
    #[case] words: &str,
) {
    prove("install::namespace_labelled", mutation, verdict, words);
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

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "selects namespace")]
#[case::only_the_active_ones(|e: &mut Evidence| {
    let active: Vec<_> = active(e).map(|webhook| webhook.clone()).collect();
    e.install.webhooks = Observation::seen(active);
}, Pass, "selects namespace")]
#[case::deactivated_one_is_broken(|e: &mut Evidence| {
    for webhook in of(&mut e.install.webhooks) {
        if webhook.object_selector.match_labels.contains_key("istio.io/deactivated") {
            webhook.ca_bundle.bytes = 0;
        }
    }
}, Pass, "selects namespace")]
#[case::by_revision(|e: &mut Evidence| label(e, &[("istio.io/rev", "default")]), Pass, "rev.namespace")]
#[case::demo_not_there_yet(|e: &mut Evidence| e.demo.deployments = Observation::absent("no namespace"), Pass, "selects")]
#[case::other_webhooks_are_strange(|e: &mut Evidence| {
    let mut other = active(e).next().unwrap().clone();
    other.service.as_mut().unwrap().path = "/mutate".into();
    other.ca_bundle.bytes = 0;
    of(&mut e.install.webhooks).push(other);
}, Pass, "selects")]
#[case::overlap(|e: &mut Evidence| {
    let copies: Vec<_> = active(e).map(|webhook| Webhook { configuration: "again".into(), ..webhook.clone() }).collect();
    of(&mut e.install.webhooks).extend(copies);
}, Pass, "they overlap")]
#[case::deleted(|e: &mut Evidence| of(&mut e.install.webhooks).clear(), Fail, "no webhook injects sidecars")]
#[case::only_the_deactivated_ones(|e: &mut Evidence| of(&mut e.install.webhooks).retain(|one| one.object_selector.match_labels.contains_key("istio.io/deactivated")), Fail, "each one is deactivated")]
#[case::deactivated(deactivate, Fail, "each one is deactivated")]
#[case::not_labelled(|e: &mut Evidence| label(e, &[]), Fail, "only because it is not labelled")]
#[case::switched_off(|e: &mut Evidence| label(e, &[("istio-injection", "disabled")]), Fail, "only because it is not labelled")]
#[case::pods_opt_out(|e: &mut Evidence| { backend(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "keep injection away")]
#[case::client_opts_out(|e: &mut Evidence| { client(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "the pods of client-deployment")]
#[case::selector_changed(|e: &mut Evidence| active(e).for_each(|webhook| { webhook.namespace_selector.match_labels.insert("team".into(), "b".into()); }), Fail, "whatever its label")]
#[case::no_such_namespace(delete_namespace, Fail, "no namespace client")]
#[case::bundle_empty(|e: &mut Evidence| bundle(e, |bundle| *bundle = crate::evidence::CaBundle::default()), Fail, "rollout restart deployment/istiod")]
#[case::bundle_garbage(|e: &mut Evidence| bundle(e, |bundle| { bundle.error = Some("no PEM".into()); bundle.certificates.clear(); }), Fail, "no PEM")]
#[case::bundle_without_certificate(|e: &mut Evidence| bundle(e, |bundle| bundle.certificates.clear()), Fail, "holds no certificate")]
#[case::bundle_expired(|e: &mut Evidence| {
    let then = e.recorded_at - SignedDuration::from_hours(1);
    active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_after = then);
}, Fail, "has expired")]
#[case::service_without_port(|e: &mut Evidence| of(&mut e.install.services).iter_mut().find(|one| one.name == "istiod").unwrap().ports.retain(|port| port.port != 443), Fail, "has no such port")]
#[case::service_deleted(|e: &mut Evidence| of(&mut e.install.services).retain(|one| one.name != "istiod"), Fail, "which is not there")]
#[case::endpoint_not_ready(|e: &mut Evidence| endpoints(e).ready = false, Fail, "none of them ready")]
#[case::endpoint_without_address(|e: &mut Evidence| endpoints(e).addresses.clear(), Fail, "no ready endpoint")]
#[case::istiod_gone(|e: &mut Evidence| {
    of(&mut e.install.endpoints).retain(|one| one.service != "istiod");
    scale_to_zero(installed(e, "istiod"));
}, Fail, "istiod is scaled to zero: see install::control_plane_running")]
#[case::istiod_gone_but_ignored(|e: &mut Evidence| {
    of(&mut e.install.endpoints).clear();
    active(e).for_each(|webhook| webhook.failure_policy = "Ignore".into());
}, Fail, "new pods get no sidecar")]
#[case::bundle_of_tomorrow(|e: &mut Evidence| {
    let then = e.recorded_at + SignedDuration::from_hours(1);
    active(e).for_each(|webhook| webhook.ca_bundle.certificates[0].not_before = then);
}, Unjudged, "one of the clocks is wrong")]
#[case::calls_a_url(|e: &mut Evidence| active(e).for_each(|webhook| { webhook.service = None; webhook.url = Some("https://istiod.example/inject".into()); }), Unjudged, "istiod.example")]
#[case::calls_elsewhere(|e: &mut Evidence| active(e).for_each(|webhook| webhook.service.as_mut().unwrap().namespace = "elsewhere".into()), Unjudged, "elsewhere/istiod")]
#[case::selects_strangely(strange, Unjudged, "not known here")]
#[case::webhooks_unseen(|e: &mut Evidence| e.install.webhooks = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::namespaces_unseen(|e: &mut Evidence| e.install.namespaces = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::deployments_unseen(|e: &mut Evidence| e.demo.deployments = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::endpoints_unseen(|e: &mut Evidence| e.install.endpoints = Observation::failed("forbidden"), Unjudged, "forbidden")]
#[case::proven_wrong_anyhow(|e: &mut Evidence| {
    e.install.endpoints = Observation::failed("forbidden");
    bundle(e, |bundle| bundle.bytes = 0);
}, Fail, "CA bundle is empty")]
#[case::not_labelled_anyhow(|e: &mut Evidence| {
    e.demo.deployments = Observation::failed("forbidden");
    label(e, &[]);
}, Fail, "only because it is not labelled")]
#[case::opt_out_hint(|e: &mut Evidence| { backend(e).template_labels.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail, "patch deployment echo-deployment --type=json")]
fn a_webhook_injects(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("install::injection_webhook", mutation, verdict, words);
}
