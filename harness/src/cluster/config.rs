//! The configuration that kind is given: the bundle's, with our mark on every node.

use std::path::Path;

use serde_json::{Value, json};

use super::ClusterError;

/// Where the mark is mounted in a node. A mount is the one thing of kind's that `docker inspect` shows
/// from the moment on in which a container exists.
pub(super) const MARK: &str = "/var/lib/meshcheck/owner";

/// The label of Kubernetes nodes that are meshcheck's.
const NODE_LABEL: &str = "meshcheck.dev/owner";

/// The configuration for kind: JSON, which is YAML.
pub(super) fn marked(yaml: &str, name: &str, owner: &Path) -> Result<String, ClusterError> {
    let broken = |reason: &str| ClusterError::Config(reason.to_owned());
    let mut config: Value =
        serde_saphyr::from_str(yaml).map_err(|error| ClusterError::Config(error.to_string()))?;
    if config["kind"] != "Cluster" {
        return Err(broken("it is not of kind `Cluster`"));
    }
    let fields = config.as_object_mut().ok_or_else(|| broken("it is not a mapping"))?;
    let nodes = fields.entry("nodes").or_insert_with(|| json!([{ "role": "control-plane" }]));
    let nodes = nodes.as_array_mut().ok_or_else(|| broken("`nodes` is not a list"))?;
    for node in nodes {
        let node = node.as_object_mut().ok_or_else(|| broken("a node is not a mapping"))?;
        let mounts = node.entry("extraMounts").or_insert_with(|| json!([]));
        let mounts = mounts.as_array_mut().ok_or_else(|| broken("`extraMounts` is not a list"))?;
        mounts.push(json!({ "hostPath": owner, "containerPath": MARK, "readOnly": true }));
        let labels = node.entry("labels").or_insert_with(|| json!({}));
        let labels = labels.as_object_mut().ok_or_else(|| broken("`labels` is not a mapping"))?;
        labels.insert(NODE_LABEL.to_owned(), json!(name));
    }
    serde_json::to_string_pretty(&config).map_err(|error| ClusterError::Config(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n")]
    #[case("kind: Cluster\nnodes:\n  - role: control-plane\n    labels: { a: b }\n")]
    #[case("kind: Cluster\nnodes:\n  - role: control-plane\n  - role: worker\n")]
    fn every_node_is_marked(#[case] yaml: &str) {
        let text = marked(yaml, "meshcheck-1", Path::new("/state/owner")).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        let nodes = config["nodes"].as_array().unwrap();
        assert!(!nodes.is_empty());
        for node in nodes {
            assert_eq!(node["labels"][NODE_LABEL], "meshcheck-1");
            assert_eq!(node["extraMounts"][0]["hostPath"], "/state/owner");
            assert_eq!(node["extraMounts"][0]["readOnly"], true);
        }
    }

    #[rstest]
    #[case("kind: Deployment\n")]
    #[case("- a\n- b\n")]
    #[case("kind: Cluster\nnodes: 3\n")]
    #[case("kind: [\n")]
    fn document_without_cluster_is_refused(#[case] yaml: &str) {
        assert!(marked(yaml, "meshcheck-1", Path::new("/state")).is_err());
    }
}
