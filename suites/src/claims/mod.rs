//! The table of claims: read it from top to bottom, it is the tutorial.

#[cfg(test)]
mod cause_tests;
pub(crate) mod demo;
pub(crate) mod ingress;
pub(crate) mod install;
pub(crate) mod kiali;
pub(crate) mod mesh;
pub(crate) mod prepare;
#[cfg(test)]
mod tests;

pub use crate::facts::client_log::{LogMark, log_marks};
pub use demo::outcome::find_break;
pub use mesh::packet_trace::{PacketTrace, packet_traces};
pub use mesh::pod_rules::RulesSource;

/// The claims' modules by their names alone, for the claims that may cause the failure of another one.
pub(crate) mod by_name {
    pub(crate) use super::demo::*;
    pub(crate) use super::ingress::*;
    pub(crate) use super::install::*;
    pub(crate) use super::kiali::*;
    pub(crate) use super::mesh::*;
    pub(crate) use super::prepare::*;
}

use serde::{Deserialize, Serialize};

use crate::entry::{self, Entry, Subject};
use crate::evidence::{Evidence, Expectations, Provider, SCHEMA, Waiver};
use crate::facts::installation::fail_misplaced_observations;
use crate::judgement::{Judgement, Verdict};
use crate::report::ClusterFacts;
use crate::rights::{self, FORBIDDEN};
use crate::steps::{Purpose, Step, cluster};

/// A statement of the tutorial: everything about it stands in its file.
pub type Claim = Entry<Evidence>;

/// What must be done to observe a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Reading objects and logs.
    Reading,
    /// A server-side dry run: nothing is created.
    DryRun,
    /// A command in a container of the demo.
    Exec,
    /// A port-forward, or a request to an address of the cluster.
    Request,
    /// A command on the node: kind only.
    Node,
    /// Objects of meshcheck: `--active` where the cluster is not meshcheck's.
    Objects,
}

/// The claims of all sections.
const SECTIONS: [&[&Claim]; 6] =
    [prepare::CLAIMS, install::CLAIMS, demo::CLAIMS, mesh::CLAIMS, ingress::CLAIMS, kiali::CLAIMS];

/// Every claim, in the tutorial's order.
pub const CLAIMS: &[&Claim] = &entry::concat::<_, { entry::count(&SECTIONS) }>(&SECTIONS);

impl Subject for Evidence {
    type Needs = Needs;

    const NOUN: &'static str = "claim";

    fn entries() -> &'static [&'static Claim] {
        CLAIMS
    }

    fn expectations(&self) -> &Expectations {
        &self.expectations
    }

    fn waivers(&self) -> &[Waiver] {
        &self.expectations.waivers
    }

    fn facts(&self) -> ClusterFacts {
        debug_assert!(self.schema <= SCHEMA, "a newer schema is refused where files are read");
        ClusterFacts {
            name: self.subject.name.clone(),
            provider: self.subject.provider,
            context: self.subject.context.clone(),
            // The kubeconfig of a cluster that meshcheck made has one context.
            context_is_current: self.subject.context_is_current
                || self.subject.provider == Provider::Kind && self.subject.kubeconfig.is_some(),
            kubeconfig: self.subject.kubeconfig.clone(),
            server: self.subject.server.clone(),
            kubernetes_version: self.cluster.server_version.value().cloned(),
            recorded_at: self.recorded_at.to_string(),
            collection_ms: self.took_ms,
            bundle: self.subject.bundle.clone(),
        }
    }

    fn fail_misplaced_observations(&self) -> Option<Self> {
        fail_misplaced_observations(self)
    }

    /// Adds the steps for what many claims cannot read for one reason: a missing right, a blocked connection.
    fn complete(&self, judgement: Judgement) -> Judgement {
        if judgement.verdict != Verdict::Unjudged || !judgement.steps.is_empty() {
            return judgement;
        }
        if judgement.summary.contains(FORBIDDEN) {
            return judgement.step(Step::advice(Purpose::Fix, rights::hint(self)));
        }
        let steps = cluster::reach_pods(self, &judgement.summary);
        judgement.steps(steps)
    }

    #[cfg(test)]
    fn healthy(_: Needs) -> Self {
        crate::testing::healthy()
    }
}
