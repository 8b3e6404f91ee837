//! Missing sidecars: the pods, the reasons, and the label and the webhook as causes.

use crate::claims::by_name::namespace_labelled::label_is_wrong;
use crate::claims::mesh::demo_pods::current_pods;
use crate::entry::Effect;
use crate::evidence::{Evidence, Pod};
use crate::facts::injection::{
    INJECT, enables_injection, has_injection_disabled, injects_nothing, refuses_sidecar,
};
use crate::facts::webhooks::injects;
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

/// Returns why a pod has no sidecar, where the evidence shows it, and the steps that show or fix it.
pub(super) fn explain_missing_sidecar(evidence: &Evidence, pod: &Pod) -> (String, Vec<Step>) {
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
        return (format!(": {noun} {INJECT}=false"), vec![step]);
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
        return (": it uses the node's network (hostNetwork)".into(), vec![step]);
    }
    let labels = evidence.install.namespaces.value().and_then(|all| all.get(&pod.namespace));
    let replace = pods::replace(evidence, pod);
    let elder =
        labels.filter(|it| enables_injection(it)).and_then(|_| find_injected_elder(evidence, pod));
    if let Some(elder) = elder {
        let why = format!(": injection left it out, although the older pod {} has one", elder.name);
        return (why, vec![injection::show_exclusions(evidence), replace]);
    }
    let why = match labels {
        Some(labels) if enables_injection(labels) => {
            ": created before the label or while injection failed"
        }
        Some(_) => ": the namespace is not labelled for injection",
        None => "",
    };
    (why.to_owned(), vec![replace])
}

/// Returns a pod of the namespace with a sidecar that is older than this one: then the namespace was labelled before this pod
/// was created. None where a webhook lets pods pass while it does not answer.
fn find_injected_elder<'e>(evidence: &'e Evidence, pod: &Pod) -> Option<&'e Pod> {
    let mut webhooks = evidence.install.webhooks.value()?.iter().filter(|it| injects(it));
    let is_elder = |it: &&&Pod| it.sidecar().is_some() && it.created_at < pod.created_at;
    let pods = current_pods(evidence).unwrap_or_default();
    let elder = pods.iter().find(is_elder).copied();
    elder.filter(|_| webhooks.all(|it| it.failure_policy == "Fail") && pod.created_at.is_some())
}
