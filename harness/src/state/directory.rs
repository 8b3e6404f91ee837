//! The directory of one cluster, and what is written there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use meshcheck_suites::evidence::{BundleFacts, Expectations};
use serde::{Deserialize, Serialize};

use super::StateError;
use super::error::io;
use super::lock::{host, locked};
use crate::atomic_file::write_atomically;

/// What is known of a cluster of meshcheck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterState {
    /// Its name, `meshcheck-` and eight hexadecimal digits.
    pub(crate) name: String,
    /// When it was begun.
    pub(crate) created_at: Timestamp,
    /// Whether it is to outlive its run. Only set once everything is installed.
    pub(crate) keep: bool,
    /// The Istio on it.
    pub(crate) istio_version: String,
    /// The image of Kiali in its source's addon manifest.
    pub(crate) kiali_image: String,
    /// The version that its `istioctl` reports, once it was asked.
    #[serde(default)]
    pub(crate) istioctl_version: Option<String>,
    /// The bundle that it was installed from.
    pub(crate) bundle: BundleFacts,
    /// What the demo on it is called, and all else that its run expected.
    #[serde(default)]
    pub(crate) expectations: Option<Expectations>,
}

impl ClusterState {
    /// The context in its kubeconfig.
    pub(crate) fn context(&self) -> String {
        format!("kind-{}", self.name)
    }
}

/// The directory of one cluster, with its lock.
#[derive(Debug)]
pub(crate) struct ClusterDirectory {
    pub(super) path: PathBuf,
    /// Holding it is its purpose.
    pub(super) lock: File,
    /// The lock to hold while the directory is removed.
    pub(super) directories: PathBuf,
}

impl ClusterDirectory {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The cluster's own kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// What is mounted into the node as the mark that it is meshcheck's. It names this machine: an engine
    /// may serve several, whose state directories have the same path.
    pub(crate) fn owner(&self) -> PathBuf {
        self.path.join("owner").join(host())
    }

    /// Where the program is remembered that works on the cluster.
    pub(crate) fn process(&self) -> PathBuf {
        self.path.join("process")
    }

    /// Reads what is known of the cluster.
    pub(crate) fn read(&self) -> Result<ClusterState, StateError> {
        read(&self.path)
    }

    /// Writes what is known of the cluster: whole or not at all.
    pub(crate) fn write(&self, state: &ClusterState) -> Result<(), StateError> {
        let path = self.path.join("state.json");
        write_atomically(&path, |to| Ok(serde_json::to_writer_pretty(to, state)?))
            .map_err(io("writing", &path))
    }

    /// Another handle on the same directory and the same lock, which is held until both are gone.
    pub(crate) fn reopened(&self) -> Result<Self, StateError> {
        let lock = self.lock.try_clone().map_err(io("keeping the lock of", &self.path))?;
        Ok(Self { path: self.path.clone(), lock, directories: self.directories.clone() })
    }

    /// Removes the directory: the cluster is gone.
    pub(crate) fn remove(self) -> Result<(), StateError> {
        // Who asks for its lock meanwhile would put a file into it.
        let _guard = locked(&self.directories)?;
        fs::remove_dir_all(&self.path).map_err(io("removing", &self.path))
    }
}

pub(super) fn read(directory: &Path) -> Result<ClusterState, StateError> {
    let path = directory.join("state.json");
    let text = fs::read_to_string(&path).map_err(io("reading", &path))?;
    serde_json::from_str(&text)
        .map_err(|error| StateError::Damaged { path, reason: error.to_string() })
}
