//! Whether the docker engine can run the chosen Kubernetes, before anything is downloaded.

use std::time::Duration;

use meshcheck_suites::preflight::needs_cgroup_v2;

use super::ClusterError;
use crate::process::Call;
use crate::source::runs_with_cgroup_v1;

/// How long the engine may take for its answer. Seen: 0.1 s, and some seconds on a machine that is busy.
const ANSWER: Duration = Duration::from_secs(20);

/// Refuses a Kubernetes that the engine's kernel cannot run. An engine that does not answer is not refused: the next call to
/// it says why.
pub(crate) async fn check_cgroups(istio: &str, kubernetes: &str) -> Result<(), ClusterError> {
    if !needs_cgroup_v2(kubernetes) {
        return Ok(());
    }
    let call = Call::docker().args(["info", "--format", "{{.CgroupVersion}}"]).within(ANSWER);
    match call.output().await {
        Ok(version) if version.trim() == "1" => Err(ClusterError::CgroupV1 {
            kubernetes: kubernetes.to_owned(),
            older: runs_with_cgroup_v1(istio),
            istio: istio.to_owned(),
        }),
        _ => Ok(()),
    }
}
