//! The section *ingress*: the way in from outside.

pub(crate) mod address_answers;
mod answers;
pub(crate) mod external_address;
pub(crate) mod routes_into_mesh;
pub(crate) mod service_is_load_balancer;

use crate::claims::Claim;
use crate::evidence::{Evidence, Service};
use crate::facts::gateway::{find_gateway_service, has_private_address, has_ready_endpoint};
use crate::facts::installation::gateway_elsewhere;
use crate::format::list;
use crate::judgement::{Judgement, require};
use crate::object::Object;
use crate::steps::{Step, istio, services, workloads};

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &service_is_load_balancer::CLAIM,
    &external_address::CLAIM,
    &address_answers::CLAIM,
    &routes_into_mesh::CLAIM,
];

/// The gateway's service, as an object.
fn gateway_object(evidence: &Evidence) -> Object {
    let expectations = &evidence.expectations;
    Object::new("service", expectations.gateway_namespace(), &expectations.gateway)
}

/// The gateway's service, or the failure that it is missing.
fn gateway_service(evidence: &Evidence) -> Result<&Service, Judgement> {
    let namespace = evidence.expectations.gateway_namespace();
    let name = &evidence.expectations.gateway;
    let object = gateway_object(evidence);
    let install = || istio::install_default(evidence, "installs it");
    let what = format!("the services of namespace {namespace}");
    let services = require(&evidence.install.services, &what, &object, install)?;
    find_gateway_service(evidence).ok_or_else(|| {
        if let Some(other) = gateway_elsewhere(evidence) {
            return Judgement::unjudged(format!("{other}, which was not looked at"));
        }
        let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
        Judgement::fail(format!("there is no service {name} in namespace {namespace}"))
            .expected(format!("a service {name}"))
            .observed(list(&names))
            .object(object)
            .step(install())
    })
}

/// Shows the gateway's service.
fn show_service(evidence: &Evidence, text: &str) -> Step {
    let expectations = &evidence.expectations;
    services::show(evidence, expectations.gateway_namespace(), &expectations.gateway, text)
}

/// Scales the gateway up, makes its service select its pods, or shows its pods and its address.
fn bring_back_gateway(evidence: &Evidence) -> Vec<Step> {
    let namespace = evidence.expectations.gateway_namespace();
    let gateway = &evidence.expectations.gateway;
    let mut deployments = evidence.install.deployments.value().into_iter().flatten();
    let deployment = deployments.find(|one| one.name == *gateway);
    if deployment.is_some_and(|one| one.replicas == 0) {
        let text = "starts the gateway again: it is scaled to zero";
        return vec![workloads::scale_up(evidence, namespace, gateway, text)];
    }
    if let (Some(deployment), Some(service)) = (deployment, find_gateway_service(evidence)) {
        let labels = &deployment.template_labels;
        if service.selector.iter().any(|(key, value)| labels.get(key) != Some(value)) {
            return vec![workloads::select_pods(evidence, deployment)];
        }
    }
    let steps = [istio::show_gateway_pods(evidence), show_service(evidence, "shows its address")];
    // Its pods are there: what leads to them is not.
    let announcement = match has_ready_endpoint(evidence) {
        Some(true) if has_private_address(evidence) => answers::show_announcement(evidence),
        _ => Vec::new(),
    };
    announcement.into_iter().chain(steps).collect()
}
