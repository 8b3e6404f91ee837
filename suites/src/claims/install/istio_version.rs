//! istiod, the proxies and istioctl have the expected version.

use std::collections::BTreeMap;

use crate::claims::by_name::default_profile::{istiod_is_not_installed, looks_in_wrong_place};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Container, Evidence, Expectations, Istiod, Observation, Pod};
use crate::facts::image::{is_vendor_build, plain_version as plain, version_tag};
use crate::facts::injection::PROXY_IMAGE;
use crate::facts::istiod::{is_istiod, is_istiod_down};
use crate::facts::webhooks::REVISION;
use crate::facts::workload::owner_workload;
use crate::format::{PROXY, count, format_pod_state, list};
use crate::hint::escape_backquotes;
use crate::judgement::{Judged, Judgement, Look as _, TextChange, Verdict, require};
use crate::object::Object;
use crate::steps::{Purpose, Step, injection, istio, pods, workloads};

claim! {
    /// The tutorial says: "`curl -L https://istio.io/downloadIstio | ISTIO_VERSION=1.20.3 sh -`", and installs that
    /// version with its `istioctl`.
    ///
    /// ## Why it matters
    /// In a half-upgraded mesh, istiod and the proxies have different versions, and the tutorial's output may differ. A pod
    /// keeps its proxy version until the pod is created again.
    ///
    /// ## How it is checked
    /// - Compares the expected version with the image tags of istiod and of every proxy. An image without a version in its
    ///   tag does not count.
    /// - Compares it with the versions that istiod, the proxies and `istioctl` report.
    ///
    /// It needs `list` on `pods`, and `get` on `pods/portforward` in the control plane's namespace. From Kubernetes 1.35 on
    /// it also needs `create` there.
    ///
    /// ## What makes it fail
    /// - istiod, a proxy or `istioctl` has another version.
    /// - A vendor's build of the expected version, such as `1.20.3-asm.4`, makes it *changed*.
    /// - No istiod runs. Then `default_profile` or `control_plane_running` is the cause.
    /// - istiod does not list a proxy. Then the claim is unjudged, because of `proxies_in_sync`.
    ///
    /// ## How to fix it
    /// - The whole mesh has another version: install with the `istioctl` of the expected version, or check the mesh
    ///   with `--istio VERSION`.
    /// - Only an unused istiod has another version: remove its revision with `istioctl uninstall`.
    /// - One proxy has another version: restart its deployment. If the annotation `sidecar.istio.io/proxyImage` names the
    ///   image, remove the annotation.
    /// - `istioctl` has another version: put the expected one first in `PATH`.
    ///
    /// ## Check by hand
    ///     istioctl version
    ///     istioctl proxy-status
    install::istio_version: "istiod, the proxies and istioctl have the expected version",
    needs: Request,
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if istiod_is_not_installed,
        control_plane_running if no_istiod_reports,
        proxies_in_sync if istiod_does_not_know_the_proxy,
    ],
    holds_without: [
        ("/install/istioctl_version", "a mesh can be installed without istioctl"),
        ("/demo/pods", "without pods no proxy has another version: other claims need the pods"),
    ],
    holds_unasked: [
        ("/install/istioctl_version", "a mesh can be installed without istioctl"),
    ],
}

/// The parts of the mesh. istioctl runs on this machine and is not part of it.
const MESH: [fn(&Evidence) -> Judged; 4] =
    [istiod_images, istiod_reports, proxy_images, proxy_reports];

/// What the tutorial downloads.
const SENTENCE: &str = "curl -L https://istio.io/downloadIstio | ISTIO_VERSION=1.20.3 sh -";

fn judge(evidence: &Evidence) -> Judged {
    let parts = MESH.iter().map(|part| part(evidence)).chain([istioctl(evidence)]);
    let reporting: Vec<_> = all_hold(parts)?.into_iter().filter(|it| !it.is_empty()).collect();
    let wanted = &evidence.expectations.istio_version;
    Ok(Judgement::pass(format!("{} report Istio {wanted}", list(&reporting))))
}

fn istiod_images(evidence: &Evidence) -> Judged {
    for pod in istiods(evidence)? {
        for container in pod.containers.iter().filter(|container| container.name == "discovery") {
            check_image(evidence, pod, container, || replace_istiod(evidence, pod))?;
        }
    }
    Ok(Judgement::pass(String::new()))
}

fn istiod_reports(evidence: &Evidence) -> Judged {
    let what = "the versions that istiod reports";
    let reports = require(&evidence.install.istiod, what, "istiod", || upgrade(evidence))?;
    for (pod, report) in reports {
        if let Some(version) = report.version.value() {
            let object = Object::new("pod", &evidence.expectations.istio_namespace, pod);
            let its =
                evidence.install.pods.value().into_iter().flatten().find(|it| it.name == *pod);
            check_report(evidence, version, "istiod", object, || {
                its.map_or_else(|| upgrade(evidence), |pod| replace_istiod(evidence, pod))
            })?;
        }
    }
    for pod in istiods(evidence)? {
        let version = reports.get(&pod.name).map(|report| &report.version);
        let missing = if pod.ready { "it is not in the evidence" } else { "the pod is not ready" };
        if let Some(reason) = version.map_or(Some(missing), Observation::reason) {
            let summary = format!("version of istiod pod {} unknown: {reason}", pod.name);
            return Err(Judgement::unjudged(summary));
        }
    }
    Ok(Judgement::pass("istiod"))
}

fn proxy_images(evidence: &Evidence) -> Judged {
    let (pods, all_observed) = proxy_pods(evidence);
    for pod in pods {
        for container in pod.init_containers.iter().chain(&pod.containers) {
            if ["istio-proxy", "istio-init", "istio-validation"].contains(&container.name.as_str())
            {
                check_image(evidence, pod, container, || vec![replace_proxy(evidence, pod)])?;
            }
        }
    }
    all_observed?;
    Ok(Judgement::pass(String::new()))
}

fn proxy_reports(evidence: &Evidence) -> Judged {
    let what = "the versions that istiod reports";
    let reports = require(&evidence.install.istiod, what, "istiod", || upgrade(evidence))?;
    let (pods, all_observed) = proxy_pods(evidence);
    let mut known = BTreeMap::new();
    let mut missing = None;
    for (istiod, report) in reports {
        if let Some(proxies) = report.proxies.value() {
            known.extend(proxies.iter().map(|one| (one.proxy.as_str(), &one.istio_version)));
        } else {
            let reason = report.proxies.reason().unwrap_or_default();
            missing = Some(format!("cannot read the proxies of istiod pod {istiod}: {reason}"));
        }
    }
    for (&proxy, version) in known.iter().filter(|(_, version)| !version.is_empty()) {
        let pod = pods.iter().find(|pod| proxy == proxy_id(pod));
        let (name, namespace) = proxy.split_once('.').unwrap_or((proxy, ""));
        let object = Object::new("pod", namespace, name);
        check_report(
            evidence,
            version,
            &format!("the proxy of pod {name}"),
            object,
            || match pod {
                Some(pod) => vec![replace_proxy(evidence, pod)],
                None => vec![
                    istio::proxy_status(evidence, "Show the versions of all proxies"),
                    Step::advice(Purpose::Fix, "Restart the workload of that proxy"),
                ],
            },
        )?;
    }
    all_observed?;
    let running: Vec<_> = pods.iter().filter(|pod| pod.is_running()).collect();
    let is_silent = |pod: &&&&Pod| known.get(proxy_id(pod).as_str()).is_none_or(|it| it.is_empty());
    if let Some(pod) = running.iter().find(is_silent) {
        let is_listed = known.contains_key(proxy_id(pod).as_str());
        let reason = if is_listed { "istiod lists no version" } else { "istiod does not list it" };
        let reason = missing.unwrap_or_else(|| reason.to_owned());
        return Err(Judgement::unjudged(format!("{}: {reason}", format_silent_proxy(pod))));
    }
    Ok(Judgement::pass(count(running.len(), PROXY)))
}

/// Returns the id under which istiod lists a pod's proxy.
fn proxy_id(pod: &Pod) -> String {
    format!("{}.{}", pod.name, pod.namespace)
}

fn format_silent_proxy(pod: &Pod) -> String {
    format!("version of the proxy of pod {} unknown", pod.name)
}

fn istioctl(evidence: &Evidence) -> Judged {
    match &evidence.install.istioctl_version {
        Observation::Seen { value } => {
            check_report(evidence, value, "istioctl", "istioctl", || {
                istio::replace_istioctl(evidence)
            })?;
            Ok(Judgement::pass("istioctl"))
        }
        Observation::Failed { reason } => {
            Err(Judgement::unjudged(format!("cannot read the version of istioctl: {reason}")))
        }
        // istioctl was not used: a mesh can be installed in other ways.
        Observation::Absent { .. } | Observation::NotAsked { .. } => {
            Ok(Judgement::pass(String::new()))
        }
    }
}

/// Returns the running pods of istiod. Without one the version is unknown.
fn istiods(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let namespace = &evidence.expectations.istio_namespace;
    let object = format!("istiod in namespace {namespace}");
    let restore = || {
        let text = "List the deployments and pods";
        istio::restore_istiod(evidence, workloads::list_all(evidence, namespace, &[], text))
    };
    let what = format!("the pods of namespace {namespace}");
    let pods = require(&evidence.install.pods, &what, &object, restore)?;
    let all = || pods.iter().filter(|pod| is_istiod(&pod.labels));
    let running: Vec<_> = all().filter(|pod| pod.is_running()).collect();
    if running.is_empty() {
        let observed = all().next().map_or_else(
            || "no istiod pod".to_owned(),
            |pod| format!("pod {} is {}", pod.name, format_pod_state(pod)),
        );
        return Err(Judgement::fail("Istio's version is unknown: istiod has no running pod")
            .expected(format!("a running istiod {}", evidence.expectations.istio_version))
            .observed(observed)
            .object(object)
            .steps(restore()));
    }
    Ok(running)
}

/// Removes an unused revision where another istiod has the expected version, or upgrades the mesh.
fn replace_istiod(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let Some(revision) = find_unused_revision(evidence, pod) else { return upgrade(evidence) };
    vec![istio::uninstall_revision(evidence, revision)]
}

fn find_unused_revision<'e>(evidence: &Evidence, pod: &'e Pod) -> Option<&'e str> {
    let reports = evidence.install.istiod.value()?;
    let wanted = plain(&evidence.expectations.istio_version);
    let has_version = |it: &Istiod| it.version.value().is_some_and(|it| plain(it) == wanted);
    let is_unused = reports.get(&pod.name)?.proxies.value()?.is_empty();
    let revision = pod.labels.get(REVISION).filter(|_| is_unused)?;
    reports.values().any(has_version).then_some(revision)
}

/// Collects the pods with a proxy, sidecars and gateways, and the reason why some could not be read.
fn proxy_pods(evidence: &Evidence) -> (Vec<&Pod>, Result<Vec<String>, Judgement>) {
    let has_proxy = |pod: &&Pod| {
        let has_ended = pod.phase == "Succeeded" || pod.phase == "Failed";
        let mut containers = pod.all_containers();
        !pod.terminating
            && !has_ended
            && containers.any(|container| container.name == "istio-proxy")
    };
    let (mut pods, mut unobserved) = (Vec::new(), Vec::new());
    for (namespace, observation) in [
        (&evidence.expectations.istio_namespace, &evidence.install.pods),
        (&evidence.expectations.namespace, &evidence.demo.pods),
    ] {
        match observation.look(&format!("the pods of namespace {namespace}")) {
            Ok(all) => pods.extend(all.iter().filter(has_proxy)),
            // Without a pod there is no proxy of another version.
            Err(early) if early.verdict == Verdict::Fail => {}
            Err(early) => unobserved.push(Err(early)),
        }
    }
    (pods, all_hold(unobserved))
}

/// Fails where an image's tag is another version. An image without a version in its tag does not count: the version
/// that the program reports decides then.
fn check_image(
    evidence: &Evidence,
    pod: &Pod,
    container: &Container,
    steps: impl FnOnce() -> Vec<Step>,
) -> Result<(), Judgement> {
    let wanted = plain(&evidence.expectations.istio_version);
    let Some(tag) = version_tag(&container.image) else { return Ok(()) };
    if tag == wanted || wanted.starts_with(&format!("{tag}.")) {
        return Ok(());
    }
    let (name, container_name) = (&pod.name, &container.name);
    let summary =
        format!("pod {name}: container {container_name} has Istio {tag}, expected {wanted}");
    Err(other_version(tag, wanted, summary)
        .expected(format!("an image of Istio {wanted}"))
        .observed(&container.image)
        .object(Object::pod(pod))
        .steps(steps()))
}

/// Fails where a program reports another version.
fn check_report(
    evidence: &Evidence,
    version: &str,
    who: &str,
    object: impl Into<String>,
    steps: impl FnOnce() -> Vec<Step>,
) -> Result<(), Judgement> {
    let Expectations { istio_version, istio_version_source, .. } = &evidence.expectations;
    if plain(version) == plain(istio_version) {
        return Ok(());
    }
    let summary = format!("{who} reports Istio {version}, expected {istio_version}");
    Err(other_version(plain(version), plain(istio_version), summary)
        .expected(format!("{istio_version} (from {istio_version_source})"))
        .observed(version)
        .object(object)
        .steps(steps()))
}

/// Returns the judgement on another version: *changed* for a vendor's build of the expected one.
fn other_version(version: &str, wanted: &str, summary: String) -> Judgement {
    let is_of_wanted = version.split_once('-').is_some_and(|(number, _)| number == wanted);
    if is_of_wanted && is_vendor_build(version) {
        let change = TextChange::new("vendor-build", SENTENCE).now(&summary);
        return Judgement::changed(summary, change);
    }
    Judgement::fail(summary)
}

/// Returns the steps that bring the mesh to the expected version, or check it as the version that all of it has.
fn upgrade(evidence: &Evidence) -> Vec<Step> {
    let wanted = escape_backquotes(&evidence.expectations.istio_version);
    let first = match common_version(evidence) {
        Some(version) => istio::check_as(evidence, version),
        None => istio::show_versions(evidence),
    };
    let plain = format!("Install Istio {wanted}");
    let mut install = istio::restore_control_plane(evidence, &plain);
    if install.command.as_ref().is_some_and(|it| it.starts_with("istioctl")) {
        let text = format!("{plain} with the istioctl of that version");
        install.text = install.text.replacen(&plain, &text, 1);
    }
    // Where another program installed Istio, that program changes its version.
    [first].into_iter().chain(install.command.is_some().then_some(install)).collect()
}

/// Finds the other version that the whole mesh has, in its images and its reports.
fn common_version(evidence: &Evidence) -> Option<&str> {
    let istiods = evidence.install.istiod.value()?;
    let version = istiods.values().next()?.version.value()?;
    let mut other = evidence.clone();
    other.expectations.istio_version.clone_from(version);
    let is_other = plain(version) != plain(&evidence.expectations.istio_version);
    (is_other && MESH.iter().all(|part| part(&other).is_ok())).then_some(version)
}

/// Returns the step that gives a pod the proxy of istiod's version.
fn replace_proxy(evidence: &Evidence, pod: &Pod) -> Step {
    let namespace = pod.namespace.as_str();
    let workload = owner_workload(pod);
    let deployment = workload.as_deref().and_then(|name| name.strip_prefix("deployment/"));
    if let Some(deployment) = deployment.filter(|_| pod.annotations.contains_key(PROXY_IMAGE)) {
        return injection::remove_proxy_image(evidence, namespace, deployment);
    }
    let keeps = "a pod keeps the proxy with which it was created";
    if let Some(workload) = &workload {
        let text = format!("Restart the workload: {keeps}");
        return workloads::restart(evidence, namespace, workload, text);
    }
    pods::show(evidence, pod, format!("Show the pod: {keeps}"))
}

/// Whether no istiod runs that could report its version. A wrong image and a wrong istioctl have other reasons.
fn no_istiod_reports(effect: &Effect<'_, Evidence>) -> bool {
    let object = effect.judgement.object.as_deref().unwrap_or_default();
    is_istiod_down(effect.evidence) && (object == "istiod" || object.starts_with("istiod in "))
}

fn istiod_does_not_know_the_proxy(effect: &Effect<'_, Evidence>) -> bool {
    let Some(istiods) = effect.evidence.install.istiod.value() else { return false };
    let mut lists = istiods.values().map(|istiod| istiod.proxies.value());
    let knows = |pod: &Pod| {
        let lists = istiods.values().filter_map(|istiod| istiod.proxies.value());
        lists.flatten().any(|proxy| proxy.proxy == proxy_id(pod))
    };
    // Only the summary names the proxy without a version.
    let is_silent = |pod: &&&Pod| effect.judgement.summary.contains(&format_silent_proxy(pod));
    effect.judgement.verdict == Verdict::Unjudged
        && lists.all(|list| list.is_some())
        && proxy_pods(effect.evidence).0.iter().find(is_silent).is_some_and(|pod| !knows(pod))
}

#[cfg(test)]
mod cases;
