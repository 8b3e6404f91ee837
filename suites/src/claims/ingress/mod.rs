//! Judges of the section *ingress*: the way in from outside.

pub(crate) mod address_answers;
pub(crate) mod external_address;
pub(crate) mod routes_into_mesh;
pub(crate) mod service_is_load_balancer;

use crate::claims::Claim;
use crate::format::list;
use crate::judgement::require;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &service_is_load_balancer::CLAIM,
    &external_address::CLAIM,
    &address_answers::CLAIM,
    &routes_into_mesh::CLAIM,
];

mod route;
mod service;
#[cfg(test)]
pub(super) mod tests;

pub(super) use route::{address_answers, routes_into_mesh};
pub(super) use service::{external_address, service_is_load_balancer};

use crate::evidence::{Evidence, Service};
use crate::judgement::Judgement;

/// The gateway's service.
fn gateway(evidence: &Evidence) -> Result<&Service, Judgement> {
    let namespace = &evidence.expectations.istio_namespace;
    let name = &evidence.expectations.gateway;
    let object = object(evidence);
    let install = || {
        let command = evidence.install_default();
        format!("`{command}` installs it")
    };
    let what = format!("the services of namespace {namespace}");
    let services = require(&evidence.install.services, &what, &object, install)?;
    services.iter().find(|service| service.name == *name).ok_or_else(|| {
        let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
        Judgement::fail(format!("there is no service {name} in namespace {namespace}"))
            .expected(format!("a service {name}"))
            .observed(list(&names))
            .object(object)
            .legacy_hint(install())
    })
}

fn object(evidence: &Evidence) -> String {
    let expectations = &evidence.expectations;
    format!("service {}/{}", expectations.istio_namespace, expectations.gateway)
}

/// What shows the gateway's service.
fn show(evidence: &Evidence) -> String {
    let expectations = &evidence.expectations;
    let (namespace, name) = (&expectations.istio_namespace, &expectations.gateway);
    evidence.kubectl(&["-n", namespace, "get", "service", name, "-o", "wide"])
}
