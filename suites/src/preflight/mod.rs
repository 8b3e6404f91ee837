//! Before the install: is this machine, and a cluster that is there, ready for the tutorial?
//!
//! As with the claims, what was seen ([`evidence`]) and what follows from it are apart: [`CHECKS`] is the
//! table, [`judge`](crate::judge) makes the same report of it that a check of the mesh makes.

pub(crate) mod cluster;
pub mod evidence;
pub(crate) mod machine;
mod scope;
pub(crate) mod software;
#[cfg(test)]
mod tests;

use crate::entry::{self, Entry, Subject};
use crate::evidence::Expectations;
use crate::judgement::Judgement;
use crate::report::ClusterFacts;
use evidence::PreflightEvidence;

/// Something that must be so before the install: everything about it stands in its file.
pub type Check = Entry<PreflightEvidence>;

/// Where a check has a meaning; elsewhere it is *skipped*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Everywhere.
    Always,
    /// Where no cluster was named: this machine is to make one.
    Provisioning,
    /// There, and where the software was named.
    Software,
    /// Where this machine is to make a cluster, or the named one's nodes are containers on it.
    Engine,
    /// Where this machine is to make a cluster, or the named one's nodes run on its kernel.
    NodesHere,
    /// Where a cluster was named.
    ClusterNamed,
}

/// The checks of all sections.
const SECTIONS: [&[&Check]; 3] = [machine::CHECKS, software::CHECKS, cluster::CHECKS];

/// Every check, in the order in which a reader fixes what is wrong.
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
