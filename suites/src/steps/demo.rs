//! Steps on the demo's own objects.

use super::{Impact, Step, workloads};
use crate::evidence::Evidence;

/// Applies a manifest of the tutorial again.
pub(crate) fn apply_manifest(evidence: &Evidence, file: &str) -> Step {
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "apply", "-f", file]);
    Step::fix(Impact::Changes, command, "applies the tutorial's manifest")
}

/// Starts a deployment that has no replicas.
pub(crate) fn start(evidence: &Evidence, deployment: &str) -> Step {
    workloads::scale_up(evidence, &evidence.expectations.namespace, deployment, "starts it again")
}

/// Sets the image of a deployment's container.
pub(crate) fn set_image(
    evidence: &Evidence,
    deployment: &str,
    (container, image): (&str, &str),
    text: &str,
) -> Step {
    let (target, image) = (format!("deployment/{deployment}"), format!("{container}={image}"));
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "set", "image", &target, &image]);
    Step::fix(Impact::Changes, command, text)
}

/// Sets the client's image to the tutorial's.
pub(crate) fn restore_client_image(evidence: &Evidence) -> Step {
    let client = &evidence.expectations.client;
    let image = (client.container.as_str(), client.image.as_str());
    let text = "gives the client the image that has curl";
    set_image(evidence, &evidence.expectations.client_deployment, image, text)
}
