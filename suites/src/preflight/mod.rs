//! The preflight: checks whether a machine and an existing cluster are ready for the tutorial.
//!
//! Observations are in [`evidence`], the checks in [`CHECKS`]. [`judge`](crate::judge) makes the same report of them as of
//! the claims.

pub(crate) mod cluster;
pub mod evidence;
pub(crate) mod machine;
mod scope;
pub(crate) mod software;
#[cfg(test)]
mod tests;

/// The checks' modules by their names alone, for the checks that may cause the failure of another one.
pub(crate) mod by_name {
    pub(crate) use super::{cluster::*, machine::*, software::*};
}

use crate::entry::{self, Entry, Subject};
use crate::evidence::Expectations;
use crate::judgement::Judgement;
use crate::profile;
use crate::report::ClusterFacts;
use evidence::PreflightEvidence;

/// A check that must pass before the install. Its file holds everything about it.
pub type Check = Entry<PreflightEvidence>;

/// The condition under which a check applies; otherwise it is *skipped*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Where no cluster was named: this machine will create one.
    Provisioning,
    /// As `Provisioning`, and where the software was named.
    Software,
    /// Where this machine will create a cluster, or the named cluster's nodes are containers on it.
    Engine,
    /// Where this machine will create a cluster, or the named cluster's nodes run on its kernel.
    NodesHere,
    /// Where a cluster was named.
    ClusterNamed,
}

/// Whether a version of Kubernetes runs only with cgroup v2. Its kubelet does not start with cgroup v1.
/// Source: the release notes of kind v0.31.0, and
/// <https://kubernetes.io/blog/2025/12/17/kubernetes-v1-35-release/#removal-of-cgroup-v1-support>.
pub fn needs_cgroup_v2(kubernetes: &str) -> bool {
    profile::minor_of_kubernetes(kubernetes).is_some_and(|minor| minor >= 35)
}

/// The checks of all sections.
const SECTIONS: [&[&Check]; 3] = [machine::CHECKS, software::CHECKS, cluster::CHECKS];

/// Every check, in the order in which failures are fixed.
pub const CHECKS: &[&Check] = &entry::concat::<_, { entry::count(&SECTIONS) }>(&SECTIONS);

impl Subject for PreflightEvidence {
    type Needs = When;

    const NOUN: &'static str = "check";

    fn entries() -> &'static [&'static Check] {
        CHECKS
    }

    fn expectations(&self) -> &Expectations {
        &self.cluster.seen.expectations
    }

    fn facts(&self) -> ClusterFacts {
        ClusterFacts {
            recorded_at: self.recorded_at.to_string(),
            collection_ms: self.took_ms,
            ..self.cluster.seen.facts()
        }
    }

    fn applies(&self, when: When) -> Result<(), Judgement> {
        when.applies(self)
    }

    #[cfg(test)]
    fn healthy(when: When) -> Self {
        tests::ready_for(when)
    }
}
