//! The ingress gateway: its service, its deployment, its pods, and their answers.

use super::installation::gateway_daemon_set;
use super::proxy_replies::is_policy_denial;
use crate::evidence::{
    Deployment, Evidence, HttpAnswer, Observation, Pod, Route, Service, ServicePort, text_of,
};

/// Whether a deployment is an ingress gateway: the expected one, or another of its kind.
pub(crate) fn is_ingress_gateway(deployment: &Deployment, evidence: &Evidence) -> bool {
    let labels = &deployment.template_labels;
    let mut expected = evidence.expectations.gateway_labels.iter();
    deployment.namespace == evidence.expectations.gateway_namespace()
        && (deployment.name == evidence.expectations.gateway
            || labels.get("istio").is_some_and(|istio| istio == "ingressgateway")
            || expected.all(|(key, value)| labels.get(key) == Some(value)))
}

/// Whether a pod has an ingress gateway's labels, in the gateway's namespace.
pub(crate) fn is_gateway_pod(pod: &Pod, evidence: &Evidence) -> bool {
    let expectations = &evidence.expectations;
    let is_labelled = pod.labels.get("istio").is_some_and(|istio| istio == "ingressgateway");
    pod.namespace == expectations.gateway_namespace()
        && (is_labelled || pod.has_labels(&expectations.gateway_labels))
}

/// The gateway's service, where there is one.
pub(crate) fn find_gateway_service(evidence: &Evidence) -> Option<&Service> {
    let services = evidence.install.services.value()?;
    services.iter().find(|service| is_gateway_service(service, evidence))
}

fn is_gateway_service(service: &Service, evidence: &Evidence) -> bool {
    let expectations = &evidence.expectations;
    service.name == expectations.gateway && service.namespace == expectations.gateway_namespace()
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
    let services = evidence.cluster.load_balancer_services.value().into_iter().flatten();
    let (own, others): (Vec<_>, Vec<_>) = services.partition(|it| is_gateway_service(it, evidence));
    let Some(gateway) = own.first() else { return Vec::new() };
    let has = |it: &&Service| {
        it.load_balancer_addresses.iter().any(|one| gateway.load_balancer_addresses.contains(one))
    };
    let shared = others.into_iter().filter(has).map(|it| (it, shared_ports(gateway, it)));
    shared.filter(|(_, ports)| !ports.is_empty()).collect()
}

/// Whether the gateway has an external address: that of its service, or the requested ones where the services could not
/// be read.
pub(crate) fn has_address(evidence: &Evidence) -> bool {
    match &evidence.install.services {
        Observation::Failed { .. } | Observation::NotAsked { .. } => {
            !evidence.ingress.asked.is_empty()
        }
        _ => find_gateway_service(evidence)
            .is_some_and(|it| it.external_addresses().next().is_some()),
    }
}

/// Whether the services were listed, and the gateway's is missing or has no external address.
pub(crate) fn lacks_address(evidence: &Evidence) -> bool {
    evidence.install.services.value().is_some() && !has_address(evidence)
}

/// Whether a ready endpoint of the gateway's service is a gateway's pod, where both were listed.
pub(crate) fn has_ready_endpoint(evidence: &Evidence) -> Option<bool> {
    let gateway = &evidence.expectations.gateway;
    let mut endpoints = evidence.install.endpoints.value()?.iter();
    let pods = evidence.install.pods.value()?;
    Some(endpoints.any(|it| {
        let is_behind = |pod: &&Pod| it.pod.as_deref() == Some(pod.name.as_str());
        it.service == *gateway
            && it.ready
            && pods.iter().find(is_behind).is_some_and(|pod| is_gateway_pod(pod, evidence))
    }))
}

/// Whether the gateway's own proxies counted the requests to its address, where their counters were read.
pub(crate) fn has_counted_requests(evidence: &Evidence) -> Option<bool> {
    let count = evidence.ingress.counted.value()?;
    // A proxy that restarted in between begins at zero.
    let risen = count.after.checked_sub(count.before)?;
    (count.requests > 0).then_some(risen >= count.requests)
}

/// Whether an answer is the backend's reply, whole.
pub(crate) fn is_backends_reply(answer: &HttpAnswer, evidence: &Evidence) -> bool {
    answer.status == 200 && text_of(&answer.body) == evidence.expectations.reply && !answer.body_cut
}

/// The backend's reply through a route of meshcheck's own, which this mesh alone has.
pub(crate) fn find_routed_reply(evidence: &Evidence) -> Option<&HttpAnswer> {
    let routed = evidence.ingress.route.value()?.routed.value();
    routed.filter(|answer| is_backends_reply(answer, evidence))
}

/// Whether an answer names another server than Envoy.
pub(crate) fn names_another_server(answer: &HttpAnswer) -> bool {
    let server = answer.headers.get("server");
    server.is_some_and(|server| !matches!(server.as_str(), "envoy" | "istio-envoy"))
}

/// Whether an answer came from behind the gateway: Envoy adds the header where an upstream has answered.
pub(crate) fn has_passed_gateway(answer: &HttpAnswer) -> bool {
    answer.headers.contains_key("x-envoy-upstream-service-time")
}

/// Whether an `AuthorizationPolicy` denied the request, at the gateway or behind it.
pub(crate) fn is_denied(answer: &HttpAnswer) -> bool {
    answer.status == 403 && is_policy_denial(&answer.body)
}

/// Whether an answer shows that the gateway directs the request nowhere: 404, a redirect of the gateway itself, or its denial.
pub(crate) fn is_unrouted(answer: &HttpAnswer) -> bool {
    let is_own = answer.headers.contains_key("server")
        && !names_another_server(answer)
        && !has_passed_gateway(answer);
    answer.status == 404 || is_own && (is_denied(answer) || (300..400).contains(&answer.status))
}

/// Whether an answer to the health check is not a gateway's: of another server, or a web page.
pub(crate) fn is_strangers_health(answer: &HttpAnswer) -> bool {
    let content = answer.headers.get("content-type");
    names_another_server(answer) || content.is_some_and(|it| it.starts_with("text/html"))
}

/// Finds a label of the demo's namespace that the namespace of a route lacks, by which istiod can select namespaces
/// (`discoverySelectors`).
pub(crate) fn find_missing_label<'e>(
    route: &Route,
    evidence: &'e Evidence,
) -> Option<(&'e String, &'e String)> {
    const OF_ALL: [&str; 2] = ["kubernetes.io/metadata.name", "istio-injection"];
    let namespaces = evidence.install.namespaces.value();
    let labels = namespaces.and_then(|all| all.get(&evidence.expectations.namespace));
    let has = |key: &str, value: &String| {
        route.namespace_labels.as_ref().is_some_and(|labels| labels.get(key) == Some(value))
    };
    labels?.iter().find(|(key, value)| {
        let decides = !OF_ALL.contains(&key.as_str())
            && !key.starts_with("istio.io/")
            && !key.starts_with("pod-security.kubernetes.io/");
        decides && !has(key, value)
    })
}

/// Whether the cluster is one of minikube, which gives addresses while its tunnel runs.
pub(crate) fn is_minikube(evidence: &Evidence) -> bool {
    let mut nodes = evidence.cluster.nodes.value().into_iter().flatten();
    evidence.subject.context == "minikube" || nodes.any(|node| node.name == "minikube")
}

/// Whether the deployments were listed and none is an ingress gateway. Neither is a `DaemonSet`.
pub(crate) fn has_no_gateway_deployment(evidence: &Evidence) -> bool {
    let deployments = evidence.install.deployments.value();
    deployments.is_some_and(|all| !all.iter().any(|one| is_ingress_gateway(one, evidence)))
        && gateway_daemon_set(evidence).is_none()
}

/// Whether MetalLB runs in the cluster.
pub(crate) fn runs_metallb(evidence: &Evidence) -> bool {
    let pods = evidence.cluster.network_pods.value().into_iter().flatten();
    pods.flat_map(|pod| pod.labels.values()).any(|value| value == "metallb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Deployment, Observation, Service};
    use crate::testing::{gateway, gateway_service, healthy, of};
    use rstest::rstest;
    use std::collections::BTreeMap;

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
        // The requested addresses show that there was one.
        assert!(has_address(&evidence) && !lacks_address(&evidence));
        evidence.ingress.asked.clear();
        assert!(!has_address(&evidence) && !lacks_address(&evidence));
        assert!(!has_no_gateway_deployment(&evidence));
    }

    /// Name and labels of a deployment: one of them is enough, in the gateway's namespace only.
    #[rstest]
    #[case("istio-ingressgateway", "istio-system", &[], true)]
    #[case("edge", "istio-system", &[("istio", "ingressgateway")], true)]
    #[case("edge", "istio-system", &[("istio", "egressgateway")], false)]
    #[case("edge", "istio-system", &[], false)]
    #[case("istio-ingressgateway", "edge", &[("istio", "ingressgateway")], false)]
    fn ingress_gateway_has_its_name_or_its_labels(
        #[case] name: &str,
        #[case] namespace: &str,
        #[case] labels: &[(&str, &str)],
        #[case] expected: bool,
    ) {
        let mut evidence = healthy();
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let deployment = Deployment {
            name: name.into(),
            namespace: namespace.into(),
            template_labels: labels.clone(),
            ..Deployment::default()
        };
        assert_eq!(is_ingress_gateway(&deployment, &evidence), expected);
        // A pod has a name of its own: the labels decide.
        let mut pod = gateway(&mut evidence).clone();
        assert!(is_gateway_pod(&pod, &evidence));
        (pod.namespace, pod.labels) = (namespace.into(), labels);
        assert_eq!(is_gateway_pod(&pod, &evidence), expected && !pod.labels.is_empty());
    }

    #[test]
    fn gateway_pod_has_the_expected_labels() {
        let mut evidence = healthy();
        evidence.expectations.gateway_labels = [("gw".to_owned(), "edge".to_owned())].into();
        let mut pod = gateway(&mut evidence).clone();
        pod.labels = evidence.expectations.gateway_labels.clone();
        assert!(is_gateway_pod(&pod, &evidence));
    }

    #[test]
    fn service_shares_the_address_where_its_ports_are_the_gateways() {
        let mut evidence = healthy();
        assert!(find_address_sharers(&evidence).is_empty());
        let gateway = gateway_service(&mut evidence).clone();
        let services = of(&mut evidence.cluster.load_balancer_services);
        // A service with the same name in another namespace is another one.
        services.push(Service { namespace: "kong".into(), ..gateway.clone() });
        services.push(Service { name: "other".into(), ..gateway });
        assert_eq!(find_address_sharers(&evidence).len(), 2);
    }
}
