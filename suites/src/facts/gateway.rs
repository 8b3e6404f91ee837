//! The ingress gateway: its service, its deployment, its address.

use super::installation::gateway_daemon_set;
use crate::evidence::{Deployment, Evidence, Pod, Service};

/// Whether a deployment is an ingress gateway: the expected one, or another of its kind.
pub(crate) fn is_ingress_gateway(deployment: &Deployment, evidence: &Evidence) -> bool {
    let labels = &deployment.template_labels;
    let mut expected = evidence.expectations.gateway_labels.iter();
    deployment.namespace == evidence.expectations.gateway_namespace()
        && (deployment.name == evidence.expectations.gateway
            || labels.get("istio").is_some_and(|istio| istio == "ingressgateway")
            || expected.all(|(key, value)| labels.get(key) == Some(value)))
}

/// Whether a pod has the labels of the gateway's, in its namespace.
pub(crate) fn is_gateway_pod(pod: &Pod, evidence: &Evidence) -> bool {
    let expectations = &evidence.expectations;
    pod.namespace == expectations.gateway_namespace()
        && pod.has_labels(&expectations.gateway_labels)
}

/// The gateway's service, where there is one.
pub(crate) fn find_gateway_service(evidence: &Evidence) -> Option<&Service> {
    let services = evidence.install.services.value()?;
    let expectations = &evidence.expectations;
    services.iter().find(|service| {
        service.name == expectations.gateway
            && service.namespace == expectations.gateway_namespace()
    })
}

/// Whether the gateway's service has an external address.
pub(crate) fn has_address(evidence: &Evidence) -> bool {
    find_gateway_service(evidence).is_some_and(|it| !it.load_balancer_addresses.is_empty())
}

/// Whether the services were listed and the gateway's has no external address, or is not there.
pub(crate) fn lacks_address(evidence: &Evidence) -> bool {
    evidence.install.services.value().is_some() && !has_address(evidence)
}

/// Whether the deployments were listed and none is an ingress gateway. Neither is a `DaemonSet`.
pub(crate) fn has_no_gateway_deployment(evidence: &Evidence) -> bool {
    let deployments = evidence.install.deployments.value();
    deployments.is_some_and(|all| !all.iter().any(|one| is_ingress_gateway(one, evidence)))
        && gateway_daemon_set(evidence).is_none()
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
