//! Steps on the cluster as a whole: access, rights, pools, single objects.

use super::{Impact, Purpose, Step};
use crate::evidence::Evidence;
use crate::hint::quote;

/// Shows what kubectl says of refused credentials, and gets new ones. `kind` is the name of a kind cluster.
pub(crate) fn renew_kubeconfig(evidence: &Evidence, kind: Option<&str>) -> Vec<Step> {
    let command = evidence.kubectl(&["get", "--raw", "/version"]);
    let get = "get a new kubeconfig for this cluster from who made it";
    let mut steps = vec![
        Step::inspect(command, "shows what kubectl says of them"),
        Step::advice(Purpose::Fix, get),
    ];
    if let Some(cluster) = kind {
        let export = format!("kind export kubeconfig --name {}", quote(cluster));
        steps.push(Step::fix(Impact::Changes, export, "writes it, on kind's machine"));
    }
    steps
}

/// Shows what kubectl says of a server that does not answer.
pub(crate) fn show_cluster_info(evidence: &Evidence, has_proxy: bool) -> Step {
    let proxy = "; a proxy is set: NO_PROXY may have to name the server";
    let proxy = if has_proxy { proxy } else { "" };
    let check = "check that the machine is up, the network and the VPN";
    let text = format!("shows what kubectl says; {check}{proxy}");
    Step::inspect(evidence.kubectl(&["cluster-info"]), text)
}

/// Shows the versions of kubectl and of the server.
pub(crate) fn show_version(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["version"]), text)
}

/// Asks for a right again, and says who gives it.
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
        "an install makes roles and webhooks for the whole cluster, and objects in {istio} and {demo}: \
         ask the cluster's administrator for the role cluster-admin"
    );
    vec![Step::inspect(evidence.kubectl(&can_i), "asks again"), Step::advice(Purpose::Fix, text)]
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
