//! This machine: the engine, the kernel, room, limits, proxies, and what was left on it.

mod engine;
mod kernel;
mod kernel_files;
mod proxies;
mod system;

use std::time::Duration;

use meshcheck_suites::evidence::Observation;
use meshcheck_suites::preflight::evidence::{Disk, Engine, EngineAnswer, MachineEvidence};

pub use kernel_files::KernelFiles;
pub(super) use proxies::collect_routes as proxies_to;

use crate::cluster;
use crate::source::Source;
use crate::state::State;

/// Looks at all of it at once.
pub(super) async fn collect(
    kernel_files: &KernelFiles,
    source: &Source,
    limit: Duration,
) -> MachineEvidence {
    let (engine, kernel, inotify, kind_nodes, network, leftovers) = tokio::join!(
        engine::ask(limit),
        kernel::collect(kernel_files, limit),
        system::read(kernel_files, limit, system::inotify),
        engine::kind_nodes(limit),
        engine::network(limit),
        leftovers(limit),
    );
    let boot_id = system::read(kernel_files, limit, system::boot_id).await;
    let memory = system::read(kernel_files, limit, system::memory).await;
    let open_files = system::read(kernel_files, limit, system::open_files).await;
    let cgroups = system::read(kernel_files, limit, system::cgroups).await;
    let (engine_disk, cache_disk) =
        tokio::join!(engine_disk(&engine, &kernel, limit), cache_disk(source, limit));
    MachineEvidence {
        boot_id,
        engine,
        kernel,
        memory,
        engine_disk,
        cache_disk,
        inotify,
        open_files,
        cgroups,
        network,
        proxies: Observation::seen(proxies::named()),
        kind_nodes,
        leftovers,
    }
}

/// Whether the context is called as one of kind's is, and such a cluster has a container here, running or not.
pub(super) async fn is_kind_cluster_here(context: &str) -> bool {
    let Some(name) = context.strip_prefix("kind-") else { return false };
    let nodes = engine::kind_nodes(Duration::from_secs(5)).await;
    nodes.value().is_some_and(|nodes| nodes.iter().any(|node| node.cluster == name))
}

/// The clusters that runs of meshcheck have left.
async fn leftovers(limit: Duration) -> Observation<Vec<String>> {
    let state = match State::from_environment() {
        Ok(state) => state,
        Err(error) => return Observation::failed(crate::chain(&error)),
    };
    match tokio::time::timeout(limit, cluster::left(&state)).await {
        Ok(Ok(left)) => Observation::seen(left),
        Ok(Err(error)) => Observation::failed(crate::chain(&error)),
        Err(_) => Observation::failed(system::late(limit)),
    }
}

/// The disk of the engine's data, where the engine runs on this machine.
async fn engine_disk(
    engine: &Observation<EngineAnswer>,
    kernel: &Observation<meshcheck_suites::preflight::evidence::Kernel>,
    limit: Duration,
) -> Observation<Disk> {
    let Some(EngineAnswer::Answers(Engine { root_dir, kernel: of_engine, .. })) = engine.value()
    else {
        return Observation::failed("the engine does not say where it keeps its data");
    };
    if kernel.value().is_none_or(|kernel| kernel.release != *of_engine) {
        return Observation::absent("the engine runs on another machine, or in a virtual one");
    }
    system::disk(root_dir.into(), limit).await
}

/// The disk of the cache, or of the bundle that was named.
async fn cache_disk(source: &Source, limit: Duration) -> Observation<Disk> {
    let path = match source {
        Source::Bundle { directory, .. } => directory.clone(),
        Source::Release(release) => release.cache.clone(),
    };
    system::disk(path, limit).await
}
