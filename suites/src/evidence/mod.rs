//! Evidence: all observations of one run, without verdicts.

mod cluster;
mod demo;
mod document;
mod expectations;
mod ingress;
mod install;
mod kiali;
mod logs;
mod mesh;
mod names;
mod observation;
mod observations;
mod probe;
mod redaction;
mod service;
mod workload;

pub use cluster::*;
pub use demo::*;
pub use document::*;
pub use expectations::*;
pub use ingress::*;
pub use install::*;
pub use kiali::*;
pub use logs::*;
pub use mesh::*;
pub use observation::Observation;
pub(crate) use observation::explain_missing;
pub use observations::Observations;
pub use probe::*;
pub use redaction::*;
pub use service::*;
pub use workload::*;
