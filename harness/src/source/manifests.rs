//! What Kubernetes manifests of a release say: which images they need, and which version they are.

use std::collections::BTreeSet;

use oci_client::Reference;
use serde_json::Value;

/// The images that a manifest's workloads run, as full references.
pub(super) fn images(text: &str) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    for document in documents(text)? {
        for list in ["containers", "initContainers"] {
            let containers = document.pointer(&format!("/spec/template/spec/{list}"));
            for container in containers.and_then(Value::as_array).into_iter().flatten() {
                if let Some(image) = container.get("image").and_then(Value::as_str) {
                    let reference: Reference =
                        image.parse().map_err(|error| format!("image `{image}`: {error}"))?;
                    found.insert(reference.whole());
                }
            }
        }
    }
    Ok(found)
}

/// The version that the labels of a manifest's first deployment name.
pub(super) fn version(text: &str) -> Option<String> {
    documents(text)
        .ok()?
        .iter()
        .filter(|document| document.get("kind").and_then(Value::as_str) == Some("Deployment"))
        .find_map(|document| document.pointer("/metadata/labels/app.kubernetes.io~1version"))
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn documents(text: &str) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDON: &str = "\
apiVersion: v1
kind: ConfigMap
data:
  config.yaml: |
    image: not/this:one
---
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app.kubernetes.io/version: \"v1.76.0\"
spec:
  template:
    spec:
      initContainers:
      - image: hashicorp/http-echo:1.0.0
      containers:
      - image: \"quay.io/kiali/kiali:v1.76\"
";

    #[test]
    fn images_and_version_are_found() {
        let images = images(ADDON).unwrap();
        let expected = ["docker.io/hashicorp/http-echo:1.0.0", "quay.io/kiali/kiali:v1.76"];
        assert!(images.iter().eq(&expected), "{images:?}");
        assert_eq!(version(ADDON).as_deref(), Some("v1.76.0"));
    }

    #[test]
    fn invalid_manifest_does_not_panic() {
        assert!(images("{").is_err());
        assert_eq!(version("{"), None);
        assert!(images("").unwrap().is_empty());
    }
}
