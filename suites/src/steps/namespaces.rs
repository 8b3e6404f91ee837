//! Steps on namespaces, and on their labels.

use super::{Impact, Purpose, Step};
use crate::evidence::Evidence;
use crate::facts::refusal::{Refusal, classify_refusal};
use crate::facts::webhooks::{INJECTION, REVISION, only_revision};
use crate::hint::escape_backquotes;

/// Creates the demo's namespace.
pub(crate) fn create(evidence: &Evidence, text: &str) -> Step {
    let command = evidence.kubectl(&["create", "namespace", &evidence.expectations.namespace]);
    Step::fix(Impact::Changes, command, text)
}

/// Deletes a namespace of our own.
pub(crate) fn delete(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    Step::fix(Impact::Deletes, evidence.kubectl(&["delete", "namespace", namespace]), text)
}

/// Shows what keeps a namespace from being deleted.
pub(crate) fn show_conditions(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    let path = "jsonpath={.status.conditions}";
    Step::inspect(evidence.kubectl(&["get", "namespace", namespace, "-o", path]), text)
}

/// Waits until a namespace that is being deleted is gone.
pub(crate) fn wait_deleted(evidence: &Evidence, namespace: &str) -> Step {
    let target = format!("namespace/{namespace}");
    let command = evidence.kubectl(&["wait", "--for=delete", &target, "--timeout=120s"]);
    Step::inspect(command, "waits until it is gone")
}

/// Labels the demo's namespace for injection.
pub(crate) fn label_for_injection(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.namespace;
    let label = ["label", "namespace", namespace, "istio-injection=enabled", "--overwrite"];
    Step::fix(Impact::Changes, evidence.kubectl(&label), "labels it")
}

/// Labels the demo's namespace with what the webhooks that are there select.
pub(crate) fn label_for_webhooks(evidence: &Evidence, more: &[&str]) -> Step {
    let revision = only_revision(evidence).map(|revision| format!("{REVISION}={revision}"));
    let (label, remove) = (format!("{INJECTION}=enabled"), format!("{INJECTION}-"));
    let labels = match &revision {
        Some(revision) => vec![revision, remove.as_str(), "--overwrite"],
        None => [&[label.as_str()], more].concat(),
    };
    let namespace = ["label", "namespace", &evidence.expectations.namespace];
    Step::fix(Impact::Changes, evidence.kubectl(&[&namespace[..], &labels].concat()), "labels it")
}

/// Lets the pods of a namespace do what Pod Security forbids, as `istio-init` needs it.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-admission/>.
fn label_privileged(evidence: &Evidence, namespace: &str) -> Step {
    let label = "pod-security.kubernetes.io/enforce=privileged";
    let command = evidence.kubectl(&["label", "namespace", namespace, label, "--overwrite"]);
    Step::fix(Impact::Changes, command, "allows what istio-init needs to set its rules")
}

/// Removes what refuses the pods of a namespace, as far as the API server's words tell what it is.
pub(crate) fn admit_pods(evidence: &Evidence, namespace: &str, words: &str) -> Vec<Step> {
    match classify_refusal(words) {
        Refusal::Quota(quota) => fit_quota(evidence, namespace, quota),
        Refusal::LimitRange => fit_limit_range(evidence, namespace),
        Refusal::PodSecurity(_) => vec![label_privileged(evidence, namespace)],
        Refusal::Denied(webhook) => fit_policy(evidence, webhook, words),
        Refusal::ServiceAccount(name) => vec![create_service_account(evidence, namespace, name)],
        Refusal::Call(..) | Refusal::Deletion | Refusal::Other => Vec::new(),
    }
}

/// Shows a resource quota that admits no further pod, and says what admits one.
fn fit_quota(evidence: &Evidence, namespace: &str, quota: &str) -> Vec<Step> {
    let show = evidence.kubectl(&["-n", namespace, "describe", "resourcequota", quota]);
    let quota = escape_backquotes(quota);
    let text = format!(
        "raise resource quota {quota}, or set the requests and limits that it asks for: of the sidecar by \
         annotations sidecar.istio.io/proxyCPU, proxyCPULimit, proxyMemory and proxyMemoryLimit"
    );
    vec![Step::inspect(show, "shows what the quota admits and what is used"), fix(text)]
}

/// Shows the limit ranges of a namespace.
fn fit_limit_range(evidence: &Evidence, namespace: &str) -> Vec<Step> {
    let show = evidence.kubectl(&["-n", namespace, "describe", "limitrange"]);
    let text = "change the limit range, or the requests and limits of the containers that it names";
    vec![Step::inspect(show, "shows the limit ranges"), fix(text.into())]
}

/// Says how an admission policy lets Istio's pods in.
/// Source of the option: <https://cloud.google.com/kubernetes-engine/docs/how-to/autopilot-workload-policies>.
fn fit_policy(evidence: &Evidence, webhook: &str, words: &str) -> Vec<Step> {
    if words.contains("autogke") && words.contains("NET_ADMIN") {
        return vec![fix(
            "allow istio-init's capability NET_ADMIN in the cluster: gcloud container clusters update CLUSTER \
             --workload-policies=allow-net-admin"
                .into(),
        )];
    }
    let list = ["get", "validatingwebhookconfigurations,mutatingwebhookconfigurations"];
    let webhook = escape_backquotes(webhook);
    vec![
        Step::inspect(evidence.kubectl(&list), format!("shows whose webhook {webhook} is")),
        fix("exempt the namespace from the policy, or give the pods what it asks for".into()),
    ]
}

/// Creates a service account that pods name.
fn create_service_account(evidence: &Evidence, namespace: &str, name: &str) -> Step {
    let command = evidence.kubectl(&["-n", namespace, "create", "serviceaccount", name]);
    Step::fix(Impact::Changes, command, "creates the service account that the pods name")
}

fn fix(text: String) -> Step {
    Step::advice(Purpose::Fix, text)
}
