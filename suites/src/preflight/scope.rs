//! Which checks apply: to a machine that creates a cluster, to one that runs its nodes, or to the cluster alone.

use super::When;
use super::evidence::PreflightEvidence;
use crate::judgement::Judgement;

impl PreflightEvidence {
    /// Whether the nodes of the named cluster run on this machine's kernel; the error says why this is unknown.
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
    /// Checks whether a check applies.
    ///
    /// # Errors
    ///
    /// *skipped*, with the reason, where it does not.
    pub(super) fn applies(self, evidence: &PreflightEvidence) -> Result<(), Judgement> {
        let context = &evidence.cluster.seen.subject.context;
        let named = evidence.cluster_named;
        match self {
            Self::Always => Ok(()),
            Self::ClusterNamed if named => Ok(()),
            Self::ClusterNamed => {
                Err(Judgement::skipped("no cluster named: add --context NAME or --kubeconfig FILE"))
            }
            _ if !named => Ok(()),
            Self::Software if evidence.software_named => Ok(()),
            Self::Provisioning | Self::Software => {
                Err(Judgement::skipped("not needed: a cluster was named, so none is created here"))
            }
            Self::Engine if evidence.cluster.nodes_are_containers => Ok(()),
            Self::Engine => Err(Judgement::skipped(format!(
                "the nodes of {context} are not containers on this machine"
            ))),
            Self::NodesHere => match evidence.nodes_are_here() {
                Ok(true) => Ok(()),
                Ok(false) => Err(Judgement::skipped(format!(
                    "the nodes of {context} are other machines: run `meshcheck preflight` on one of \
                     them"
                ))),
                Err(reason) => Err(Judgement::skipped(format!(
                    "cannot tell whether the nodes of {context} run on this machine: {reason}"
                ))),
            },
        }
    }
}
