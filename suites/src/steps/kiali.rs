//! Steps on Kiali.

use super::{Impact, Purpose, Step};
use crate::evidence::Evidence;
use crate::facts::kiali::{NAME, find_kiali};
use crate::hint::escape_backquotes;

/// Installs Kiali, by the release's addon manifest.
pub(crate) fn install(evidence: &Evidence) -> Step {
    let release = find_kiali(evidence).and_then(|it| it.marks.get("meta.helm.sh/release-name"));
    if let Some(release) = release {
        let release = escape_backquotes(release);
        let text = format!("restore it with Helm, which installed it (release {release})");
        return Step::advice(Purpose::Fix, text);
    }
    let command = evidence.kubectl(&["apply", "-f", "samples/addons/kiali.yaml"]);
    Step::fix(Impact::Changes, command, "in the directory of the release, installs it")
}

/// Shows Kiali's settings.
pub(crate) fn show_settings(evidence: &Evidence) -> Step {
    let expectations = &evidence.expectations;
    let root = escape_backquotes(expectations.kiali.web_root.trim_end_matches('/'));
    let namespace = &expectations.istio_namespace;
    let command = evidence.kubectl(&["-n", namespace, "get", "configmap", NAME, "-o", "yaml"]);
    Step::inspect(command, format!("shows its settings: server.web_root is {root} there"))
}
