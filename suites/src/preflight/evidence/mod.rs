//! The evidence of a preflight: machine, software, and an existing cluster.

mod cluster;
mod document;
mod machine;
mod software;

pub use cluster::*;
pub use document::PreflightRecord;
pub use machine::*;
pub use software::*;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// All observations of a preflight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreflightEvidence {
    /// When the collection began, by the clock of this machine.
    pub recorded_at: Timestamp,
    /// How long the collection took, in milliseconds.
    pub took_ms: u64,
    /// Whether the caller named a cluster. Otherwise this machine will create one.
    pub cluster_named: bool,
    /// Whether the caller named the software, by its bundle.
    pub software_named: bool,
    /// This machine.
    pub machine: MachineEvidence,
    /// The software.
    pub software: SoftwareEvidence,
    /// The cluster.
    pub cluster: ClusterLook,
}
