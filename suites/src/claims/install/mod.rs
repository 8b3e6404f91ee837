//! Judges of the section *install*: the control plane.

pub(crate) mod control_plane_running;
pub(crate) mod default_profile;
pub(crate) mod injection_webhook;
pub(crate) mod istio_version;
pub(crate) mod namespace_labelled;

use crate::claims::Claim;
use crate::steps;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &istio_version::CLAIM,
    &default_profile::CLAIM,
    &control_plane_running::CLAIM,
    &namespace_labelled::CLAIM,
    &injection_webhook::CLAIM,
];

mod label;
mod pods;
mod profile;
#[cfg(test)]
pub(super) mod tests;
mod version;
mod webhook;

pub(super) use label::namespace_labelled;
pub(super) use pods::{control_plane_running, deployments_have_pods, ill_pods};
pub(super) use profile::default_profile;
pub(super) use version::istio_version;
pub(super) use webhook::{injection_webhook, injects};

use std::collections::BTreeMap;

use crate::evidence::{Deployment, Evidence};

pub(super) type Labels = BTreeMap<String, String>;

/// Whether labels are those of istiod, of whatever revision.
pub(super) fn is_istiod(labels: &Labels) -> bool {
    labels.get("app").is_some_and(|app| app == "istiod")
        || labels.get("istio").is_some_and(|istio| istio == "pilot")
}

/// The deployment of istiod, where it was seen.
fn istiod(evidence: &Evidence) -> Option<&Deployment> {
    let deployments = evidence.install.deployments.value()?;
    deployments.iter().find(|deployment| is_istiod(&deployment.template_labels))
}

/// How to get istiod back: where it was scaled to zero, by scaling it up.
fn istiod_hint(evidence: &Evidence, show: &str) -> String {
    let namespace = &evidence.expectations.istio_namespace;
    let Some(istiod) = istiod(evidence) else {
        let install = evidence.install_default();
        return format!("`{show}` shows what there is; `{install}` installs Istio");
    };
    let name = format!("deployment/{}", istiod.name);
    if istiod.replicas == 0 {
        let command = evidence.kubectl(&["-n", namespace, "scale", &name, "--replicas=1"]);
        return format!("`{command}` starts istiod again");
    }
    let pods = evidence.install.pods.value();
    let mut own = pods.into_iter().flatten().filter(|pod| istiod.selects(pod)).peekable();
    if own.peek().is_none() {
        let command = evidence.kubectl(&["-n", namespace, "describe", &name]);
        return format!("`{command}` shows why istiod has no pod");
    }
    match own.find(|pod| !pod.ready) {
        Some(pod) => steps::joined(steps::pods::diagnose(evidence, pod)),
        // Its pods are well: its service leads elsewhere.
        None => steps::workloads::select_pods(evidence, istiod).to_string(),
    }
}
