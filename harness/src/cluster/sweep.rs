//! Removing clusters of meshcheck: the one of this run, those that were kept, those that a killed run left.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::helpers::remove_left_helpers;
use super::{ClusterError, engine};
use crate::process::Remembered;
use crate::state::{self, ClusterDirectory, State};
use crate::wait::{Look, Wait};

/// How the creation of a cluster that is to be removed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was created.
    Well,
    /// It was broken off, and the engine may not be done with it.
    BrokenOff,
}

/// The pause between two looks for containers that come late.
const LATE: Duration = Duration::from_secs(1);

/// How long late containers are looked for.
const LATE_CEILING: Duration = Duration::from_mins(1);

/// Removes the cluster of this directory with everything that belongs to it, the directory last.
///
/// Only containers that carry the mark of this very directory are touched. Where its creation was
/// broken off, the engine may still be about to finish a container: then it is looked for again.
pub(crate) async fn remove(
    state: &State,
    directory: ClusterDirectory,
    ended: Ended,
) -> Result<(), ClusterError> {
    // kind outlives a run that is killed, and would make what was just removed. What it has started
    // is not ended but waited for: the engine finishes a container also for a `docker run` that is gone,
    // and does not show it before.
    let program = Remembered::read(&directory.process());
    if let Some(program) = program {
        program.end();
    }
    let place = directory.path().to_owned();
    let name =
        place.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let ours = |node: &engine::Node| node.mark.as_ref().is_some_and(|it| it.starts_with(&place));
    let volumes = remove_nodes(&ours).await?;
    if ended == Ended::BrokenOff || program.is_some() {
        until_none_comes(&ours, program).await?;
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

/// Removes these nodes until nothing runs that could make one, and a look after a pause finds none.
async fn until_none_comes(
    ours: &impl Fn(&engine::Node) -> bool,
    program: Option<Remembered>,
) -> Result<(), ClusterError> {
    Wait::new("the engine to finish nothing more", LATE_CEILING)
        .every(LATE)
        .late()
        .until(|| async {
            // Asked first: what ends after the question may have made a node before the look.
            let runs = program.is_some_and(|program| program.runs());
            match remove_nodes(ours).await {
                Ok(_) if runs => Look::NotYet("what kind has started still runs".into()),
                Ok(found) if found.is_empty() => Look::Ready(()),
                Ok(_) => Look::NotYet("a container came late".into()),
                Err(error) => Look::NotYet(error.to_string()),
            }
        })
        .await?;
    Ok(())
}

/// Removes these nodes; the volumes that went with them.
async fn remove_nodes(ours: &impl Fn(&engine::Node) -> bool) -> Result<Vec<String>, ClusterError> {
    let mut volumes = Vec::new();
    for node in engine::nodes().await?.into_iter().filter(ours) {
        engine::remove_container(&node.id).await?;
        volumes.extend(node.volumes);
    }
    Ok(volumes)
}

/// Removes the network of kind, where we made it and nobody uses it or is about to.
async fn remove_network(state: &State) -> Result<(), ClusterError> {
    let mark = state.network_mark();
    let Ok(known) = fs::read_to_string(&mark) else {
        return Ok(());
    };
    let lock = state.network_lock()?;
    if lock.try_lock().is_err() {
        // Somebody creates a cluster just now, and will need it.
        return Ok(());
    }
    let done = match engine::network().await? {
        // Nothing is known of one whose making was broken off, but that it was meshcheck's to make.
        Some(id) if known.is_empty() || known == id => engine::remove_network(&id).await,
        // It is gone, or another one that is not meshcheck's has its name.
        _ => true,
    };
    if done {
        let _ = fs::remove_file(&mark);
    }
    Ok(())
}

/// Removes what runs that were killed have left: clusters whose run does not live, and that are not to
/// be kept; containers of meshcheck whose directory is gone. The names of what was removed.
pub(crate) async fn sweep(state: &State) -> Result<Vec<String>, ClusterError> {
    let mut removed = Removed::default();
    for name in state.names()? {
        match state.take(&name) {
            // A state file that was never finished belongs to a run that was killed as it began.
            Ok(Some(directory)) if directory.read().is_ok_and(|cluster| cluster.keep) => {}
            Ok(Some(directory)) => {
                removed.note(name, remove(state, directory, Ended::BrokenOff).await);
            }
            Ok(None) => {}
            Err(error) => removed.note(name, Err(error.into())),
        }
    }
    // An engine that does not answer is reported before anything is begun.
    if let Err(error) = removed.orphans(state, None).await {
        removed.fault = removed.fault.or(Some(error));
    }
    removed.all()
}

/// What [`sweep`] would remove, by name. Nothing is removed.
pub(crate) async fn left(state: &State) -> Result<Vec<String>, ClusterError> {
    let mut left = Vec::new();
    for name in state.names()? {
        if let Some(directory) = state.take(&name)?
            && !directory.read().is_ok_and(|cluster| cluster.keep)
        {
            left.push(name);
        }
    }
    let (clusters, host) = (state.clusters(), state::host());
    let orphans = engine::nodes().await?.into_iter().filter(|it| orphan(it, &clusters, &host));
    left.extend(orphans.map(|node| node.cluster));
    left.sort();
    left.dedup();
    Ok(left)
}

/// Removes the clusters that were kept, and what killed runs have left: all of them, or the one of
/// this name. The names of what was removed.
pub(crate) async fn down(state: &State, only: Option<&str>) -> Result<Vec<String>, ClusterError> {
    let names = state.names()?;
    let mut removed = Removed::default();
    for name in names.iter().filter(|name| only.is_none_or(|only| only == *name)) {
        match state.take(name) {
            Ok(Some(directory)) => {
                let kept = directory.read().is_ok_and(|cluster| cluster.keep);
                let ended = if kept { Ended::Well } else { Ended::BrokenOff };
                removed.note(name.clone(), remove(state, directory, ended).await);
            }
            Ok(None) if only.is_some() => {
                return Err(ClusterError::InUse { name: name.clone() });
            }
            Ok(None) => {}
            Err(error) => removed.note(name.clone(), Err(error.into())),
        }
    }
    let orphans = removed.orphans(state, only).await;
    // Where there is nothing of meshcheck, an engine that does not answer is no fault.
    if let Err(error) = orphans
        && !(removed.names.is_empty() && only.is_none())
    {
        removed.fault = removed.fault.or(Some(error));
    }
    let removed = removed.all()?;
    match only {
        Some(name) if removed.is_empty() => {
            let ours = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(ClusterError::NotOurs { name: name.to_owned(), ours })
        }
        _ => Ok(removed),
    }
}

/// What was removed, and the first fault on the way.
#[derive(Default)]
struct Removed {
    names: Vec<String>,
    fault: Option<ClusterError>,
}

impl Removed {
    fn note(&mut self, name: String, outcome: Result<(), ClusterError>) {
        match outcome {
            Ok(()) => self.names.push(name),
            Err(error) => self.fault = self.fault.take().or(Some(error)),
        }
    }

    /// Removes the containers whose directory is gone: all of them, or those of one cluster.
    async fn orphans(&mut self, state: &State, only: Option<&str>) -> Result<(), ClusterError> {
        let (clusters, host) = (state.clusters(), state::host());
        let left = |node: &engine::Node| {
            only.is_none_or(|only| only == node.cluster) && orphan(node, &clusters, &host)
        };
        let found: Vec<_> = engine::nodes().await?.into_iter().filter(left).collect();
        if only.is_none() {
            self.names.extend(remove_left_helpers().await?);
        }
        if !found.is_empty() {
            until_none_comes(&left, None).await?;
            remove_network(state).await?;
            self.names.extend(found.into_iter().map(|node| node.cluster));
        }
        Ok(())
    }

    fn all(mut self) -> Result<Vec<String>, ClusterError> {
        self.names.sort();
        self.names.dedup();
        self.fault.map_or(Ok(self.names), Err)
    }
}

/// Whether a node is of this very state and machine, and its cluster's directory is gone.
///
/// Several machines may share an engine, with state directories of the same path (jobs of a CI server
/// do): what another one made is not there either, and alive.
fn orphan(node: &engine::Node, clusters: &Path, host: &str) -> bool {
    let Some(mark) = &node.mark else {
        return false;
    };
    let directory = clusters.join(&node.cluster);
    !node.cluster.is_empty()
        && *mark == directory.join("owner").join(host)
        // What cannot be read may be there.
        && matches!(directory.try_exists(), Ok(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::gone(Some("meshcheck-1/owner/here"), "meshcheck-1", true)]
    #[case::alive(Some("meshcheck-2/owner/here"), "meshcheck-2", false)]
    #[case::of_another_machine(Some("meshcheck-1/owner/there"), "meshcheck-1", false)]
    #[case::of_another_cluster(Some("meshcheck-1/owner/here"), "meshcheck-3", false)]
    #[case::without_a_mark(None, "meshcheck-1", false)]
    #[case::without_a_label(Some("meshcheck-1/owner/here"), "", false)]
    fn only_marked_nodes_without_a_directory_are_orphans(
        #[case] mark: Option<&str>,
        #[case] cluster: &str,
        #[case] expected: bool,
    ) {
        let place = tempfile::tempdir().unwrap();
        let clusters = place.path();
        fs::create_dir(clusters.join("meshcheck-2")).unwrap();
        let node = engine::Node {
            id: "abc".into(),
            name: format!("{cluster}-control-plane"),
            cluster: cluster.into(),
            mark: mark.map(|mark| clusters.join(mark)),
            volumes: Vec::new(),
        };
        assert_eq!(orphan(&node, clusters, "here"), expected);
        assert!(!orphan(&node, Path::new("/elsewhere"), "here"), "another state directory");
    }
}
