//! What has side effects on a cluster: objects of meshcheck, each in a namespace of meshcheck that goes with them.

pub(super) mod image_pull;
pub(super) mod namespace;
pub(super) mod route_and_address;

use serde_json::{Value, json};

/// The container of a probe's pod. It satisfies pod security `restricted`, and policies and quotas that ask for
/// requests and limits. All of it is the container's own, so that injected containers keep theirs.
pub(super) fn container(name: &str, image: &str) -> Value {
    json!({
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {
            "requests": { "cpu": "10m", "memory": "16Mi" },
            "limits": { "cpu": "100m", "memory": "64Mi" }
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "runAsNonRoot": true,
            "runAsUser": 65534,
            "seccompProfile": { "type": "RuntimeDefault" }
        }
    })
}
