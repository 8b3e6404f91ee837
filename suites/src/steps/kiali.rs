//! Steps on Kiali.

use super::{Impact, Purpose, Step};
use crate::evidence::Evidence;
use crate::facts::kiali::{NAME, find_kiali};
use crate::hint::escape_backquotes;
use serde_json::json;

/// Installs Kiali from the addon manifest of the Istio release.
pub(crate) fn install(evidence: &Evidence) -> Step {
    let release = find_kiali(evidence).and_then(|it| it.marks.get("meta.helm.sh/release-name"));
    if let Some(release) = release {
        let release = escape_backquotes(release);
        let text = format!("Restore Kiali with Helm, which installed it (release {release})");
        return Step::advice(Purpose::Fix, text);
    }
    let command = evidence.kubectl(&["apply", "-f", "samples/addons/kiali.yaml"]);
    Step::fix(Impact::Changes, command, "Install Kiali, in the directory of the Istio release")
}

/// Shows Kiali's settings, with the value that the addon manifest has for one of them.
pub(crate) fn show_settings(evidence: &Evidence, setting: &str, value: &str) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    let command = evidence.kubectl(&["-n", namespace, "get", "configmap", NAME, "-o", "yaml"]);
    let value = escape_backquotes(value);
    Step::inspect(command, format!("Check that {setting} is {value} in Kiali's settings"))
}

/// Shows the image of Kiali's pods and its digest, which a tag does not determine.
pub(crate) fn show_image(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    let columns = "custom-columns=IMAGE:.status.containerStatuses[*].image,DIGEST:.status.containerStatuses[*].imageID";
    let get = ["-n", namespace, "get", "pods", "-l", "app=kiali", "-o", columns];
    Step::inspect(evidence.kubectl(&get), "Show the image of Kiali and its digest")
}

/// Sets the targetPort of Kiali's service to the port on which Kiali listens. `index` is the port's index.
pub(crate) fn set_target_port(evidence: &Evidence, index: usize, port: u16) -> Step {
    let field = format!("/spec/ports/{index}/targetPort");
    let patch = json!([{"op": "replace", "path": field, "value": port}]).to_string();
    let namespace = &evidence.expectations.istio_namespace;
    let patch = ["-n", namespace, "patch", "service", NAME, "--type=json", "-p", &patch];
    Step::fix(
        Impact::Changes,
        evidence.kubectl(&patch),
        format!("Set the service's targetPort to {port}, Kiali's port"),
    )
}
