//! Judges of the section *demo*: the echo backend and its client.

pub(crate) mod backend_deployment;
pub(crate) mod backend_replies;
pub(crate) mod backend_service;
pub(crate) mod client_deployment;
pub(crate) mod client_logs_show_reply;

use crate::claims::Claim;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &backend_service::CLAIM,
    &backend_deployment::CLAIM,
    &client_deployment::CLAIM,
    &client_logs_show_reply::CLAIM,
    &backend_replies::CLAIM,
];

mod asked;
mod deployments;
mod log;
mod log_lines;
#[cfg(test)]
pub(super) mod log_tests;
mod service;
#[cfg(test)]
pub(super) mod tests;

pub(super) use asked::{backend_replies, first_trouble};
pub(super) use deployments::{
    asks_the_backend, backend_as_told, backend_deployment, client_as_told, client_deployment,
    told_text,
};
pub use log::{LogMark, log_marks};
pub(super) use log::{client_logs_show_reply, trouble_in_log};
pub(super) use service::{backend_service, leads_to_the_backend, service_as_told};

use crate::evidence::{Deployment, Evidence, Pod};

/// A deployment of the demo, where it was seen.
pub(super) fn deployment<'e>(evidence: &'e Evidence, name: &str) -> Option<&'e Deployment> {
    evidence.demo.deployments.value()?.iter().find(|deployment| deployment.name == name)
}

/// Whether a pod is one of a deployment of the demo: by the deployment's selector, or by its owner
/// where the deployment was not seen.
pub(super) fn is_pod_of(evidence: &Evidence, pod: &Pod, name: &str) -> bool {
    deployment(evidence, name).map_or_else(
        || {
            let set = pod.owner.as_deref().and_then(|owner| owner.strip_prefix("ReplicaSet/"));
            set.and_then(|set| set.rsplit_once('-')).is_some_and(|(owner, _)| owner == name)
        },
        |deployment| deployment.selects(pod),
    )
}

/// What brings a deployment of the demo back that was scaled to zero.
fn scale_up(evidence: &Evidence, name: &str) -> String {
    let name = format!("deployment/{name}");
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "scale", &name, "--replicas=1"]);
    format!("`{command}` starts it again")
}

/// The tutorial's manifest, applied again.
fn apply(evidence: &Evidence, file: &str) -> String {
    let namespace = &evidence.expectations.namespace;
    format!(
        "`{}` applies the tutorial's manifest",
        evidence.kubectl(&["-n", namespace, "apply", "-f", file])
    )
}

/// What gives the client its image back.
fn client_image(evidence: &Evidence) -> String {
    let expectations = &evidence.expectations;
    let name = format!("deployment/{}", expectations.client_deployment);
    let image = format!("{}={}", expectations.client.container, expectations.client.image);
    let command = evidence.kubectl(&["-n", &expectations.namespace, "set", "image", &name, &image]);
    format!("`{command}` gives the client the image that has curl")
}

/// The container that the demo deploys in a pod: nothing where the pod is not the demo's.
pub(super) fn demo_container<'e>(evidence: &'e Evidence, pod: &Pod) -> Option<&'e str> {
    let expectations = &evidence.expectations;
    let of = |name: &str| is_pod_of(evidence, pod, name);
    if of(&expectations.backend_deployment) {
        Some(&expectations.backend.container)
    } else if of(&expectations.client_deployment) {
        Some(&expectations.client.container)
    } else {
        None
    }
}
