//! The patches of a kind configuration: for which version of kubeadm's configuration they are.

use serde_json::Value;

/// The group of kubeadm's configuration.
const KUBEADM: &str = "kubeadm.k8s.io";

/// The first minor version of Kubernetes 1 for which kind writes v1beta4, and not v1beta3.
/// Source: `pkg/cluster/internal/kubeadm/config.go` of kind v0.32.0, the first kind with node images of 1.36.
const FIRST_V1BETA4: u64 = 36;

/// Returns the version of kubeadm's configuration that kind writes for a version of Kubernetes.
pub(super) fn kubeadm_version(kubernetes: &str) -> &'static str {
    match meshcheck_suites::profile::minor_of_kubernetes(kubernetes) {
        Some(minor) if minor >= FIRST_V1BETA4 => "kubeadm.k8s.io/v1beta4",
        _ => "kubeadm.k8s.io/v1beta3",
    }
}

/// Returns the version that a patch names, where kind writes another one. kind ignores such a patch, and says nothing. A
/// patch without a version fits every version.
pub(super) fn ignored(config: &str, written: &str) -> Option<String> {
    let config: Value = serde_saphyr::from_str(config).ok()?;
    let nodes = config["nodes"].as_array().into_iter().flatten();
    std::iter::once(&config)
        .chain(nodes)
        .flat_map(named_versions)
        .find(|version| version != written)
}

/// Lists the versions of kubeadm's configuration that the patches of a cluster or of a node name.
fn named_versions(place: &Value) -> Vec<String> {
    let list = |field: &str| place[field].as_array().cloned().unwrap_or_default();
    let merged = list("kubeadmConfigPatches");
    let documents = merged.iter().filter_map(Value::as_str).flat_map(|text| text.split("\n---"));
    let of_merged = documents.filter_map(|text| {
        let patch: Value = serde_saphyr::from_str(text).ok()?;
        patch["apiVersion"].as_str().map(str::to_owned)
    });
    let of_json = list("kubeadmConfigPatchesJSON6902").into_iter().filter_map(|patch| {
        let version = patch["version"].as_str().filter(|version| !version.is_empty())?;
        Some(format!("{}/{version}", patch["group"].as_str()?))
    });
    of_merged.chain(of_json).filter(|version| version.starts_with(&format!("{KUBEADM}/"))).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PATCH: &str = "kind: Cluster\nkubeadmConfigPatches:\n  - |\n    kind: ClusterConfiguration\n    apiVersion: kubeadm.k8s.io/v1beta3\n";
    const SECOND: &str = "kind: Cluster\nkubeadmConfigPatches:\n  - |\n    kind: InitConfiguration\n    ---\n    kind: ClusterConfiguration\n    apiVersion: kubeadm.k8s.io/v1beta3\n";
    const OF_NODE: &str = "kind: Cluster\nnodes:\n  - role: worker\n    kubeadmConfigPatches:\n      - 'apiVersion: kubeadm.k8s.io/v1beta3'\n";
    const JSON: &str = "kind: Cluster\nkubeadmConfigPatchesJSON6902:\n  - { group: kubeadm.k8s.io, version: v1beta3, kind: ClusterConfiguration, patch: '' }\n";

    #[rstest]
    #[case::cluster(PATCH)]
    #[case::second_document(SECOND)]
    #[case::node(OF_NODE)]
    #[case::json(JSON)]
    fn patch_of_another_version_is_found(#[case] config: &str) {
        let found = ignored(config, kubeadm_version("v1.36.1"));
        assert_eq!(found.as_deref(), Some("kubeadm.k8s.io/v1beta3"));
        assert_eq!(ignored(config, kubeadm_version("v1.35.0")), None);
    }

    #[rstest]
    #[case::no_version(&PATCH.replace("    apiVersion: kubeadm.k8s.io/v1beta3\n", ""))]
    #[case::kubelet(&PATCH.replace("kubeadm.k8s.io/v1beta3", "kubelet.config.k8s.io/v1beta1"))]
    #[case::release(include_str!("../../../kind-config/release.yaml"))]
    #[case::lab(include_str!("../../../kind-config/lab.yaml"))]
    fn configuration_without_version_of_kubeadm_fits_every_kubernetes(#[case] config: &str) {
        for kubernetes in ["v1.24.17", "v1.35.8", "v1.37.0"] {
            assert_eq!(ignored(config, kubeadm_version(kubernetes)), None);
        }
    }
}
