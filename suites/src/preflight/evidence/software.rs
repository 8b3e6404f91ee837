//! The software to install.

use serde::{Deserialize, Serialize};

use crate::evidence::Observation;

/// The software to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftwareEvidence {
    /// Its source.
    pub source: Observation<Supply>,
    /// The test starts of its programs; absent where it is not on this machine yet.
    pub programs: Observation<Vec<Program>>,
    /// The images that the nodes need.
    pub images: Vec<String>,
    /// The Kubernetes of the nodes. None in a record of an older meshcheck.
    #[serde(default)]
    pub kubernetes: Option<ChosenKubernetes>,
}

/// The Kubernetes that is to be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenKubernetes {
    /// Its version: `v1.36.4`.
    pub version: String,
    /// The newest version that the same Istio supports and that runs with cgroup v1: `1.34.11`.
    pub newest_for_cgroup_v1: Option<String>,
}

/// A bundle in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedBundle {
    /// Its version of Istio.
    pub istio: String,
    /// Its directory, with `~` for the home directory.
    pub directory: String,
}

/// The source of the software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "supply", rename_all = "snake_case")]
pub enum Supply {
    /// It is on this machine, with the right checksums.
    Here(Facts),
    /// It is not on this machine, and the download sites answer.
    WithinReach {
        /// The download sites.
        places: String,
    },
    /// It is not on this machine, and cannot be downloaded.
    OutOfReach {
        /// The error.
        words: String,
        /// The fix.
        hint: String,
        /// Another bundle in the cache, which needs no network.
        #[serde(default)]
        cached: Option<CachedBundle>,
    },
    /// It is on this machine, but damaged or not the expected one.
    Unusable {
        /// The error.
        words: String,
        /// The fix.
        hint: String,
    },
}

/// The versions of software on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `the bundle`, `the cached release`
    pub what: String,
    /// Its Istio.
    pub istio: String,
    /// The Kubernetes of its node image.
    pub kubernetes: String,
    /// Its kind.
    pub kind: String,
    /// The image of its nodes.
    pub node_image: String,
}

/// The test start of a program of the software.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// `kind`
    pub name: String,
    /// Whether it started.
    pub runs: bool,
    /// Its version, or the error of the start.
    pub words: String,
}
