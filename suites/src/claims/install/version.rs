//! Whether every part of the mesh is of the version that was asked for.

use std::collections::BTreeMap;

use super::{is_istiod, istiod_hint};
use crate::combine::all_hold;
use crate::evidence::{Container, Evidence, Expectations, Observation, Pod, Provider};
use crate::facts::workload::owner_workload;
use crate::format::format_pod_state;
use crate::hint::{quote, said};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;

/// The annotation with which a pod chooses the image of its own proxy.
const PROXY_IMAGE: &str = "sidecar.istio.io/proxyImage";

pub(in super::super) fn istio_version(evidence: &Evidence) -> Judged {
    let wanted = &evidence.expectations.istio_version;
    let parts = [
        istiod_images(evidence),
        istiod_reports(evidence),
        proxy_images(evidence),
        proxy_reports(evidence),
        istioctl(evidence),
    ];
    let words = all_hold(parts)?;
    let seen: Vec<_> = words.into_iter().filter(|part| !part.is_empty()).collect();
    Ok(Judgement::pass(format!("{} report {wanted}", seen.join(", "))))
}

fn istiod_images(evidence: &Evidence) -> Judged {
    let istiods = istiods(evidence)?;
    for pod in &istiods {
        for container in pod.containers.iter().filter(|container| container.name == "discovery") {
            image(evidence, pod, container, || upgrade(evidence))?;
        }
    }
    Ok(Judgement::pass(String::new()))
}

fn istiod_reports(evidence: &Evidence) -> Judged {
    let what = "what istiod says of itself";
    let reports = require(&evidence.install.istiod, what, "istiod", || upgrade(evidence))?;
    for (pod, report) in reports {
        if let Some(version) = report.version.value() {
            let object = format!("pod {}/{pod}", evidence.expectations.istio_namespace);
            reported(evidence, version, "istiod", &object, || upgrade(evidence))?;
        }
    }
    let istiods = istiods(evidence)?;
    for pod in &istiods {
        let version = reports.get(&pod.name).map(|report| &report.version);
        if let Some(unseen) = unseen(version) {
            return Err(Judgement::unjudged(format!(
                "istiod {} did not say its version: {unseen}",
                pod.name
            )));
        }
    }
    Ok(Judgement::pass("istiod"))
}

fn proxy_images(evidence: &Evidence) -> Judged {
    let (pods, unseen) = proxy_pods(evidence);
    for pod in &pods {
        for container in pod.init_containers.iter().chain(&pod.containers) {
            if ["istio-proxy", "istio-init", "istio-validation"].contains(&container.name.as_str())
            {
                image(evidence, pod, container, || renew(evidence, pod))?;
            }
        }
    }
    unseen.map_or_else(|| Ok(Judgement::pass(String::new())), Err)
}

fn proxy_reports(evidence: &Evidence) -> Judged {
    let what = "what istiod says of itself";
    let reports = require(&evidence.install.istiod, what, "istiod", || upgrade(evidence))?;
    let (pods, unseen_pods) = proxy_pods(evidence);
    let mut known = BTreeMap::new();
    let mut missing = None;
    for (istiod, report) in reports {
        if let Some(proxies) = report.proxies.value() {
            let versions = proxies.iter().map(|one| (one.proxy.as_str(), &one.istio_version));
            known.extend(versions);
        } else {
            let reason = report.proxies.reason().unwrap_or_default();
            missing = Some(format!("istiod {istiod} did not list its proxies: {reason}"));
        }
    }
    for (&proxy, version) in &known {
        if version.is_empty() {
            continue;
        }
        let pod = pods.iter().find(|pod| proxy == format!("{}.{}", pod.name, pod.namespace));
        let (name, namespace) = proxy.split_once('.').unwrap_or((proxy, ""));
        let object = format!("pod {namespace}/{name}");
        reported(evidence, version, &format!("the proxy of {name}"), &object, || match pod {
            Some(pod) => renew(evidence, pod),
            None => format!(
                "`{}` shows all versions; restart what is behind",
                evidence.istioctl(&["proxy-status"])
            ),
        })?;
    }
    if let Some(unseen) = unseen_pods {
        return Err(unseen);
    }
    let running: Vec<_> = pods.iter().filter(|pod| pod.is_running()).collect();
    for pod in &running {
        let version = known.get(format!("{}.{}", pod.name, pod.namespace).as_str());
        if version.is_none_or(|version| version.is_empty()) {
            let reason = missing.unwrap_or_else(|| "istiod does not know it".to_owned());
            return Err(Judgement::unjudged(format!(
                "the proxy of {} did not report its version: {reason}",
                pod.name
            )));
        }
    }
    let proxies = match running.len() {
        1 => "1 proxy".to_owned(),
        number => format!("{number} proxies"),
    };
    Ok(Judgement::pass(proxies))
}

fn istioctl(evidence: &Evidence) -> Judged {
    match &evidence.install.istioctl_version {
        Observation::Seen { value } => {
            reported(evidence, value, "istioctl", "istioctl", || {
                let wanted = said(&evidence.expectations.istio_version);
                format!(
                    "`istioctl version --remote=false` shows it; put istioctl {wanted} first in PATH"
                )
            })?;
            Ok(Judgement::pass("istioctl"))
        }
        Observation::Failed { reason } => {
            Err(Judgement::unjudged(format!("could not ask istioctl for its version: {reason}")))
        }
        // It was not used: a mesh can be installed in other ways.
        Observation::Absent { .. } | Observation::NotAsked { .. } => {
            Ok(Judgement::pass(String::new()))
        }
    }
}

/// The istiod pods that run. Where none does, no version of Istio runs.
fn istiods(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let namespace = &evidence.expectations.istio_namespace;
    let show = evidence.kubectl(&["-n", namespace, "get", "deployments,pods"]);
    let object = format!("istiod in namespace {namespace}");
    let hint = || istiod_hint(evidence, &show);
    let what = format!("the pods of namespace {namespace}");
    let pods = require(&evidence.install.pods, &what, &object, hint)?;
    let all: Vec<_> = pods.iter().filter(|pod| is_istiod(&pod.labels)).collect();
    let running: Vec<_> = all.iter().copied().filter(|pod| pod.is_running()).collect();
    if running.is_empty() {
        let wanted = &evidence.expectations.istio_version;
        let observed = all.first().map_or_else(
            || "no istiod pod".to_owned(),
            |pod| format!("{} is {}", pod.name, format_pod_state(pod)),
        );
        return Err(Judgement::fail(
            "no istiod runs, so no version of Istio does: see install::control_plane_running",
        )
        .expected(format!("istiod {wanted}"))
        .observed(observed)
        .object(object)
        .legacy_hint(hint()));
    }
    Ok(running)
}

/// The pods with a proxy, sidecars and gateways, and why some could not be seen.
fn proxy_pods(evidence: &Evidence) -> (Vec<&Pod>, Option<Judgement>) {
    let has_proxy = |pod: &&Pod| {
        let over = pod.phase == "Succeeded" || pod.phase == "Failed";
        let mut containers = pod.all_containers();
        !pod.terminating && !over && containers.any(|container| container.name == "istio-proxy")
    };
    let mut unseen = None;
    let mut pods = Vec::new();
    for (namespace, observation) in [
        (&evidence.expectations.istio_namespace, &evidence.install.pods),
        (&evidence.expectations.namespace, &evidence.demo.pods),
    ] {
        match observation {
            Observation::Seen { value } => pods.extend(value.iter().filter(has_proxy)),
            Observation::Failed { reason } => {
                unseen = Some(Judgement::unjudged(format!(
                    "could not look at the pods of namespace {namespace}: {reason}"
                )));
            }
            Observation::NotAsked { reason } => {
                let skipped = Judgement::skipped(format!(
                    "the pods of namespace {namespace}: not asked for: {reason}"
                ));
                unseen = unseen.or(Some(skipped));
            }
            // Where there is no pod there is no proxy of another version.
            Observation::Absent { .. } => {}
        }
    }
    (pods, unseen)
}

fn unseen(version: Option<&Observation<String>>) -> Option<&str> {
    match version {
        None => Some("it was not asked"),
        Some(observation) => observation.reason(),
    }
}

/// Fails where an image is of another version. An image without a telling tag says nothing: what
/// the program reports of itself then decides.
fn image(
    evidence: &Evidence,
    pod: &Pod,
    container: &Container,
    hint: impl FnOnce() -> String,
) -> Result<(), Judgement> {
    let wanted = plain(&evidence.expectations.istio_version);
    let Some(tag) = version_tag(&container.image) else { return Ok(()) };
    if tag == wanted || wanted.starts_with(&format!("{tag}.")) {
        return Ok(());
    }
    Err(Judgement::fail(format!(
        "container {} of pod {} is of Istio {tag}, not {wanted}",
        container.name, pod.name
    ))
    .expected(format!("an image of Istio {wanted}"))
    .observed(&container.image)
    .object(Object::pod(pod))
    .legacy_hint(hint()))
}

fn reported(
    evidence: &Evidence,
    version: &str,
    who: &str,
    object: &str,
    hint: impl FnOnce() -> String,
) -> Result<(), Judgement> {
    let Expectations { istio_version, istio_version_source, .. } = &evidence.expectations;
    if plain(version) == plain(istio_version) {
        return Ok(());
    }
    Err(Judgement::fail(format!("{who} reports Istio {version}, not {istio_version}"))
        .expected(format!("{istio_version}, asked for by {istio_version_source}"))
        .observed(version)
        .object(object)
        .legacy_hint(hint()))
}

/// The version that an image's tag tells: `1.20.3` of `docker.io/istio/pilot:1.20.3-distroless`.
fn version_tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    let (_, tag) = name.split_once(':')?;
    let tag = plain(tag);
    tag.starts_with(|c: char| c.is_ascii_digit()).then_some(tag)
}

/// A version without what does not make it another: a leading `v`, and how its image was built.
fn plain(version: &str) -> &str {
    let version = version.trim();
    let version = version.strip_prefix('v').unwrap_or(version);
    ["-distroless", "-debug"]
        .into_iter()
        .find_map(|suffix| version.strip_suffix(suffix))
        .unwrap_or(version)
}

fn upgrade(evidence: &Evidence) -> String {
    let versions = evidence.istioctl(&["version"]);
    let install = evidence.install_default();
    let wanted = said(&evidence.expectations.istio_version);
    let brings = format!("`{install}` with istioctl {wanted} brings the mesh to it");
    match whole(evidence) {
        Some(version) => {
            let check = judged_as(evidence, version);
            let version = said(version);
            format!("all of it is of Istio {version}: `{check}` judges it as that; or {brings}")
        }
        None => format!("`{versions}` shows all versions; {brings}"),
    }
}

/// The other version that all of the mesh is of, in its images and by its own words, where it is one.
fn whole(evidence: &Evidence) -> Option<&str> {
    let istiods = evidence.install.istiod.value()?;
    let version = istiods.values().next()?.version.value()?;
    let mut other = evidence.clone();
    other.expectations.istio_version.clone_from(version);
    // istioctl runs on this machine, and is no part of the mesh.
    let wanted = plain(&evidence.expectations.istio_version);
    let parts = [istiod_images, istiod_reports, proxy_images, proxy_reports];
    let all = plain(version) != wanted && parts.iter().all(|part| part(&other).is_ok());
    all.then_some(version)
}

/// The command that judges the mesh as one of this version, as it was judged as one of another.
fn judged_as(evidence: &Evidence, version: &str) -> String {
    let subject = &evidence.subject;
    match (subject.provider, subject.active) {
        // One of ours is known by its context; by its kubeconfig it would be somebody's.
        (Provider::Kind, _) => {
            format!(
                "meshcheck check --context {} --istio {}",
                quote(&subject.context),
                quote(version)
            )
        }
        (_, true) => evidence.meshcheck("check", &["--active", "--istio", version]),
        (_, false) => evidence.meshcheck("check", &["--istio", version]),
    }
}

/// How a pod gets the proxy that goes with istiod.
fn renew(evidence: &Evidence, pod: &Pod) -> String {
    let namespace = pod.namespace.as_str();
    let workload = owner_workload(pod);
    let deployment = workload.as_deref().and_then(|name| name.strip_prefix("deployment/"));
    if let Some(deployment) = deployment.filter(|_| pod.annotations.contains_key(PROXY_IMAGE)) {
        let annotation =
            format!("/spec/template/metadata/annotations/{}", PROXY_IMAGE.replace('/', "~1"));
        let patch = serde_json::json!([{"op": "remove", "path": annotation}]).to_string();
        let patch =
            ["-n", namespace, "patch", "deployment", deployment, "--type=json", "-p", &patch];
        let command = evidence.kubectl(&patch);
        return format!("`{command}` removes the annotation {PROXY_IMAGE}, which names this image");
    }
    let command = match &workload {
        Some(workload) => evidence.kubectl(&["-n", namespace, "rollout", "restart", workload]),
        None => evidence.kubectl(&["-n", namespace, "get", "pod", &pod.name, "-o", "yaml"]),
    };
    format!("`{command}`: a pod keeps the proxy that it was made with until it is made anew")
}
