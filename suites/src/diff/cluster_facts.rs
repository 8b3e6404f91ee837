//! What a reader sees of the cluster, the control plane and Kiali.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::Facts;
use super::names::workload;
use crate::evidence::{Deployment, Evidence, HttpAnswer, Observation, Pod, Service, Webhook};
use crate::facts::gateway::find_gateway_service;
use crate::facts::image::{same_version, split_image};
use crate::facts::kiali::find_kiali;
use crate::facts::webhooks::{is_deactivated, is_injector};
use serde_json::Value;

/// Returns the value; nothing where it was not observed. An object that does not exist has no facts.
pub(super) fn read<T: Default + Clone>(observation: &Observation<T>) -> Option<T> {
    match observation {
        Observation::Seen { value } => Some(value.clone()),
        Observation::Absent { .. } => Some(T::default()),
        Observation::Failed { .. } | Observation::NotAsked { .. } => None,
    }
}

/// Joins different values in one order.
pub(super) fn joined(values: impl IntoIterator<Item = String>) -> String {
    values.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" and ")
}

pub(super) fn istio_versions(evidence: &Evidence) -> Option<Facts> {
    let istiods = evidence.install.istiod.value()?;
    let mut facts = Facts::new();
    let versions: Vec<_> = istiods.values().filter_map(|it| it.version.value()).cloned().collect();
    if !versions.is_empty() {
        facts.insert("istiod".into(), joined(versions));
    }
    let proxies = istiods.values().filter_map(|it| it.proxies.value()).flatten();
    let proxies: Vec<_> = proxies.map(|it| it.istio_version.clone()).collect();
    if !proxies.is_empty() {
        facts.insert("the proxies".into(), joined(proxies));
    }
    if let Some(version) = evidence.install.istioctl_version.value() {
        facts.insert("istioctl".into(), version.clone());
    }
    Some(facts)
}

pub(super) fn kubernetes_version(evidence: &Evidence) -> Option<Facts> {
    let version = evidence.cluster.server_version.value()?;
    Some([("the API server".to_owned(), version.clone())].into())
}

pub(super) fn nodes(evidence: &Evidence) -> Option<Facts> {
    let nodes = evidence.cluster.nodes.value()?;
    let is_ready = |condition: &crate::evidence::Condition| {
        condition.kind == "Ready" && condition.status == "True"
    };
    let ready = nodes.iter().filter(|node| node.conditions.iter().any(is_ready)).count();
    let mut value = format!("{ready} of {} Ready", nodes.len());
    if nodes.iter().any(|node| node.unschedulable) {
        value.push_str(", one is cordoned");
    }
    Some([("the cluster".to_owned(), value)].into())
}

pub(super) fn other_load_balancers(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.cluster.load_balancer_services)?;
    let expectations = &evidence.expectations;
    let own = [&expectations.istio_namespace, &expectations.namespace];
    let gateway = expectations.gateway_namespace();
    let others = all.iter().filter(|it| !own.contains(&&it.namespace) && it.namespace != gateway);
    Some(others.map(|it| (named(it), format_service(it))).collect())
}

pub(super) fn crds(evidence: &Evidence) -> Option<Facts> {
    let state = |is: bool| if is { "established" } else { "not established" };
    let crds = read(&evidence.install.crds)?;
    Some(crds.into_iter().map(|crd| (crd.name, state(crd.established).to_owned())).collect())
}

pub(super) fn deployments(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.install.deployments)?;
    Some(all.iter().map(deployment).collect())
}

/// Returns the fact about one deployment.
pub(super) fn deployment(it: &Deployment) -> (String, String) {
    let object = format!("{}/{}", it.namespace, it.name);
    (object, format!("{} of {} replicas available", it.available_replicas, it.replicas))
}

/// The pods of the mesh that no deployment owns, such as those of istio-cni and ztunnel.
pub(super) fn mesh_workloads(evidence: &Evidence) -> Option<Facts> {
    let mut pods = read(&evidence.install.pods)?;
    // An older file has only those of the control plane's namespace.
    pods.extend(read(&evidence.install.mesh_pods).unwrap_or_default());
    let own = |pod: &&Pod| pod.owner.as_deref().is_some_and(|it| it.starts_with("DaemonSet/"));
    let containers = |pod: &Pod| joined(pod.containers.iter().map(|it| it.name.clone()));
    let facts = pods.iter().filter(own);
    Some(
        facts
            .map(|pod| (format!("{}/{}", pod.namespace, workload(pod)), containers(pod)))
            .collect(),
    )
}

pub(super) fn gateway_service(evidence: &Evidence) -> Option<Facts> {
    read(&evidence.install.services)?;
    let with_address = |it: &Service| {
        let has = it.external_addresses().next().is_some();
        let address = if has { "with" } else { "without" };
        (named(it), format!("{}{PART}{address} an external address", format_service(it)))
    };
    Some(find_gateway_service(evidence).map(with_address).into_iter().collect())
}

pub(super) fn services(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.install.services)?;
    let gateway = find_gateway_service(evidence);
    let others = all.iter().filter(|it| Some(*it) != gateway);
    Some(others.map(|it| (named(it), format_service(it))).collect())
}

fn named(service: &Service) -> String {
    format!("{}/{}", service.namespace, service.name)
}

/// What stands between the parts of a value. Of two values, a difference shows the parts that differ.
pub(super) const PART: &str = "; ";

/// Formats type, ports and selector. The names of ports decide their protocol.
pub(super) fn format_service(service: &Service) -> String {
    let port = |it: &crate::evidence::ServicePort| {
        let name = if it.name.is_empty() { String::new() } else { format!(" {}", it.name) };
        format!("port {}{name} to {}", it.port, it.target_port)
    };
    let mut parts = vec![service.kind.clone()];
    parts.extend(service.ports.iter().map(port));
    let selector: Vec<_> =
        service.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selects = if selector.is_empty() { "nothing".to_owned() } else { selector.join(",") };
    parts.push(format!("selects {selects}"));
    parts.join(PART)
}

pub(super) fn webhooks(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.install.webhooks)?;
    let mut configurations: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for webhook in all.iter().filter(|it| is_injector(it)) {
        let values = configurations.entry(webhook.configuration.clone()).or_default();
        values.insert(format_webhook(webhook));
    }
    Some(configurations.into_iter().map(|(name, values)| (name, joined(values))).collect())
}

fn format_webhook(webhook: &Webhook) -> String {
    if is_deactivated(webhook) {
        return "deactivated".to_owned();
    }
    let service = webhook.service.as_ref().map_or_else(
        || webhook.url.clone().unwrap_or_default(),
        |it| format!("{}/{}", it.namespace, it.name),
    );
    let mut parts = vec![format!("calls {service}"), format!("policy {}", webhook.failure_policy)];
    if webhook.ca_bundle.bytes == 0 {
        parts.push("no CA bundle".to_owned());
    }
    parts.join(PART)
}

pub(super) fn kiali_image(evidence: &Evidence) -> Option<Facts> {
    read(&evidence.install.deployments)?;
    let container = find_kiali(evidence).and_then(|it| it.containers.first());
    let fact = |it: &crate::evidence::Container| ("Kiali".to_owned(), it.image.clone());
    Some(container.map(fact).into_iter().collect())
}

/// Compares the version in Kiali's API with the tag of its image: the image is a fact of its own.
pub(super) fn kiali_version(evidence: &Evidence) -> Option<Facts> {
    let version = api_version(evidence.kiali.api.value()?)?;
    let image = &find_kiali(evidence)?.containers.first()?.image;
    let value = if same_version(&version, split_image(image).1) {
        "that of its image's tag".to_owned()
    } else {
        format!("{version}, not that of its image's tag")
    };
    Some([("Kiali in its API".to_owned(), value)].into())
}

/// Returns the version that Kiali's API reports.
fn api_version(answer: &HttpAnswer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    Some(body.get("status")?.get("Kiali version")?.as_str()?.to_owned())
}

pub(super) fn kiali_replies(evidence: &Evidence) -> Option<Facts> {
    let kiali = &evidence.kiali;
    let all = [
        ("Kiali's answer to GET /", &kiali.root),
        ("answer on Kiali's exposed port", &kiali.exposed),
        ("Kiali's answer to GET its console", &kiali.console),
    ];
    let facts = all.into_iter().filter_map(|(object, answer)| {
        let answer = answer.value()?;
        let to = answer.headers.get("location").map(|to| format!(" to {}", path(to)));
        Some((object.to_owned(), format!("{}{}", answer.status, to.unwrap_or_default())))
    });
    Some(facts.collect())
}

/// Returns the path of an address: host and port differ between two runs.
fn path(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}
