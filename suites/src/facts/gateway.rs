//! The ingress gateway: its service, its deployment, its address.

use crate::evidence::{Deployment, Evidence, Service, ServicePort};

/// Whether a deployment is an ingress gateway: the expected one, or another of its kind.
pub(crate) fn is_ingress_gateway(deployment: &Deployment, evidence: &Evidence) -> bool {
    let labels = &deployment.template_labels;
    let mut expected = evidence.expectations.gateway_labels.iter();
    deployment.name == evidence.expectations.gateway
        || labels.get("istio").is_some_and(|istio| istio == "ingressgateway")
        || expected.all(|(key, value)| labels.get(key) == Some(value))
}

/// The gateway's service, where there is one.
pub(crate) fn find_gateway_service(evidence: &Evidence) -> Option<&Service> {
    let services = evidence.install.services.value()?;
    services.iter().find(|service| service.name == evidence.expectations.gateway)
}

/// The ports, with their protocols, that two services both have.
pub(crate) fn shared_ports(one: &Service, other: &Service) -> Vec<u16> {
    let has = |port: &ServicePort| {
        other.ports.iter().any(|it| it.port == port.port && it.protocol == port.protocol)
    };
    one.ports.iter().filter(|port| has(port)).map(|port| port.port).collect()
}

/// The services that have the gateway's address with ports of the gateway, and these ports.
pub(crate) fn find_address_sharers(evidence: &Evidence) -> Vec<(&Service, Vec<u16>)> {
    let Some(gateway) = find_gateway_service(evidence) else { return Vec::new() };
    let services = evidence.cluster.load_balancer_services.value().into_iter().flatten();
    let others = services.filter(|it| it.name != gateway.name || it.namespace != gateway.namespace);
    let has = |it: &&Service| {
        it.load_balancer_addresses.iter().any(|one| gateway.load_balancer_addresses.contains(one))
    };
    let shared = others.filter(has).map(|it| (it, shared_ports(gateway, it)));
    shared.filter(|(_, ports)| !ports.is_empty()).collect()
}

/// Whether the gateway's service has an external address.
pub(crate) fn has_address(evidence: &Evidence) -> bool {
    find_gateway_service(evidence).is_some_and(|it| !it.load_balancer_addresses.is_empty())
}

/// Whether the services were listed and the gateway's has no external address, or is not there.
pub(crate) fn lacks_address(evidence: &Evidence) -> bool {
    evidence.install.services.value().is_some() && !has_address(evidence)
}

/// Whether the deployments were listed and none is an ingress gateway.
pub(crate) fn has_no_gateway_deployment(evidence: &Evidence) -> bool {
    let deployments = evidence.install.deployments.value();
    deployments.is_some_and(|all| !all.iter().any(|one| is_ingress_gateway(one, evidence)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::testing::{healthy, of};

    #[test]
    fn gateway_is_found_by_name_and_labels() {
        let mut evidence = healthy();
        assert!(has_address(&evidence) && !lacks_address(&evidence));
        assert!(!has_no_gateway_deployment(&evidence));
        evidence.expectations.gateway = "edge".into();
        // Another one of its kind still counts as a gateway; the service has another name.
        assert!(!has_no_gateway_deployment(&evidence) && lacks_address(&evidence));
        of(&mut evidence.install.deployments).clear();
        assert!(has_no_gateway_deployment(&evidence));
        let unknown = || "forbidden".to_owned();
        evidence.install.services = Observation::failed(unknown());
        evidence.install.deployments = Observation::failed(unknown());
        assert!(!has_address(&evidence) && !lacks_address(&evidence));
        assert!(!has_no_gateway_deployment(&evidence));
    }
}
