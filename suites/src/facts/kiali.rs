//! Kiali among the deployments and pods of the control plane's namespace.

use crate::evidence::{Deployment, Evidence, Pod};

/// The name of Kiali's deployment and service.
pub(crate) const NAME: &str = "kiali";

/// Kiali's deployment, where there is one.
pub(crate) fn find_kiali(evidence: &Evidence) -> Option<&Deployment> {
    evidence.install.deployments.value()?.iter().find(|deployment| deployment.name == NAME)
}

/// Whether a pod is Kiali's, by either of the labels that its manifests use.
pub(crate) fn is_kiali_pod(pod: &Pod) -> bool {
    let is = |key| pod.labels.get(key).is_some_and(|value| value == NAME);
    is("app.kubernetes.io/name") || is("app")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some(("app", "kiali")), true)]
    #[case(Some(("app.kubernetes.io/name", "kiali")), true)]
    #[case(Some(("app", "istiod")), false)]
    #[case(None, false)]
    fn kiali_pod_has_one_of_two_labels(#[case] label: Option<(&str, &str)>, #[case] is: bool) {
        let labels = label.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        assert_eq!(is_kiali_pod(&Pod { labels, ..Pod::default() }), is);
    }
}
