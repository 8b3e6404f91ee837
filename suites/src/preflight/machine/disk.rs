//! The disks have room for the software and for a node.

use super::{engine, format_gibibytes};
use crate::entry::check;
use crate::evidence::Observation;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::evidence::Supply;
use crate::preflight::machine::docker_usable;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies room on the disk for the software and a node.
    ///
    /// ## Why it matters
    /// A full disk ends the download or makes the node report DiskPressure.
    ///
    /// ## How it is checked
    /// Reads the free space where the engine and the cache keep their files.
    ///
    /// ## What makes it fail
    /// - The engine's disk has less than 4 GiB free for a node.
    /// - The cache's disk has less than 4 GiB free for the release that is still to be downloaded.
    ///
    /// ## How to fix it
    /// Remove images that nobody uses, or set `MESHCHECK_CACHE` to another disk.
    ///
    /// ## Check by hand
    ///     docker system df
    ///     df -h
    machine::disk: "the disks have room for the software and for a node",
    needs: Provisioning,
    after: docker_usable,
    judge: judge,
}

const GIBIBYTE: u64 = 1 << 30;

/// What a node takes of the engine's disk: its image and its volume. Seen: 3.5 GB with the lab's.
const NODE_DISK: u64 = 4 * GIBIBYTE;

/// What a release takes of the cache at the most, with the downloads that it is put together from. The lab's bundle,
/// of the same parts, has 1.6 GB.
const RELEASE_DISK: u64 = 4 * GIBIBYTE;

fn judge(evidence: &PreflightEvidence) -> Judged {
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
            needs.push((engine, NODE_DISK + to_download, false));
        }
        Some(engine) => {
            needs.push((engine, NODE_DISK, false));
            needs.push((cache, to_download, true));
        }
        None => needs.push((cache, to_download, true)),
    }
    for (disk, need, is_cache) in &needs {
        if disk.free < *need {
            return Err(Judgement::fail(format!(
                "{} are free where {} is",
                format_gibibytes(disk.free),
                disk.path
            ))
            .expected(format!("{} for the software and a node", format_gibibytes(*need)))
            .observed(format!("{} free", format_gibibytes(disk.free)))
            .object(format!("the disk of {}", disk.path))
            .steps(steps::free_disk(*is_cache)));
        }
    }
    let free: Vec<_> = needs
        .iter()
        .map(|(disk, ..)| format!("{} free where {} is", format_gibibytes(disk.free), disk.path))
        .collect();
    let elsewhere =
        if engine_disk.is_none() { "; the engine's own disk is another machine's" } else { "" };
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
        of_another_machine(|e| e.machine.engine_disk = Observation::absent("not here"), Pass);
        of_another_machine_and_cache_full(|e| {
            e.machine.engine_disk = Observation::absent("not here");
            to_download(e);
            of(&mut e.machine.cache_disk).free = GIB;
        }, Fail);
        not_seen(|e| e.machine.engine_disk = Observation::failed("permission denied"), Unjudged);
        cache_not_seen(|e| e.machine.cache_disk = Observation::failed("no home"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
