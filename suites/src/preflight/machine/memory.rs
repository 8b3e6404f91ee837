//! There is memory enough for the cluster and the mesh.

use super::{engine, format_gibibytes};
use crate::entry::check;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::machine::docker_usable;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies a machine with memory enough for the mesh.
    ///
    /// ## Why it matters
    /// istiod alone requests 2 GiB. Without it, istiod stays Pending or is killed.
    ///
    /// ## How it is checked
    /// Reads the engine's memory from `docker info` and the available memory from `/proc/meminfo`.
    ///
    /// ## What makes it fail
    /// - The engine has less than what pods request, 2.7 GiB.
    /// - Less than 1.5 GiB are available on this machine.
    ///
    /// ## How to fix it
    /// Give the engine's virtual machine at least 4 GiB, or end what takes the memory.
    ///
    /// ## Check by hand
    ///     docker info --format '{{.MemTotal}}'
    ///     free -h
    machine::memory: "there is memory enough for the cluster and the mesh",
    needs: Provisioning,
    after: docker_usable,
    judge: judge,
}

const MEBIBYTE: u64 = 1 << 20;

/// What pods request: kind's own 290 MiB, istiod 2048, the gateway 128, two sidecars 256. The scheduler
/// places them by the engine's whole memory.
const REQUESTED: u64 = 2722 * MEBIBYTE;

/// What a cluster with the mesh and the demo really uses. Seen with the lab's: 1.0 GiB.
const USED: u64 = 1536 * MEBIBYTE;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let engine = engine(evidence)?;
    let total = engine.memory_bytes;
    if total < REQUESTED {
        return Err(Judgement::fail(format!(
            "{} of memory are too little: istiod would find no place",
            format_gibibytes(total)
        ))
        .expected(format!("at least {} for what pods request", format_gibibytes(REQUESTED)))
        .observed(format_gibibytes(total))
        .object("the memory of the docker engine")
        .step(steps::show_engine_memory()));
    }
    if evidence.machine.kernel.value().is_some_and(|kernel| kernel.release != engine.kernel) {
        return Ok(Judgement::pass(format!(
            "the engine's machine has {}",
            format_gibibytes(total)
        )));
    }
    let memory = evidence.machine.memory.look("the memory of this machine")?;
    if memory.available < USED {
        return Err(Judgement::fail(format!(
            "only {} of memory are available",
            format_gibibytes(memory.available)
        ))
        .expected(format!("at least {} for a cluster with the mesh", format_gibibytes(USED)))
        .observed(format!(
            "{} of {}",
            format_gibibytes(memory.available),
            format_gibibytes(memory.total)
        ))
        .object("the memory of this machine")
        .step(steps::show_memory_users()));
    }
    Ok(Judgement::pass(format!(
        "{} of {} are available",
        format_gibibytes(memory.available),
        format_gibibytes(memory.total)
    )))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        engine_too_small(|e| engine(e).memory_bytes = 2 * GIB, Fail);
        vm_too_small(|e| { in_a_virtual_machine(e); engine(e).memory_bytes = 2 * GIB; }, Fail);
        in_a_vm(|e| { in_a_virtual_machine(e); e.machine.memory = Observation::failed("macOS"); }, Pass);
        taken_by_others(|e| of(&mut e.machine.memory).available = GIB, Fail);
        just_enough(|e| { of(&mut e.machine.memory).available = GIB + GIB / 2; engine(e).memory_bytes = 3 * GIB; }, Pass);
        not_seen(|e| e.machine.memory = Observation::failed("no /proc"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
