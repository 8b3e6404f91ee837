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

/// Whether the nodes of a cluster are containers of kind on this machine: the engine here has one that
/// publishes the port at which the server was asked. What its context is called does not matter.
pub(crate) async fn is_kind_here(subject: &Subject) -> bool {
    match engine::api_servers().await {
        Ok(places) => places.iter().any(|place| is_at(&subject.server, place)),
        Err(_) => false,
    }
}

/// Whether the URL of a server leads to this place.
fn is_at(server: &str, place: &str) -> bool {
    server.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/') == place)
}
