//! Removing clusters of ours: the one of this run, those that were kept, those that a killed run left.

use std::fs;
use std::time::Duration;

use super::{ClusterError, engine};
use crate::state::{ClusterDirectory, State};
use crate::wait::{Look, Wait};

/// How the creation of a cluster that is to be removed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was created.
    Well,
    /// It was broken off, and the engine may not be done with it.
    BrokenOff,
}

/// How late the engine may finish a container whose `docker run` was ended.
const LATE: Duration = Duration::from_secs(1);

/// How long late containers are looked for.
const LATE_CEILING: Duration = Duration::from_secs(30);

/// Removes the cluster of this directory with everything that belongs to it, the directory last.
///
/// Only containers that carry the mark of this very directory are touched. Where its creation was
/// broken off, the engine may still be about to finish a container: then it is looked for again.
///
/// # Errors
///
/// When docker refuses, or something is still there afterwards.
pub async fn remove(
    state: &State,
    directory: ClusterDirectory,
    ended: Ended,
) -> Result<(), ClusterError> {
    let owner = directory.owner();
    let name = directory
        .path()
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let ours = |node: &engine::Node| node.mark.as_ref() == Some(&owner);
    let volumes = remove_nodes(&ours).await?;
    if ended == Ended::BrokenOff {
        Wait::new("the engine to finish nothing more", LATE_CEILING)
            .every(LATE)
            .late()
            .until(
                |_| (),
                || async {
                    match remove_nodes(&ours).await {
                        Ok(found) if found.is_empty() => Look::Ready(()),
                        Ok(_) => Look::NotYet("a container came late".into()),
                        Err(error) => Look::NotYet(error.to_string()),
                    }
                },
            )
            .await?;
    }
    let nodes = engine::nodes().await?;
    let mut left: Vec<_> =
        nodes.into_iter().filter(ours).map(|node| format!("container {}", node.name)).collect();
    if !volumes.is_empty() {
        let volumes = engine::volumes_left(&volumes).await?;
        left.extend(volumes.into_iter().map(|volume| format!("volume {volume}")));
    }
    if !left.is_empty() {
        return Err(ClusterError::LeftOver { name, left: left.join(", ") });
    }
    directory.remove()?;
    remove_network(state).await?;
    Ok(())
}

/// Removes these nodes; the volumes that went with them.
async fn remove_nodes(ours: &impl Fn(&engine::Node) -> bool) -> Result<Vec<String>, ClusterError> {
    let mut volumes = Vec::new();
    for node in engine::nodes().await?.into_iter().filter(ours) {
        engine::remove(&node).await?;
        volumes.extend(node.volumes);
    }
    Ok(volumes)
}

/// Removes the network of kind, where we made it and nobody uses it or is about to.
async fn remove_network(state: &State) -> Result<(), ClusterError> {
    let mark = state.network_mark();
    let Ok(id) = fs::read_to_string(&mark) else {
        return Ok(());
    };
    let lock = state.network_lock()?;
    if lock.try_lock().is_err() {
        // Somebody creates a cluster just now, and will need it.
        return Ok(());
    }
    if engine::network().await?.as_deref() != Some(id.trim()) || engine::remove_network(&id).await {
        // It is gone, or another one that is not ours has its name.
        let _ = fs::remove_file(&mark);
    }
    Ok(())
}

/// Removes what runs that were killed have left: clusters whose run does not live, and that are not to
/// be kept; containers of ours whose directory is gone. The names of what was removed.
///
/// # Errors
///
/// When docker refuses, or the state cannot be read.
pub async fn sweep(state: &State) -> Result<Vec<String>, ClusterError> {
    let mut removed = Vec::new();
    for name in state.names()? {
        let Some(directory) = state.take(&name)? else {
            continue;
        };
        // A state file that was never finished belongs to a run that was killed as it began.
        if directory.read().is_ok_and(|cluster| cluster.keep) {
            continue;
        }
        remove(state, directory, Ended::BrokenOff).await?;
        removed.push(name);
    }
    Ok(removed)
}

/// Removes the clusters that were kept, and what killed runs have left: all of them, or the one of
/// this name. The names of what was removed.
///
/// # Errors
///
/// When the one that is named is not ours or in use, or docker refuses.
pub async fn down(state: &State, only: Option<&str>) -> Result<Vec<String>, ClusterError> {
    let names = state.names()?;
    if let Some(name) = only
        && !names.iter().any(|known| known == name)
    {
        let ours = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(ClusterError::NotOurs { name: name.to_owned(), ours });
    }
    let mut removed = Vec::new();
    for name in names.into_iter().filter(|name| only.is_none_or(|only| only == name)) {
        match state.take(&name)? {
            Some(directory) => {
                remove(state, directory, Ended::Well).await?;
                removed.push(name);
            }
            None if only.is_some() => return Err(ClusterError::InUse { name }),
            None => {}
        }
    }
    Ok(removed)
}
