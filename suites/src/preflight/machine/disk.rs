//! The disks have enough free space for the software and a node.

use super::{engine, format_gibibytes};
use crate::entry::check;
use crate::evidence::Observation;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::Supply;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies enough free disk space for the software and a node.
    ///
    /// ## Why it matters
    /// On a full disk the download fails, or the node reports DiskPressure.
    ///
    /// ## How it is checked
    /// Reads the free space in the directories of the engine and of the cache.
    ///
    /// ## What makes it fail
    /// - The engine's disk has less than 4 GiB free for a node.
    /// - The cache's disk has less than 4 GiB free, and the release is not downloaded yet.
    ///
    /// ## How to fix it
    /// Remove unused images, or set `MESHCHECK_CACHE` to another disk.
    ///
    /// ## Check by hand
    ///     docker system df
    ///     df -h
    machine::disk: "the disks have enough free space for the software and a node",
    needs: Provisioning,
    after: docker_usable,
}

/// The space of a node on the engine's disk: its image and its volume. The lab's takes 3.5 GB.
const NODE_DISK: u64 = 4 << 30;

/// The space of a release in the cache, with its downloads. The lab's bundle of the same parts takes 1.6 GB.
const RELEASE_DISK: u64 = 4 << 30;

fn judge(evidence: &PreflightEvidence) -> Judged {
    engine(evidence)?;
    let to_download = match evidence.software.source.value() {
        Some(Supply::Here(_)) => 0,
        _ => RELEASE_DISK,
    };
    let engine_disk = match &evidence.machine.engine_disk {
        // The engine is on another machine.
        Observation::Absent { .. } => None,
        other => Some(other.look("the disk of the docker engine")?),
    };
    let cache = evidence.machine.cache_disk.look("the disk of the cache")?;
    let mut needs = Vec::new();
    match engine_disk {
        Some(engine) if engine.device == cache.device => {
            needs.push((engine, NODE_DISK, to_download));
        }
        Some(engine) => {
            needs.push((engine, NODE_DISK, 0));
            needs.push((cache, 0, to_download));
        }
        None => needs.push((cache, 0, to_download)),
    }
    for (disk, fixed, download) in &needs {
        let need = fixed + download;
        if disk.free < need {
            if disk.free >= *fixed {
                // Less is needed where nothing must be downloaded.
                evidence.software.source.look("the source of the images")?;
            }
            return Err(Judgement::fail(format!(
                "{} free at {}, {} needed",
                format_gibibytes(disk.free),
                disk.path,
                format_gibibytes(need)
            ))
            .expected(format!("at least {} free", format_gibibytes(need)))
            .observed(format!("{} free", format_gibibytes(disk.free)))
            .object(format!("disk of {}", disk.path))
            .steps(steps::free_disk(*fixed == 0)));
        }
    }
    let free: Vec<_> = needs
        .iter()
        .map(|(disk, ..)| format!("{} free at {}", format_gibibytes(disk.free), disk.path))
        .collect();
    let elsewhere =
        if engine_disk.is_none() { "; the engine's disk is on another machine" } else { "" };
    Ok(Judgement::pass(format!("{}{elsewhere}", free.join(", "))))
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
        full(|e| of(&mut e.machine.engine_disk).free = 3 * GIB, Fail);
        just_enough(|e| of(&mut e.machine.engine_disk).free = 4 * GIB, Pass);
        both_on_one_disk(|e| { to_download(e); of(&mut e.machine.engine_disk).free = 6 * GIB; }, Fail);
        both_on_one_disk_fit(|e| { to_download(e); of(&mut e.machine.engine_disk).free = 8 * GIB; }, Pass);
        cache_full(|e| { to_download(e); two_disks(e); of(&mut e.machine.cache_disk).free = GIB; }, Fail);
        cache_full_and_nothing_to_download(|e| { two_disks(e); of(&mut e.machine.cache_disk).free = GIB; }, Pass);
        engine_on_another_machine(|e| e.machine.engine_disk = Observation::absent("not here"), Pass);
        engine_on_another_machine_and_cache_full(|e| {
            e.machine.engine_disk = Observation::absent("not here");
            to_download(e);
            of(&mut e.machine.cache_disk).free = GIB;
        }, Fail);
        engine_disk_unknown(|e| e.machine.engine_disk = Observation::failed("permission denied"), Unjudged);
        cache_disk_unknown(|e| e.machine.cache_disk = Observation::failed("no home"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
