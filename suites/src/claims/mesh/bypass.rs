//! The effects of traffic that bypasses a proxy: counters that do not rise, and encrypted traffic at the application.

use crate::entry::Effect;
use crate::evidence::{CounterPair, Evidence, Pod};
use crate::facts::demo::{find_wrong_reply, is_pod_of};
use crate::facts::proxy_replies::is_tls_error;
use crate::judgement::Verdict;
use crate::object::Object;
use crate::steps::{Step, istio};

/// The running pods of the backend, where traffic was counted.
pub(super) fn backend_pods(evidence: &Evidence) -> Vec<&Pod> {
    let backend = &evidence.expectations.backend_deployment;
    running_pods(evidence).filter(|pod| is_pod_of(evidence, pod, backend)).collect()
}

/// The client's pod from which requests were counted.
pub(super) fn client_pod(evidence: &Evidence) -> Vec<&Pod> {
    let client = evidence.mesh.traffic.value().map(|traffic| &traffic.client_pod);
    running_pods(evidence).filter(|pod| Some(&pod.name) == client).collect()
}

fn running_pods(evidence: &Evidence) -> impl Iterator<Item = &Pod> {
    let pods = evidence.mesh.traffic.value().and(evidence.demo.pods.value());
    pods.into_iter().flatten().filter(|pod| pod.is_running())
}

/// Returns why the client's proxy has not counted requests that arrived at the backend's proxy, and the steps that tell the
/// two reasons apart. Cilium's socket load balancing replaces the address of the service, so that the proxy does not know it.
/// The rules never redirect traffic of the proxy's own user.
pub(super) fn explain_uncounted(evidence: &Evidence, client_pod: &str) -> (String, Vec<Step>) {
    let host = evidence.expectations.backend_host();
    let is_cilium = |pod: &Pod| pod.labels.get("k8s-app").is_some_and(|it| it == "cilium");
    let network = evidence.cluster.network_pods.value();
    let has_cilium = network.map(|pods| pods.iter().any(is_cilium));
    let service = istio::show_clusters(evidence, client_pod, &host);
    if has_cilium == Some(true) {
        let why = format!("it does not recognise the address of {host}");
        return (why, [vec![service], istio::explain_socket_balancing(evidence)].concat());
    }
    let mut steps = vec![istio::show_user(evidence, client_pod), service];
    if has_cilium.is_none() {
        steps.extend(istio::explain_socket_balancing(evidence));
    }
    ("they went past it, or to an address that it does not know".into(), steps)
}

/// Whether a counter is missing or has not risen.
pub(super) fn has_not_risen(pair: &CounterPair) -> bool {
    match (pair.before.value(), pair.after.value()) {
        (Some(before), Some(after)) => before == after,
        _ => true,
    }
}

/// Whether the cause, a claim on the redirection, names one of these pods.
pub(super) fn cause_names_any(effect: &Effect<'_, Evidence>, pods: &[&Pod]) -> bool {
    let named = effect.object_of_cause();
    pods.iter().any(|pod| named.is_some_and(|named| named == Object::pod(pod).to_string()))
}

/// Whether this body is the error of an application that gets encrypted traffic, and the cause, a claim on the redirection,
/// names a pod of the backend.
pub(crate) fn bypasses_decryption(effect: &Effect<'_, Evidence>, body: Option<&str>) -> bool {
    effect.judgement.verdict == Verdict::Fail
        && body.is_some_and(is_tls_error)
        && cause_names_any(effect, &backend_pods(effect.evidence))
}

/// The same of the most frequent wrong reply to the client.
pub(crate) fn reply_bypasses_decryption(effect: &Effect<'_, Evidence>) -> bool {
    let reply = find_wrong_reply(effect.evidence);
    bypasses_decryption(effect, reply.map(|reply| reply.body.as_str()))
}
