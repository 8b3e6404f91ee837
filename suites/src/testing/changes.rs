//! Small changes to healthy evidence, for the cases of all claims.

use crate::evidence::{
    Condition, Deployment, Evidence, Observation, Pod, Service, TerminatingNamespace,
};

/// What was seen, to be changed.
pub(crate) fn of<T>(observation: &mut Observation<T>) -> &mut T {
    observation.value_mut().expect("the healthy evidence has it")
}

/// A deployment of the control plane's namespace.
pub(crate) fn installed<'e>(evidence: &'e mut Evidence, name: &str) -> &'e mut Deployment {
    let all = of(&mut evidence.install.deployments);
    all.iter_mut().find(|one| one.name == name).expect("it is installed")
}

/// The istiod pod.
pub(crate) fn istiod(evidence: &mut Evidence) -> &mut Pod {
    let pods = of(&mut evidence.install.pods);
    pods.iter_mut().find(|pod| pod.labels.get("app").is_some_and(|app| app == "istiod")).unwrap()
}

/// The gateway's pod.
pub(crate) fn gateway(evidence: &mut Evidence) -> &mut Pod {
    let pods = of(&mut evidence.install.pods);
    let label = |pod: &Pod| pod.labels.get("istio").is_some_and(|istio| istio == "ingressgateway");
    pods.iter_mut().find(|pod| label(pod)).unwrap()
}

/// The first pod of the demo with this label `app`.
pub(crate) fn demo_pod<'e>(evidence: &'e mut Evidence, app: &str) -> &'e mut Pod {
    let pods = of(&mut evidence.demo.pods);
    pods.iter_mut().find(|pod| pod.labels.get("app").is_some_and(|label| label == app)).unwrap()
}

/// No istiod knows the proxy of the pod with this label `app`.
pub(crate) fn forget_proxy(evidence: &mut Evidence, app: &str) {
    let name = demo_pod(evidence, app).name.clone();
    forget_proxy_of(evidence, &name);
}

/// No istiod knows the proxy of the pod with this name.
pub(crate) fn forget_proxy_of(evidence: &mut Evidence, pod: &str) {
    for istiod in of(&mut evidence.install.istiod).values_mut() {
        of(&mut istiod.proxies).retain(|it| !it.proxy.starts_with(pod));
    }
}

/// The backend's deployment.
pub(crate) fn backend(evidence: &mut Evidence) -> &mut Deployment {
    let name = evidence.expectations.backend_deployment.clone();
    of(&mut evidence.demo.deployments).iter_mut().find(|one| one.name == name).unwrap()
}

/// The client's deployment.
pub(crate) fn client(evidence: &mut Evidence) -> &mut Deployment {
    let name = evidence.expectations.client_deployment.clone();
    of(&mut evidence.demo.deployments).iter_mut().find(|one| one.name == name).unwrap()
}

/// A deployment without replicas.
pub(crate) fn scale_to_zero(deployment: &mut Deployment) {
    deployment.replicas = 0;
    deployment.current_replicas = 0;
    deployment.updated_replicas = 0;
    deployment.ready_replicas = 0;
    deployment.available_replicas = 0;
}

/// The gateway's service.
pub(crate) fn gateway_service(evidence: &mut Evidence) -> &mut Service {
    let name = evidence.expectations.gateway.clone();
    of(&mut evidence.install.services).iter_mut().find(|service| service.name == name).unwrap()
}

/// Removes the gateway's service.
pub(crate) fn remove_gateway_service(evidence: &mut Evidence) {
    let name = evidence.expectations.gateway.clone();
    of(&mut evidence.install.services).retain(|service| service.name != name);
}

/// A pod was refused, and Kubernetes waits before it asks again.
pub(crate) fn refuse(deployment: &mut Deployment, message: &str) {
    deployment.updated_replicas = 0;
    deployment.available_replicas = 0;
    deployment.conditions = vec![Condition {
        kind: "ReplicaFailure".into(),
        status: "True".into(),
        reason: "FailedCreate".into(),
        message: message.into(),
    }];
}

/// A namespace is being deleted.
pub(crate) fn terminate_namespace(evidence: &mut Evidence, name: &str, message: &str) {
    let deleted = TerminatingNamespace { name: name.into(), message: message.into() };
    evidence.install.terminating_namespaces.push(deleted);
}

/// Marks istiod and its webhooks as installed by Helm.
pub(crate) fn mark_helm(evidence: &mut Evidence) {
    let marks =
        [("meta.helm.sh/release-name", "istiod"), ("meta.helm.sh/release-namespace", "mesh")];
    let marks = marks.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let deployments = evidence.install.deployments.value_mut().into_iter().flatten();
    deployments.for_each(|it| it.marks.extend(marks.clone()));
    let webhooks = evidence.install.webhooks.value_mut().into_iter().flatten();
    webhooks.for_each(|it| it.marks.extend(marks.clone()));
}

/// Moves the gateway to namespace `edge`.
pub(crate) fn move_gateway(evidence: &mut Evidence) {
    let name = evidence.expectations.gateway.clone();
    of(&mut evidence.install.deployments).retain(|it| it.name != name);
    of(&mut evidence.install.pods).retain(|it| !it.name.starts_with(&name));
    of(&mut evidence.install.services).retain(|it| it.name != name);
    for it in of(&mut evidence.cluster.load_balancer_services) {
        it.namespace = "edge".into();
    }
}
