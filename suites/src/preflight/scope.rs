//! Which checks have a meaning here: whether this machine is to make the cluster, or runs the nodes of one.

use super::When;
use super::evidence::PreflightEvidence;
use crate::judgement::Judgement;

impl PreflightEvidence {
    /// Whether the nodes of the cluster that was named run on this machine's kernel; why it is not known
    /// where it is not.
    fn nodes_are_here(&self) -> Result<bool, String> {
        if self.cluster.nodes_are_containers {
            return Ok(true);
        }
        let boot_id = match &self.machine.boot_id {
            crate::evidence::Observation::Seen { value } => value,
            other => return Err(other.reason().unwrap_or_default().to_owned()),
        };
        match &self.cluster.platforms {
            crate::evidence::Observation::Seen { value } => {
                Ok(value.iter().any(|node| node.boot_id == *boot_id))
            }
            other => Err(other.reason().unwrap_or_default().to_owned()),
        }
    }
}

impl When {
    /// Whether a check has a meaning here.
    ///
    /// # Errors
    ///
    /// *skipped*, with the reason, where it has none.
    pub(super) fn applies(self, evidence: &PreflightEvidence) -> Result<(), Judgement> {
        let context = &evidence.cluster.seen.subject.context;
        let named = evidence.cluster_named;
        match self {
            Self::Always => Ok(()),
            Self::ClusterNamed if named => Ok(()),
            Self::ClusterNamed => Err(Judgement::skipped(
                "no cluster was named: --context NAME or --kubeconfig FILE does",
            )),
            _ if !named => Ok(()),
            Self::Software if evidence.software_named => Ok(()),
            Self::Provisioning | Self::Software => {
                Err(Judgement::skipped("a cluster was named, so none is to be made here"))
            }
            Self::Engine if evidence.cluster.nodes_are_containers => Ok(()),
            Self::Engine => Err(Judgement::skipped(format!(
                "the nodes of {context} are no containers on this machine"
            ))),
            Self::NodesHere => match evidence.nodes_are_here() {
                Ok(true) => Ok(()),
                Ok(false) => Err(Judgement::skipped(format!(
                    "the nodes of {context} are other machines: `meshcheck preflight` on one of \
                     them looks at this"
                ))),
                Err(reason) => Err(Judgement::skipped(format!(
                    "whether the nodes of {context} run on this machine was not seen: {reason}"
                ))),
            },
        }
    }
}
