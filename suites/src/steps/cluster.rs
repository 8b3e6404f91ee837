//! Steps on the cluster as a whole: access, rights, pools, single objects.

use super::{Impact, Purpose, Step};
use crate::evidence::{Evidence, Expectations};
use crate::hint::quote;

/// Shows how the server refuses the credentials, and gets new ones. `kind` is the name of a kind cluster.
pub(crate) fn replace_kubeconfig(evidence: &Evidence, kind: Option<&str>) -> Vec<Step> {
    let command = evidence.kubectl(&["get", "--raw", "/version"]);
    let get = "Get a new kubeconfig from the administrator of the cluster";
    let mut steps =
        vec![Step::inspect(command, "Test the credentials"), Step::advice(Purpose::Fix, get)];
    if let Some(cluster) = kind {
        let export = format!("kind export kubeconfig --name {}", quote(cluster));
        steps.push(Step::fix(
            Impact::Changes,
            export,
            "Write the kubeconfig again, on the machine that runs kind",
        ));
    }
    steps
}

/// Tests whether a server answers that did not before.
pub(crate) fn show_cluster_info(evidence: &Evidence, has_proxy: bool) -> Step {
    let proxy = if has_proxy { ", and that NO_PROXY names the server" } else { "" };
    let text = format!("Check that the machine runs and its network or VPN is up{proxy}");
    Step::inspect(evidence.kubectl(&["cluster-info"]), text)
}

/// Shows the versions of kubectl and of the server.
pub(crate) fn show_version(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["version"]), text)
}

/// Tests a right, and names the role that has it.
pub(crate) fn ask_for_rights(
    evidence: &Evidence,
    verb: &str,
    resource: &str,
    namespace: &str,
) -> Vec<Step> {
    let mut can_i = vec!["auth", "can-i", verb, resource];
    if !namespace.is_empty() {
        can_i.extend(["-n", namespace]);
    }
    let expectations = &evidence.expectations;
    let (istio, demo) = (&expectations.istio_namespace, &expectations.namespace);
    let text = format!(
        "Get the role cluster-admin from the administrator: the install creates cluster roles, webhooks, and objects in {istio} and {demo}"
    );
    vec![
        Step::inspect(evidence.kubectl(&can_i), "Test the right"),
        Step::advice(Purpose::Fix, text),
    ]
}

/// Lists MetalLB's pools.
pub(crate) fn list_pools(evidence: &Evidence, namespace: &str, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["-n", namespace, "get", "ipaddresspools"]), text)
}

/// Deletes an object.
pub(crate) fn delete(
    evidence: &Evidence,
    namespace: &str,
    resource: &str,
    name: &str,
    text: &str,
) -> Step {
    Step::fix(Impact::Deletes, evidence.kubectl(&["-n", namespace, "delete", resource, name]), text)
}

/// Shows who blocks exec and port-forward, where the reason of a failed request tells it: the way from the API server to
/// the kubelets, or a proxy in front of the API server.
pub(crate) fn reach_pods(evidence: &Evidence, reason: &str) -> Vec<Step> {
    let Expectations { namespace, client_deployment, .. } = &evidence.expectations;
    if reason.contains("error dialing backend") && reason.contains(":10250") {
        let deployment = format!("deployment/{client_deployment}");
        let log = ["-n", namespace, "logs", &deployment, "--all-containers", "--tail=1"];
        let text = "Test the connection of the API server to the kubelet";
        return vec![
            Step::inspect(evidence.kubectl(&log), text),
            Step::advice(
                Purpose::Fix,
                "Allow TCP port 10250 from the control plane to the nodes in firewalls and security groups",
            ),
        ];
    }
    if reason.contains("failed to switch protocol: 403") {
        let can = ["-n", namespace, "auth", "can-i", "create", "pods/exec"];
        let text = "Check the right to exec: if the answer is yes, a proxy before the API server refuses WebSockets";
        return vec![
            Step::inspect(evidence.kubectl(&can), text),
            Step::advice(
                Purpose::Inspect,
                "Check from a machine that reaches the API server without that proxy",
            ),
        ];
    }
    Vec::new()
}
