//! The section *machine*: what a kind cluster needs of its machine.

pub(crate) mod cgroups;
#[cfg(test)]
pub(crate) mod changes;
pub(crate) mod cpus;
pub(crate) mod disk;
pub(crate) mod docker_usable;
pub(crate) mod inotify;
pub(crate) mod kernel_redirects;
pub(crate) mod kind_nodes_run;
pub(crate) mod memory;
pub(crate) mod network_kind;
pub(crate) mod no_leftovers;
pub(crate) mod no_proxy;
pub(crate) mod open_files;

use crate::judgement::{Judgement, Look as _};
use crate::preflight::Check;
use crate::preflight::evidence::{Engine, EngineAnswer, PreflightEvidence};

/// The checks of this section, in the order in which failures are fixed.
pub(super) const CHECKS: &[&Check] = &[
    &docker_usable::CHECK,
    &cgroups::CHECK,
    &kernel_redirects::CHECK,
    &cpus::CHECK,
    &memory::CHECK,
    &disk::CHECK,
    &inotify::CHECK,
    &open_files::CHECK,
    &network_kind::CHECK,
    &no_proxy::CHECK,
    &kind_nodes_run::CHECK,
    &no_leftovers::CHECK,
];

/// The object of most checks of the machine.
const ENGINE: &str = "the docker engine";

/// Returns the engine where it answers; a check that needs it is unjudged without it.
fn engine(evidence: &PreflightEvidence) -> Result<&Engine, Judgement> {
    match evidence.machine.engine.look(ENGINE)? {
        EngineAnswer::Answers(engine) => Ok(engine),
        EngineAnswer::Refuses { .. } => {
            Err(Judgement::unjudged("the docker engine denies access to this user"))
        }
        EngineAnswer::Silent { .. } => {
            Err(Judgement::unjudged("the docker engine does not answer"))
        }
        EngineAnswer::NoProgram => Err(Judgement::unjudged("docker is not installed")),
    }
}

/// Formats an amount of memory or disk: `2.6 GiB`.
fn format_gibibytes(bytes: u64) -> String {
    const TENTH: u64 = (1 << 30) / 10;
    let tenths = bytes / TENTH;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
