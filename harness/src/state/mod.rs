//! What is on disk while a cluster of meshcheck lives: one directory each, whose lock its run holds.
//!
//! ```text
//! STATE/clusters/meshcheck-0badcafe/lock        held by the run that works with the cluster
//!                                  /state.json  what it is, written before anything is made
//!                                  /kubeconfig  its own; the user's is never written to
//!                                  /kind.yaml   what kind was given
//!                                  /process     the program that works on it, where one does
//!                                  /owner/HOST  mounted into the node: the mark that it is meshcheck's
//!      /directories.lock           held while a directory is made, taken over or removed
//!      /image.lock                 held while a node image is loaded
//!      /network, /network.lock     whether the engine's network is meshcheck's; held while it is needed
//! ```
//!
//! The kernel takes the lock from a process that dies, whatever killed it. So a directory whose lock
//! is free and that is not to be kept belongs to a run that did not end well: its cluster is removed.

mod directory;
mod error;
mod lock;
mod place;

pub(crate) use directory::{ClusterDirectory, ClusterState};
pub(crate) use error::StateError;
pub(crate) use lock::host;
pub(crate) use place::State;
