//! Steps on deployments and other workloads.

use super::{Impact, Step};
use crate::evidence::{Deployment, Evidence, Pod};
use crate::hint::escape_backquotes;

/// Scales a deployment from 0 replicas to 1.
pub(crate) fn scale_up(evidence: &Evidence, namespace: &str, deployment: &str, text: &str) -> Step {
    scale(evidence, namespace, deployment, 1, text)
}

/// Scales a deployment.
pub(crate) fn scale(
    evidence: &Evidence,
    namespace: &str,
    deployment: &str,
    replicas: u32,
    text: &str,
) -> Step {
    let (target, replicas) = (format!("deployment/{deployment}"), format!("--replicas={replicas}"));
    let command = evidence.kubectl(&["-n", namespace, "scale", &target, &replicas]);
    Step::fix(Impact::Changes, command, text)
}

/// Describes a deployment.
pub(crate) fn describe(evidence: &Evidence, namespace: &str, deployment: &str, text: &str) -> Step {
    describe_any(evidence, namespace, &format!("deployment/{deployment}"), text)
}

/// Shows the finalizers of an object that is being deleted, named as `deployment/istiod`.
pub(crate) fn show_finalizers(evidence: &Evidence, namespace: &str, object: &str) -> Step {
    let path = "jsonpath={.metadata.finalizers}";
    let command = evidence.kubectl(&["-n", namespace, "get", object, "-o", path]);
    Step::inspect(command, "Show the finalizers, which block the deletion")
}

/// Describes a workload, named as `daemonset/speaker`.
pub(crate) fn describe_any(
    evidence: &Evidence,
    namespace: &str,
    workload: &str,
    text: &str,
) -> Step {
    Step::inspect(evidence.kubectl(&["-n", namespace, "describe", workload]), text)
}

/// Shows the annotations of a workload's template.
pub(crate) fn show_template_annotations(evidence: &Evidence, workload: &str) -> Step {
    let path = "jsonpath={.spec.template.metadata.annotations}";
    let get = ["-n", &evidence.expectations.namespace, "get", workload, "-o", path];
    Step::inspect(evidence.kubectl(&get), "Show the annotations of the pod template")
}

/// Restarts a workload, named as `deployment/echo-deployment`: its pods are replaced.
pub(crate) fn restart(
    evidence: &Evidence,
    namespace: &str,
    workload: &str,
    text: impl Into<String>,
) -> Step {
    restart_several(evidence, namespace, &[workload.to_owned()], text)
}

/// Restarts workloads of one namespace in one command.
pub(crate) fn restart_several(
    evidence: &Evidence,
    namespace: &str,
    workloads: &[String],
    text: impl Into<String>,
) -> Step {
    let workloads = workloads.iter().map(String::as_str);
    let restart: Vec<_> =
        ["-n", namespace, "rollout", "restart"].into_iter().chain(workloads).collect();
    Step::fix(Impact::RestartsPods, evidence.kubectl(&restart), text)
}

/// Raises the memory limit of a container in a workload's template.
pub(crate) fn raise_memory_limit(
    evidence: &Evidence,
    pod: &Pod,
    workload: &str,
    container: &str,
) -> Step {
    let text = format!(
        "Raise the memory limit of container {} to 2Gi, only if it is below 2Gi",
        escape_backquotes(container)
    );
    set_memory(evidence, &pod.namespace, workload, &[container, "--limits=memory=2Gi"], text)
}

/// Reduces the requests of a container in a workload's template.
pub(crate) fn reduce_requests(
    evidence: &Evidence,
    namespace: &str,
    workload: &str,
    container: &str,
) -> Step {
    let text = format!("Reduce the requests of container {}", escape_backquotes(container));
    set_memory(
        evidence,
        namespace,
        workload,
        &[container, "--requests=cpu=100m,memory=512Mi"],
        text,
    )
}

fn set_memory(
    evidence: &Evidence,
    namespace: &str,
    workload: &str,
    arguments: &[&str],
    text: String,
) -> Step {
    let set = ["-n", namespace, "set", "resources", workload, "-c"];
    Step::fix(Impact::Changes, evidence.kubectl(&[&set[..], arguments].concat()), text)
}

/// Moves the pods of a deployment from the network of their nodes to the pod network.
pub(crate) fn leave_host_network(evidence: &Evidence, deployment: &Deployment, text: &str) -> Step {
    let patch = r#"{"spec":{"template":{"spec":{"hostNetwork":false}}}}"#;
    let Deployment { namespace, name, .. } = deployment;
    let command = evidence.kubectl(&["-n", namespace, "patch", "deployment", name, "-p", patch]);
    Step::fix(Impact::Changes, command, text)
}

/// Deletes a deployment, and the service that has its name.
pub(crate) fn delete_with_service(evidence: &Evidence, deployment: &Deployment) -> Step {
    let delete = ["-n", &deployment.namespace, "delete", "deployment,service", &deployment.name];
    let command = evidence.kubectl(&[&delete[..], &["--ignore-not-found"]].concat());
    Step::fix(Impact::Deletes, command, "Delete the deployment and its service")
}

/// Lists the daemon sets of all namespaces: programs that run on each node, such as security software.
pub(crate) fn list_daemon_sets(evidence: &Evidence) -> Step {
    let command = evidence.kubectl(&["get", "daemonsets", "--all-namespaces"]);
    Step::inspect(command, "List the daemon sets, one of which may be this program")
}

/// Lists the deployments of the demo's namespace.
pub(crate) fn list_deployments(evidence: &Evidence, text: &str) -> Step {
    let namespace = &evidence.expectations.namespace;
    Step::inspect(evidence.kubectl(&["-n", namespace, "get", "deployments"]), text)
}

/// Sets the selector of the service that has the deployment's name to the deployment's labels.
pub(crate) fn select_pods(evidence: &Evidence, deployment: &Deployment) -> Step {
    let selector = serde_json::json!([
        { "op": "replace", "path": "/spec/selector", "value": deployment.selector }
    ]);
    let selector = selector.to_string();
    let service = ["-n", &deployment.namespace, "patch", "service", &deployment.name];
    let command = evidence.kubectl(&[&service[..], &["--type=json", "-p", &selector]].concat());
    let text = format!(
        "Set the selector of service {0} to the labels of its pods",
        escape_backquotes(&deployment.name)
    );
    Step::fix(Impact::Changes, command, text)
}

/// Lists the deployments and pods of a namespace; `more` are further arguments.
pub(crate) fn list_all(evidence: &Evidence, namespace: &str, more: &[&str], text: &str) -> Step {
    let get = ["-n", namespace, "get", "deployments,pods"];
    Step::inspect(evidence.kubectl(&[&get[..], more].concat()), text)
}
