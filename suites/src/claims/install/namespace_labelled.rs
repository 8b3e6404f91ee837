//! The demo's namespace is labelled for injection.

use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::facts::Labels;
use crate::facts::injection::{demo_labels, demo_namespace_is_missing, find_deletion};
use crate::facts::istiod::{has_no_istiod, install_stopped_at_istiod};
use crate::facts::webhooks::{INJECTION, REVISION, has_no_injector, injects, only_revision};
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, require};
use crate::object::Object;
use crate::steps::injection::restart_without_sidecar;
use crate::steps::namespaces::{create, label_for_webhooks, show_conditions, wait_deleted};

claim! {
    /// The tutorial says: "Enable automatic sidecar injection for your namespace: `kubectl label namespace client
    /// istio-injection=enabled`".
    ///
    /// ## Why it matters
    /// Istio injects a sidecar only in namespaces with a label that an injection webhook selects. A pod gets its
    /// sidecar when it is created. Pods from before the label have none.
    ///
    /// ## How it is checked
    /// Reads the labels of the demo's namespace. One of these must hold:
    /// - The label `istio-injection=enabled` is set.
    /// - `istio.io/rev=REVISION` is set, an active injection webhook selects that revision, and `istio-injection` is not
    ///   set.
    ///
    /// It needs `list` on `namespaces`. For a namespace with a revision, it also needs `list` on
    /// `mutatingwebhookconfigurations`.
    ///
    /// ## What makes it fail
    /// - The namespace does not exist, is being deleted, or has neither of the two labels. If the install stopped at istiod
    ///   before the namespace was created, `default_profile` is the cause.
    /// - The namespace is in ambient mode (`istio.io/dataplane-mode`).
    /// - `istio-injection` has another value than `enabled`.
    /// - `istio.io/rev` names a revision that no webhook selects. If no Istio is installed, `default_profile` is the cause.
    ///
    /// ## How to fix it
    /// Create the namespace if it is missing. Label it, then restart the deployments whose pods have no sidecar. If only a
    /// named revision is installed, the label is `istio.io/rev=REVISION`.
    ///
    /// ## Check by hand
    ///     kubectl get namespace client --show-labels
    ///     kubectl get mutatingwebhookconfigurations --show-labels
    install::namespace_labelled: "the demo's namespace is labelled for injection",
    needs: Reading,
    caused_by: [
        default_profile if no_revision_is_installed,
        default_profile if |effect| install_stopped_at_istiod(effect.evidence)
            && demo_namespace_is_missing(effect.evidence),
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.namespace;
    let labels = namespace_labels(evidence)?;
    let (key, value) = only_revision(evidence).map_or((INJECTION, "enabled"), |it| (REVISION, it));
    let expected = format!("{key}={value}");
    if let Some(message) = find_deletion(evidence, namespace) {
        return Err(Judgement::fail(format!("namespace {namespace} is being deleted"))
            .expected(format!("an active namespace with the label {expected}"))
            .observed(excerpt(message))
            .object(Object::demo_namespace(evidence))
            .step(show_conditions(
                evidence,
                namespace,
                "Show the conditions that delay the deletion",
            ))
            .step(wait_deleted(evidence, namespace))
            .step(create(evidence, "Create the namespace again"))
            .step(label_for_webhooks(evidence, &[])));
    }
    let label = |more: &[&str]| {
        let label = label_for_webhooks(evidence, more);
        [label].into_iter().chain(restart_without_sidecar(evidence)).collect::<Vec<_>>()
    };
    let wrong = |summary: String, observed: String| {
        Judgement::fail(summary)
            .expected(&expected)
            .observed(observed)
            .object(Object::demo_namespace(evidence))
    };
    // Where both labels are set, this one counts.
    if let Some(value) = labels.get(INJECTION) {
        if value == "enabled" {
            return Ok(Judgement::pass(format!("namespace {namespace} has {INJECTION}=enabled")));
        }
        let value = excerpt(value);
        let reason = if value == "disabled" { "off" } else { "on only with the value enabled" };
        let summary =
            format!("namespace {namespace} has {INJECTION}={value}: injection is {reason}");
        return Err(wrong(summary, format!("{INJECTION}={value}")).steps(label(&["--overwrite"])));
    }
    let Some(revision) = labels.get(REVISION) else {
        let mode = labels.get(MODE).filter(|mode| *mode != "none");
        if let Some(mode) = mode.map(|mode| excerpt(mode)) {
            let summary =
                format!("namespace {namespace} is in ambient mode: its pods get no sidecar");
            let observed = format!("{MODE}={mode}, no label {INJECTION} or {REVISION}");
            return Err(wrong(summary, observed).steps(label(&[&format!("{MODE}-")])));
        }
        let summary = format!("namespace {namespace} has no injection label");
        let observed = format!("no label {INJECTION} or {REVISION}");
        return Err(wrong(summary, observed).steps(label(&[])));
    };
    let relabel = || label(&[&format!("{REVISION}-")]);
    let what = "the mutating webhooks";
    let webhooks = require(&evidence.install.webhooks, what, "the injection webhooks", relabel)?;
    let injectors = || webhooks.iter().filter(|webhook| injects(webhook));
    let selections: Vec<_> =
        injectors().map(|webhook| webhook.namespace_selector.selects(labels)).collect();
    if selections.contains(&Some(true)) {
        return Ok(Judgement::pass(format!(
            "namespace {namespace} has {REVISION}={revision}, and a webhook selects it"
        )));
    }
    if selections.contains(&None) {
        return Err(Judgement::unjudged(
            "meshcheck cannot evaluate the namespace selector of a webhook",
        ));
    }
    let mut installed: Vec<_> = injectors()
        .flat_map(|webhook| [webhook.revision.as_deref(), webhook.tag.as_deref()])
        .flatten()
        .collect();
    installed.sort_unstable();
    installed.dedup();
    let revision = excerpt(revision);
    let summary =
        format!("namespace {namespace} has {REVISION}={revision}, and no webhook selects it");
    let observed = format!("{REVISION}={revision}; installed revisions: {}", list(&installed));
    Err(wrong(summary, observed)
        .expected(format!("{expected}, or {REVISION} with an installed revision"))
        .steps(relabel()))
}

/// The namespace's label for ambient mode.
const MODE: &str = "istio.io/dataplane-mode";

/// Returns the labels of the demo's namespace.
pub(super) fn namespace_labels(evidence: &Evidence) -> Result<&Labels, Judgement> {
    let namespace = &evidence.expectations.namespace;
    let object = Object::demo_namespace(evidence);
    let create =
        || vec![create(evidence, "Create the namespace"), label_for_webhooks(evidence, &[])];
    require(&evidence.install.namespaces, "the namespaces", &object, create)?;
    demo_labels(evidence).ok_or_else(|| {
        Judgement::fail(format!("namespace {namespace} does not exist"))
            .expected(format!("a namespace {namespace} with the label {INJECTION}=enabled"))
            .observed("no such namespace")
            .object(object)
            .steps(create())
    })
}

/// Whether the namespace names a revision while none is installed.
fn no_revision_is_installed(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let asks = demo_labels(evidence)
        .is_some_and(|labels| labels.contains_key(REVISION) && !labels.contains_key(INJECTION));
    asks && has_no_istiod(evidence) && has_no_injector(evidence)
}

/// Whether the namespace exists and its labels enable no injection, or name a revision that no webhook selects. Without
/// any webhook no label would help.
pub(crate) fn label_is_wrong(effect: &Effect<'_, Evidence>) -> bool {
    demo_labels(effect.evidence).is_some_and(|labels| match labels.get(INJECTION) {
        Some(value) => value != "enabled",
        None => {
            !labels.contains_key(REVISION)
                || effect.fails(&CLAIM) && !has_no_injector(effect.evidence)
        }
    })
}

#[cfg(test)]
mod cases {
    use crate::claims::install::testing::{
        active, add_unknown_operator, delete_namespace, keep_only_revision, label,
    };
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::of;

    cases! { Evidence:
        healthy(|_| {}, Pass);
        webhooks_unread(|e| e.install.webhooks = Observation::failed("forbidden"), Pass);
        revision(|e| label(e, &[("istio.io/rev", "default")]), Pass);
        both_labels(|e| label(e, &[("istio-injection", "enabled"), ("istio.io/rev", "none")]), Pass);
        no_label(|e| label(e, &[]), Fail);
        ambient(|e| label(e, &[("istio.io/dataplane-mode", "ambient")]), Fail);
        no_label_and_only_a_revision(|e| { keep_only_revision(e, "1-20-3"); label(e, &[]); }, Fail);
        disabled(|e| label(e, &[("istio-injection", "disabled")]), Fail);
        value_misspelt(|e| label(e, &[("istio-injection", "enable")]), Fail);
        value_in_upper_case(|e| label(e, &[("istio-injection", "Enabled")]), Fail);
        other_label(|e| label(e, &[("istio-inject", "enabled")]), Fail);
        disabled_and_revision(|e| label(e, &[("istio-injection", "disabled"), ("istio.io/rev", "default")]), Fail);
        revision_not_installed(|e| label(e, &[("istio.io/rev", "canary")]), Fail);
        revision_without_webhooks(|e| {
            label(e, &[("istio.io/rev", "default")]);
            of(&mut e.install.webhooks).clear();
        }, Fail);
        no_such_namespace(delete_namespace, Fail);
        being_deleted(|e| crate::testing::terminate_namespace(e, "client", ""), Fail);
        being_deleted_for_long(|e| {
            let words = "Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances";
            crate::testing::terminate_namespace(e, "client", words);
        }, Fail);
        another_namespace_being_deleted(|e| crate::testing::terminate_namespace(e, "old", ""), Pass);
        namespaces_unread(|e| e.install.namespaces = Observation::failed("forbidden"), Unjudged);
        revision_and_webhooks_unread(|e| {
            label(e, &[("istio.io/rev", "default")]);
            e.install.webhooks = Observation::failed("forbidden");
        }, Unjudged);
        revision_of_a_deactivated_webhook(|e| {
            label(e, &[("istio.io/rev", "default")]);
            for webhook in active(e) {
                webhook.object_selector.match_labels.insert("istio.io/deactivated".into(), "never-match".into());
            }
        }, Fail);
        unknown_selector(|e| {
            label(e, &[("istio.io/rev", "canary")]);
            add_unknown_operator(e);
        }, Unjudged);
    }
}
