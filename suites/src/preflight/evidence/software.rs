//! The software that is to be installed.

use serde::{Deserialize, Serialize};

use crate::evidence::Observation;

/// The software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftwareEvidence {
    /// Where it comes from.
    pub source: Observation<Supply>,
    /// Its programs, started here; absent where it is not on this machine yet.
    pub programs: Observation<Vec<Program>>,
    /// The images that nodes must have or get.
    pub images: Vec<String>,
}

/// Where the software comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "supply", rename_all = "snake_case")]
pub enum Supply {
    /// It is here, and its checksums are right.
    Here(Facts),
    /// It is not here yet, and the places that have it answer.
    WithinReach {
        /// How much there is to download, in bytes, where that is known.
        places: String,
    },
    /// It is neither here nor to be had.
    OutOfReach {
        /// What happened.
        words: String,
        /// What to do about it.
        hint: String,
    },
    /// It is here, and damaged or not what was asked for.
    Unusable {
        /// What is wrong.
        words: String,
        /// What to do about it.
        hint: String,
    },
}

/// What is known of software that is here.
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

/// A program of the software, started here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// `kind`
    pub name: String,
    /// Whether it ran.
    pub runs: bool,
    /// What it said of its version, or why it did not run.
    pub words: String,
}
