//! A cluster of meshcheck with the mesh on it, and what `meshcheck check` says of it: for what runs for long.

mod cluster;
mod verdicts;

pub(crate) use cluster::{Cluster, bundle};
pub(crate) use verdicts::Verdicts;
