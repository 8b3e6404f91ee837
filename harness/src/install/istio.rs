//! Istio: `istioctl install --set profile=default -y`, with the options that the bundle's parts need.

use std::time::Duration;

use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::Observation;

use super::{InstallError, Site};
use crate::events::{Events, Phase};
use crate::process::Call;

/// The namespace of the control plane.
pub(super) const NAMESPACE: &str = "istio-system";

/// How long `istioctl` may take. Seen: 6 to 11 s on two cores with the images there.
const CEILING: Duration = Duration::from_mins(6);

/// Installs Istio; `istioctl` waits until istiod and the gateway are ready.
pub(super) async fn install(
    bundle: &Bundle,
    site: Site<'_>,
    events: &Events,
) -> Result<(), InstallError> {
    let options = &bundle.manifest().install;
    events.doing(Phase::Istio, format!("istioctl install --set profile={} -y", options.profile));
    let mut call = Call::new(bundle.verified("istioctl")?)
        .arg("install")
        .arg("--set")
        .arg(format!("profile={}", options.profile))
        .arg("-y")
        .arg("--kubeconfig")
        .arg(site.kubeconfig)
        .within(CEILING);
    for option in &options.set {
        call = call.arg("--set").arg(option);
    }
    call.output().await?;
    Ok(())
}

/// The version that `istioctl` reports of itself.
pub(super) async fn version(bundle: &Bundle) -> Observation<String> {
    let program = match bundle.verified("istioctl") {
        Ok(program) => program,
        Err(error) => return Observation::failed(error.to_string()),
    };
    let call = Call::new(program).args(["version", "--remote=false", "--short"]);
    match call.within(Duration::from_secs(20)).output().await {
        // Newer versions put words in front: `client version: 1.22.0`.
        Ok(text) => match text.split_whitespace().last() {
            Some(version) => Observation::seen(version.to_owned()),
            None => Observation::failed("`istioctl version` printed nothing"),
        },
        Err(error) => Observation::failed(error.to_string()),
    }
}
