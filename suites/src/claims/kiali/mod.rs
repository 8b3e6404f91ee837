//! The section *kiali*: the console.

mod answers;
pub(crate) mod console_served;
pub(crate) mod reachable_on_exposed_port;
pub(crate) mod redirects_to_web_root;
pub(crate) mod running;

use crate::claims::Claim;
use crate::entry::Effect;
use crate::evidence::Evidence;
use crate::facts::image::image_name;
use crate::facts::installation::kiali_elsewhere;
use crate::facts::kiali::{NAME, find_kiali, is_kiali_pod};
use crate::judgement::Verdict;
use crate::object::Object;
use crate::steps::{Step, pods, workloads};

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &running::CLAIM,
    &redirects_to_web_root::CLAIM,
    &reachable_on_exposed_port::CLAIM,
    &console_served::CLAIM,
];

/// Kiali's object of a kind.
fn kiali_object(evidence: &Evidence, kind: &'static str) -> Object {
    Object::new(kind, &evidence.expectations.istio_namespace, NAME)
}

/// Scales Kiali up where it has 0 replicas; else shows its pods.
fn show_or_scale_up(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    if find_kiali(evidence).is_some_and(|kiali| kiali.replicas == 0) {
        return workloads::scale_up(evidence, namespace, NAME, "starts it again");
    }
    pods::list(evidence, namespace, &["-l", "app=kiali"], "shows its pods")
}

/// Whether a page got no answer because no pod of Kiali is ready. `answered`: whether the page did get one, as
/// at a URL that leads elsewhere.
fn no_pod_is_ready(effect: &Effect<'_, Evidence>, answered: bool) -> bool {
    let install = &effect.evidence.install;
    let Some(pods) = install.pods.value() else {
        // There is not even the namespace.
        return install.pods.is_absent();
    };
    effect.judgement.verdict == Verdict::Fail
        && !answered
        && !pods.iter().any(|pod| is_kiali_pod(pod) && pod.is_running_and_ready())
}

/// Whether a page was not asked because Kiali is in another namespace.
fn is_elsewhere(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Unjudged && kiali_elsewhere(effect.evidence).is_some()
}

/// Whether another program runs in Kiali's place, by its image's name, and answers.
fn runs_another_program(evidence: &Evidence) -> bool {
    let containers = find_kiali(evidence).map(|kiali| kiali.containers.as_slice());
    let containers = containers.unwrap_or_default();
    let is_kiali = |image: &str| image_name(image).contains("kiali");
    !containers.is_empty()
        && !containers.iter().any(|container| is_kiali(&container.image))
        && evidence.kiali.root.value().is_some()
}
