//! The section *ingress*: from outside of the cluster into the mesh.

pub(crate) mod address_answers;
mod answers;
pub(crate) mod external_address;
pub(crate) mod routes_into_mesh;
pub(crate) mod service_is_load_balancer;

use crate::claims::Claim;
use crate::claims::by_name::default_profile::require_place;
use crate::evidence::{Deployment, Evidence, Service};
use crate::facts::gateway::{find_gateway_service, has_ready_endpoint};
use crate::facts::gateway_address::has_private_address;
use crate::facts::installation::gateway_elsewhere;
use crate::format::list;
use crate::judgement::{Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, istio, services, workloads};

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &service_is_load_balancer::CLAIM,
    &external_address::CLAIM,
    &address_answers::CLAIM,
    &routes_into_mesh::CLAIM,
];

/// Returns the object of the gateway's service.
fn gateway_object(evidence: &Evidence) -> Object {
    let expectations = &evidence.expectations;
    Object::new("service", expectations.gateway_namespace(), &expectations.gateway)
}

/// Returns the gateway's service, or the failure that it is missing.
fn gateway_service(evidence: &Evidence) -> Result<&Service, Judgement> {
    let namespace = evidence.expectations.gateway_namespace();
    let name = &evidence.expectations.gateway;
    let object = gateway_object(evidence);
    let install = || istio::install_default(evidence, "Install the default profile again");
    let what = format!("the services of namespace {namespace}");
    let services = require(&evidence.install.services, &what, &object, install)?;
    if let Some(service) = find_gateway_service(evidence) {
        return Ok(service);
    }
    if let Some(other) = gateway_elsewhere(evidence) {
        return Err(Judgement::unjudged(format!("{other}, its service is not checked")));
    }
    require_place(evidence)?;
    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    Err(Judgement::fail(format!("no service {name} in namespace {namespace}"))
        .expected(format!("a service {name}"))
        .observed(format!("services {}", list(&names)))
        .object(object)
        .step(install()))
}

/// Replaces what a failure expects; another verdict stays as it is.
fn expect(judgement: Judgement, expected: &str) -> Judgement {
    match judgement.verdict {
        Verdict::Fail => judgement.expected(expected),
        _ => judgement,
    }
}

/// Returns the step that shows the gateway's service.
fn show_service(evidence: &Evidence, text: &str) -> Step {
    let expectations = &evidence.expectations;
    services::show(evidence, expectations.gateway_namespace(), &expectations.gateway, text)
}

/// Finds the gateway's service and deployment, where the service does not select the pods of the deployment.
fn find_wrong_selector(evidence: &Evidence) -> Option<(&Service, &Deployment)> {
    let mut deployments = evidence.install.deployments.value()?.iter();
    let deployment = deployments.find(|one| one.name == evidence.expectations.gateway)?;
    let service = find_gateway_service(evidence)?;
    let labels = &deployment.template_labels;
    let is_wrong = service.selector.iter().any(|(key, value)| labels.get(key) != Some(value));
    is_wrong.then_some((service, deployment))
}

/// Returns steps that scale the gateway up or correct its service's selector; else steps that show what announces its
/// address, and its pods.
fn bring_back_gateway(evidence: &Evidence) -> Vec<Step> {
    repair_gateway(evidence).unwrap_or_else(|| {
        // Its pods are ready: the address may not be announced in the network.
        let announcement = match has_ready_endpoint(evidence) {
            Some(true) if has_private_address(evidence) => answers::show_announcement(evidence),
            _ => Vec::new(),
        };
        announcement.into_iter().chain(show_gateway(evidence)).collect()
    })
}

/// Returns the steps that show the gateway's pods and the address of its service.
fn show_gateway(evidence: &Evidence) -> [Step; 2] {
    let address = show_service(evidence, "Show the address of the service");
    [istio::show_gateway_pods(evidence), address]
}

/// Returns the step that scales the gateway up or corrects its service's selector, where one of them is wrong.
fn repair_gateway(evidence: &Evidence) -> Option<Vec<Step>> {
    let namespace = evidence.expectations.gateway_namespace();
    let gateway = &evidence.expectations.gateway;
    let mut deployments = evidence.install.deployments.value().into_iter().flatten();
    let deployment = deployments.find(|one| one.name == *gateway);
    if deployment.is_some_and(|one| one.replicas == 0) {
        let text = "Scale the gateway to 1 replica";
        return Some(vec![workloads::scale_up(evidence, namespace, gateway, text)]);
    }
    let (_, deployment) = find_wrong_selector(evidence)?;
    Some(vec![workloads::select_pods(evidence, deployment)])
}
