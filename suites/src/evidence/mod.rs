//! The record of one look at a cluster: what was observed, never what follows from it.

mod cluster;
mod demo;
mod document;
mod expectations;
mod ingress;
mod install;
mod kiali;
mod mesh;
mod observation;
mod probe;
mod workload;

pub use cluster::*;
pub use demo::*;
pub use document::*;
pub use expectations::*;
pub use ingress::*;
pub use install::*;
pub use kiali::*;
pub use mesh::*;
pub use observation::*;
pub use probe::*;
pub use workload::*;
