//! Judges of the section *mesh*: sidecars, redirection, traffic.

pub(crate) mod inbound_redirected;
pub(crate) mod init_arguments;
pub(crate) mod live_rules;
pub(crate) mod outbound_redirected;
pub(crate) mod pods_ready;
pub(crate) mod proxies_in_sync;
pub(crate) mod traffic_through_proxies;
pub(crate) mod two_containers_per_pod;
pub(crate) mod unlabelled_namespace_left_alone;

use crate::claims::Claim;
use crate::facts::workload::owner_workload;
use crate::judgement::require;

/// The claims of this section, in the tutorial's order.
pub(super) const CLAIMS: &[&Claim] = &[
    &two_containers_per_pod::CLAIM,
    &pods_ready::CLAIM,
    &unlabelled_namespace_left_alone::CLAIM,
    &init_arguments::CLAIM,
    &inbound_redirected::CLAIM,
    &outbound_redirected::CLAIM,
    &live_rules::CLAIM,
    &traffic_through_proxies::CLAIM,
    &proxies_in_sync::CLAIM,
];

mod injection;
mod live;
mod pods;
mod rules;
mod sync;
#[cfg(test)]
pub(super) mod tests;
mod traffic;

pub(super) use injection::{
    has_sidecar, init_arguments, told_words, unlabelled_namespace_left_alone,
};
pub(super) use live::live_rules;
pub(super) use pods::{INJECT, pods_ready, refuses_sidecar, two_containers_per_pod};
pub use rules::{Way, ways};
pub(super) use rules::{inbound_redirected, outbound_redirected};
pub(super) use sync::proxies_in_sync;
pub(super) use traffic::{answered_itself, is_policys_word, traffic_through_proxies};

use crate::evidence::{Evidence, Pod};
use crate::judgement::Judgement;

/// The injected sidecar.
pub(super) const SIDECAR: &str = "istio-proxy";
/// The init container that programs the redirection.
pub(super) const INIT: &str = "istio-init";
/// The init container that only looks whether a CNI plug-in has done so.
const VALIDATION: &str = "istio-validation";

/// The port to which outbound traffic is redirected.
/// Source: <https://istio.io/latest/docs/ops/deployment/application-requirements/>, as the next ones.
const OUTBOUND_PORT: u16 = 15001;
/// The port to which inbound traffic is redirected.
const INBOUND_PORT: u16 = 15006;
/// The sidecar's own ports: Envoy's statistics, health, the merged statistics.
const OWN_PORTS: [u16; 3] = [15090, 15021, 15020];
/// The mesh's tunnel (HBONE): encrypted traffic of other proxies for this one.
const TUNNEL_PORT: u16 = 15008;
/// The proxy's user and group.
const PROXY_ID: u32 = 1337;

fn pods(evidence: &Evidence) -> Result<&Vec<Pod>, Judgement> {
    let namespace = &evidence.expectations.namespace;
    let what = format!("the pods of namespace {namespace}");
    require(&evidence.demo.pods, &what, &format!("namespace {namespace}"), || {
        format!("`{}` makes it", evidence.kubectl(&["create", "namespace", namespace]))
    })
}

/// The pods of the demo's namespace that are to be judged: those that have ended, and those on their
/// way out, are not.
pub(super) fn staying(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let all = pods(evidence)?;
    let ended = |pod: &&Pod| pod.terminating || pod.phase == "Succeeded";
    let staying: Vec<_> = all.iter().filter(|pod| !ended(pod)).collect();
    if staying.is_empty() {
        let namespace = &evidence.expectations.namespace;
        let command = evidence.kubectl(&["-n", namespace, "get", "deployments"]);
        return Err(Judgement::fail(format!("no pod runs in namespace {namespace}"))
            .expected("pods of the echo backend and of the client")
            .observed(if all.is_empty() { "no pod" } else { "only pods that have ended" })
            .object(format!("namespace {namespace}"))
            .legacy_hint(format!("`{command}` shows what should run there")));
    }
    Ok(staying)
}

/// The pods that have a sidecar and run: those whose redirection is to be judged.
pub(super) fn injected(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let injected: Vec<_> = staying(evidence)?
        .into_iter()
        .filter(|pod| pod.is_running() && pod.sidecar().is_some())
        .collect();
    if injected.is_empty() {
        let namespace = &evidence.expectations.namespace;
        return Err(Judgement::fail(format!("no pod in namespace {namespace} has a sidecar"))
            .expected("pods with a sidecar, and an init container that redirects to it")
            .observed("no sidecar")
            .object(format!("namespace {namespace}"))
            .legacy_hint(restart_all(evidence)));
    }
    Ok(injected)
}

/// What makes a pod anew, so that it gets what pods get now.
fn renew(evidence: &Evidence, pod: &Pod) -> String {
    let namespace = pod.namespace.as_str();
    if let Some(workload) = owner_workload(pod) {
        let arguments = ["-n", namespace, "rollout", "restart", &workload];
        return format!("`{}` makes its pods anew", evidence.kubectl(&arguments));
    }
    let command = evidence.kubectl(&["-n", namespace, "delete", "pod", &pod.name]);
    format!("`{command}` removes it, for whoever made it to make it anew")
}

fn restart_all(evidence: &Evidence) -> String {
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "rollout", "restart", "deployment"]);
    format!("`{command}` makes all pods anew, once the namespace is labelled and istiod runs")
}

/// The command that takes labels or annotations out of the template of a workload in the demo's namespace.
/// It does no harm where they are gone already.
pub(super) fn take_out(evidence: &Evidence, workload: &str, what: &str, keys: &[&str]) -> String {
    let none: serde_json::Map<_, _> =
        keys.iter().map(|key| ((*key).to_owned(), serde_json::Value::Null)).collect();
    let patch = serde_json::json!({ "spec": { "template": { "metadata": { what: none } } } });
    let namespace = &evidence.expectations.namespace;
    evidence.kubectl(&["-n", namespace, "patch", workload, "-p", &patch.to_string()])
}
