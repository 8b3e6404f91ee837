//! Steps with `istioctl`.

use super::{Impact, Step};
use crate::evidence::Evidence;

/// Installs Istio's default profile, with the options that the installed software needs.
pub(crate) fn install_default(evidence: &Evidence, text: &str) -> Step {
    Step::fix(Impact::Changes, evidence.install_default(), text)
}

/// Shows whether every proxy has istiod's configuration.
pub(crate) fn proxy_status(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.istioctl(&["proxy-status"]), text)
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
