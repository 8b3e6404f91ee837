//! Changes to the labels and the webhooks of healthy evidence, for the cases of this section.

use crate::evidence::{Evidence, LabelExpression, Webhook};
use crate::testing::of;

/// Replaces the labels of the demo's namespace.
pub(super) fn label(evidence: &mut Evidence, labels: &[(&str, &str)]) {
    let namespace = evidence.expectations.namespace.clone();
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    of(&mut evidence.install.namespaces).insert(namespace, labels.collect());
}

pub(super) fn delete_namespace(evidence: &mut Evidence) {
    let namespace = evidence.expectations.namespace.clone();
    of(&mut evidence.install.namespaces).remove(&namespace);
}

/// Returns the webhooks that are not deactivated.
pub(super) fn active(evidence: &mut Evidence) -> impl Iterator<Item = &mut Webhook> {
    let off = |webhook: &Webhook| {
        webhook.object_selector.match_labels.contains_key("istio.io/deactivated")
    };
    of(&mut evidence.install.webhooks).iter_mut().filter(move |webhook| !off(webhook))
}

/// Gives every active webhook a selector with an unknown operator.
pub(super) fn add_unknown_operator(evidence: &mut Evidence) {
    for webhook in active(evidence) {
        webhook.namespace_selector.match_labels.clear();
        webhook.namespace_selector.match_expressions =
            vec![LabelExpression { key: "a".into(), operator: "Near".into(), values: vec![] }];
    }
}

/// Leaves a control plane of a named revision without the default tag, as Helm charts install it.
pub(super) fn keep_only_revision(evidence: &mut Evidence, revision: &str) {
    let webhooks = of(&mut evidence.install.webhooks);
    webhooks.retain(|it| {
        it.configuration == "istio-revision-tag-default" && it.name.starts_with("rev.")
    });
    assert!(!webhooks.is_empty());
    for webhook in webhooks {
        webhook.configuration = format!("istio-sidecar-injector-{revision}");
        webhook.revision = Some(revision.into());
        webhook.tag = None;
        for selector in [&mut webhook.namespace_selector, &mut webhook.object_selector] {
            for expression in &mut selector.match_expressions {
                if expression.key == "istio.io/rev" && expression.operator == "In" {
                    expression.values = vec![revision.into()];
                }
            }
        }
    }
}
