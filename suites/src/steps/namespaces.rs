//! Steps on namespaces, and on their labels.

use super::{Impact, Purpose, Step, injection};
use crate::evidence::{Evidence, Expectations};
use crate::facts::demo::find_deployment;
use crate::facts::refusal::{Refusal, classify_refusal, find_refusal};
use crate::facts::sidecar::{INIT, SIDECAR, names_injected_container};
use crate::facts::webhooks::{INJECTION, REVISION, only_revision};
use crate::hint::{escape_backquotes, quote};

/// Creates the demo's namespace.
pub(crate) fn create(evidence: &Evidence, text: &str) -> Step {
    let command = evidence.kubectl(&["create", "namespace", &evidence.expectations.namespace]);
    Step::fix(Impact::Changes, command, text)
}

/// Deletes a namespace that a check created.
pub(crate) fn delete(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    Step::fix(Impact::Deletes, evidence.kubectl(&["delete", "namespace", namespace]), text)
}

/// Shows why a namespace is not deleted yet.
pub(crate) fn show_conditions(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    let path = "jsonpath={.status.conditions}";
    Step::inspect(evidence.kubectl(&["get", "namespace", namespace, "-o", path]), text)
}

/// Waits until a namespace that is being deleted is gone.
pub(crate) fn wait_deleted(evidence: &Evidence, namespace: &str) -> Step {
    let target = format!("namespace/{namespace}");
    let command = evidence.kubectl(&["wait", "--for=delete", &target, "--timeout=120s"]);
    Step::inspect(command, "Check that the namespace is deleted (waits up to 120 s)")
}

/// The text of each step that labels the demo's namespace.
const LABEL: &str = "Label the namespace for injection";

/// Labels the demo's namespace for injection.
pub(crate) fn label_for_injection(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.namespace;
    let label = ["label", "namespace", namespace, "istio-injection=enabled", "--overwrite"];
    Step::fix(Impact::Changes, evidence.kubectl(&label), LABEL)
}

/// Labels the demo's namespace with the label that the installed webhooks select. `more` are further arguments.
pub(crate) fn label_for_webhooks(evidence: &Evidence, more: &[&str]) -> Step {
    let revision = only_revision(evidence).map(|revision| format!("{REVISION}={revision}"));
    let (label, remove) = (format!("{INJECTION}=enabled"), format!("{INJECTION}-"));
    let labels = match &revision {
        Some(revision) => vec![revision, remove.as_str(), "--overwrite"],
        None => [&[label.as_str()], more].concat(),
    };
    let namespace = ["label", "namespace", &evidence.expectations.namespace];
    Step::fix(Impact::Changes, evidence.kubectl(&[&namespace[..], &labels].concat()), LABEL)
}

/// Allows the capabilities that `istio-init` needs and that Pod Security forbids.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-admission/>.
fn label_privileged(evidence: &Evidence, namespace: &str) -> Step {
    let label = "pod-security.kubernetes.io/enforce=privileged";
    let command = evidence.kubectl(&["label", "namespace", namespace, label, "--overwrite"]);
    Step::fix(
        Impact::Changes,
        command,
        "Set the Pod Security level of the namespace to privileged, which allows istio-init's capabilities",
    )
}

/// Removes the reason for which the API server refuses pods of a namespace, where its message names the reason.
pub(crate) fn admit_pods(evidence: &Evidence, namespace: &str, message: &str) -> Vec<Step> {
    match classify_refusal(message) {
        Refusal::Quota(quota) => fit_quota(evidence, namespace, quota, message),
        Refusal::LimitRange => fit_limit_range(evidence, namespace),
        Refusal::PodSecurity(_) => vec![label_privileged(evidence, namespace)],
        Refusal::Denied(webhook) => fit_policy(evidence, webhook, message),
        Refusal::ServiceAccount(name) => vec![create_service_account(evidence, namespace, name)],
        Refusal::SecurityContext => allow_security_context(evidence, namespace, message),
        Refusal::Policy(name) => exempt_from_policy(evidence, name, message),
        Refusal::Call(name, failure) if !name.contains("istio") => {
            injection::restore_other_webhook(evidence, name, failure)
        }
        Refusal::Injection(_) => {
            injection::repair_injection(evidence, &find_refused_deployments(evidence, message))
        }
        Refusal::Invalid(_) | Refusal::Other => show_refused_template(evidence, namespace, message),
        Refusal::Call(..) | Refusal::Deletion => Vec::new(),
    }
}

/// Shows a resource quota that admits no further pod, and adapts it or the pods. A quota that requires requests and
/// limits refuses pods without them, whatever its amounts are.
fn fit_quota(evidence: &Evidence, namespace: &str, quota: &str, message: &str) -> Vec<Step> {
    let show = evidence.kubectl(&["-n", namespace, "describe", "resourcequota", quota]);
    let show = Step::inspect(show, "Show the limits and the usage of the quota");
    let quota = escape_backquotes(quota);
    let Some((_, missing)) = message.split_once("must specify ") else {
        return vec![
            show,
            fix(format!("Raise resource quota {quota}, or remove pods that use it")),
        ];
    };
    if lacks_sidecar_resources_only(missing) {
        let refused = find_refused_deployments(evidence, message).into_iter();
        let set = refused.map(|it| injection::set_proxy_resources(evidence, &it));
        return [show].into_iter().chain(set).collect();
    }
    let text = format!(
        "Set the requests and limits that resource quota {quota} requires of each container; raising the quota does not help"
    );
    vec![show, fix(text)]
}

/// Whether only injected containers lack requests or limits, in the message of a quota after `must specify`:
/// `limits.cpu for: istio-init,istio-proxy; requests.cpu for: istio-init`. Annotations set those.
fn lacks_sidecar_resources_only(missing: &str) -> bool {
    let mut parts = missing.split("; ").map(|part| part.split_once(" for: "));
    parts.all(|part| {
        part.is_some_and(|(_, names)| {
            names.split(',').all(|it| [INIT, SIDECAR].contains(&it.trim()))
        })
    })
}

/// Finds the deployments of the demo whose pods are refused for the same reason as in this message.
pub(crate) fn find_refused_deployments(evidence: &Evidence, message: &str) -> Vec<String> {
    let Expectations { backend_deployment, client_deployment, .. } = &evidence.expectations;
    let is_refused = |name: &&String| {
        let refusal = find_deployment(evidence, name).and_then(find_refusal);
        refusal.is_some_and(|it| classify_refusal(it) == classify_refusal(message))
    };
    let names = [backend_deployment, client_deployment].into_iter().filter(is_refused);
    names.map(|name| format!("deployment/{name}")).collect()
}

/// Shows the pod templates of the deployments whose pods the API server refuses for a reason that no rule of the namespace
/// shows. Requests above limits are often those of the injected containers.
fn show_refused_template(evidence: &Evidence, namespace: &str, message: &str) -> Vec<Step> {
    let refused = find_refused_deployments(evidence, message);
    let names = refused.iter().map(String::as_str);
    let get: Vec<_> =
        ["-n", namespace, "get"].into_iter().chain(names).chain(["-o", "yaml"]).collect();
    let show = "Show the pod template, which the API server refuses with these words";
    let is_injected = message.contains("must be less than or equal to")
        && (message.contains("spec.initContainers[") || message.contains("spec.containers[1]"));
    let text = "Raise the sidecar's limit above its request, or lower the request: annotations sidecar.istio.io/proxyCPU, \
                proxyCPULimit, proxyMemory, proxyMemoryLimit of the template";
    let show = (!refused.is_empty()).then(|| Step::inspect(evidence.kubectl(&get), show));
    show.into_iter().chain(is_injected.then(|| fix(text.into()))).collect()
}

/// Shows the limit ranges of a namespace.
fn fit_limit_range(evidence: &Evidence, namespace: &str) -> Vec<Step> {
    let show = evidence.kubectl(&["-n", namespace, "describe", "limitrange"]);
    let text = "Change the limit range, or the requests and limits of the containers that it names";
    vec![Step::inspect(show, "Show the limit ranges"), fix(text.into())]
}

/// Adapts an admission policy that refuses Istio's pods.
/// Source of the option: <https://cloud.google.com/kubernetes-engine/docs/how-to/autopilot-workload-policies>.
fn fit_policy(evidence: &Evidence, webhook: &str, message: &str) -> Vec<Step> {
    if message.contains("autogke") && message.contains("NET_ADMIN") {
        return vec![allow_net_admin(evidence)];
    }
    let list = ["get", "validatingwebhookconfigurations,mutatingwebhookconfigurations"];
    let webhook = escape_backquotes(webhook);
    let list = Step::inspect(
        evidence.kubectl(&list),
        format!("List the webhook configurations, to find the owner of webhook {webhook}"),
    );
    vec![list, fix(format!("Exempt the namespace from the policy, or {}", fit_rule(message)))]
}

/// Whether the message refuses a capability of an injected container: Istio's CNI plug-in makes it superfluous.
fn is_about_capabilities(text: &str) -> bool {
    text.contains("NET_ADMIN") || text.contains("capabilit") && names_injected_container(text)
}

/// Returns the advice that makes the pods fit a rule that refuses them.
fn fit_rule(message: &str) -> &'static str {
    if is_about_capabilities(message) {
        "install Istio with its CNI plug-in, which needs no capabilities in pods"
    } else {
        "set the fields that it requires of pods"
    }
}

/// Makes the capabilities of `istio-init` superfluous on `OpenShift`, or allows them.
/// Source: <https://istio.io/latest/docs/setup/platform-setup/openshift/>.
fn allow_security_context(evidence: &Evidence, namespace: &str, message: &str) -> Vec<Step> {
    if !names_injected_container(message) {
        return vec![fix(
            "Set the fields that the message names, or let the service account use a constraint that admits them"
                .into(),
        )];
    }
    let role = "--clusterrole=system:openshift:scc:privileged";
    let group = format!("--group=system:serviceaccounts:{namespace}");
    let bind = ["-n", namespace, "create", "rolebinding", "istio-init-privileged", role, &group];
    let text =
        "Or let all pods of the namespace be privileged, which includes istio-init's capabilities";
    vec![
        fix("Install Istio with its profile openshift: its CNI plug-in sets the rules, so that pods need no NET_ADMIN"
            .into()),
        Step::fix(Impact::Changes, evidence.kubectl(&bind), text),
    ]
}

/// Shows an admission policy of the cluster that refuses Istio's pods, and exempts the namespace from it.
fn exempt_from_policy(evidence: &Evidence, name: &str, message: &str) -> Vec<Step> {
    let show =
        ["get", "validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "yaml"];
    let name = escape_backquotes(name);
    let rule = fit_rule(message);
    vec![
        Step::inspect(evidence.kubectl(&show), format!("Show policy {name} and its bindings")),
        fix(format!("Exempt the namespace in the binding of the policy, or {rule}")),
    ]
}

/// Allows the capability `NET_ADMIN` in a cluster of GKE Autopilot, whose context is `gke_PROJECT_LOCATION_CLUSTER`.
fn allow_net_admin(evidence: &Evidence) -> Step {
    let text = "Allow istio-init's capability NET_ADMIN in the cluster";
    let option = "--workload-policies=allow-net-admin";
    let named = evidence.subject.context.strip_prefix("gke_");
    let parts: Vec<_> = named.into_iter().flat_map(|it| it.splitn(3, '_')).map(quote).collect();
    let [project, location, cluster] = parts.as_slice() else {
        return fix(format!("{text}: gcloud container clusters update CLUSTER {option}"));
    };
    let command = format!(
        "gcloud container clusters update {cluster} --location {location} --project {project} {option}"
    );
    Step::fix(Impact::Changes, command, text)
}

/// Creates a service account that pods name.
fn create_service_account(evidence: &Evidence, namespace: &str, name: &str) -> Step {
    let command = evidence.kubectl(&["-n", namespace, "create", "serviceaccount", name]);
    Step::fix(Impact::Changes, command, "Create the service account that the pods name")
}

fn fix(text: String) -> Step {
    Step::advice(Purpose::Fix, text)
}
