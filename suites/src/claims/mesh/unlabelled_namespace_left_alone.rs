//! Pods get a sidecar in labelled namespaces only.

use crate::claims::mesh::missing_sidecar::{label_prevents_injection, webhook_prevents_injection};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{DryRun, Evidence, Observation, Webhook};
use crate::facts::Labels;
use crate::facts::demo::find_deployment;
use crate::facts::injection::{
    demo_labels, demo_namespace_is_missing, dry_run_has_sidecar, enables_injection, names_revision,
};
use crate::facts::refusal::{CallFailure, Refusal, classify_refusal, find_refusal};
use crate::facts::sidecar::{SIDECAR, names_injected_container};
use crate::facts::webhooks::injects;
use crate::format::list;
use crate::format::refusal::{excerpt_refusal, format_call_failure, format_refusal};
use crate::judgement::{Judged, Judgement, require};
use crate::object::Object;
use crate::steps::{Step, injection, namespaces};

claim! {
    /// The tutorial says that Istio injects a sidecar "into each client application pod labeled for Istio injection".
    /// It only implies that other namespaces get none.
    ///
    /// ## Why it matters
    /// A webhook that selects too much adds a sidecar to pods that do not expect it, for example to system pods.
    /// A webhook that selects too little leaves new pods outside of the mesh, although the running pods look right.
    ///
    /// ## How it is checked
    /// Creates two pods as a server-side dry run: one in a namespace without labels of Istio (`default`), one in the
    /// demo's namespace. Nothing is stored in the cluster. The first pod has no sidecar, the second one has a container
    /// `istio-proxy`. It needs `create` on `pods` in both namespaces.
    ///
    /// ## What makes it fail
    /// - A pod in the unlabelled namespace gets a sidecar.
    /// - A pod in the demo's namespace gets none, or the namespace does not exist.
    /// - A rule of the cluster (pod security, a quota, a limit range, a policy) refuses the injected containers. Where it
    ///   refuses the demo's pods as well, `backend_deployment` is the cause.
    ///
    /// ## How to fix it
    /// - The namespace has no label (`namespace_labelled`): label it with `istio-injection=enabled`.
    /// - The webhook does not inject (`injection_webhook`): fix it, or install Istio again.
    /// - A rule refuses the pod: label the namespace with `pod-security.kubernetes.io/enforce=privileged`, or raise the quota.
    /// - A webhook injects in all namespaces: correct the `namespaceSelector` that selects unlabelled namespaces.
    ///
    /// ## Check by hand
    ///     kubectl -n client run probe --image=nginx --dry-run=server -o yaml | grep istio-proxy
    ///     kubectl -n default run probe --image=nginx --dry-run=server -o yaml | grep istio-proxy
    ///     kubectl get mutatingwebhookconfigurations
    mesh::unlabelled_namespace_left_alone: "pods get a sidecar in labelled namespaces only",
    beyond: true,
    needs: DryRun,
    caused_by: [
        namespace_labelled if label_leaves_demo_without_sidecar,
        injection_webhook if webhook_leaves_demo_without_sidecar,
        backend_deployment if backend_is_refused_too,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let mut summaries = all_hold([judge_unlabelled(evidence), judge_labelled(evidence)])?;
    summaries.reverse();
    Ok(Judgement::pass(format!("a dry-run pod gets {}", summaries.join(", "))))
}

/// Formats the containers of a dry run's pod.
fn format_containers(run: &DryRun) -> String {
    let names: Vec<_> = run.containers.iter().map(|container| container.name.as_str()).collect();
    format!("containers: {}", list(&names))
}

fn judge_unlabelled(evidence: &Evidence) -> Judged {
    let what = "the dry run in a namespace without labels";
    let object = "namespace without labels";
    let show = || injection::list_webhooks(evidence);
    if let Some((message, refusal)) = find_refusal_by_rule(&evidence.mesh.dry_run_unlabelled) {
        let refusal = format_refusal(refusal);
        let summary =
            format!("meshcheck's own test pod is refused: {refusal}; the mesh is not the reason");
        return Err(Judgement::unjudged(summary).observed(excerpt_refusal(message)));
    }
    let run = require(&evidence.mesh.dry_run_unlabelled, what, object, show)?;
    let namespace = &run.namespace;
    if dry_run_has_sidecar(run) {
        let selects = find_webhook_of_every_namespace(evidence, namespace);
        let observed = match selects {
            Some(it) => {
                let Webhook { name, configuration, .. } = it;
                format!("{}; selected by webhook {name} of {configuration}", format_containers(run))
            }
            None => format_containers(run),
        };
        return Err(Judgement::fail(format!(
            "a pod in namespace {namespace} would get a sidecar, but the namespace is not labelled"
        ))
        .expected("containers: probe")
        .observed(observed)
        .object(Object::global("namespace", namespace))
        .steps(selects.map(|_| injection::inject_labelled_only()))
        .step(show()));
    }
    Ok(Judgement::pass(format!("none in {namespace}")))
}

/// Returns the webhook that injects in a namespace although neither the namespace nor the pod has a label.
fn find_webhook_of_every_namespace<'e>(
    evidence: &'e Evidence,
    namespace: &str,
) -> Option<&'e Webhook> {
    let labels = evidence.install.namespaces.value()?.get(namespace)?;
    evidence.install.webhooks.value()?.iter().find(|it| {
        injects(it)
            && it.namespace_selector.selects(labels) == Some(true)
            && it.object_selector.selects(&Labels::new()) == Some(true)
    })
}

fn judge_labelled(evidence: &Evidence) -> Judged {
    let what = format!("the dry run in namespace {}", evidence.expectations.namespace);
    let object = Object::demo_namespace(evidence);
    let step = || label_or_list_webhooks(evidence);
    if let Some((message, refusal)) = find_refused_injection(evidence) {
        let refusal = format_refusal(refusal);
        let name = &evidence.expectations.namespace;
        let summary =
            format!("no new pod with a sidecar can be created in namespace {name}: {refusal}");
        return Err(Judgement::fail(summary)
            .expected("the API server admits a pod with a sidecar")
            .observed(format!(
                "{}; running pods stay, the next rollout fails",
                excerpt_refusal(message)
            ))
            .object(object)
            .steps(namespaces::admit_pods(evidence, name, message)));
    }
    let run = require(&evidence.mesh.dry_run_labelled, &what, &object, step);
    let run = run.map_err(|early| match find_failed_call(evidence) {
        Some(failure) => {
            let why = format_call_failure(failure);
            let summary =
                format!("cannot read {what}: the API server cannot call the webhook: {why}");
            Judgement { summary, ..early }
        }
        None => early,
    })?;
    let namespace = &run.namespace;
    if !dry_run_has_sidecar(run) {
        return Err(Judgement::fail(format!(
            "a pod in namespace {namespace} would get no sidecar"
        ))
        .expected(format!("containers: probe and {SIDECAR}"))
        .observed(format_containers(run))
        .object(object)
        .step(step()));
    }
    Ok(Judgement::pass(format!("a sidecar in {namespace}")))
}

/// Finds the failure of the webhook's call in a dry run that was not answered, where it is a known one.
fn find_failed_call(evidence: &Evidence) -> Option<CallFailure> {
    let Observation::Failed { reason } = &evidence.mesh.dry_run_labelled else { return None };
    classify_refusal(reason).injection_failure().filter(|it| *it != CallFailure::Other)
}

/// Returns the API server's message where a rule of the cluster refuses the injected containers of the dry run's pod. A
/// refusal of the pod's own container proves nothing for the demo's pods.
fn find_refused_injection(evidence: &Evidence) -> Option<(&str, Refusal<'_>)> {
    let (reason, refusal) = find_refusal_by_rule(&evidence.mesh.dry_run_labelled)?;
    names_injected_container(reason).then_some((reason, refusal))
}

/// Returns the API server's message where a rule of the cluster refuses the pod of a dry run.
fn find_refusal_by_rule(run: &Observation<DryRun>) -> Option<(&str, Refusal<'_>)> {
    use Refusal::{Denied, Invalid, LimitRange, PodSecurity, Policy, Quota, SecurityContext};
    let Observation::Failed { reason } = run else { return None };
    let refusal = classify_refusal(reason);
    let by_rule = matches!(
        refusal,
        Denied(_)
            | Invalid(_)
            | LimitRange
            | PodSecurity(_)
            | Policy(_)
            | Quota(_)
            | SecurityContext
    );
    by_rule.then_some((reason.as_str(), refusal))
}

/// Whether the rule that refuses the dry run's pod refuses the backend's pods as well.
fn backend_is_refused_too(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let Observation::Failed { reason } = &evidence.mesh.dry_run_labelled else { return false };
    let backend = find_deployment(evidence, &evidence.expectations.backend_deployment);
    let refusal = backend.and_then(find_refusal).map(classify_refusal);
    leaves_unlabelled_alone(evidence) && refusal == Some(classify_refusal(reason))
}

/// Labels the namespace, or lists the webhooks where it is labelled already.
fn label_or_list_webhooks(evidence: &Evidence) -> Step {
    let labels = demo_labels(evidence);
    if labels.is_some_and(|labels| enables_injection(labels) || names_revision(labels)) {
        return injection::list_webhooks(evidence);
    }
    namespaces::label_for_injection(evidence)
}

/// Whether the dry run in the unlabelled namespace is correct.
fn leaves_unlabelled_alone(evidence: &Evidence) -> bool {
    evidence.mesh.dry_run_unlabelled.value().is_some_and(|run| !dry_run_has_sidecar(run))
}

fn label_leaves_demo_without_sidecar(effect: &Effect<'_, Evidence>) -> bool {
    leaves_unlabelled_alone(effect.evidence)
        && (demo_namespace_is_missing(effect.evidence) || label_prevents_injection(effect))
}

fn webhook_leaves_demo_without_sidecar(effect: &Effect<'_, Evidence>) -> bool {
    leaves_unlabelled_alone(effect.evidence) && webhook_prevents_injection(effect)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, LabelSelector, Observation};
    use crate::testing::of;

    /// Labels the demo's namespace, or removes its labels.
    fn label(e: &mut Evidence, labelled: bool) {
        let namespace = e.expectations.namespace.clone();
        let labels = of(&mut e.install.namespaces).get_mut(&namespace).unwrap();
        labels.clear();
        if labelled {
            labels.insert("istio-injection".into(), "enabled".into());
        }
    }

    /// The dry run in the demo's namespace fails.
    fn fail_labelled(e: &mut Evidence, reason: &str) {
        e.mesh.dry_run_labelled = Observation::failed(reason);
    }

    /// Removes the sidecar from the dry run in the demo's namespace.
    fn inject_nothing(e: &mut Evidence) {
        let run = of(&mut e.mesh.dry_run_labelled);
        run.containers.retain(|it| it.name != "istio-proxy");
        run.init_containers.clear();
    }

    fn inject_everywhere(e: &mut Evidence) {
        of(&mut e.mesh.dry_run_unlabelled).containers[0].name = "istio-proxy".into();
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        injected_in_all_namespaces(|e| { let inside = of(&mut e.mesh.dry_run_labelled).clone(); let outside = of(&mut e.mesh.dry_run_unlabelled); outside.containers = inside.containers; outside.init_containers = inside.init_containers; }, Fail);
        injected_container_without_an_image(inject_everywhere, Fail);
        webhook_selects_all_namespaces(|e| {
            inject_everywhere(e);
            for webhook in of(&mut e.install.webhooks) {
                webhook.namespace_selector = LabelSelector::default();
                webhook.object_selector = LabelSelector::default();
            }
        }, Fail);
        injected_in_no_namespace(inject_nothing, Fail);
        no_namespace(|e| e.mesh.dry_run_labelled = Observation::absent("there is no namespace client"), Fail);
        forbidden(|e| fail_labelled(e, "cannot create resource"), Unjudged);
        refused_by_pod_security(|e| fail_labelled(e, "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": (container \"istio-init\" must not include \"NET_ADMIN\")"), Fail);
        policy_refuses_the_test_pod(|e| e.mesh.dry_run_unlabelled = Observation::failed("admission webhook \"validate.kyverno.svc-fail\" denied the request: resource Pod/default/ was blocked due to the following policies require-requests-limits"), Unjudged);
        refused_for_its_own_container(|e| fail_labelled(e, "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": (container \"probe\" must set runAsNonRoot)"), Unjudged);
        refused_by_a_rule_for_all_containers(|e| fail_labelled(e, "admission webhook \"validate.kyverno.svc-fail\" denied the request: the fields spec.containers[*].securityContext.runAsNonRoot, spec.initContainers[*].securityContext.runAsNonRoot must be set to true"), Unjudged);
        webhook_call_times_out(|e| fail_labelled(e, "failed calling webhook \"namespace.sidecar-injector.istio.io\": failed to call webhook: Post \"https://istiod.istio-system.svc:443/inject?timeout=10s\": context deadline exceeded"), Unjudged);
        webhook_not_called(|e| fail_labelled(e, "failed calling webhook \"namespace.sidecar-injector.istio.io\": EOF"), Unjudged);
        forbidden_in_the_unlabelled_namespace(|e| e.mesh.dry_run_unlabelled = Observation::failed("cannot create resource"), Unjudged);
        labelled_and_not_injected(|e| { label(e, true); inject_nothing(e); }, Fail);
        not_labelled_and_not_injected(|e| { label(e, false); inject_nothing(e); }, Fail);
        injected_in_all_namespaces_and_one_dry_run_failed(|e| { fail_labelled(e, "no answer"); inject_everywhere(e); }, Fail);
        not_selected(|e| { e.mesh.dry_run_labelled = Observation::not_asked("--only"); e.mesh.dry_run_unlabelled = Observation::not_asked("--only"); }, Skipped);
    }
}
