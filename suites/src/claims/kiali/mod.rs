//! Judges of the section *kiali*: the console.

pub(crate) mod console_served;
pub(crate) mod reachable_on_exposed_port;
pub(crate) mod redirects_to_web_root;
pub(crate) mod running;

use crate::combine::{all_hold};
use crate::format::rollout::{format_availability, format_headline, format_rollout_trouble};
use crate::facts::workload::{find_unready_pod};
use crate::format::{format_pod_state, list};
use crate::steps;
use crate::judgement::{require};
use crate::claims::Claim;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &running::CLAIM,
    &redirects_to_web_root::CLAIM,
    &reachable_on_exposed_port::CLAIM,
    &console_served::CLAIM,
];

mod pages;
#[cfg(test)]
pub(super) mod tests;

pub(super) use pages::{console_served, reachable_on_exposed_port, redirects_to_web_root};

use crate::evidence::{Deployment, Evidence, Expectations};
use crate::judgement::{Judged, Judgement};
use crate::profile;

/// The name of Kiali's deployment and service.
const NAME: &str = "kiali";

fn object(evidence: &Evidence, kind: &str) -> String {
    format!("{kind} {}/{NAME}", evidence.expectations.istio_namespace)
}

fn install() -> &'static str {
    "samples/addons/kiali.yaml"
}

/// What installs Kiali.
fn apply(evidence: &Evidence) -> String {
    let command = evidence.kubectl(&["apply", "-f", install()]);
    format!("`{command}`, in the directory of the release, installs it")
}

/// Kiali's deployment, where it was seen.
pub(super) fn kiali(evidence: &Evidence) -> Option<&Deployment> {
    evidence.install.deployments.value()?.iter().find(|deployment| deployment.name == NAME)
}

/// What mends Kiali, or shows how its pods are.
fn show(evidence: &Evidence) -> String {
    let namespace = &evidence.expectations.istio_namespace;
    if kiali(evidence).is_some_and(|kiali| kiali.replicas == 0) {
        let name = format!("deployment/{NAME}");
        let command = evidence.kubectl(&["-n", namespace, "scale", &name, "--replicas=1"]);
        return format!("`{command}` starts it again");
    }
    let command = evidence.kubectl(&["-n", namespace, "get", "pods", "-l", "app=kiali"]);
    format!("`{command}` shows its pods")
}

pub(super) fn running(evidence: &Evidence) -> Judged {
    let words = all_hold([deployment(evidence), service(evidence)])?;
    Ok(Judgement::pass(words.join(", ")))
}

fn deployment(evidence: &Evidence) -> Judged {
    let object = object(evidence, "deployment");
    let Expectations { istio_namespace, istio_version, kiali_image, .. } = &evidence.expectations;
    let what = format!("the deployments of namespace {istio_namespace}");
    let all = require(&evidence.install.deployments, &what, &object, || apply(evidence))?;
    let expected = "available, with the image of the release's manifest";
    let Some(kiali) = all.iter().find(|deployment| deployment.name == NAME) else {
        let names: Vec<_> = all.iter().map(|deployment| deployment.name.as_str()).collect();
        return Err(Judgement::fail("Kiali is not installed")
            .expected(expected)
            .observed(list(&names))
            .object(object)
            .legacy_hint(apply(evidence)));
    };
    if let Some(trouble) = format_rollout_trouble(kiali) {
        let pods = evidence.install.pods.value().map(Vec::as_slice).unwrap_or_default();
        let ill = find_unready_pod(kiali, pods);
        let mut observed = format_availability(kiali);
        if let Some(pod) = ill {
            observed = format!("{observed}; {} is {}", pod.name, format_pod_state(pod));
        }
        let trouble = format_headline(&trouble, ill);
        return Err(Judgement::fail(format!("Kiali is not available: {trouble}"))
            .expected(expected)
            .observed(observed)
            .object(object)
            .legacy_hint(ill.map_or_else(|| show(evidence), |pod| steps::joined(steps::pods::diagnose(evidence, pod)))));
    }
    let image = kiali
        .containers
        .iter()
        .find(|container| container.name == NAME)
        .or(kiali.containers.first())
        .map(|container| container.image.as_str())
        .unwrap_or_default();
    let known = profile::of(istio_version).and_then(|profile| profile.kiali_image);
    let Some(wanted) = kiali_image.as_deref().or(known) else {
        return Err(Judgement::unjudged(format!(
            "Kiali is available, but which image the addon of Istio {istio_version} has is not known here"
        )));
    };
    if is_pinned(image) && image_name(image) == image_name(wanted) {
        return Err(Judgement::unjudged(format!(
            "Kiali is available, and its image {image} has a digest in the place of a version"
        )));
    }
    if !same_image(image, wanted) {
        return Err(Judgement::fail(format!(
            "Kiali's image is {image}, not that of the release's manifest"
        ))
        .expected(wanted)
        .observed(image)
        .object(object)
        .legacy_hint(apply(evidence)));
    }
    Ok(Judgement::pass(format!("{}, {image}", format_availability(kiali))))
}

fn service(evidence: &Evidence) -> Judged {
    let object = object(evidence, "service");
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the services of namespace {namespace}");
    let all = require(&evidence.install.services, &what, &object, || apply(evidence))?;
    let wanted = evidence.expectations.kiali.port;
    let expected = format!("a service with port {wanted}");
    let found = all.iter().find(|service| service.name == NAME);
    let ports: Vec<_> =
        found.iter().flat_map(|it| &it.ports).map(|port| port.port.to_string()).collect();
    if found.is_some_and(|service| service.ports.iter().any(|port| port.port == wanted)) {
        return behind(evidence, &object);
    }
    let summary = if found.is_some() {
        format!("Kiali's service has no port {wanted}")
    } else {
        "Kiali has no service".to_owned()
    };
    Err(Judgement::fail(summary)
        .expected(expected)
        .observed(if found.is_some() {
            format!("ports {}", list(&ports))
        } else {
            "no service".into()
        })
        .object(object)
        .legacy_hint(apply(evidence)))
}

/// Whether Kiali is behind its service: one that selects nothing leads nowhere.
fn behind(evidence: &Evidence, object: &str) -> Judged {
    let namespace = &evidence.expectations.istio_namespace;
    let command = evidence.kubectl(&["-n", namespace, "get", "endpoints,pods", "-o", "wide"]);
    let shows = || format!("`{command}` shows who is behind it");
    let what = format!("the endpoints of service {NAME}");
    let endpoints = require(&evidence.install.endpoints, &what, object, shows)?;
    let mut of_kiali = endpoints.iter().filter(|endpoint| endpoint.service == NAME);
    if of_kiali.any(|one| one.ready && !one.addresses.is_empty()) {
        return Ok(Judgement::pass(format!("port {}", evidence.expectations.kiali.port)));
    }
    Err(Judgement::fail("nobody is behind Kiali's service: it has no ready endpoint")
        .expected("a ready pod of Kiali")
        .observed("no ready endpoint")
        .object(object)
        .legacy_hint(shows()))
}

/// Whether two references name the same image: the last two words of the repository (a mirror has a host
/// of its own), and the tag as far as both say it: `v1.76` is any `v1.76.x`.
fn same_image(one: &str, other: &str) -> bool {
    let parts = |image: &str| {
        let (repository, tag) = split_image(image);
        let name: Vec<_> = repository.rsplit('/').take(2).map(str::to_owned).collect();
        (name, tag.trim_start_matches('v').to_owned())
    };
    let ((one_name, one_tag), (other_name, other_tag)) = (parts(one), parts(other));
    one_name == other_name && !one_tag.is_empty() && same_version(&one_tag, &other_tag)
}

/// Whether an image is named by its digest alone.
fn is_pinned(image: &str) -> bool {
    image.contains('@') && split_image(image).1.is_empty()
}

/// The last word of an image's repository: `kiali` of `quay.io/kiali/kiali:v1.76`.
pub(super) fn image_name(image: &str) -> &str {
    let repository = split_image(image).0;
    repository.rsplit('/').next().unwrap_or(repository)
}

/// Repository and tag of an image, without its digest.
fn split_image(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, ""),
    }
}

/// Whether two versions agree as far as both go, and both go as far as the minor version.
fn same_version(one: &str, other: &str) -> bool {
    let words = |version: &str| {
        version.trim_start_matches('v').split('.').map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, other) = (words(one), words(other));
    one.len() >= 2 && other.len() >= 2 && one.iter().zip(&other).all(|(one, other)| one == other)
}
