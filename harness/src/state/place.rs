//! The place of all state: which clusters there are, and the locks that are shared.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::PathBuf;

use super::directory::read;
use super::error::io;
use super::lock::{lock_file, locked};
use super::{ClusterDirectory, ClusterState, StateError};

/// The place of all state.
#[derive(Debug, Clone)]
pub(crate) struct State {
    root: PathBuf,
}

impl State {
    /// `$MESHCHECK_STATE`, else `$XDG_STATE_HOME/meshcheck`, else `~/.local/state/meshcheck`.
    pub(crate) fn from_environment() -> Result<Self, StateError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("MESHCHECK_STATE")
            .or_else(|| set("XDG_STATE_HOME").map(|home| home.join("meshcheck")))
            .or_else(|| set("HOME").map(|home| home.join(".local/state/meshcheck")))
            .ok_or(StateError::NoPlace)?;
        // The engine mounts from here, and knows nothing of our working directory.
        let root = std::path::absolute(&root).map_err(io("resolving", &root))?;
        Ok(Self::at(root))
    }

    /// The state in this directory.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where the clusters' directories are.
    pub(crate) fn clusters(&self) -> PathBuf {
        self.root.join("clusters")
    }

    /// The directory of what the board of a class has shown.
    pub(crate) fn class(&self, name: &str) -> PathBuf {
        self.root.join("classes").join(name)
    }

    /// Begins a cluster: makes its directory, takes its lock, writes what it will be.
    pub(crate) fn begin(&self, state: &ClusterState) -> Result<ClusterDirectory, StateError> {
        let clusters = self.clusters();
        fs::create_dir_all(&clusters).map_err(io("making", &clusters))?;
        // Until it is locked and written, a directory looks like one of a run that was killed.
        let _guard = locked(&self.directories_lock())?;
        let path = clusters.join(&state.name);
        fs::create_dir(&path).map_err(io("making", &path))?;
        let directory = ClusterDirectory {
            lock: locked(&path.join("lock"))?,
            path,
            directories: self.directories_lock(),
        };
        fs::create_dir_all(directory.owner()).map_err(io("making", &directory.owner()))?;
        directory.write(state)?;
        Ok(directory)
    }

    /// The names of all clusters that have a directory.
    pub(crate) fn names(&self) -> Result<Vec<String>, StateError> {
        let path = self.clusters();
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io("reading", &path)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io("reading", &path))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Takes a cluster's directory over; nothing where a living run holds it, or it is gone.
    pub(crate) fn take(&self, name: &str) -> Result<Option<ClusterDirectory>, StateError> {
        let path = self.clusters().join(name);
        if !path.is_dir() {
            return Ok(None);
        }
        let directories = self.directories_lock();
        let _guard = locked(&directories)?;
        if !path.is_dir() {
            return Ok(None);
        }
        let lock = lock_file(&path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(ClusterDirectory { path, lock, directories })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io("locking", &path)(error)),
        }
    }

    /// What is known of a cluster, without its lock.
    pub(crate) fn read(&self, name: &str) -> Result<ClusterState, StateError> {
        read(&self.clusters().join(name))
    }

    /// The kubeconfig of a cluster.
    pub(crate) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.clusters().join(name).join("kubeconfig")
    }

    /// The lock around the engine's network `kind`: shared by those who make clusters, exclusive for
    /// who removes the network.
    pub(crate) fn network_lock(&self) -> Result<File, StateError> {
        self.lock_of("network.lock")
    }

    /// The lock around loading a node image: two runs that start together load it once.
    pub(crate) fn image_lock(&self) -> Result<File, StateError> {
        self.lock_of("image.lock")
    }

    /// The file that names the network `kind` of the engine, where we made it; empty while it is made.
    pub(crate) fn network_mark(&self) -> PathBuf {
        self.root.join("network")
    }

    fn directories_lock(&self) -> PathBuf {
        self.root.join("directories.lock")
    }

    fn lock_of(&self, name: &str) -> Result<File, StateError> {
        fs::create_dir_all(&self.root).map_err(io("making", &self.root))?;
        lock_file(&self.root.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use meshcheck_suites::evidence::BundleFacts;

    fn some_state(name: &str) -> ClusterState {
        ClusterState {
            name: name.into(),
            created_at: Timestamp::UNIX_EPOCH,
            keep: false,
            istio_version: "1.20.3".into(),
            kiali_image: "quay.io/kiali/kiali:v1.76".into(),
            istioctl_version: None,
            bundle: BundleFacts {
                origin: "release".into(),
                key: "0123".into(),
                install_set: Vec::new(),
                notes: Vec::new(),
            },
            expectations: None,
        }
    }

    #[test]
    fn directory_is_locked_while_its_run_lives() {
        let place = tempfile::tempdir().unwrap();
        let state = State::at(place.path().to_owned());
        assert!(state.names().unwrap().is_empty());
        let directory = state.begin(&some_state("meshcheck-1")).unwrap();
        assert_eq!(state.names().unwrap(), ["meshcheck-1"]);
        assert!(state.take("meshcheck-1").unwrap().is_none(), "its run lives");
        drop(directory);
        let taken = state.take("meshcheck-1").unwrap().expect("its run is gone");
        assert_eq!(taken.read().unwrap().name, "meshcheck-1");
        taken.remove().unwrap();
        assert!(state.names().unwrap().is_empty());
        assert!(state.take("meshcheck-1").unwrap().is_none());
    }

    #[test]
    fn malformed_state_file_is_named() {
        let place = tempfile::tempdir().unwrap();
        let state = State::at(place.path().to_owned());
        let directory = state.begin(&some_state("meshcheck-2")).unwrap();
        fs::write(directory.path().join("state.json"), "{\"name\": ").unwrap();
        let error = directory.read().unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn existing_name_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let state = State::at(place.path().to_owned());
        let first = state.begin(&some_state("meshcheck-3")).unwrap();
        assert!(state.begin(&some_state("meshcheck-3")).is_err());
        assert_eq!(first.read().unwrap().name, "meshcheck-3", "the first is as it was");
    }

    #[test]
    fn concurrent_sweep_disturbs_no_run() {
        let place = tempfile::tempdir().unwrap();
        let state = State::at(place.path().to_owned());
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        for name in state.names().unwrap() {
                            let taken = state.take(&name).unwrap();
                            assert!(taken.is_none(), "{name} was taken from its living run");
                        }
                    }
                });
            }
            for number in 0..300 {
                let directory = state.begin(&some_state(&format!("meshcheck-{number}"))).unwrap();
                directory.remove().unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(state.names().unwrap().is_empty());
    }
}
