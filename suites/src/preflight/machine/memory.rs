//! This machine has enough memory for the cluster and the mesh.

use super::{engine, format_gibibytes};
use crate::entry::check;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies a machine with enough memory for the mesh.
    ///
    /// ## Why it matters
    /// istiod alone requests 2 GiB. With less, istiod stays Pending or is killed.
    ///
    /// ## How it is checked
    /// Reads the engine's memory from `docker info` and the available memory from `/proc/meminfo`.
    ///
    /// ## What makes it fail
    /// - The engine has less memory than the pods request, 2.6 GiB.
    /// - Less than 1.5 GiB are available on this machine.
    ///
    /// ## How to fix it
    /// Give the engine's virtual machine at least 4 GiB, or end programs that use much memory.
    ///
    /// ## Check by hand
    ///     docker info --format '{{.MemTotal}}'
    ///     free -h
    machine::memory: "this machine has enough memory for the cluster and the mesh",
    needs: Provisioning,
    after: docker_usable,
}

const MEBIBYTE: u64 = 1 << 20;

/// The memory that pods request: kind's own 290 MiB, istiod 2048, the gateway 128, two sidecars 256. The scheduler
/// compares this with the engine's whole memory.
const REQUESTED: u64 = 2722 * MEBIBYTE;

/// The memory that a cluster with the mesh and the demo uses, with a margin. The lab's uses 1.0 GiB.
const USED: u64 = 1536 * MEBIBYTE;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let engine = engine(evidence)?;
    let total = engine.memory_bytes;
    if total < REQUESTED {
        return Err(Judgement::fail(format!(
            "the docker engine has {} memory, {} are needed: istiod would stay Pending",
            format_gibibytes(total),
            format_gibibytes(REQUESTED)
        ))
        .expected(format!("at least {} (requests of the pods)", format_gibibytes(REQUESTED)))
        .observed(format_gibibytes(total))
        .object("the docker engine")
        .step(steps::show_engine_memory()));
    }
    if evidence.machine.kernel.value().is_some_and(|kernel| kernel.release != engine.kernel) {
        return Ok(Judgement::pass(format!(
            "the docker engine has {} memory",
            format_gibibytes(total)
        )));
    }
    let memory = evidence.machine.memory.look("the memory of this machine")?;
    if memory.available < USED {
        return Err(Judgement::fail(format!(
            "{} memory available, a cluster with the mesh needs {}",
            format_gibibytes(memory.available),
            format_gibibytes(USED)
        ))
        .expected(format!("at least {} available", format_gibibytes(USED)))
        .observed(format!(
            "{} of {} available",
            format_gibibytes(memory.available),
            format_gibibytes(memory.total)
        ))
        .object("memory of this machine")
        .step(steps::show_memory_users()));
    }
    Ok(Judgement::pass(format!(
        "{} of {} memory available",
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
        used_by_other_programs(|e| of(&mut e.machine.memory).available = GIB, Fail);
        just_enough(|e| { of(&mut e.machine.memory).available = GIB + GIB / 2; engine(e).memory_bytes = 3 * GIB; }, Pass);
        exactly_what_is_requested(|e| { in_a_virtual_machine(e); e.machine.memory = Observation::failed("macOS"); engine(e).memory_bytes = 2722 << 20; }, Pass);
        memory_unknown(|e| e.machine.memory = Observation::failed("no /proc"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
