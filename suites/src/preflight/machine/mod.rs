//! Judges of the section *machine*: what a cluster of kind needs of the machine that it is made on.

pub(crate) mod cgroups;
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

use crate::preflight::Check;

/// The checks of this section, in the order in which a reader fixes what is wrong.
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

mod engine;
mod kernel;
mod limits;
mod network;
mod room;

pub(super) use engine::{cgroups, docker_usable, kind_nodes_run, no_leftovers};
pub(super) use kernel::kernel_redirects;
pub(super) use limits::{inotify, open_files};
pub(super) use network::{network_kind, no_proxy};
pub(super) use room::{cpus, disk, memory};

use super::evidence::{Engine, EngineAnswer, PreflightEvidence};
use crate::judgement::{Judgement, Look as _};

/// The engine, where it answers; what needs it cannot be judged elsewhere.
fn engine(evidence: &PreflightEvidence) -> Result<&Engine, Judgement> {
    match evidence.machine.engine.look("the docker engine")? {
        EngineAnswer::Answers(engine) => Ok(engine),
        EngineAnswer::Refuses { .. } => {
            Err(Judgement::unjudged("the docker engine does not let this user ask"))
        }
        EngineAnswer::Silent { .. } => {
            Err(Judgement::unjudged("the docker engine does not answer"))
        }
        EngineAnswer::NoProgram => Err(Judgement::unjudged("docker is not installed")),
    }
}

/// An amount of memory or disk, as people read it.
fn gibibytes(bytes: u64) -> String {
    const TENTH: u64 = (1 << 30) / 10;
    let tenths = bytes / TENTH;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
