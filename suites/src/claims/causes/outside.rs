//! What the gateway and Kiali explain.

use super::super::demo::leads_to_the_backend;
use super::super::install::{deployments_have_pods, ill_pods, is_ingress_gateway};
use super::Case;
use super::install::{istiod_is_down, says_that_the_webhook_fails};
use crate::evidence::{Evidence, Observation, Route, Service};
use crate::facts::kiali::find_kiali;

/// The services among which the gateway's stands; nothing where they were not seen.
fn services(evidence: &Evidence) -> Option<&Vec<Service>> {
    evidence.install.services.value()
}

/// The gateway's service.
fn gateway(evidence: &Evidence) -> Option<&Service> {
    services(evidence)?.iter().find(|service| service.name == evidence.expectations.gateway)
}

/// Whether no deployment of an ingress gateway was seen.
fn no_deployment(evidence: &Evidence) -> bool {
    let deployments = evidence.install.deployments.value();
    deployments.is_some_and(|all| !all.iter().any(|one| is_ingress_gateway(one, evidence)))
}

pub(crate) fn gateway_is_not_installed(case: &Case<'_>) -> bool {
    services(case.evidence).is_some()
        && gateway(case.evidence).is_none()
        && no_deployment(case.evidence)
}

/// There is an address, and nobody was installed to answer at it.
pub(crate) fn gateway_has_no_deployment(case: &Case<'_>) -> bool {
    no_deployment(case.evidence) && has_address(case.evidence)
}

fn has_address(evidence: &Evidence) -> bool {
    gateway(evidence).is_some_and(|it| !it.load_balancer_addresses.is_empty())
}

/// Without their definitions, the API server takes neither of the two objects of a route.
pub(crate) fn routes_are_not_defined(case: &Case<'_>) -> bool {
    let there = |name: &str| {
        let crds = case.evidence.install.crds.value();
        crds.is_none_or(|crds| crds.iter().any(|crd| crd.name == name && crd.established))
    };
    let kinds = ["gateways.networking.istio.io", "virtualservices.networking.istio.io"];
    has_address(case.evidence)
        && case.evidence.ingress.route.value().is_none()
        && !kinds.into_iter().all(there)
}

pub(crate) fn no_gateway_pod_is_ready(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let deployments = evidence.install.deployments.value().into_iter().flatten();
    let mut gateways = deployments.filter(|one| is_ingress_gateway(one, evidence)).peekable();
    let Some(pods) = evidence.install.pods.value() else { return false };
    has_address(evidence)
        && gateways.peek().is_some()
        && gateways.all(|gateway| {
            !pods.iter().any(|pod| gateway.selects(pod) && pod.is_running_and_ready())
        })
}

/// A route is a word to istiod: it checks it, and tells the gateway.
pub(crate) fn nobody_takes_the_route(case: &Case<'_>) -> bool {
    istiod_is_down(case.evidence)
        && match &case.evidence.ingress.route {
            Observation::Failed { reason } => says_that_the_webhook_fails(reason),
            Observation::Seen { value } => {
                value.routed.value().is_some_and(|answer| answer.status == 404)
            }
            Observation::Absent { .. } | Observation::NotAsked { .. } => false,
        }
}

pub(crate) fn route_leads_nowhere(case: &Case<'_>) -> bool {
    let routed = case.evidence.ingress.route.value().and_then(|route| route.routed.value());
    leads_to_the_backend(case.evidence) == Some(false)
        && routed.is_some_and(|answer| (502..=504).contains(&answer.status))
}

pub(crate) fn service_asks_for_no_address(case: &Case<'_>) -> bool {
    match gateway(case.evidence) {
        Some(service) => {
            service.kind != "LoadBalancer" && service.load_balancer_addresses.is_empty()
        }
        None => services(case.evidence).is_some(),
    }
}

pub(crate) fn service_is_pending(case: &Case<'_>) -> bool {
    gateway(case.evidence).is_some_and(|service| {
        service.kind == "LoadBalancer" && service.load_balancer_addresses.is_empty()
    })
}

pub(crate) fn gateway_has_no_address(case: &Case<'_>) -> bool {
    let looked = match case.id {
        "ingress::address_answers" => case.evidence.ingress.health.value().is_some(),
        _ => case.evidence.ingress.route.value().is_some(),
    };
    !looked && services(case.evidence).is_some() && !has_address(case.evidence)
}

/// Neither the question for its health nor a request through it brought an answer. The route may have been
/// given up before its first answer was: then the request of nobody's host says the same.
pub(crate) fn nothing_answers(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let health = evidence.ingress.health.is_absent();
    let silent = |route: &Route| {
        matches!(
            (&route.routed, &route.unknown_host),
            (Observation::Absent { .. }, _)
                | (Observation::Failed { .. }, Observation::Absent { .. })
        )
    };
    has_address(evidence) && health && evidence.ingress.route.value().is_some_and(silent)
}

/// The pods that are not well are all Kiali's, which stands in the same namespace.
pub(crate) fn only_kiali_is_ill(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let ill = ill_pods(evidence);
    find_kiali(evidence).is_some_and(|kiali| {
        deployments_have_pods(evidence).is_ok()
            && !ill.is_empty()
            && ill.iter().all(|pod| kiali.selects(pod))
    })
}
