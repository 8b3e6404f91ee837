//! The webhooks that inject sidecars, and the labels of a namespace that they select.

use super::Labels;
use crate::evidence::{Evidence, Webhook};

/// The namespace's label for the default revision.
pub(crate) const INJECTION: &str = "istio-injection";
/// The label of a namespace or a pod for a named revision.
pub(crate) const REVISION: &str = "istio.io/rev";

/// Whether a webhook is one of Istio's injectors, by the path that it calls.
pub(crate) fn is_injector(webhook: &Webhook) -> bool {
    let inject = |path: &str| path == "/inject" || path.starts_with("/inject/");
    webhook.service.as_ref().is_some_and(|service| inject(&service.path))
        || webhook.url.as_deref().is_some_and(|url| {
            let path = url.split_once("://").map_or(url, |(_, rest)| rest);
            path.find('/').is_some_and(|at| inject(&path[at..]))
        })
}

/// Whether a webhook is deactivated as Istio does it: it selects a label that no object has.
pub(crate) fn is_deactivated(webhook: &Webhook) -> bool {
    [&webhook.namespace_selector, &webhook.object_selector]
        .iter()
        .any(|selector| selector.match_labels.contains_key("istio.io/deactivated"))
}

/// Whether a webhook is one of Istio's injectors and not deactivated.
pub(crate) fn injects(webhook: &Webhook) -> bool {
    is_injector(webhook) && !is_deactivated(webhook)
}

/// Whether the webhooks were observed, and none of them injects in any namespace.
pub(crate) fn has_no_injector(evidence: &Evidence) -> bool {
    evidence.install.webhooks.value().is_some_and(|webhooks| !webhooks.iter().any(injects))
}

/// Whether a webhook that injects calls an istiod outside of the control plane's namespace that is expected.
pub(crate) fn injects_from_elsewhere(evidence: &Evidence) -> bool {
    let expected = &evidence.expectations.istio_namespace;
    let elsewhere = |webhook: &Webhook| {
        webhook.service.as_ref().map_or(webhook.url.is_some(), |it| it.namespace != *expected)
    };
    let webhooks = evidence.install.webhooks.value();
    webhooks.is_some_and(|all| all.iter().any(|it| injects(it) && elsewhere(it)))
}

/// The revision, or the tag, by which alone the webhooks select a namespace; nothing where one of them
/// selects `istio-injection`, the default revision's label.
pub(crate) fn only_revision(evidence: &Evidence) -> Option<&str> {
    let webhooks = evidence.install.webhooks.value()?;
    let injectors = || webhooks.iter().filter(|it| injects(it));
    let is_selected = |key: &str, value: &str| {
        let labels = Labels::from([(key.to_owned(), value.to_owned())]);
        injectors().any(|it| it.namespace_selector.selects(&labels) != Some(false))
    };
    if is_selected(INJECTION, "enabled") {
        return None;
    }
    let mut names =
        injectors().flat_map(|it| [it.tag.as_deref(), it.revision.as_deref()]).flatten();
    names.find(|name| is_selected(REVISION, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Observation, WebhookService};
    use crate::testing::{healthy, of};
    use rstest::rstest;

    #[rstest]
    #[case(Some("/inject"), None, true)]
    #[case(Some("/inject/cluster/a/net/b"), None, true)]
    #[case(Some("/injected"), None, false)]
    #[case(Some("/validate"), None, false)]
    #[case(None, Some("https://istiod.example:15017/inject"), true)]
    #[case(None, Some("https://istiod.example"), false)]
    #[case(None, None, false)]
    fn injector_calls_the_path_inject(
        #[case] path: Option<&str>,
        #[case] url: Option<&str>,
        #[case] expected: bool,
    ) {
        let called = |path: &str| WebhookService { path: path.into(), ..Default::default() };
        let mut webhook = Webhook {
            service: path.map(called),
            url: url.map(ToOwned::to_owned),
            ..Webhook::default()
        };
        assert_eq!((is_injector(&webhook), injects(&webhook)), (expected, expected));
        let off = ("istio.io/deactivated".to_owned(), "never-match".to_owned());
        webhook.namespace_selector.match_labels.extend([off]);
        assert!(is_deactivated(&webhook) && !injects(&webhook));
    }

    #[test]
    fn injectors_are_missing_only_where_webhooks_were_observed() {
        let mut evidence = healthy();
        assert!(!has_no_injector(&evidence));
        of(&mut evidence.install.webhooks).clear();
        assert!(has_no_injector(&evidence));
        evidence.install.webhooks = Observation::failed("forbidden");
        assert!(!has_no_injector(&evidence));
    }
}
