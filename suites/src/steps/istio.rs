//! Steps on Istio itself: `istioctl`, and what brings istiod back.

use super::{Impact, Step, pods, workloads};
use crate::evidence::Evidence;
use crate::facts::istiod::find_istiod;

/// Installs Istio's default profile, with the options that the installed software needs.
pub(crate) fn install_default(evidence: &Evidence, text: &str) -> Step {
    Step::fix(Impact::Changes, evidence.install_default(), text)
}

/// Shows whether every proxy has istiod's configuration.
pub(crate) fn proxy_status(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.istioctl(&["proxy-status"]), text)
}

/// Shows whether one proxy has istiod's configuration.
pub(crate) fn proxy_status_of(evidence: &Evidence, proxy: &str, text: &str) -> Step {
    Step::inspect(evidence.istioctl(&["proxy-status", proxy]), text)
}

/// Lists all gateways and virtual services.
pub(crate) fn list_routes(evidence: &Evidence, text: &str) -> Step {
    let kinds = "gateways.networking.istio.io,virtualservices.networking.istio.io";
    Step::inspect(evidence.kubectl(&["get", kinds, "-A"]), text)
}

/// Uninstalls Istio and its namespace.
pub(crate) fn uninstall(evidence: &Evidence) -> Step {
    let uninstall = evidence.istioctl(&["uninstall", "--purge", "-y"]);
    let namespace = &evidence.expectations.istio_namespace;
    let delete = evidence.kubectl(&["delete", "namespace", namespace, "--ignore-not-found"]);
    let command = format!("{uninstall} && {delete}");
    Step::fix(Impact::Deletes, command, "removes all of it, if nobody needs it")
}

/// Judges the Istio that is installed by its own version.
pub(crate) fn check_version(evidence: &Evidence, version: &str) -> Step {
    let command = evidence.meshcheck("check", &["--istio", version]);
    Step::inspect(command, "judges it, if it is to stay")
}

/// Brings istiod back. The command `show` lists what is there, for where istiod is not installed.
pub(crate) fn restore_istiod(evidence: &Evidence, show: String) -> Vec<Step> {
    let Some(istiod) = find_istiod(evidence) else {
        let install = install_default(evidence, "installs Istio");
        return vec![Step::inspect(show, "shows what there is"), install];
    };
    let (namespace, name) = (&evidence.expectations.istio_namespace, &istiod.name);
    if istiod.replicas == 0 {
        return vec![workloads::scale_up(evidence, namespace, name, "starts istiod again")];
    }
    let pods = evidence.install.pods.value().into_iter().flatten();
    let own: Vec<_> = pods.filter(|pod| istiod.selects(pod)).collect();
    if own.is_empty() {
        return vec![workloads::describe(evidence, namespace, name, "shows why istiod has no pod")];
    }
    match own.into_iter().find(|pod| !pod.ready) {
        Some(pod) => pods::diagnose(evidence, pod),
        // Its pods are well: its service leads elsewhere.
        None => vec![workloads::select_pods(evidence, istiod)],
    }
}
