//! How Istio was installed, where it was not by `istioctl install` of the default profile into the expected namespace.

use std::fmt;

use super::Labels;
use super::gateway::{find_gateway_service, is_gateway_pod, is_ingress_gateway};
use super::image::{is_vendor_build, split_image};
use super::istiod::{find_istiod, is_istiod};
use super::kiali::{find_kiali, is_kiali_pod};
use super::webhooks::injects;
use crate::evidence::{Evidence, Observation, Pod, Service, Webhook};
use crate::hint::escape_backquotes;

/// Helm's mark on each object of a release.
const RELEASE: &str = "meta.helm.sh/release-name";
/// The namespace of that release.
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// The marks of programs that install and manage Istio, and their names.
const MANAGERS: [(&str, &str); 5] = [
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("maistra.io/owner", "OpenShift Service Mesh"),
];
/// Registries from which Istio's own images come.
const REGISTRIES: [&str; 5] = [
    "docker.io/istio",
    "istio",
    "gcr.io/istio-release",
    "gcr.io/istio-testing",
    "registry.istio.io",
];

/// Where istiod is, where it is not in the control plane's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere<'e> {
    /// In this namespace.
    Namespace(&'e str),
    /// Outside of the cluster: the webhooks call this URL.
    Url(&'e str),
}

/// A gateway in another namespace than the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherGateway<'e> {
    pub(crate) namespace: &'e str,
    pub(crate) name: &'e str,
    pub(crate) labels: &'e Labels,
}

/// An installation that `istioctl install` of the default profile would change or duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Installation<'e> {
    /// Helm installed istiod, in this release.
    Helm { release: &'e str, namespace: &'e str },
    /// Another way, as a clause: `Argo CD manages it`.
    Other(String),
}

/// Where istiod is, where the webhooks and the namespaces show that it is not in the control plane's namespace.
pub(crate) fn control_plane_elsewhere(evidence: &Evidence) -> Option<Elsewhere<'_>> {
    let Evidence { install, expectations, .. } = evidence;
    let expected = expectations.istio_namespace.as_str();
    let is_here = |pod: &Pod| is_istiod(&pod.labels);
    if find_istiod(evidence).is_some() || install.pods.value().into_iter().flatten().any(is_here) {
        return None;
    }
    let injectors = || install.webhooks.value().into_iter().flatten().filter(|it| injects(it));
    let called = |it: &Webhook| it.service.as_ref().is_some_and(|one| one.namespace == expected);
    if injectors().any(called) {
        return None;
    }
    let namespaces = install.namespaces.value()?;
    let exists = |namespace: &&str| *namespace != expected && namespaces.contains_key(*namespace);
    let mut of_service = injectors().filter_map(|it| Some(it.service.as_ref()?.namespace.as_str()));
    let namespace = match install.mesh_pods.value() {
        Some(pods) => {
            let mut istiods = pods.iter().filter(|it| is_istiod(&it.labels));
            istiods.next().map(|it| it.namespace.as_str()).filter(exists)
        }
        None => of_service.find(exists),
    };
    let url = || injectors().find_map(|it| it.url.as_deref()).map(Elsewhere::Url);
    namespace.map(Elsewhere::Namespace).or_else(url)
}

/// The gateway in another namespace, where none is in the expected one: by its service with the port for
/// health.
pub(crate) fn gateway_elsewhere(evidence: &Evidence) -> Option<OtherGateway<'_>> {
    let Evidence { install, cluster, expectations, .. } = evidence;
    let mut deployments = install.deployments.value().into_iter().flatten();
    let mut pods = install.pods.value().into_iter().flatten();
    let is_here = find_gateway_service(evidence).is_some()
        || deployments.any(|it| is_ingress_gateway(it, evidence))
        || pods.any(|pod| is_gateway_pod(pod, evidence));
    if is_here {
        return None;
    }
    let is_elsewhere = |namespace: &str| namespace != expectations.gateway_namespace();
    let leads_to_gateway = |it: &&Service| {
        is_elsewhere(&it.namespace)
            && it.selector.contains_key("istio")
            && it.ports.iter().any(|port| port.port == 15021)
    };
    let services = cluster.load_balancer_services.value()?;
    let Service { namespace, name, selector, .. } = services.iter().find(leads_to_gateway)?;
    Some(OtherGateway { namespace, name, labels: selector })
}

/// The namespace of Kiali, where it is not in the control plane's.
pub(crate) fn kiali_elsewhere(evidence: &Evidence) -> Option<&str> {
    let expected = &evidence.expectations.istio_namespace;
    if find_kiali(evidence).is_some() {
        return None;
    }
    let pods = evidence.install.mesh_pods.value()?;
    let kiali = pods.iter().find(|it| is_kiali_pod(it))?;
    (kiali.namespace != *expected).then_some(&kiali.namespace)
}

/// The `DaemonSet` of the ingress gateway in its namespace.
pub(crate) fn gateway_daemon_set(evidence: &Evidence) -> Option<&str> {
    let pods = evidence.install.pods.value().into_iter().flatten();
    let mut owners = pods.filter(|it| is_gateway_pod(it, evidence)).flat_map(|it| &it.owner);
    owners.find_map(|owner| owner.strip_prefix("DaemonSet/"))
}

/// Whether a pod is a node's proxy of ambient mode: istiod sends it workloads, and neither clusters nor listeners.
pub(crate) fn is_ztunnel(pod: &Pod) -> bool {
    pod.labels.get("app").is_some_and(|app| app == "ztunnel")
        || pod.containers.iter().any(|it| it.args.iter().take(2).eq(["proxy", "ztunnel"]))
}

/// How Istio was installed, where something shows that it was not by `istioctl install` of the default profile.
pub(crate) fn find_other(evidence: &Evidence) -> Option<Installation<'_>> {
    let Evidence { install, .. } = evidence;
    let other = |text: String| Some(Installation::Other(escape_backquotes(&text)));
    if let Some(place) = control_plane_elsewhere(evidence) {
        return other(place.to_string());
    }
    let deployments = || install.deployments.value().into_iter().flatten();
    let istiods = || deployments().filter(|it| is_istiod(&it.template_labels));
    let webhooks = install.webhooks.value().into_iter().flatten().filter(|it| injects(it));
    let mut marks = istiods().map(|it| &it.marks).chain(webhooks.map(|it| &it.marks));
    if let Some(installer) = marks.find_map(installer) {
        return Some(installer);
    }
    if let Some(gateway) = gateway_elsewhere(evidence) {
        return other(gateway.to_string());
    }
    if let Some(name) = gateway_daemon_set(evidence) {
        return other(format!("its gateway {name} is a DaemonSet"));
    }
    let pods = [&install.pods, &install.mesh_pods].into_iter().filter_map(|it| it.value());
    if pods.flatten().any(is_ztunnel) {
        return other("it includes ambient mode".into());
    }
    let mut revisions = istiods().filter_map(|it| it.template_labels.get("istio.io/rev"));
    if let Some(revision) = revisions.find(|it| *it != "default") {
        return other(format!("it has the revision {revision}"));
    }
    let of_istio = |name: &str| name == "discovery" || name == "istio-proxy";
    let mut images = deployments().flat_map(|it| &it.containers).filter(|it| of_istio(&it.name));
    images.find_map(|it| {
        let (repository, tag) = split_image(&it.image);
        let (registry, _) = repository.rsplit_once('/')?;
        if is_vendor_build(tag) {
            return other(format!("it is a vendor's build, {}", it.image));
        }
        (!REGISTRIES.contains(&registry))
            .then(|| other(format!("its images come from {registry}")))?
    })
}

/// Whether something shows that Istio was not installed by `istioctl install` of the default profile.
pub fn is_installed_otherwise(evidence: &Evidence) -> bool {
    find_other(evidence).is_some()
}

/// Returns the program that installed an object, by its marks, where that was not `istioctl` with the default profile.
fn installer(marks: &Labels) -> Option<Installation<'_>> {
    let mark = |key: &str| marks.get(key).map(String::as_str);
    let other = |text: String| Some(Installation::Other(escape_backquotes(&text)));
    if let Some((_, manager)) = MANAGERS.iter().find(|(key, _)| marks.contains_key(*key)) {
        return other(format!("{manager} manages it"));
    }
    let manager = mark("app.kubernetes.io/managed-by").unwrap_or("Helm");
    if !["Helm", "Tiller"].contains(&manager) {
        return other(format!("{manager} manages it"));
    }
    // Istio's charts set the label of Helm also where `istioctl` installs them. Only Helm itself names its release.
    if let Some(release) = mark(RELEASE) {
        let namespace = mark(RELEASE_NAMESPACE).unwrap_or_default();
        if namespace.starts_with("aks-istio") || release.starts_with("azure-service-mesh") {
            return other("the Istio add-on of AKS manages it".into());
        }
        return Some(Installation::Helm { release, namespace });
    }
    let owner = mark("install.operator.istio.io/owning-resource")?;
    let by_default = owner == "unknown" || owner.starts_with("installed-state");
    if by_default { None } else { other(format!("the IstioOperator {owner} manages it")) }
}

/// Returns the evidence with failed observations where the check read another namespace than Istio's: an absence there
/// proves nothing. Returns none where all namespaces are correct.
pub(crate) fn fail_misplaced_observations(evidence: &Evidence) -> Option<Evidence> {
    let control_plane = control_plane_elsewhere(evidence).map(|it| it.to_string());
    let gateway = control_plane.clone().or(gateway_elsewhere(evidence).map(|it| it.to_string()));
    let kiali = control_plane.clone();
    let kiali = kiali.or(kiali_elsewhere(evidence).map(|it| format!("Kiali is in namespace {it}")));
    if gateway.is_none() && kiali.is_none() {
        return None;
    }
    let mut other = evidence.clone();
    let Evidence { install, ingress, kiali: pages, .. } = &mut other;
    if let Some(why) = &control_plane {
        install.pods = Observation::failed(why);
        install.deployments = Observation::failed(why);
        install.services = Observation::failed(why);
        install.endpoints = Observation::failed(why);
        install.istiod = Observation::failed(why);
    }
    if let Some(why) = &gateway {
        ingress.health = Observation::failed(why);
        ingress.route = Observation::failed(why);
    }
    if let Some(why) = &kiali {
        for page in [&mut pages.root, &mut pages.exposed, &mut pages.console, &mut pages.api] {
            *page = Observation::failed(why);
        }
    }
    Some(other)
}

impl fmt::Display for Elsewhere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(namespace) => write!(f, "Istio is in namespace {namespace}"),
            Self::Url(url) => write!(f, "istiod is at {url}"),
        }
    }
}

impl fmt::Display for OtherGateway<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the gateway {} is in namespace {}", self.name, self.namespace)
    }
}
