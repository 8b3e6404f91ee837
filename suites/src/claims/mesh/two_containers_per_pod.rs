//! Each pod has two containers: the application and the injected sidecar.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::claims::mesh::demo_pods::{current_pods, deployment_explains_pods};
use crate::claims::mesh::missing_sidecar::{
    explain_missing_sidecar, label_prevents_injection, pods_missed_by_injection,
    webhook_prevents_injection,
};
use crate::claims::mesh::native_sidecar::native_sidecar_change;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Container, Evidence, Pod, Webhook};
use crate::facts::demo::demo_container;
use crate::facts::image::image_name;
use crate::facts::injection::{
    INJECT, demo_namespace_is_missing, refuses_sidecar, requests_of_injection,
};
use crate::facts::sidecar::SIDECAR;
use crate::facts::webhooks::is_injector;
use crate::facts::workload::{owner_deployments, owner_workload};
use crate::format::{CONTAINER, EXTRA_CONTAINER, POD, count, format_pod_state, list};
use crate::hint::escape_backquotes;
use crate::judgement::{Judged, Judgement, Verdict};
use crate::object::Object;
use crate::steps::{Purpose, Step, injection, pods, workloads};

claim! {
    /// The tutorial says: "each pod in client namespace has two container with one is injected as sidecar container."
    ///
    /// ## Why it matters
    /// Without a sidecar, the traffic of a pod does not go through the mesh: no routing, no mutual TLS, no metrics.
    /// The application works as before, so nothing else in the pod shows the fault.
    ///
    /// ## How it is checked
    /// Lists the pods of the demo's namespace. Each running pod has the container `istio-proxy` with an image of
    /// Istio's proxy, and exactly one other container. Pods that have ended, failed or are being deleted do not count.
    /// It needs `list` on `pods`. A missing right leaves the claim unjudged.
    ///
    /// ## What makes it fail
    /// - A pod has no sidecar: it is older than the label, its template refuses injection, or no webhook injected it.
    /// - A pod is a gateway, as the Gateway API makes one: it has no application.
    /// - A pod has a third container, no application, or a container `istio-proxy` with a foreign image.
    /// - No pod runs in the namespace.
    ///
    /// A native sidecar (an init container with `restartPolicy: Always`) makes the claim *changed*.
    ///
    /// ## How to fix it
    /// - The namespace has no label (`namespace_labelled`): label it, then restart the deployments.
    /// - The webhook does not inject (`injection_webhook`): fix the webhook, then restart the deployments.
    /// - The pod is older than the label: `kubectl -n client rollout restart deployment/NAME`.
    /// - An older pod has a sidecar: look for `neverInjectSelector` in the ConfigMap `istio-sidecar-injector`.
    /// - The pod uses the network of its node: remove `hostNetwork` from the pod template.
    /// - The pod template has `sidecar.istio.io/inject: "false"` or an extra container: remove it from the template.
    /// - Another webhook adds the container (`vault-agent`): remove its annotation or label from the pod template.
    /// - A pod is a gateway: move it to its own namespace.
    /// - The pods do not start: fix `backend_deployment` or `client_deployment` first.
    ///
    /// ## Check by hand
    ///     kubectl -n client get pods
    ///     kubectl -n client get pods -o custom-columns=POD:.metadata.name,CONTAINERS:.spec.containers[*].name
    ///     kubectl get namespace client --show-labels
    mesh::two_containers_per_pod: "each pod has two containers: the application and the injected sidecar",
    needs: Reading,
    stops: [ClientSidecar, BackendSidecar],
    caused_by: [
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        namespace_labelled if label_leaves_pods_without_sidecar,
        injection_webhook if webhook_leaves_pods_without_sidecar,
        injection_webhook if template_refuses_sidecar,
        backend_deployment if deployment_does_not_run,
        client_deployment if deployment_does_not_run,
    ],
}

/// The labels by which Istio names the Gateway of the Gateway API that a pod belongs to, the newer one first.
const GATEWAY_NAMES: [&str; 2] =
    ["gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name"];

fn judge(evidence: &Evidence) -> Judged {
    // A failed pod stays listed, for example an evicted one, and runs no container.
    let mut pods = current_pods(evidence)?;
    pods.retain(|pod| pod.phase != "Failed");
    let judged = all_hold(pods.iter().map(|pod| judge_pod(evidence, pod)));
    // The containers of a pod that is not Running do not exist yet. A native sidecar counts less than that.
    let running = pods.iter().filter(|pod| pod.is_running()).count();
    let fails = judged.as_ref().is_err_and(|it| it.verdict != Verdict::Changed);
    if running == 0 && !fails {
        return Err(no_running_pod(evidence, pods.first().copied()));
    }
    judged.map_err(|worst| count_native_sidecars(&pods, worst))?;
    let running = count(running, POD);
    Ok(Judgement::pass(format!("{running}, each with the application and {SIDECAR}")))
}

fn no_running_pod(evidence: &Evidence, waiting: Option<&Pod>) -> Judgement {
    let namespace = &evidence.expectations.namespace;
    let fail = Judgement::fail(format!("no pod runs in namespace {namespace}"))
        .expected(format!("running pods, each with the application and {SIDECAR}"));
    match waiting {
        Some(pod) => fail
            .observed(format_pod_state(pod))
            .object(Object::pod(pod))
            .steps(pods::diagnose(evidence, pod)),
        None => fail
            .observed("no running pod, only failed ones")
            .object(Object::demo_namespace(evidence))
            .step(pods::list(evidence, namespace, &[], "List the failed pods")),
    }
}

/// Writes the number of pods in the headline where several have native sidecars, and nothing else is wrong.
fn count_native_sidecars(pods: &[&Pod], worst: Judgement) -> Judgement {
    let is_native = |pod: &&&Pod| pod.sidecar().is_some_and(Container::is_native_sidecar);
    let number = pods.iter().filter(is_native).count();
    if worst.verdict != Verdict::Changed || number < 2 {
        return worst;
    }
    let pods = count(number, POD);
    let summary =
        format!("{pods} have a native sidecar: an init container with restartPolicy Always");
    Judgement { summary, ..worst }
}

fn judge_pod(evidence: &Evidence, pod: &Pod) -> Judged {
    let name = &pod.name;
    let names: Vec<_> = pod.containers.iter().map(|container| container.name.as_str()).collect();
    let expected = format!("2 containers: the application and {SIDECAR}");
    let observed = format!("{}: {}", count(names.len(), CONTAINER), list(&names));
    let fail = |summary: String| {
        Judgement::fail(summary)
            .expected(expected.as_str())
            .observed(observed.as_str())
            .object(Object::pod(pod))
    };
    if pod.is_gateway() {
        let gateway = GATEWAY_NAMES.iter().find_map(|key| pod.labels.get(*key));
        let (is, object) = match gateway {
            Some(gateway) => {
                (format!("is a gateway (Gateway {gateway})"), format!("Gateway {gateway}"))
            }
            None => ("is a gateway".to_owned(), "the gateway".to_owned()),
        };
        let summary = format!("pod {name} {is} and has no application");
        let advice = format!("Move {} to its own namespace", escape_backquotes(&object));
        return Err(fail(summary)
            .step(Step::advice(Purpose::Fix, advice))
            .step(pods::show_containers(evidence, pod)));
    }
    let Some(sidecar) = pod.sidecar() else {
        let (why, steps) = explain_missing_sidecar(evidence, pod);
        let alike = owner_deployments(pods_missed_by_injection(evidence));
        let owner = owner_deployments([pod]);
        if alike.len() > 1 && !refuses_sidecar(pod) && owner.iter().all(|it| alike.contains(it)) {
            let (names, text) = (list(&alike), "Restart the deployments");
            return Err(fail(format!("pods of {names} have no sidecar{why}"))
                .observed(format!("1 container in each pod of {names}"))
                .step(injection::restart_deployments(evidence, &alike, text)));
        }
        return Err(fail(format!("pod {name} has no sidecar{why}")).steps(steps));
    };
    // From any registry, and under any vendor's name (`proxyv2-rhel8`).
    if !image_name(&sidecar.image).contains("proxyv2") {
        let image = &sidecar.image;
        let summary = format!("pod {name}: the image of container {SIDECAR} is not Istio's proxy");
        return Err(fail(summary)
            .expected(format!("{SIDECAR} with an image of Istio's proxy (proxyv2)"))
            .observed(format!("{SIDECAR} with image {image}"))
            .step(pods::replace(evidence, pod)));
    }
    let mut applications: Vec<_> = names.iter().copied().filter(|it| *it != SIDECAR).collect();
    let own = demo_container(evidence, pod);
    // The container that the demo deploys is the application, whatever its position.
    applications.sort_by_key(|name| own.is_some_and(|own| own != *name));
    match (applications.as_slice(), sidecar.is_native_sidecar()) {
        ([_], false) => Ok(Judgement::pass(String::new())),
        ([_], true) => Err(Judgement::changed(
            format!("pod {name} has a native sidecar: an init container with restartPolicy Always"),
            native_sidecar_change(evidence, pod),
        )
        .expected(expected)
        .observed(format!("{observed}, and the init container {SIDECAR}"))
        .object(Object::pod(pod))
        .step(Step::advice(
            Purpose::Inspect,
            "Update the tutorial's text: this Istio injects native sidecars",
        ))),
        ([], _) => Err(fail(format!("pod {name} has no application container"))
            .step(pods::show_containers(evidence, pod))),
        ([_, more @ ..], _) => {
            let number = count(more.len(), EXTRA_CONTAINER);
            let summary = format!("pod {name} has {number}");
            let more_names = list(more);
            // In an unknown application, each container may be the wanted one.
            let known = own.is_some_and(|own| applications.contains(&own));
            let mut deployments = evidence.demo.deployments.value().into_iter().flatten();
            let owner = deployments.find(|deployment| deployment.selects(pod));
            let is_in_template = |container: &&str| {
                owner.is_some_and(|it| it.containers.iter().any(|its| its.name == **container))
            };
            let (of_template, added): (Vec<_>, Vec<_>) =
                more.iter().copied().partition(is_in_template);
            // During a rollout, a pod may have the previous template.
            let is_of_template = owner.is_some_and(|it| it.updated_replicas == it.current_replicas);
            if is_of_template && !added.is_empty() {
                let added = list(&added);
                let (who, steps) = explain_added_containers(evidence, pod, &added);
                let details = format!("{observed}{who}");
                return Err(fail(format!("{summary}: a webhook added {added}"))
                    .observed(details)
                    .steps(steps));
            }
            let workload = owner_workload(pod).filter(|_| known && !of_template.is_empty());
            let remove =
                workload.map(|it| injection::remove_containers(evidence, &it, &of_template));
            Err(fail(format!("{summary}: {more_names}"))
                .steps(remove)
                .step(pods::show_containers(evidence, pod)))
        }
    }
}

/// Returns the webhooks and annotations that may have added containers to a pod, and the steps that remove or show them.
fn explain_added_containers(evidence: &Evidence, pod: &Pod, added: &str) -> (String, Vec<Step>) {
    let labels = evidence.install.namespaces.value().and_then(|all| all.get(&pod.namespace));
    let selects = |webhook: &&Webhook| {
        !is_injector(webhook)
            && labels.is_none_or(|it| webhook.namespace_selector.selects(it) != Some(false))
            && webhook.object_selector.selects(&pod.labels) != Some(false)
    };
    let webhooks = evidence.install.webhooks.value().into_iter().flatten().filter(selects);
    let names: Vec<_> = webhooks.clone().map(|it| it.name.as_str()).collect();
    let annotations = requests_of_injection(pod, &names);
    let webhooks: BTreeSet<_> = webhooks.map(|webhook| &webhook.configuration).collect();
    let webhooks: Vec<_> = webhooks.into_iter().collect();
    let mut who = String::new();
    if !webhooks.is_empty() {
        let _ = write!(who, "; other webhooks: {}", list(&webhooks));
    }
    if !annotations.is_empty() {
        let _ = write!(who, "; annotations: {}", list(&annotations));
    }
    let template = owner_workload(pod).filter(|_| !annotations.is_empty());
    let template = template.map(|it| workloads::show_template_annotations(evidence, &it));
    let request = match annotations.as_slice() {
        [] => format!("the annotation or label that requests {added}"),
        [annotation] => format!("the annotation {annotation}"),
        _ => format!("the annotations {}", list(&annotations)),
    };
    let remove = escape_backquotes(&format!(
        "Remove {request} from the pod template, or exclude the namespace from the webhook"
    ));
    let steps = [Step::advice(Purpose::Fix, remove)]
        .into_iter()
        .chain(template)
        .chain([pods::show_containers(evidence, pod), injection::list_webhooks(evidence)]);
    (who, steps.collect())
}

/// Returns the pods without a sidecar, where some have none and every other pod has one application.
fn pods_without_sidecar(evidence: &Evidence) -> Option<Vec<&Pod>> {
    let (without, with): (Vec<_>, Vec<_>) =
        current_pods(evidence).ok()?.into_iter().partition(|pod| pod.proxy().is_none());
    let one = |pod: &&Pod| pod.containers.iter().filter(|it| it.name != SIDECAR).count() == 1;
    (!without.is_empty() && with.iter().all(one)).then_some(without)
}

/// Whether missing sidecars are the only failure, and no pod refuses its sidecar.
fn pods_only_miss_sidecar(evidence: &Evidence) -> bool {
    pods_without_sidecar(evidence).is_some_and(|pods| !pods.into_iter().any(refuses_sidecar))
}

fn label_leaves_pods_without_sidecar(effect: &Effect<'_, Evidence>) -> bool {
    pods_only_miss_sidecar(effect.evidence) && label_prevents_injection(effect)
}

fn webhook_leaves_pods_without_sidecar(effect: &Effect<'_, Evidence>) -> bool {
    pods_only_miss_sidecar(effect.evidence) && webhook_prevents_injection(effect)
}

/// Whether the template of a deployment refuses injection, and only its pods have no sidecar.
fn template_refuses_sidecar(effect: &Effect<'_, Evidence>) -> bool {
    let named = effect.object_of_cause();
    let refuses = |pod: &Pod| {
        let mut deployments = effect.evidence.demo.deployments.value().into_iter().flatten();
        let owner = deployments.find(|deployment| deployment.selects(pod));
        pod.labels.contains_key(INJECT)
            && owner.is_some_and(|owner| {
                owner.template_labels.get(INJECT) == pod.labels.get(INJECT)
                    && named.is_some_and(|named| named == Object::deployment(owner).to_string())
            })
    };
    pods_without_sidecar(effect.evidence).is_some_and(|pods| pods.into_iter().all(refuses))
}

/// Whether the deployment explains that no pod runs. A pod without a sidecar among its requested containers fails for
/// that reason instead.
fn deployment_does_not_run(effect: &Effect<'_, Evidence>) -> bool {
    let pods = current_pods(effect.evidence).unwrap_or_default();
    !pods.iter().any(|pod| pod.is_running())
        && deployment_explains_pods(effect, |pod| pod.sidecar().is_some(), true)
}

#[cfg(test)]
mod cases {
    use crate::claims::mesh::changes::{make_native, remove_sidecar};
    use crate::entry::cases;
    use crate::evidence::{Container, Evidence, Observation, Pod, Webhook};
    use crate::testing::{client, demo_pod, of};

    fn add_container(pod: &mut Pod, name: &str) {
        let more = Container { name: name.into(), ready: true, ..Container::default() };
        pod.containers.push(more);
    }

    fn add_to_template_and_pod(evidence: &mut Evidence, name: &str) {
        add_container(demo_pod(evidence, "client"), name);
        let more = Container { name: name.into(), ..Container::default() };
        client(evidence).containers.push(more);
    }

    fn set_images(evidence: &mut Evidence, image: &str) {
        for container in &mut demo_pod(evidence, "echo").containers {
            container.image = image.into();
        }
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        before_the_label(|e| remove_sidecar(demo_pod(e, "echo")), Fail);
        all_before_the_label(|e| for pod in of(&mut e.demo.pods) { remove_sidecar(pod); }, Fail);
        not_labelled(|e| { remove_sidecar(demo_pod(e, "echo")); of(&mut e.install.namespaces).get_mut("client").unwrap().clear(); }, Fail);
        injection_disabled_by_annotation(|e| { let pod = demo_pod(e, "echo"); remove_sidecar(pod); pod.annotations.insert("sidecar.istio.io/inject".into(), "false".into()); }, Fail);
        extra_container(|e| add_to_template_and_pod(e, "debug"), Fail);
        extra_container_is_first(|e| { add_to_template_and_pod(e, "debug"); demo_pod(e, "client").containers.reverse(); }, Fail);
        extra_container_and_deployments_unreadable(|e| { add_to_template_and_pod(e, "debug"); e.demo.deployments = Observation::failed("forbidden"); }, Fail);
        extra_container_not_in_template(|e| add_container(demo_pod(e, "client"), "vault-agent"), Fail);
        extra_container_during_a_rollout(|e| { add_container(demo_pod(e, "client"), "debug"); client(e).current_replicas = 2; }, Fail);
        extra_container_with_annotation_of_a_webhook(|e| {
            let pod = demo_pod(e, "client");
            add_container(pod, "vault-agent");
            pod.other_annotations = vec!["vault.hashicorp.com/agent-inject".into()];
            let webhook = Webhook { configuration: "vault-agent-injector-cfg".into(), ..Webhook::default() };
            of(&mut e.install.webhooks).push(webhook);
        }, Fail);
        extra_container_beside_another_application(|e| {
            let pod = demo_pod(e, "client");
            pod.containers.iter_mut().for_each(|it| if it.name == "client" { it.name = "mine".into(); });
            add_container(pod, "debug");
        }, Fail);
        no_application(|e| demo_pod(e, "client").containers.retain(|it| it.name == "istio-proxy"), Fail);
        gateway(|e| { let pod = demo_pod(e, "client"); pod.containers.retain(|it| it.name == "istio-proxy"); pod.containers[0].args = vec!["proxy".into(), "router".into()]; }, Fail);
        foreign_image(|e| set_images(e, "nginx"), Fail);
        extra_container_of_a_webhooks_domain(|e| {
            let pod = demo_pod(e, "client");
            add_container(pod, "daprd");
            pod.other_annotations = vec!["dapr.io/enabled".into(), "kubernetes.io/a".into()];
            let (configuration, name) = ("dapr-sidecar-injector".into(), "sidecar-injector.dapr.io".into());
            of(&mut e.install.webhooks).push(Webhook { configuration, name, ..Webhook::default() });
        }, Fail);
        left_out_by_injection(|e| {
            let pod = demo_pod(e, "client");
            remove_sidecar(pod);
            pod.created_at = "2099-01-01T00:00:00Z".parse().ok();
        }, Fail);
        native(make_native, Changed);
        native_and_none_runs(|e| { make_native(e); for pod in of(&mut e.demo.pods) { pod.phase = "Pending".into(); } }, Fail);
        one_native(|e| {
            let old = demo_pod(e, "echo").clone();
            make_native(e);
            *demo_pod(e, "echo") = old;
        }, Changed);
        native_and_extra_container(|e| { make_native(e); add_container(demo_pod(e, "client"), "debug"); }, Fail);
        extra_container_with_istios_annotation(|e| {
            let pod = demo_pod(e, "client");
            add_container(pod, "debug");
            pod.other_annotations = vec!["inject.istio.io/templates".into(), "example.org/owner".into()];
        }, Fail);
        one_native_one_missing(|e| { make_native(e); remove_sidecar(demo_pod(e, "echo")); }, Fail);
        no_pods(|e| of(&mut e.demo.pods).clear(), Fail);
        no_namespace(|e| e.demo.pods = Observation::absent("there is no namespace client"), Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        image_with_similar_repository(|e| set_images(e, "example.com/proxyv2/nginx:1"), Fail);
        image_with_similar_tag(|e| set_images(e, "nginx:proxyv2"), Fail);
        vendors_image(|e| set_images(e, "registry.example/mesh/istio-proxyv2-rhel8:2.5"), Pass);
        image_of_a_mirror(|e| set_images(e, "localhost:5000/mesh/proxyv2@sha256:00"), Pass);
        no_pod_started(|e| for pod in of(&mut e.demo.pods) { pod.phase = "Pending".into(); pod.ready = false; }, Fail);
        all_pods_failed(|e| for pod in of(&mut e.demo.pods) { pod.phase = "Failed".into(); }, Fail);
        evicted(|e| { let mut old = demo_pod(e, "echo").clone(); old.name = "evicted".into(); old.phase = "Failed".into(); remove_sidecar(&mut old); of(&mut e.demo.pods).push(old); }, Pass);
    }
}
