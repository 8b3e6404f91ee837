//! Steps on Istio itself: `istioctl`, and what brings istiod back.

use super::{Impact, Purpose, Step, pods, workloads};
use crate::evidence::{Evidence, Expectations, Provider, selector};
use crate::facts::istiod::find_istiod;
use crate::hint::{escape_backquotes, quote};

/// Installs Istio's default profile, with the options that the installed software needs.
pub(crate) fn install_default(evidence: &Evidence, text: &str) -> Step {
    Step::fix(Impact::Changes, evidence.install_default(), text)
}

/// Lists the custom resource definitions, and installs Istio's again.
pub(crate) fn restore_definitions(evidence: &Evidence) -> Vec<Step> {
    let show = Step::inspect(evidence.kubectl(&["get", "crds"]), "shows what there is");
    vec![show, install_default(evidence, "restores them")]
}

/// Replaces istiod's pods, for istiod to write its certificate into the webhooks again.
pub(crate) fn rewrite_certificate(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    // A rollout would need room for a second istiod beside the first.
    let command = evidence.kubectl(&["-n", namespace, "delete", "pod", "-l", "app=istiod"]);
    let text = "makes istiod anew, which writes its certificate there when it starts";
    Step::fix(Impact::Deletes, command, text)
}

/// Shows the versions of istioctl, of istiod and of the proxies.
pub(crate) fn show_versions(evidence: &Evidence) -> Step {
    Step::inspect(evidence.istioctl(&["version"]), "shows all versions")
}

/// Shows istioctl's own version, and says where another one goes.
pub(crate) fn replace_istioctl(evidence: &Evidence) -> Vec<Step> {
    let show = "istioctl version --remote=false".to_owned();
    let wanted = escape_backquotes(&evidence.expectations.istio_version);
    let put = format!("put istioctl {wanted} first in PATH");
    vec![Step::inspect(show, "shows it"), Step::advice(Purpose::Fix, put)]
}

/// Shows the pods and endpoints of the ingress gateway.
pub(crate) fn show_gateway_pods(evidence: &Evidence) -> Step {
    let Expectations { istio_namespace, gateway_labels, .. } = &evidence.expectations;
    let get = ["-n", istio_namespace, "get", "pods,endpoints", "-l", &selector(gateway_labels)];
    Step::inspect(evidence.kubectl(&get), "shows the gateway's pods")
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

/// Checks the mesh as one of this version, in the way in which it was checked.
pub(crate) fn check_as(evidence: &Evidence, version: &str) -> Step {
    let subject = &evidence.subject;
    let command = match (subject.provider, subject.active) {
        // A cluster of meshcheck's own is known by its context, whatever its kubeconfig.
        (Provider::Kind, _) => {
            let context = quote(&subject.context);
            format!("meshcheck check --context {context} --istio {}", quote(version))
        }
        (_, true) => evidence.meshcheck("check", &["--active", "--istio", version]),
        (_, false) => evidence.meshcheck("check", &["--istio", version]),
    };
    let version = escape_backquotes(version);
    Step::inspect(command, format!("judges it as Istio {version}: all of it has that version"))
}

/// Brings istiod back. The step `show` lists what is there, for where istiod is not installed.
pub(crate) fn restore_istiod(evidence: &Evidence, show: Step) -> Vec<Step> {
    let Some(istiod) = find_istiod(evidence) else {
        return vec![show, install_default(evidence, "installs Istio")];
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
