//! The reason why the sidecar of a pod is a native one.

use crate::evidence::{Evidence, Pod};
use crate::facts::injection::NATIVE_SIDECAR;
use crate::judgement::TextChange;
use crate::profile;

/// The tutorial's words on the containers of a pod.
const SENTENCE: &str =
    "each pod in client namespace has two container with one is injected as sidecar container.";

/// Returns why a pod has a native sidecar: its annotation, the default of this Istio on this kubelet, or an option.
///
/// Source of the order: `DetectNativeSidecar` in `pkg/kube/inject/webhook.go` of Istio 1.27.
pub(super) fn native_sidecar_change(evidence: &Evidence, pod: &Pod) -> TextChange {
    let is_annotated = pod.annotations.get(NATIVE_SIDECAR).is_some_and(|value| value == "true");
    let id = match () {
        () if is_annotated => "native-sidecars-by-annotation",
        () if is_default(evidence, pod) => "native-sidecars",
        () => "native-sidecars-by-option",
    };
    TextChange::new(id, SENTENCE)
}

/// Whether this Istio injects native sidecars by default, as far as the kubelets are known.
fn is_default(evidence: &Evidence, pod: &Pod) -> bool {
    let profile = profile::nearest(&evidence.expectations.istio_version).map(|it| it.profile);
    let Some(oldest) = profile.and_then(|it| it.native_sidecars_from_kubelet) else { return false };
    let nodes = evidence.cluster.nodes.value().map(Vec::as_slice).unwrap_or_default();
    let own = nodes.iter().filter(|node| Some(&node.name) == pod.node.as_ref()).collect::<Vec<_>>();
    // A pod is injected before it has a node, unless its template names one: then every node counts.
    let decisive = if own.is_empty() { nodes.iter().collect() } else { own };
    decisive.iter().all(|node| {
        let kubelet = profile::minor_of_kubernetes(&node.kubelet_version);
        kubelet.is_none_or(|kubelet| kubelet >= oldest)
    })
}

#[cfg(test)]
mod tests {
    use super::native_sidecar_change;
    use crate::facts::injection::NATIVE_SIDECAR;
    use crate::testing::{demo_pod, healthy, of};
    use rstest::rstest;

    #[rstest]
    #[case::default("1.27.0", "v1.33.0", None, "native-sidecars")]
    #[case::newer("1.40.0", "v1.45.1+k3s1", None, "native-sidecars")]
    #[case::old_kubelet("1.31.1", "v1.32.9", None, "native-sidecars-by-option")]
    #[case::old_istio("1.26.8", "v1.34.0", None, "native-sidecars-by-option")]
    #[case::annotation("1.31.1", "v1.34.0", Some("true"), "native-sidecars-by-annotation")]
    #[case::annotation_forbids("1.26.8", "v1.34.0", Some("false"), "native-sidecars-by-option")]
    #[case::kubelet_unknown("1.31.1", "", None, "native-sidecars")]
    fn reason_is_annotation_default_or_option(
        #[case] istio: &str,
        #[case] kubelet: &str,
        #[case] annotation: Option<&str>,
        #[case] id: &str,
    ) {
        let mut evidence = healthy();
        evidence.expectations.istio_version = istio.into();
        of(&mut evidence.cluster.nodes)[0].kubelet_version = kubelet.into();
        let pod = demo_pod(&mut evidence, "echo");
        pod.annotations.extend(annotation.map(|it| (NATIVE_SIDECAR.to_owned(), it.to_owned())));
        let pod = pod.clone();
        assert_eq!(native_sidecar_change(&evidence, &pod).id, id);
    }

    #[test]
    fn kubelet_of_the_pods_node_decides() {
        let mut evidence = healthy();
        evidence.expectations.istio_version = "1.31.1".into();
        let mut pod = demo_pod(&mut evidence, "echo").clone();
        let nodes = of(&mut evidence.cluster.nodes);
        nodes[0].kubelet_version = "v1.34.0".into();
        let mut old = nodes[0].clone();
        (old.name, old.kubelet_version) = ("old".into(), "v1.30.0".into());
        nodes.push(old);
        assert_eq!(native_sidecar_change(&evidence, &pod).id, "native-sidecars");
        // Without its node, every node counts.
        pod.node = None;
        assert_eq!(native_sidecar_change(&evidence, &pod).id, "native-sidecars-by-option");
        pod.node = Some("old".into());
        assert_eq!(native_sidecar_change(&evidence, &pod).id, "native-sidecars-by-option");
    }
}
