//! Missing sidecars: the pods, the reasons, and the label and the webhook as causes.

use crate::claims::by_name::namespace_labelled::label_is_wrong;
use crate::claims::mesh::demo_pods::current_pods;
use crate::entry::Effect;
use crate::evidence::{Evidence, Pod};
use crate::facts::injection::{
    INJECT, enables_injection, has_injection_disabled, injects_nothing, refuses_sidecar,
};
use crate::facts::workload::owner_workload;
use crate::steps::{Purpose, Step, injection, pods, workloads};

/// Whether pods that are created now get no sidecar because of the label.
pub(super) fn label_prevents_injection(effect: &Effect<'_, Evidence>) -> bool {
    label_is_wrong(effect) && injects_nothing(&effect.evidence.mesh.dry_run_labelled)
}

/// Whether pods that are created now get no sidecar although the label is correct.
pub(super) fn webhook_prevents_injection(effect: &Effect<'_, Evidence>) -> bool {
    !label_is_wrong(effect) && injects_nothing(&effect.evidence.mesh.dry_run_labelled)
}

/// Returns the pods of one container without a sidecar, which get one where they are created again.
pub(super) fn pods_missed_by_injection(evidence: &Evidence) -> impl Iterator<Item = &Pod> {
    let pods = current_pods(evidence).unwrap_or_default().into_iter();
    pods.filter(|pod| {
        pod.phase != "Failed"
            && pod.proxy().is_none()
            && pod.containers.len() == 1
            && !refuses_sidecar(pod)
    })
}

/// Returns why a pod has no sidecar, where the evidence shows it, and the step that fixes it.
pub(super) fn explain_missing_sidecar(evidence: &Evidence, pod: &Pod) -> (String, Step) {
    if has_injection_disabled(pod) {
        let is_label = pod.labels.contains_key(INJECT);
        let (noun, field) =
            if is_label { ("label", "labels") } else { ("annotation", "annotations") };
        let text = format!("Remove the {noun} {INJECT} from the pod template");
        let remove = |workload: String| {
            injection::remove_from_template(evidence, &workload, (field, &[INJECT]), text)
        };
        let step = owner_workload(pod).map(remove);
        let advice = || format!("Create the pod again without the {noun} {INJECT}");
        let step = step.unwrap_or_else(|| Step::advice(Purpose::Fix, advice()));
        return (format!(": {noun} {INJECT}=false"), step);
    }
    if pod.host_network {
        let mut deployments = evidence.demo.deployments.value().into_iter().flatten();
        let step = match deployments.find(|deployment| deployment.selects(pod)) {
            Some(deployment) => {
                let text = "Move the pods to the pod network, where Istio injects";
                workloads::leave_host_network(evidence, deployment, text)
            }
            None => pods::show_containers(evidence, pod),
        };
        return (": it uses the node's network (hostNetwork)".into(), step);
    }
    let labels = evidence.install.namespaces.value().and_then(|all| all.get(&pod.namespace));
    let why = match labels {
        Some(labels) if enables_injection(labels) => {
            ": created before the label or while injection failed"
        }
        Some(_) => ": the namespace is not labelled for injection",
        None => "",
    };
    (why.to_owned(), pods::replace(evidence, pod))
}
