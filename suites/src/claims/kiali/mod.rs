//! The section *kiali*: Kiali's deployment, service and console.

mod answers;
pub(crate) mod console_served;
pub(crate) mod reachable_on_exposed_port;
pub(crate) mod redirects_to_web_root;
pub(crate) mod running;

use answers::asked_port;

use crate::claims::Claim;
use crate::entry::Effect;
use crate::evidence::{Endpoint, Evidence, HttpAnswer, Observation, Pod, Service, ServicePort};
use crate::facts::image::image_name;
use crate::facts::installation::kiali_elsewhere;
use crate::facts::kiali::{NAME, find_kiali, is_kiali_pod};
use crate::judgement::{Judgement, Look as _, Verdict};
use crate::object::Object;
use crate::steps::kiali::set_target_port;
use crate::steps::{Step, pods, services, workloads};

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &running::CLAIM,
    &redirects_to_web_root::CLAIM,
    &reachable_on_exposed_port::CLAIM,
    &console_served::CLAIM,
];

/// Returns Kiali's object of a kind.
fn kiali_object(evidence: &Evidence, kind: &'static str) -> Object {
    Object::new(kind, &evidence.expectations.istio_namespace, NAME)
}

/// Returns the step that scales Kiali up where it has 0 replicas; else the step that lists its pods.
fn show_or_scale_up(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    if find_kiali(evidence).is_some_and(|kiali| kiali.replicas == 0) {
        return workloads::scale_up(evidence, namespace, NAME, "Scale Kiali to 1 replica");
    }
    pods::list(evidence, namespace, &["-l", "app=kiali"], "List the pods of Kiali")
}

/// Whether these pages fail because of Kiali's deployment or service. `is_foreign`: whether the pages show that another
/// program answers.
fn running_explains(
    effect: &Effect<'_, Evidence>,
    pages: &[&Observation<HttpAnswer>],
    is_foreign: bool,
) -> bool {
    is_elsewhere(effect)
        || no_pod_is_ready(effect, pages)
        || is_foreign && runs_another_program(effect.evidence)
        || service_misses_kiali(effect)
}

/// Whether no page got an answer, because no pod of Kiali is ready. Another program may answer at a page's URL.
fn no_pod_is_ready(effect: &Effect<'_, Evidence>, pages: &[&Observation<HttpAnswer>]) -> bool {
    let install = &effect.evidence.install;
    let Some(pods) = install.pods.value() else {
        // The namespace does not exist.
        return install.pods.is_absent();
    };
    effect.judgement.verdict == Verdict::Fail
        && pages.iter().all(|page| page.value().is_none())
        && !pods.iter().any(|pod| is_kiali_pod(pod) && pod.is_running_and_ready())
}

/// Whether no request was sent because Kiali is in another namespace.
fn is_elsewhere(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Unjudged && kiali_elsewhere(effect.evidence).is_some()
}

/// Whether the deployment has no image of Kiali, and answers.
fn runs_another_program(evidence: &Evidence) -> bool {
    let containers = find_kiali(evidence).map(|kiali| kiali.containers.as_slice());
    let containers = containers.unwrap_or_default();
    let is_kiali = |image: &str| image_name(image).contains("kiali");
    !containers.is_empty()
        && !containers.iter().any(|container| is_kiali(&container.image))
        && evidence.kiali.root.value().is_some()
}

/// Returns the first ready endpoint of Kiali's service.
fn ready_endpoint(evidence: &Evidence) -> Option<&Endpoint> {
    let mut endpoints = evidence.install.endpoints.value()?.iter();
    endpoints.find(|it| it.service == NAME && it.ready && !it.addresses.is_empty())
}

/// Whether a pod is Kiali's: by its labels, or because Kiali's deployment selects it.
fn is_of_kiali(evidence: &Evidence, pod: &Pod) -> bool {
    is_kiali_pod(pod) || find_kiali(evidence).is_some_and(|kiali| kiali.selects(pod))
}

/// Returns the pod of an endpoint, where it is a pod of Kiali.
fn kiali_pod_of<'e>(evidence: &'e Evidence, endpoint: &Endpoint) -> Option<&'e Pod> {
    let mut pods = evidence.install.pods.value()?.iter();
    let pod = pods.find(|pod| Some(&pod.name) == endpoint.pod.as_ref())?;
    is_of_kiali(evidence, pod).then_some(pod)
}

/// Returns Kiali's service where its selector selects none of Kiali's pods.
fn find_wrong_selector(evidence: &Evidence) -> Option<&Service> {
    let service = find_service(evidence).filter(|it| !it.selector.is_empty())?;
    let pods = evidence.install.pods.value()?.iter();
    let mut own = pods.filter(|pod| is_of_kiali(evidence, pod)).peekable();
    let selects_none = own.peek().is_some() && !own.any(|pod| service.selects_labels(&pod.labels));
    selects_none.then_some(service)
}

/// Returns the step that sets a wrong selector of Kiali's service; else the step that shows its endpoints.
fn restore_selector(evidence: &Evidence) -> Step {
    match find_kiali(evidence).filter(|_| find_wrong_selector(evidence).is_some()) {
        Some(kiali) => workloads::select_pods(evidence, kiali),
        None => services::show_endpoints(evidence, &evidence.expectations.istio_namespace),
    }
}

/// The target port of Kiali's service, where Kiali does not listen on it.
struct SilentTarget<'e> {
    /// The index of the port in the service.
    index: usize,
    /// The target port.
    number: u16,
    pod: &'e Pod,
}

impl SilentTarget<'_> {
    /// Returns the step that corrects the target port.
    fn fix(&self, evidence: &Evidence) -> Step {
        set_target_port(evidence, self.index, evidence.expectations.kiali.port)
    }
}

/// Finds the target port of Kiali's service that the pod does not declare and that did not answer. A named target port
/// is always declared.
fn silent_target(evidence: &Evidence) -> Option<SilentTarget<'_>> {
    let (index, number) = target_number(evidence)?;
    let pod = kiali_pod_of(evidence, ready_endpoint(evidence)?)?;
    let mut declared = pod.all_containers().flat_map(|it| &it.ports).peekable();
    let answered = evidence.kiali.root.value().and_then(asked_port) == Some(number);
    (declared.peek().is_some() && !declared.any(|port| *port == number) && !answered)
        .then_some(SilentTarget { index, number, pod })
}

/// Returns Kiali's service, where there is one.
fn find_service(evidence: &Evidence) -> Option<&Service> {
    evidence.install.services.value()?.iter().find(|service| service.name == NAME)
}

/// Returns the target port of Kiali's service if it is a number, with the index of the port.
fn target_number(evidence: &Evidence) -> Option<(usize, u16)> {
    let service = find_service(evidence)?;
    let of_kiali = |port: &ServicePort| port.port == evidence.expectations.kiali.port;
    let (index, port) = service.ports.iter().enumerate().find(|(_, port)| of_kiali(port))?;
    Some((index, port.target_port.parse().ok()?))
}

/// Fails unless everything is observed that shows whether the service selects Kiali, and Kiali listens on its target port.
fn require_target(evidence: &Evidence) -> Result<(), Judgement> {
    let install = &evidence.install;
    install.services.look("the services")?;
    install.pods.look("the pods of Kiali")?;
    if target_number(evidence).is_some_and(|(_, it)| it != evidence.expectations.kiali.port) {
        install.endpoints.look("the endpoints of service kiali")?;
    }
    Ok(())
}

/// Whether a page fails and Kiali's service forwards to a port on which Kiali does not listen.
fn service_misses_kiali(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Fail && silent_target(effect.evidence).is_some()
}

#[cfg(test)]
mod changes {
    use super::*;
    use crate::testing::of;

    pub(super) fn service(evidence: &mut Evidence) -> &mut Service {
        let mut services = of(&mut evidence.install.services).iter_mut();
        services.find(|service| service.name == NAME).unwrap()
    }

    /// Makes the service select another pod, which is its endpoint then.
    pub(super) fn select_another(evidence: &mut Evidence) {
        service(evidence).selector = [("app".to_owned(), "istiod".to_owned())].into();
        let pods = of(&mut evidence.install.pods).iter();
        let other = pods.filter(|pod| !is_kiali_pod(pod)).map(|pod| pod.name.clone()).next();
        let mut endpoints = of(&mut evidence.install.endpoints).iter_mut();
        endpoints.find(|it| it.service == NAME).unwrap().pod = other;
    }

    /// Sets the target port of Kiali's service.
    pub(super) fn target_port(evidence: &mut Evidence, target: &str) {
        let port = evidence.expectations.kiali.port;
        let mut ports = service(evidence).ports.iter_mut();
        ports.find(|it| it.port == port).unwrap().target_port = target.into();
    }
}
