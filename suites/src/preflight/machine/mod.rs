//! Judges of the section *machine*: what a cluster of kind needs of the machine that it is made on.

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
