//! Room: processors, memory, disks.

use super::super::evidence::{PreflightEvidence, Supply};
use super::{engine, gibibytes};
use crate::evidence::Observation;
use crate::format::{PROCESSOR, count};
use crate::judgement::{Judged, Judgement, Look as _};

const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;

/// Thousandths of a processor that pods request: those of kind's own pods 950, istiod 500, the gateway 100,
/// two sidecars 200.
const CPU_MILLIS: u64 = 1750;

/// What pods request: kind's own 290 MiB, istiod 2048, the gateway 128, two sidecars 256. The scheduler
/// places them by the engine's whole memory.
const REQUESTED: u64 = 2722 * MEBIBYTE;

/// What a cluster with the mesh and the demo really uses. Seen with the lab's: 1.0 GiB.
const USED: u64 = 1536 * MEBIBYTE;

/// What a node takes of the engine's disk: its image and its volume. Seen: 3.5 GB with the lab's.
const NODE_DISK: u64 = 4 * GIBIBYTE;

/// What a release takes of the cache at the most, with the downloads that it is put together from. The lab's bundle,
/// of the same parts, has 1.6 GB.
const RELEASE_DISK: u64 = 4 * GIBIBYTE;

pub(in super::super) fn cpus(evidence: &PreflightEvidence) -> Judged {
    let cpus = engine(evidence)?.cpus;
    let number = count(usize::try_from(cpus).unwrap_or(usize::MAX), PROCESSOR);
    if cpus.saturating_mul(1000) < CPU_MILLIS {
        return Err(Judgement::fail(format!("{number} is too little: istiod would find no place"))
            .expected("2 processors: pods request 1750 thousandths")
            .observed(&number)
            .object("the processors of the docker engine")
            .legacy_hint(
                "`docker info --format '{{.NCPU}}'` shows what the engine has: give its virtual \
                 machine at least 2 (Docker Desktop: Settings, Resources)",
            ));
    }
    let tight = if cpus < 4 { "; the tutorial is quicker with 4" } else { "" };
    Ok(Judgement::pass(format!("the engine has {number}{tight}")))
}

pub(in super::super) fn memory(evidence: &PreflightEvidence) -> Judged {
    let engine = engine(evidence)?;
    let total = engine.memory_bytes;
    if total < REQUESTED {
        return Err(Judgement::fail(format!(
            "{} of memory are too little: istiod would find no place",
            gibibytes(total)
        ))
        .expected(format!("at least {} for what pods request", gibibytes(REQUESTED)))
        .observed(gibibytes(total))
        .object("the memory of the docker engine")
        .legacy_hint(
            "`docker info --format '{{.MemTotal}}'` shows what the engine has: give its virtual \
             machine at least 4 GiB (Docker Desktop: Settings, Resources)",
        ));
    }
    if evidence.machine.kernel.value().is_some_and(|kernel| kernel.release != engine.kernel) {
        return Ok(Judgement::pass(format!("the engine's machine has {}", gibibytes(total))));
    }
    let memory = evidence.machine.memory.look("the memory of this machine")?;
    if memory.available < USED {
        return Err(Judgement::fail(format!(
            "only {} of memory are available",
            gibibytes(memory.available)
        ))
        .expected(format!("at least {} for a cluster with the mesh", gibibytes(USED)))
        .observed(format!("{} of {}", gibibytes(memory.available), gibibytes(memory.total)))
        .object("the memory of this machine")
        .legacy_hint("`ps aux --sort=-rss | head` shows who takes it"));
    }
    Ok(Judgement::pass(format!(
        "{} of {} are available",
        gibibytes(memory.available),
        gibibytes(memory.total)
    )))
}

pub(in super::super) fn disk(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let to_download = match evidence.software.source.value() {
        Some(Supply::Here(_)) => 0,
        _ => RELEASE_DISK,
    };
    let engine_disk = match &evidence.machine.engine_disk {
        // Its own look says why: another machine's disk.
        Observation::Absent { .. } => None,
        other => Some(other.look("the disk of the docker engine")?),
    };
    let cache = evidence.machine.cache_disk.look("the disk of the cache")?;
    let mut needs = Vec::new();
    match engine_disk {
        Some(engine) if engine.device == cache.device => {
            needs.push((engine, NODE_DISK + to_download, ""));
        }
        Some(engine) => {
            needs.push((engine, NODE_DISK, ""));
            needs.push((cache, to_download, "MESHCHECK_CACHE names another place; "));
        }
        None => needs.push((cache, to_download, "MESHCHECK_CACHE names another place; ")),
    }
    for (disk, need, other) in &needs {
        if disk.free < *need {
            return Err(Judgement::fail(format!(
                "{} are free where {} is",
                gibibytes(disk.free),
                disk.path
            ))
            .expected(format!("{} for the software and a node", gibibytes(*need)))
            .observed(format!("{} free", gibibytes(disk.free)))
            .object(format!("the disk of {}", disk.path))
            .legacy_hint(format!(
                "{other}`docker system df` shows what docker keeps; `docker image prune` removes \
                 the images that have no name any more"
            )));
        }
    }
    let words: Vec<_> = needs
        .iter()
        .map(|(disk, ..)| format!("{} free where {} is", gibibytes(disk.free), disk.path))
        .collect();
    let elsewhere =
        if engine_disk.is_none() { "; the engine's own disk is another machine's" } else { "" };
    Ok(Judgement::pass(format!("{}{elsewhere}", words.join(", "))))
}
