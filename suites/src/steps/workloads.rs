//! Steps on deployments and services.

use super::{Impact, Step};
use crate::evidence::{Deployment, Evidence};
use crate::hint::said;

/// Scales a deployment from 0 replicas to 1.
pub(crate) fn scale_up(evidence: &Evidence, namespace: &str, deployment: &str, text: &str) -> Step {
    let target = format!("deployment/{deployment}");
    let command = evidence.kubectl(&["-n", namespace, "scale", &target, "--replicas=1"]);
    Step::fix(Impact::Changes, command, text)
}

/// Makes the service of a deployment, which has its name, select its pods.
pub(crate) fn select_pods(evidence: &Evidence, deployment: &Deployment) -> Step {
    let selector = serde_json::json!([
        { "op": "replace", "path": "/spec/selector", "value": deployment.selector }
    ]);
    let selector = selector.to_string();
    let service = ["-n", &deployment.namespace, "patch", "service", &deployment.name];
    let command = evidence.kubectl(&[&service[..], &["--type=json", "-p", &selector]].concat());
    let text = format!("makes the service select the pods of {}", said(&deployment.name));
    Step::fix(Impact::Changes, command, text)
}
