//! What is on disk while a cluster of ours lives: one directory each, whose lock its run holds.
//!
//! ```text
//! STATE/clusters/meshcheck-0badcafe/lock        held by the run that works with the cluster
//!                                  /state.json  what it is, written before anything is made
//!                                  /kubeconfig  its own; the user's is never written to
//!                                  /kind.yaml   what kind was given
//!                                  /owner/      mounted into the node: the mark that it is ours
//! ```
//!
//! The kernel takes the lock from a process that dies, whatever killed it. So a directory whose lock
//! is free and that is not to be kept belongs to a run that did not end well: its cluster is removed.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use meshcheck_suites::evidence::BundleFacts;
use serde::{Deserialize, Serialize};

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no place for it.
    #[error(
        "there is no directory for the state: none of MESHCHECK_STATE, XDG_STATE_HOME, HOME is set"
    )]
    NoPlace,
    /// A file or directory could not be read or written.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was tried, as a gerund.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A state file is damaged.
    #[error("the state file `{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

impl StateError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPlace => Some("set MESHCHECK_STATE to a directory of yours".into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("the disk is full: free some space".into())
            }
            Self::Io { path, .. } => Some(format!(
                "`ls -ld {}` shows who may write there; MESHCHECK_STATE moves it",
                path.parent().unwrap_or(path).display()
            )),
            Self::Damaged { .. } => Some("`meshcheck down` removes what it belongs to".into()),
        }
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |source| StateError::Io { action, path: path.to_owned(), source }
}

/// What is known of a cluster of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// Its name, `meshcheck-` and eight hexadecimal digits.
    pub name: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Whether it is to outlive its run. Only set once everything is installed.
    pub keep: bool,
    /// The Istio on it.
    pub istio_version: String,
    /// The image of Kiali in its source's addon manifest.
    pub kiali_image: String,
    /// The version that its `istioctl` reports, once it was asked.
    #[serde(default)]
    pub istioctl_version: Option<String>,
    /// The bundle that it was installed from.
    pub bundle: BundleFacts,
}

/// The place of all state.
#[derive(Debug, Clone)]
pub struct State {
    root: PathBuf,
}

impl State {
    /// `$MESHCHECK_STATE`, else `$XDG_STATE_HOME/meshcheck`, else `~/.local/state/meshcheck`.
    ///
    /// # Errors
    ///
    /// When none of these variables is set.
    pub fn from_environment() -> Result<Self, StateError> {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let root = variable("MESHCHECK_STATE")
            .map(PathBuf::from)
            .or_else(|| {
                variable("XDG_STATE_HOME").map(|home| PathBuf::from(home).join("meshcheck"))
            })
            .or_else(|| {
                variable("HOME").map(|home| PathBuf::from(home).join(".local/state/meshcheck"))
            })
            .ok_or(StateError::NoPlace)?;
        // The engine mounts from here, and knows nothing of our working directory.
        let root = std::path::absolute(&root).map_err(io("resolving", &root))?;
        Ok(Self::at(root))
    }

    /// The state in this directory.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where the clusters' directories are.
    pub fn clusters(&self) -> PathBuf {
        self.root.join("clusters")
    }

    /// Begins a cluster: makes its directory, takes its lock, writes what it will be.
    ///
    /// # Errors
    ///
    /// When that cannot be written.
    pub fn begin(&self, state: &ClusterState) -> Result<ClusterDirectory, StateError> {
        let path = self.clusters().join(&state.name);
        let owner = path.join("owner");
        fs::create_dir_all(&owner).map_err(io("making", &owner))?;
        let directory = ClusterDirectory { lock: locked(&path)?, path };
        directory.write(state)?;
        Ok(directory)
    }

    /// The names of all clusters that have a directory.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, StateError> {
        let path = self.clusters();
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
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
    ///
    /// # Errors
    ///
    /// When its lock cannot be asked for.
    pub fn take(&self, name: &str) -> Result<Option<ClusterDirectory>, StateError> {
        let path = self.clusters().join(name);
        if !path.is_dir() {
            return Ok(None);
        }
        let lock = open_lock(&path)?;
        match lock.try_lock() {
            // Whoever had it may have removed it in the meantime.
            Ok(()) if path.is_dir() => Ok(Some(ClusterDirectory { path, lock })),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io("locking", &path)(error)),
        }
    }

    /// What is known of a cluster, without its lock.
    ///
    /// # Errors
    ///
    /// When its state file cannot be read or is damaged.
    pub fn read(&self, name: &str) -> Result<ClusterState, StateError> {
        read(&self.clusters().join(name))
    }

    /// The kubeconfig of a cluster.
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        self.clusters().join(name).join("kubeconfig")
    }

    /// The lock around the engine's network `kind`: shared by those who make clusters, exclusive for
    /// who removes the network.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn network_lock(&self) -> Result<File, StateError> {
        fs::create_dir_all(&self.root).map_err(io("making", &self.root))?;
        let path = self.root.join("network.lock");
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io("opening", &path))
    }

    /// The file that names the network `kind` of the engine, where we made it.
    pub fn network_mark(&self) -> PathBuf {
        self.root.join("network")
    }
}

/// The directory of one cluster, with its lock.
#[derive(Debug)]
pub struct ClusterDirectory {
    path: PathBuf,
    /// Holding it is its purpose.
    lock: File,
}

impl ClusterDirectory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cluster's own kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// What is mounted into the node as the mark that it is ours.
    pub fn owner(&self) -> PathBuf {
        self.path.join("owner")
    }

    /// Reads what is known of the cluster.
    ///
    /// # Errors
    ///
    /// When the state file cannot be read or is damaged.
    pub fn read(&self) -> Result<ClusterState, StateError> {
        read(&self.path)
    }

    /// Writes what is known of the cluster: whole or not at all.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, state: &ClusterState) -> Result<(), StateError> {
        let path = self.path.join("state.json");
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            serde_json::to_writer_pretty(&mut file, state)?;
            file.flush()?;
            file.persist(&path).map_err(|error| error.error)
        };
        write().map(drop).map_err(io("writing", &path))
    }

    /// Another handle on the same directory and the same lock, which is held until both are gone.
    ///
    /// # Errors
    ///
    /// When the system has no more handles.
    pub fn reopened(&self) -> Result<Self, StateError> {
        let lock = self.lock.try_clone().map_err(io("keeping the lock of", &self.path))?;
        Ok(Self { path: self.path.clone(), lock })
    }

    /// Removes the directory: the cluster is gone.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), StateError> {
        fs::remove_dir_all(&self.path).map_err(io("removing", &self.path))
    }
}

fn read(directory: &Path) -> Result<ClusterState, StateError> {
    let path = directory.join("state.json");
    let text = fs::read_to_string(&path).map_err(io("reading", &path))?;
    serde_json::from_str(&text)
        .map_err(|error| StateError::Damaged { path, reason: error.to_string() })
}

fn open_lock(directory: &Path) -> Result<File, StateError> {
    let path = directory.join("lock");
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io("opening", &path))
}

fn locked(directory: &Path) -> Result<File, StateError> {
    let file = open_lock(directory)?;
    file.lock().map_err(io("locking", directory))?;
    Ok(file)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn some_state(name: &str) -> ClusterState {
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
        }
    }

    #[test]
    fn a_living_run_keeps_its_directory_and_a_dead_one_does_not() {
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
    fn a_damaged_file_is_named() {
        let place = tempfile::tempdir().unwrap();
        let state = State::at(place.path().to_owned());
        let directory = state.begin(&some_state("meshcheck-2")).unwrap();
        fs::write(directory.path().join("state.json"), "{\"name\": ").unwrap();
        let error = directory.read().unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
        assert!(error.hint().is_some());
    }
}
