//! Steps on pods: they show the state of a pod, or replace it.

use super::{Impact, Purpose, Step, images, injection, workloads};
use crate::evidence::{Container, ContainerState, Evidence, Pod};
use crate::facts::pull::pull_error;
use crate::facts::scheduling::{Unschedulable, find_unschedulable};
use crate::facts::sidecar::{
    INIT, SIDECAR, VALIDATION, has_validation, init_runs_again, only_probe_fails,
};
use crate::facts::workload::{
    deployment_with_ready_revision, find_restarted_container, find_stuck_container,
    find_troubled_container, is_out_of_memory, owner_workload, start_error,
};
use crate::hint::{escape_backquotes, quote};
use meshcheck_netfilter::Family;

/// Shows why a pod is not ready: the last log of a crashed container, the log of a running one, or the pod's events.
/// Where a pod of the previous revision is still ready, it also rolls back.
pub(crate) fn diagnose(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    if init_runs_again(pod) {
        return vec![replace(evidence, pod)];
    }
    let mut steps = repair_container(evidence, pod);
    steps.extend(show_requirement(evidence, pod));
    steps.push(show_trouble(evidence, pod));
    steps.extend(explain_early_start(pod));
    if let Some(deployment) = deployment_with_ready_revision(evidence, pod) {
        let undo = evidence.kubectl(&["-n", &pod.namespace, "rollout", "undo", &deployment]);
        let text = "Roll back to the previous revision, whose pod is ready";
        steps.push(Step::fix(Impact::Changes, undo, text));
    }
    steps
}

/// Removes the reason for which a container does not run, where its state shows the reason.
fn repair_container(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let advice = |text: String| Step::advice(Purpose::Fix, text);
    let containers = || pod.all_containers();
    if let Some(container) = containers().find(|it| is_out_of_memory(it)) {
        let workload = owner_workload(pod).filter(|_| container.name == SIDECAR);
        if let Some(workload) = workload {
            return vec![injection::raise_proxy_memory(evidence, pod, &workload)];
        }
        let raise = match owner_workload(pod) {
            Some(workload) => {
                workloads::raise_memory_limit(evidence, pod, &workload, &container.name)
            }
            None => advice(format!(
                "Raise the memory limit of container {} to 2Gi, only if it is below 2Gi",
                escape_backquotes(&container.name)
            )),
        };
        let text = "Show the memory limit: where there is none, the machine needs more memory";
        return vec![describe(evidence, pod, text), raise];
    }
    if let Some(container) =
        containers().find(|it| start_error(it).is_some_and(|it| it.contains("runAsNonRoot")))
    {
        let name = escape_backquotes(&container.name);
        return vec![advice(format!(
            "Set securityContext.runAsUser of container {name} to the number of its image's user, which is not 0"
        ))];
    }
    let waiting = find_troubled_container(pod).and_then(|it| Some((it, pull_error(it)?)));
    waiting.map_or_else(Vec::new, |(container, message)| {
        images::obtain(evidence, pod, container, message)
    })
}

/// Shows what a log does not: the volume claims that a pod waits for, and the probe that a restarted container fails.
fn show_requirement(evidence: &Evidence, pod: &Pod) -> Option<Step> {
    if find_unschedulable(pod) == Some(Unschedulable::Volume) {
        let claims = ["-n", &pod.namespace, "describe", "persistentvolumeclaims"];
        let text = "Show the events of the volume claims: they have the reason";
        return Some(Step::inspect(evidence.kubectl(&claims), text));
    }
    let container = find_restarted_container(pod).filter(|it| it.name != SIDECAR)?;
    let name = escape_backquotes(&container.name);
    let text = format!("Show the pod's events: a probe of container {name} fails");
    Some(describe(evidence, pod, &text))
}

/// Explains an init container that fails before the proxy starts, where the CNI plug-in redirects its traffic already.
/// Source: <https://istio.io/latest/docs/setup/additional-setup/cni/#compatibility-with-application-init-containers>.
fn explain_early_start(pod: &Pod) -> Option<Step> {
    let is_early = |it: &Container| {
        pod.init_containers.iter().any(|init| init.name == it.name)
            && ![INIT, VALIDATION, SIDECAR].contains(&it.name.as_str())
    };
    let has_later_proxy = pod.containers.iter().any(|it| it.name == SIDECAR);
    let (container, _) = find_stuck_container(pod).filter(|(it, _)| is_early(it))?;
    if !has_validation(pod) || !has_later_proxy || pull_error(container).is_some() {
        return None;
    }
    let text = "If its connections are refused: Istio's CNI plug-in redirects them to the proxy, which starts later. Run \
                the init container as user 1337, or exclude its addresses with traffic.sidecar.istio.io/excludeOutboundIPRanges";
    Some(Step::advice(Purpose::Fix, text))
}

const EVENTS: &str = "Show the pod's events";

fn show_trouble(evidence: &Evidence, pod: &Pod) -> Step {
    if only_probe_fails(evidence, pod) {
        let text = "Show the pod's events: they have the answer to the kubelet's readiness probe";
        return describe(evidence, pod, text);
    }
    let Some(container) = find_troubled_container(pod).or_else(|| {
        pod.counted_containers().find(|container| container.last_termination.is_some())
    }) else {
        return describe(evidence, pod, EVENTS);
    };
    let name = escape_backquotes(&container.name);
    let show = |more: &[&str], text: String| show_log(evidence, pod, &container.name, more, text);
    if container.last_termination.is_some() {
        let text = format!("Show the last log of the crashed container {name}");
        return show(&["--tail=50", "--previous"], text);
    }
    match container.state {
        ContainerState::Running { .. } | ContainerState::Terminated(_) => {
            show(&["--tail=50"], format!("Show the log of container {name}"))
        }
        ContainerState::Unknown | ContainerState::Waiting { .. } => describe(evidence, pod, EVENTS),
    }
}

/// Shows the log of a pod's container; `more` are further arguments.
pub(crate) fn show_log(
    evidence: &Evidence,
    pod: &Pod,
    container: &str,
    more: &[&str],
    text: impl Into<String>,
) -> Step {
    let logs = ["-n", &pod.namespace, "logs", &pod.name, "-c", container];
    Step::inspect(evidence.kubectl(&[&logs[..], more].concat()), text)
}

/// Shows the log of kube-proxy on all nodes.
pub(crate) fn show_kube_proxy_log(evidence: &Evidence) -> Step {
    let logs = ["-n", "kube-system", "logs", "-l", "k8s-app=kube-proxy", "--tail=20"];
    Step::inspect(evidence.kubectl(&logs), "Show the log of kube-proxy")
}

/// Lists the pods of a namespace; `more` are further arguments.
pub(crate) fn list(evidence: &Evidence, namespace: &str, more: &[&str], text: &str) -> Step {
    Step::inspect(evidence.kubectl(&[&["-n", namespace, "get", "pods"], more].concat()), text)
}

/// The directory of containerd's running containers on a node.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// Shows the rules in force in a pod, of one table or of all, through its node. The containers of a pod share its
/// network, and containerd stores the pod's name with each container.
pub(crate) fn show_live_rules(
    evidence: &Evidence,
    pod: &Pod,
    family: Family,
    tables: &[&str],
) -> Option<Step> {
    let save = if family == Family::V6 { "ip6tables-save" } else { "iptables-save" };
    let (only, text) = match tables {
        [table] => {
            (format!(" -t {}", quote(table)), format!("Show the rules in force in table {table}"))
        }
        _ => (String::new(), "Show the rules in force".to_owned()),
    };
    let script = format!(
        "cd {TASKS} && nsenter -t \"$(cat \"$(dirname \"$(grep -lF {} */config.json | head -n 1)\")/init.pid\")\" \
         -n {save}{only}",
        quote(&pod.name)
    );
    let command = evidence.on_node(pod.node.as_deref()?, &["sh", "-c", &script]);
    Some(Step::inspect(command, escape_backquotes(&text)))
}

/// Shows a pod as YAML.
pub(crate) fn show(evidence: &Evidence, pod: &Pod, text: impl Into<String>) -> Step {
    let command = evidence.kubectl(&["-n", &pod.namespace, "get", "pod", &pod.name, "-o", "yaml"]);
    Step::inspect(command, text)
}

/// Describes a pod.
pub(crate) fn describe(evidence: &Evidence, pod: &Pod, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["-n", &pod.namespace, "describe", "pod", &pod.name]), text)
}

/// Shows the containers of a pod.
pub(crate) fn show_containers(evidence: &Evidence, pod: &Pod) -> Step {
    describe(evidence, pod, "Show the containers of the pod")
}

/// Replaces a pod by a new one, which injection changes as it is configured now.
pub(crate) fn replace(evidence: &Evidence, pod: &Pod) -> Step {
    let namespace = pod.namespace.as_str();
    if let Some(workload) = owner_workload(pod) {
        let text = format!("Restart {}", escape_backquotes(&workload.replacen('/', " ", 1)));
        return workloads::restart(evidence, namespace, &workload, text);
    }
    let command = evidence.kubectl(&["-n", namespace, "delete", "pod", &pod.name]);
    Step::fix(Impact::Deletes, command, "Delete the pod, then create it again by hand")
}

/// Ends the sidecar of a pod whose application has ended, or deletes the job or the pod.
pub(crate) fn end_sidecar(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let in_namespace = ["-n", pod.namespace.as_str()];
    let exec = ["exec", &pod.name, "-c", SIDECAR, "--", "pilot-agent", "request", "POST"];
    let quit = evidence.kubectl(&[&in_namespace[..], &exec, &["quitquitquit"]].concat());
    let mut steps = vec![Step::fix(Impact::Changes, quit, "End the sidecar, and with it the pod")];
    if let Some(job) = pod.owner.as_deref().and_then(|owner| owner.strip_prefix("Job/")) {
        let delete = evidence.kubectl(&[&in_namespace[..], &["delete", "job", job]].concat());
        steps.push(Step::fix(Impact::Deletes, delete, "Delete the job and its pods instead"));
    } else if pod.owner.is_none() {
        let delete = evidence.kubectl(&[&in_namespace[..], &["delete", "pod", &pod.name]].concat());
        steps.push(Step::fix(Impact::Deletes, delete, "Delete the pod instead"));
    }
    steps
}

/// Deletes a pod that has failed: it never runs again, and its owner has created another one.
pub(crate) fn delete_failed(evidence: &Evidence, pod: &Pod) -> Step {
    let command = evidence.kubectl(&["-n", &pod.namespace, "delete", "pod", &pod.name]);
    Step::fix(Impact::Deletes, command, "Delete the failed pod, which never starts again")
}
