//! A mutating admission webhook injects the sidecar in labelled namespaces.

use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::claims::by_name::namespace_labelled::{label_is_wrong, namespace_labels};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Expectations, Observation, Webhook};
use crate::facts::Labels;
use crate::facts::injection::{INJECT, demo_namespace_is_missing};
use crate::facts::istiod::{has_no_istiod, is_istiod_down};
use crate::facts::webhooks::{INJECTION, REVISION, is_deactivated, is_injector, only_revision};
use crate::format::{INJECTION_WEBHOOK, OTHER_WEBHOOK, count, excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _, Verdict, require};
use crate::object::Object;
use crate::steps::injection::{remove_from_template, show_webhooks};
use crate::steps::istio::restore_control_plane;
use crate::steps::namespaces::label_for_webhooks;

mod answer;
#[cfg(test)]
mod cases;

claim! {
    /// The tutorial says: "This is achieved using Kubernetes' Mutating Admission Webhook, which intercepts pod
    /// creation requests to include the Envoy sidecar containers automatically".
    ///
    /// ## Why it matters
    /// If no webhook selects the namespace, new pods get no sidecar and stay outside the mesh. If the webhook does not
    /// answer, no new pod can be created there, unless its failure policy is `Ignore`.
    ///
    /// ## How it is checked
    /// - Evaluates the selectors of all injection webhooks against the labels of the demo's namespace and of its pods.
    /// - Each webhook that selects them has a valid CA bundle. Its service has the port and a ready endpoint.
    /// - The API server can call the webhook: a dry run shows it. A replica set shows an error if it cannot.
    ///
    /// It needs `list` on `mutatingwebhookconfigurations`, `namespaces`, `services`, on `endpointslices` in the control
    /// plane's namespace, and on `deployments` in the demo's namespace. The dry run there needs `create` on `pods`: without
    /// it the claim is unjudged.
    ///
    /// ## What makes it fail
    /// - No webhook injects: Istio is not installed (`default_profile` is the cause), or all webhooks are deactivated.
    /// - No webhook selects the namespace because of its label. Then `namespace_labelled` is the cause.
    /// - The labels of the demo's pods prevent injection.
    /// - The CA bundle is empty, invalid or expired.
    /// - The webhook's service has no ready endpoint. If istiod is down, `control_plane_running` is the cause.
    /// - The webhook cannot inject a sidecar: its template fails because of a value of the installation.
    /// - The API server cannot call the webhook. A firewall drops port 15017, an HTTP proxy takes the request, TLS fails,
    ///   a clock is wrong, or the answer is an error.
    ///
    /// ## How to fix it
    /// - Webhooks or their service are missing: run `istioctl install --set profile=default -y` again.
    /// - Labels: label the namespace, or remove the label that prevents injection from the deployment's template.
    /// - CA bundle: delete istiod's pod. istiod writes the bundle when it starts.
    /// - A removed revision left its webhook configuration: delete it.
    /// - Firewall: open TCP port 15017 from the API server to istiod's pods. Proxy: add `.svc` to the API server's
    ///   `NO_PROXY`.
    ///
    /// ## Check by hand
    ///     kubectl get mutatingwebhookconfigurations
    ///     kubectl -n istio-system get service,endpoints istiod
    install::injection_webhook: "a mutating admission webhook injects the sidecar in labelled namespaces",
    needs: Reading,
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if webhook_is_not_installed,
        control_plane_running if no_istiod_answers,
        namespace_labelled if webhook_misses_the_label,
    ],
    holds_without: [
        ("/demo/deployments", "the tutorial installs Istio first: before the demo, a plain pod is judged"),
        ("/mesh/dry_run_labelled", "without the demo's namespace there is nothing to inject into"),
    ],
}

const WEBHOOKS: &str = "the injection webhooks";
const RESTORE: &str = "Restore the webhooks";

fn judge(evidence: &Evidence) -> Judged {
    let restore = || restore_control_plane(evidence, RESTORE);
    let webhooks = require(&evidence.install.webhooks, "the mutating webhooks", WEBHOOKS, restore)?;
    let injectors: Vec<_> = webhooks.iter().filter(|webhook| is_injector(webhook)).collect();
    if injectors.is_empty() {
        return Err(Judgement::fail(
            "no injection webhook exists: no mutating webhook calls /inject",
        )
        .expected("a mutating webhook that calls istiod's /inject")
        .observed(format!("none ({})", count(webhooks.len(), OTHER_WEBHOOK)))
        .object(WEBHOOKS)
        .step(restore()));
    }
    let labels = namespace_labels(evidence)?;
    let mut calling: Vec<&Webhook> = Vec::new();
    let (templates, unread) = collect_templates(evidence);
    // Where the deployments could not be read, a plain pod can still show that nothing is injected.
    let mut selections: Vec<Judged> = unread.into_iter().map(Err).collect();
    for (deployment, pod_labels) in templates {
        match find_selecting(&injectors, labels, &pod_labels) {
            Ok(selecting) if selecting.is_empty() => {
                let fail = none_selects(evidence, &injectors, labels, &pod_labels, deployment);
                selections.push(Err(fail));
            }
            Ok(selecting) => {
                for webhook in selecting {
                    if !calling.contains(&webhook) {
                        calling.push(webhook);
                    }
                }
            }
            Err(unknown) => selections.push(Err(unknown)),
        }
    }
    let answers = calling.iter().flat_map(|webhook| answer::judge_answer(evidence, webhook));
    // A fault of the webhook or its service explains more than the call that fails because of it.
    let call = answer::judge_call(evidence, calling.first().copied());
    all_hold(selections.into_iter().chain(answers).chain([call]))?;
    let mut names: Vec<_> = calling
        .iter()
        .map(|webhook| format!("{}/{}", webhook.configuration, webhook.name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let selects = if names.len() > 1 { "overlap and select" } else { "selects" };
    Ok(Judgement::pass(format!(
        "{} {selects} namespace {}; istiod has a ready endpoint",
        list(&names),
        evidence.expectations.namespace
    )))
}

/// Collects the labels of the demo's pod templates by deployment, and the reason why they could not be read. Before
/// the demo is deployed, a plain pod without labels is judged.
fn collect_templates(evidence: &Evidence) -> (Vec<(Option<&str>, Labels)>, Option<Judgement>) {
    let Expectations { namespace, backend_deployment, client_deployment, .. } =
        &evidence.expectations;
    let names = [backend_deployment, client_deployment];
    let deployments = &evidence.demo.deployments;
    let unread = match deployments {
        Observation::Absent { .. } => None,
        _ => deployments.look(&format!("the deployments of namespace {namespace}")).err(),
    };
    let mut templates: Vec<_> = deployments
        .value()
        .into_iter()
        .flatten()
        .filter(|deployment| names.contains(&&deployment.name))
        .map(|deployment| (Some(deployment.name.as_str()), deployment.template_labels.clone()))
        .collect();
    if templates.is_empty() {
        templates.push((None, Labels::new()));
    }
    (templates, unread)
}

/// Finds the webhooks that inject a pod with these labels in a namespace with those labels.
fn find_selecting<'e>(
    injectors: &[&'e Webhook],
    namespace: &Labels,
    pod: &Labels,
) -> Result<Vec<&'e Webhook>, Judgement> {
    let mut selecting = Vec::new();
    for &webhook in injectors {
        let by_namespace = webhook.namespace_selector.selects(namespace);
        let by_object = webhook.object_selector.selects(pod);
        match (by_namespace, by_object) {
            (Some(true), Some(true)) => selecting.push(webhook),
            (Some(false), _) | (_, Some(false)) => {}
            _ => {
                return Err(Judgement::unjudged(format!(
                    "meshcheck cannot evaluate the selectors of webhook {} in {}",
                    webhook.name, webhook.configuration
                )));
            }
        }
    }
    Ok(selecting)
}

fn none_selects(
    evidence: &Evidence,
    injectors: &[&Webhook],
    labels: &Labels,
    pod_labels: &Labels,
    deployment: Option<&str>,
) -> Judgement {
    let namespace = &evidence.expectations.namespace;
    let pods = deployment.map_or("its pods".to_owned(), |name| format!("the pods of {name}"));
    let is_selected = |labels: &Labels, pod: &Labels| {
        find_selecting(injectors, labels, pod).is_ok_and(|selecting| !selecting.is_empty())
    };
    let deactivated = injectors.iter().filter(|webhook| is_deactivated(webhook)).count();
    let fail = |summary: String| {
        let all = count(injectors.len(), INJECTION_WEBHOOK);
        Judgement::fail(summary)
            .expected(format!("a webhook that selects namespace {namespace} and {pods}"))
            .observed(format!("none of {all} ({deactivated} deactivated)"))
    };
    if let Some(name) = deployment.filter(|_| is_selected(labels, &Labels::new())) {
        let keys = find_preventing_labels(pod_labels, |rest| is_selected(labels, rest));
        let found: Vec<_> = pod_labels
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(key, value)| format!("{key}={}", excerpt(value)))
            .collect();
        let (reason, step) = if found.is_empty() {
            ("their labels prevent it".to_owned(), show_webhooks(evidence))
        } else {
            let text = format!("Remove the label {} from the pod template", list(keys));
            let workload = format!("deployment/{name}");
            let remove = remove_from_template(evidence, &workload, ("labels", keys), text);
            (format!("label {}", list(&found)), remove)
        };
        return fail(format!("no webhook selects {pods}: {reason}"))
            .object(Object::new("deployment", namespace, name))
            .step(step);
    }
    let revision = only_revision(evidence);
    let (key, value) = revision.map_or((INJECTION, "enabled"), |revision| (REVISION, revision));
    if is_selected(&Labels::from([(key.to_owned(), value.to_owned())]), pod_labels) {
        let is_enabled = labels.get(INJECTION).is_some_and(|it| it == "enabled");
        return fail(match revision.filter(|_| is_enabled) {
            Some(revision) => format!(
                "no webhook selects namespace {namespace}: {INJECTION} needs the default revision, \
                 only `{}` is installed",
                excerpt(revision)
            ),
            None => format!(
                "no webhook selects namespace {namespace}: its labels do not enable injection"
            ),
        })
        .object(Object::demo_namespace(evidence))
        .step(label_for_webhooks(evidence, &["istio.io/rev-", "--overwrite"]));
    }
    let summary = if deactivated == injectors.len() {
        format!("all {deactivated} injection webhooks are deactivated")
    } else {
        format!("no webhook selects namespace {namespace}, even with an injection label")
    };
    fail(summary).object(WEBHOOKS).step(restore_control_plane(evidence, RESTORE))
}

/// The labels of a pod that can prevent injection, alone or together.
const PREVENTING: [&[&str]; 3] = [&[INJECT], &[REVISION], &[INJECT, REVISION]];

/// Finds the labels of a pod template that prevent injection: the fewest without which a webhook selects its pods.
fn find_preventing_labels(
    pod_labels: &Labels,
    is_selected: impl Fn(&Labels) -> bool,
) -> &'static [&'static str] {
    let enough = |keys: &&&[&str]| {
        let mut rest = pod_labels.clone();
        rest.retain(|key, _| !keys.contains(&key.as_str()));
        is_selected(&rest)
    };
    PREVENTING.iter().find(enough).copied().unwrap_or_default()
}

fn is_about_namespace(effect: &Effect<'_, Evidence>) -> bool {
    effect.is_about(Object::demo_namespace(effect.evidence))
}

fn webhook_is_not_installed(effect: &Effect<'_, Evidence>) -> bool {
    has_no_istiod(effect.evidence)
        && effect.judgement.verdict == Verdict::Fail
        && !is_about_namespace(effect)
}

fn no_istiod_answers(effect: &Effect<'_, Evidence>) -> bool {
    let object = effect.judgement.object.as_deref().unwrap_or_default();
    // istiod writes its certificate into the webhooks when it starts.
    let by_istiod = ["service ", "webhook "].iter().any(|kind| object.starts_with(kind));
    is_istiod_down(effect.evidence) && by_istiod
}

fn webhook_misses_the_label(effect: &Effect<'_, Evidence>) -> bool {
    // The judge names the namespace only where a label would be enough.
    is_about_namespace(effect)
        && (demo_namespace_is_missing(effect.evidence) || label_is_wrong(effect))
}
