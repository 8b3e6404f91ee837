//! Clusters of ours, made with kind: provisioned, marked, found again, removed.

mod config;
pub(crate) mod engine;
mod error;
mod helpers;
mod kind;
mod sweep;
mod template;

use meshcheck_suites::evidence::Subject;

pub(crate) use engine::addresses as node_addresses;
pub use error::ClusterError;
pub use helpers::{remove_left_helpers, remove_own_helpers};
pub use kind::{Provisioned, begin, create};
pub(crate) use sweep::left;
pub use sweep::{Ended, down, remove, sweep};
pub use template::Template;

/// Whether the nodes of a cluster are containers of kind on this machine: the name of its context says
/// kind, and the engine here has such a container that publishes the server's port.
pub(crate) async fn is_kind_here(subject: &Subject) -> bool {
    let Some(name) = subject.context.strip_prefix("kind-") else {
        return false;
    };
    match engine::published(&format!("{name}-control-plane")).await {
        Ok(published) => published.iter().any(|place| subject.server.ends_with(place.as_str())),
        Err(_) => false,
    }
}
