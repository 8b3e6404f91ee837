//! What a preflight saw: of the machine, of the software, of a cluster that is there.

mod cluster;
mod machine;
mod software;

pub use cluster::*;
pub use machine::*;
pub use software::*;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that a preflight saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreflightEvidence {
    /// When the look began, by the clock of this machine.
    pub recorded_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether the caller named a cluster. Without one, this machine is to make it.
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
