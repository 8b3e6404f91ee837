//! Kiali from the release's own addon manifest runs.

use super::{
    find_wrong_selector, kiali_object, kiali_pod_of, ready_endpoint, restore_selector,
    show_or_scale_up, silent_target,
};
use crate::claims::by_name::console_served::reported_version;
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Deployment, Evidence, Expectations, selector};
use crate::facts::image::{
    flat_mirror, image_name, is_newer_version, is_pinned, same_image, same_version, split_image,
};
use crate::facts::installation::kiali_elsewhere;
use crate::facts::istiod::install_stopped_at_istiod;
use crate::facts::kiali::{NAME, find_kiali};
use crate::facts::scheduling::deployment_waits_for_nodes;
use crate::facts::workload::find_unready_pod;
use crate::format::rollout::{format_availability, format_headline, format_rollout_trouble};
use crate::format::{format_pod_state, list};
use crate::judgement::{Judged, Judgement, Look as _, TextChange, require};
use crate::object::Object;
use crate::profile::{self, KialiAddon};
use crate::steps::pods::diagnose;
use crate::steps::workloads::{list_all, show_finalizers};
use crate::steps::{Purpose, Step, kiali, services};

claim! {
    /// The tutorial says: "Install Kiali for observability: `kubectl apply -f ${ISTIO_HOME}/samples/addons/kiali.yaml`", and
    /// "`kubectl port-forward svc/kiali 20001:20001 -n istio-system &`".
    ///
    /// ## Why it matters
    /// The tutorial ends in Kiali's console. The pages of another version differ from the tutorial's text.
    ///
    /// ## How it is checked
    /// Reads deployments, services, EndpointSlices and pods in the control plane's namespace (`list` on each). The
    /// deployment `kiali` must be available and have the image of the release's addon manifest. Its service must
    /// have Kiali's port and a ready endpoint.
    ///
    /// Without a deployment `kiali`, the claim is unjudged where the pods of all namespaces could not be read: Kiali may be
    /// in another namespace.
    ///
    /// ## What makes it fail
    /// - Kiali is not installed, is being deleted, is scaled to 0, or its pods are not ready.
    /// - Its image is not the one in the manifest of this Istio release. Where meshcheck does not know that manifest, because
    ///   the release is new, an image that is older than that of the last known release fails.
    /// - Its image is from another repository. A mirror with the same tag makes the claim *changed*, and so does another
    ///   namespace.
    /// - Its service is missing, has another port, or selects no ready pod of Kiali.
    /// - Its service forwards to a port that Kiali's pod does not declare, and that does not answer.
    /// - The nodes have no room for it (`nodes_ready`), or the control plane's namespace is missing, or the install
    ///   stopped before the gateway (`default_profile`).
    ///
    /// ## How to fix it
    /// Apply the addon manifest of the release again. Set the service's `targetPort` to Kiali's port. Scale the
    /// deployment up where it has 0 replicas. A tutorial with another image sets `kiali.image` in `meshcheck.toml`.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get deployment,service,endpoints kiali
    ///     kubectl -n istio-system describe pods -l app=kiali
    kiali::running: "Kiali from the release's own addon manifest runs",
    needs: Reading,
    caused_by: [
        nodes_ready if waits_for_nodes,
        default_profile if looks_in_wrong_place,
        default_profile if istio_namespace_is_missing,
        default_profile if install_came_not_so_far,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    if kiali_elsewhere(evidence).is_some() {
        // Its service is in that namespace too.
        return deployment(evidence);
    }
    let parts = all_hold([deployment(evidence), service(evidence)])?;
    Ok(Judgement::pass(parts.join(", ")))
}

/// Requires that the pods show whether Kiali is in another namespace. An older file does not have them.
fn require_place(evidence: &Evidence) -> Result<(), Judgement> {
    let Evidence { install, expectations, .. } = evidence;
    let namespace = &expectations.istio_namespace;
    let what = format!("whether Kiali is in another namespace than {namespace}");
    if install.mesh_pods.is_recorded() { install.mesh_pods.known(&what) } else { Ok(()) }
}

/// Judges the deployment: availability and image.
fn deployment(evidence: &Evidence) -> Judged {
    let object = kiali_object(evidence, "deployment");
    let istio_namespace = &evidence.expectations.istio_namespace;
    let what = format!("the deployments of namespace {istio_namespace}");
    let all = require(&evidence.install.deployments, &what, &object, || kiali::install(evidence))?;
    let Some(kiali) = all.iter().find(|deployment| deployment.name == NAME) else {
        if let Some(namespace) = kiali_elsewhere(evidence) {
            let summary =
                format!("Kiali is in namespace {namespace}, the tutorial says {istio_namespace}");
            let text = "List the deployments and pods of that namespace";
            let sentence = "kubectl port-forward svc/kiali 20001:20001 -n istio-system &";
            let change = TextChange::new("kiali-elsewhere", sentence).now(&summary);
            return Err(Judgement::changed(summary, change)
                .expected(format!("namespace {istio_namespace}"))
                .observed(format!("namespace {namespace}"))
                .object(object)
                .step(list_all(evidence, namespace, &[], text)));
        }
        require_place(evidence)?;
        let names: Vec<_> = all.iter().map(|deployment| deployment.name.as_str()).collect();
        return Err(Judgement::fail("Kiali is not installed")
            .expected(format!("a deployment {NAME}"))
            .observed(format!("deployments {}", list(&names)))
            .object(object)
            .step(kiali::install(evidence)));
    };
    if kiali.terminating {
        let target = format!("deployment/{NAME}");
        return Err(Judgement::fail(format!("deployment {NAME} is being deleted"))
            .expected("no deletion timestamp")
            .observed("a deletion timestamp")
            .object(object)
            .step(show_finalizers(evidence, istio_namespace, &target))
            .step(kiali::install(evidence)));
    }
    if let Some(trouble) = format_rollout_trouble(kiali) {
        let pods = evidence.install.pods.value().map(Vec::as_slice).unwrap_or_default();
        let unready = find_unready_pod(kiali, pods);
        let mut observed = format_availability(kiali);
        if let Some(pod) = unready {
            observed = format!("{observed}; {} is {}", pod.name, format_pod_state(pod));
        }
        let trouble = format_headline(&trouble, unready);
        let replicas = kiali.replicas.max(1);
        return Err(Judgement::fail(format!("deployment {NAME} is not available: {trouble}"))
            .expected(format!("{replicas} of {replicas} replicas available"))
            .observed(observed)
            .object(object)
            .steps(
                unready.map_or_else(
                    || vec![show_or_scale_up(evidence)],
                    |pod| diagnose(evidence, pod),
                ),
            ));
    }
    judge_image(evidence, kiali)
}

/// Judges the image of the available deployment.
fn judge_image(evidence: &Evidence, kiali: &Deployment) -> Judged {
    let object = kiali_object(evidence, "deployment");
    let Expectations { istio_version, kiali_image, .. } = &evidence.expectations;
    let image = kiali
        .containers
        .iter()
        .find(|container| container.name == NAME)
        .or(kiali.containers.first())
        .map(|container| container.image.as_str())
        .unwrap_or_default();
    let addon = match kiali_image {
        Some(image) => Some(KialiAddon::Is(image.clone())),
        None => profile::kiali_addon(istio_version),
    };
    let Some(addon) = addon else {
        return Err(Judgement::unjudged(format!(
            "cannot check Kiali's image: the addon image of Istio {istio_version} is not known to meshcheck"
        )));
    };
    let reported = evidence.kiali.api.value().and_then(reported_version);
    let tag = split_image(image).1;
    let version = if is_pinned(image) { reported.as_deref().unwrap_or_default() } else { tag };
    let or_newer = if matches!(addon, KialiAddon::Is(_)) { "" } else { " or newer" };
    let wanted = wanted_image(addon, version);
    if is_pinned(image) && image_name(image) == image_name(&wanted) {
        if same_version(split_image(&wanted).1, version) {
            let availability = format_availability(kiali);
            return Ok(Judgement::pass(format!("{availability}, version {version} by its API")));
        }
        return Err(Judgement::unjudged(format!(
            "cannot check Kiali's version: its image {image} has a digest and no tag"
        )));
    }
    let is_same = same_image(image, &wanted);
    let same_tag = same_version(tag, split_image(&wanted).1);
    let mirror = flat_mirror(image, split_image(&wanted).0).filter(|_| same_tag && !is_same);
    if let Some(mirror) = mirror {
        let text = "Set kiali.image in meshcheck.toml if the tutorial uses this mirror";
        // Without the tutorial's command: it would replace an image from a mirror.
        let change = TextChange::new("image-mirror", "Install Kiali for observability:")
            .now(format!("Kiali's image is {image}"));
        let summary = format!("Kiali's image is from the mirror {mirror}");
        return Err(Judgement::changed(summary, change)
            .expected(wanted)
            .observed(image)
            .object(object)
            .step(Step::advice(Purpose::Fix, text)));
    }
    if !is_same {
        let wanted = wanted + or_newer;
        return Err(Judgement::fail(format!("Kiali's image is {image}, expected {wanted}"))
            .expected(wanted)
            .observed(image)
            .object(object)
            .step(kiali::install(evidence)));
    }
    Ok(Judgement::pass(format!("{}, {image}", format_availability(kiali))))
}

/// Returns the image that Kiali should have. The manifest of a release that was not read may name a newer one than the last
/// that was read.
fn wanted_image(addon: KialiAddon, version: &str) -> String {
    match addon {
        KialiAddon::IsOrNewer { image, .. } if is_newer_version(version, split_image(&image).1) => {
            format!("{}:{version}", split_image(&image).0)
        }
        KialiAddon::Is(image) | KialiAddon::IsOrNewer { image, .. } => image,
    }
}

/// Judges the service: port and endpoint.
fn service(evidence: &Evidence) -> Judged {
    let object = kiali_object(evidence, "service");
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the services of namespace {namespace}");
    let all = require(&evidence.install.services, &what, &object, || kiali::install(evidence))?;
    let wanted = evidence.expectations.kiali.port;
    let found = all.iter().find(|service| service.name == NAME);
    if found.is_some_and(|service| service.ports.iter().any(|port| port.port == wanted)) {
        return has_endpoint(evidence, object);
    }
    if found.is_none() && find_kiali(evidence).is_none() {
        require_place(evidence)?;
    }
    let judgement = if let Some(service) = found {
        let ports: Vec<_> = service.ports.iter().map(|port| port.port.to_string()).collect();
        Judgement::fail(format!("service {NAME} has no port {wanted}"))
            .expected(format!("port {wanted}"))
            .observed(format!("port {}", list(&ports)))
    } else {
        Judgement::fail(format!("no service {NAME} in namespace {namespace}"))
            .expected(format!("a service {NAME}"))
            .observed(format!("no service {NAME}"))
    };
    Err(judgement.object(object).step(kiali::install(evidence)))
}

/// Judges whether a ready Kiali pod is an endpoint of the service and listens on its target port.
fn has_endpoint(evidence: &Evidence, object: Object) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let show = || services::show_endpoints(evidence, namespace);
    let what = format!("the endpoints of service {NAME}");
    require(&evidence.install.endpoints, &what, &object, show)?;
    let Some(endpoint) = ready_endpoint(evidence) else {
        return Err(Judgement::fail(format!("service {NAME} has no ready endpoints"))
            .expected("a ready endpoint")
            .observed("no ready endpoints")
            .object(object)
            .step(show()));
    };
    let what = format!("the pods of namespace {namespace}");
    require(&evidence.install.pods, &what, &object, show)?;
    if kiali_pod_of(evidence, endpoint).is_none() {
        evidence.install.deployments.look("Kiali's deployment")?;
        let other = endpoint.pod.as_ref().map(|pod| format!("pod {pod}"));
        let other = other.unwrap_or_else(|| list(&endpoint.addresses));
        let selected = find_wrong_selector(evidence).map(|it| selector(&it.selector));
        let selected = selected.map_or_else(String::new, |it| format!("; selector {it}"));
        let summary = format!("the ready endpoint of service {NAME} is {other}, not a Kiali pod");
        return Err(Judgement::fail(summary)
            .expected("a Kiali pod")
            .observed(format!("{other}{selected}"))
            .object(object)
            .step(restore_selector(evidence)));
    }
    let wanted = evidence.expectations.kiali.port;
    if let Some(target) = silent_target(evidence) {
        let declared = target.pod.all_containers().flat_map(|it| &it.ports).map(u16::to_string);
        let (number, pod) = (target.number, &target.pod.name);
        return Err(Judgement::fail(format!(
            "service {NAME} forwards to targetPort {number}, which pod {pod} does not declare"
        ))
        .expected(format!("targetPort {wanted}"))
        .observed(format!(
            "targetPort {number}; the pod declares {}",
            list(&declared.collect::<Vec<_>>())
        ))
        .object(object)
        .step(target.fix(evidence)));
    }
    Ok(Judgement::pass(format!("port {wanted}")))
}

/// Whether Kiali's pods wait for a node.
fn waits_for_nodes(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    deployment_waits_for_nodes(evidence, find_kiali(evidence), &evidence.install.pods)
}

/// Whether the namespace of the control plane does not exist.
fn istio_namespace_is_missing(effect: &Effect<'_, Evidence>) -> bool {
    let Evidence { install, expectations, .. } = effect.evidence;
    let namespaces = install.namespaces.value();
    namespaces.is_some_and(|all| !all.contains_key(&expectations.istio_namespace))
}

/// Whether the install stopped before the gateway, and Kiali is not installed.
fn install_came_not_so_far(effect: &Effect<'_, Evidence>) -> bool {
    let mut deployments = effect.evidence.install.deployments.value().into_iter().flatten();
    install_stopped_at_istiod(effect.evidence) && deployments.all(|it| it.name != NAME)
}

#[cfg(test)]
mod cases {
    use crate::claims::kiali::changes::{select_another, service, target_port};
    use crate::entry::cases;
    use crate::evidence::{Endpoint, Evidence, Observation, Pod};
    use crate::facts::kiali::is_kiali_pod;
    use crate::testing::{installed, of, scale_to_zero};

    fn endpoint(e: &mut Evidence) -> &mut Endpoint {
        let mut endpoints = of(&mut e.install.endpoints).iter_mut();
        endpoints.find(|endpoint| endpoint.service == "kiali").unwrap()
    }

    fn kiali_pod(e: &mut Evidence) -> &mut Pod {
        of(&mut e.install.pods).iter_mut().find(|pod| is_kiali_pod(pod)).unwrap()
    }

    /// Moves Kiali to a namespace of its own.
    fn moved(e: &mut Evidence) {
        of(&mut e.install.deployments).retain(|it| it.name != "kiali");
        of(&mut e.install.services).retain(|it| it.name != "kiali");
        of(&mut e.install.pods).retain(|it| !is_kiali_pod(it));
        let pods = of(&mut e.install.mesh_pods).iter_mut();
        pods.filter(|it| is_kiali_pod(it)).for_each(|it| it.namespace = "kiali".into());
    }

    /// Sets the image of Kiali.
    fn image(e: &mut Evidence, image: &str) {
        installed(e, "kiali").containers[0].image = image.into();
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        mirror(|e| { e.expectations.kiali_image = Some("quay.io/kiali/kiali:v1.76".into()); image(e, "mirror.example.com/quay/kiali/kiali:v1.76.0"); }, Pass);
        another_container_beside_it(|e| { let mut more = installed(e, "kiali").containers[0].clone(); more.name = "metrics".into(); more.image = "nginx:1".into(); installed(e, "kiali").containers.insert(0, more); }, Pass);
        flat_mirror(|e| image(e, "registry.example.com/train/kiali:v1.79"), Changed);
        flat_mirror_of_another_version(|e| image(e, "registry.example.com/train/kiali:v2.0"), Fail);
        another_version(|e| image(e, "quay.io/kiali/kiali:v2.0.0"), Fail);
        digest(|e| { image(e, "quay.io/kiali/kiali@sha256:0123"); e.kiali.api = Observation::failed("no answer"); }, Unjudged);
        digest_and_reported_version(|e| image(e, "quay.io/kiali/kiali@sha256:0123"), Pass);
        digest_of_another_image(|e| image(e, "docker.io/library/nginx@sha256:0123"), Fail);
        another_image(|e| image(e, "quay.io/kiali/kiali-operator:v1.79"), Fail);
        no_tag(|e| image(e, "quay.io/kiali/kiali"), Fail);
        scaled_to_zero(|e| scale_to_zero(installed(e, "kiali")), Fail);
        unavailable(|e| installed(e, "kiali").available_replicas = 0, Fail);
        missing(|e| of(&mut e.install.deployments).retain(|it| it.name != "kiali"), Fail);
        being_deleted(|e| installed(e, "kiali").terminating = true, Fail);
        another_port(|e| service(e).ports.iter_mut().for_each(|port| port.port = 80), Fail);
        no_service(|e| of(&mut e.install.services).retain(|it| it.name != "kiali"), Fail);
        no_endpoints(|e| of(&mut e.install.endpoints).retain(|one| one.service != "kiali"), Fail);
        no_ready_endpoints(|e| of(&mut e.install.endpoints).iter_mut().for_each(|one| one.ready &= one.service != "kiali"), Fail);
        another_target_port(|e| target_port(e, "30001"), Fail);
        named_target_port(|e| target_port(e, "api-port"), Pass);
        target_port_answers(|e| { target_port(e, "30001"); of(&mut e.kiali.root).request = "GET http://localhost:30001/".into(); }, Pass);
        target_port_of_a_pod_that_declares_none(|e| { target_port(e, "30001"); kiali_pod(e).containers[0].ports.clear(); }, Pass);
        endpoint_of_another_pod(|e| { let other = of(&mut e.install.pods).iter().find(|pod| !is_kiali_pod(pod)).unwrap().name.clone(); endpoint(e).pod = Some(other); }, Fail);
        selects_another_pod(select_another, Fail);
        endpoint_without_pod(|e| endpoint(e).pod = None, Fail);
        pod_known_by_its_deployment(|e| { kiali_pod(e).labels.retain(|key, _| key == "app.kubernetes.io/instance"); installed(e, "kiali").selector.retain(|key, _| key == "app.kubernetes.io/instance"); }, Pass);
        in_another_namespace(moved, Changed);
        other_namespaces_forbidden(|e| { moved(e); e.install.mesh_pods = Observation::failed("pods is forbidden"); }, Unjudged);
        pods_forbidden(|e| e.install.pods = Observation::failed("pods is forbidden"), Unjudged);
        release_of_the_profile(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.24.6".into(); image(e, "quay.io/kiali/kiali:v2.0"); }, Pass);
        endpoints_forbidden(|e| e.install.endpoints = Observation::failed("endpointslices is forbidden"), Unjudged);
        unknown_release(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.17.0".into(); }, Unjudged);
        newer_release(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.99.0".into(); image(e, "quay.io/kiali/kiali:v2.41"); }, Pass);
        newer_release_with_an_old_kiali(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.99.0".into(); image(e, "quay.io/kiali/kiali:v1.79"); }, Fail);
        newer_release_with_a_digest(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.99.0".into(); image(e, "quay.io/kiali/kiali@sha256:0123"); of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"v2.41.0\"}}".into(); }, Pass);
        newer_patch_than_was_read(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.30.9".into(); image(e, "quay.io/kiali/kiali:v2.27"); }, Pass);
        newer_kiali_than_the_addon(|e| { e.expectations.kiali_image = None; e.expectations.istio_version = "1.24.6".into(); image(e, "quay.io/kiali/kiali:v2.27"); }, Fail);
        forbidden(|e| e.install.deployments = Observation::failed("deployments is forbidden"), Unjudged);
        services_forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
    }
}
