//! The state of pods, containers and deployments in words, for all judges.

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use crate::evidence::{
    Container, ContainerState, Deployment, Evidence, Observation, Pod, Termination,
};
use crate::hint::said;
use crate::judgement::{Judgement, Look as _, Verdict};

/// How many restarts make a loop, and how long ago the last one may be.
const LOOP_RESTARTS: u32 = 3;
const LOOP_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// How much of a foreign text is quoted, in characters.
const EXCERPT: usize = 200;

/// What was seen; where there is nothing to see, the judgement of [`crate::judgement::Look`] with
/// the object and the hint that every failure must have.
pub(super) fn seen<'e, T>(
    observation: &'e Observation<T>,
    what: &str,
    object: &str,
    hint: impl FnOnce() -> String,
) -> Result<&'e T, Judgement> {
    observation.look(what).map_err(|judgement| {
        if judgement.verdict == Verdict::Fail {
            judgement.object(object).legacy_hint(hint())
        } else {
            judgement
        }
    })
}

/// A quotation of a foreign text: one line, without control characters, not endless.
pub(crate) fn excerpt(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= EXCERPT {
        return line;
    }
    let cut: String = line.chars().take(EXCERPT).collect();
    format!("{cut}…")
}

/// `a`, `a and b`, `a, b and c`
pub(crate) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => "none".to_owned(),
        [only] => only.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// `1 pod`, `2 pods`
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// `pod client/echo-deployment-5b9-fh4wp`
pub(super) fn pod_object(pod: &Pod) -> String {
    format!("pod {}/{}", pod.namespace, pod.name)
}

/// `deployment client/echo-deployment`
pub(super) fn deployment_object(deployment: &Deployment) -> String {
    format!("deployment {}/{}", deployment.namespace, deployment.name)
}

/// What a container does: `running`, `CrashLoopBackOff (exit 1, restarted 7 times)`.
pub(super) fn container_state(container: &Container) -> String {
    let mut notes = Vec::new();
    let state = match &container.state {
        ContainerState::Unknown => "in a state that the kubelet has not reported".to_owned(),
        ContainerState::Waiting { reason, message } => {
            if reason.is_empty() {
                "waiting".to_owned()
            } else {
                if !message.is_empty() && container.last_termination.is_none() {
                    notes.push(excerpt(message));
                }
                reason.clone()
            }
        }
        ContainerState::Running { .. } if container.ready => "running".to_owned(),
        ContainerState::Running { .. } => "running, not ready".to_owned(),
        ContainerState::Terminated(end) => {
            notes.push(format!("exit {}", end.exit_code));
            if end.reason.is_empty() { "ended".to_owned() } else { end.reason.clone() }
        }
    };
    if let Some(end) = &container.last_termination {
        notes.push(last_end(end));
    }
    match container.restarts {
        0 => {}
        1 => notes.push("restarted once".to_owned()),
        times => notes.push(format!("restarted {times} times")),
    }
    if notes.is_empty() { state } else { format!("{state} ({})", notes.join(", ")) }
}

fn last_end(end: &Termination) -> String {
    match end.reason.as_str() {
        "" | "Error" | "Completed" => format!("exit {}", end.exit_code),
        reason => format!("{reason}, exit {}", end.exit_code),
    }
}

/// `1/2`: ready containers, as `kubectl get pods` counts them.
pub(super) fn ready_containers(pod: &Pod) -> String {
    let ready = pod.counted_containers().filter(|container| container.ready).count();
    format!("{ready}/{}", pod.counted_containers().count())
}

/// A pod's state, with the container that keeps it from being well:
/// `Running, ready containers 1/2: istio-proxy CrashLoopBackOff (exit 1, restarted 7 times)`.
pub(super) fn pod_state(pod: &Pod) -> String {
    let mut state = if pod.terminating {
        "being deleted".to_owned()
    } else if pod.phase.is_empty() {
        "without a phase".to_owned()
    } else {
        pod.phase.clone()
    };
    if pod.phase != "Succeeded" {
        state = format!("{state}, ready containers {}", ready_containers(pod));
    }
    if let Some(ill) = troubled_container(pod) {
        return format!("{state}: {} {}", ill.name, container_state(ill));
    }
    match &pod.reason {
        Some(reason) => format!("{state}: {}", excerpt(reason)),
        None if pod.is_running() && !pod.ready => {
            format!("{state}: its condition Ready is not true")
        }
        None => state,
    }
}

/// Whether a container merely waits for its turn.
pub(super) fn waits_for_others(container: &Container) -> bool {
    matches!(&container.state, ContainerState::Waiting { reason, .. }
        if reason == "PodInitializing" || reason == "ContainerCreating")
}

/// The first container that keeps a pod from being ready: one that has failed before one that
/// merely waits for it.
pub(super) fn troubled_container(pod: &Pod) -> Option<&Container> {
    let told = |container: &&Container| container.state != ContainerState::Unknown;
    let unready = || {
        let init = pod.init_containers.iter().filter(|container| {
            let over =
                matches!(&container.state, ContainerState::Terminated(end) if end.exit_code == 0);
            !(over || container.is_native_sidecar() && container.ready)
        });
        let main = pod.containers.iter().filter(|container| !container.ready);
        init.chain(main).filter(told)
    };
    // `Waiting: PodInitializing` of a main container says nothing while an init container runs.
    unready().find(|container| !waits_for_others(container)).or_else(|| unready().next())
}

/// How containerd tells of a container that ended with its node: by a reboot, and not by itself.
const WITH_ITS_NODE: &str = "Unknown";

/// A container that is restarted over and over, in words; `now` is the time of the look.
pub(super) fn restart_loop(container: &Container, now: Timestamp) -> Option<String> {
    let backing_off = matches!(&container.state, ContainerState::Waiting { reason, .. }
        if reason == "CrashLoopBackOff");
    let lately = container.last_termination.as_ref().and_then(|end| end.finished_at).is_some_and(
        // The node's clock may be ahead of that of the machine that looked: that is no reason to
        // overlook a loop.
        |finished| now.duration_since(finished) < LOOP_WINDOW,
    );
    let by_itself =
        container.last_termination.as_ref().is_some_and(|end| end.reason != WITH_ITS_NODE);
    (backing_off || (container.restarts >= LOOP_RESTARTS && lately && by_itself))
        .then(|| container_state(container))
}

/// What `kubectl rollout restart` takes to replace a pod: `deployment/echo-deployment`.
pub(super) fn workload(pod: &Pod) -> Option<String> {
    let (kind, name) = pod.owner.as_deref()?.split_once('/')?;
    match kind {
        "ReplicaSet" => Some(format!("deployment/{}", name.rsplit_once('-')?.0)),
        "StatefulSet" | "DaemonSet" => Some(format!("{}/{name}", kind.to_lowercase())),
        _ => None,
    }
}

/// The command that shows why a pod is not well: the crashed container's last words, the log of
/// one that runs without being ready, or else the pod's events. Where pods of the template before are
/// still well, also the one that goes back to it.
pub(super) fn pod_hint(evidence: &Evidence, pod: &Pod) -> String {
    let show = pod_shown(evidence, pod);
    match last_good_template(evidence, pod) {
        Some(deployment) => {
            let undo = evidence.kubectl(&["-n", &pod.namespace, "rollout", "undo", &deployment]);
            format!("{show}; `{undo}` goes back to the template whose pods are well")
        }
        None => show,
    }
}

/// The deployment that a pod belongs to, where the pods of its template before are still well.
fn last_good_template(evidence: &Evidence, pod: &Pod) -> Option<String> {
    let deployment = workload(pod).filter(|it| it.starts_with("deployment/"))?;
    let pods = [&evidence.install.pods, &evidence.demo.pods];
    let elder = pods.into_iter().filter_map(Observation::value).flatten().any(|other| {
        other.namespace == pod.namespace
            && other.owner != pod.owner
            && workload(other).as_ref() == Some(&deployment)
            && other.created_at < pod.created_at
            && other.is_running()
            && other.ready
    });
    elder.then_some(deployment)
}

fn pod_shown(evidence: &Evidence, pod: &Pod) -> String {
    let namespace = pod.namespace.as_str();
    let describe = || {
        let command = evidence.kubectl(&["-n", namespace, "describe", "pod", &pod.name]);
        format!("`{command}` shows the pod's events")
    };
    let Some(container) = troubled_container(pod).or_else(|| {
        pod.counted_containers().find(|container| container.last_termination.is_some())
    }) else {
        return describe();
    };
    let logs = ["-n", namespace, "logs", &pod.name, "-c", &container.name, "--tail=50"];
    if container.last_termination.is_some() {
        let command = evidence.kubectl(&[&logs[..], &["--previous"]].concat());
        return format!("`{command}` shows the last words of container {}", said(&container.name));
    }
    match container.state {
        ContainerState::Running { .. } | ContainerState::Terminated(_) => {
            let name = said(&container.name);
            format!("`{}` shows what container {name} says", evidence.kubectl(&logs))
        }
        ContainerState::Unknown | ContainerState::Waiting { .. } => describe(),
    }
}

/// What makes the service of a deployment, which has its name, select its pods.
pub(super) fn makes_service_select(evidence: &Evidence, deployment: &Deployment) -> String {
    let selector = serde_json::json!([
        { "op": "replace", "path": "/spec/selector", "value": deployment.selector }
    ]);
    let selector = selector.to_string();
    let service = ["-n", &deployment.namespace, "patch", "service", &deployment.name];
    let command = evidence.kubectl(&[&service[..], &["--type=json", "-p", &selector]].concat());
    format!("`{command}` makes the service select the pods of {}", said(&deployment.name))
}
