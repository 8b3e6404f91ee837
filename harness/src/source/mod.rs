//! Where the software of a run comes from: a bundle that is there, or the official releases, which
//! are downloaded into the cache in bundle form.
//!
//! ```text
//! Source ─► Release: recipe ─► files and image blobs ─► bundle directory ─► Bundle
//!            (pair, catalogue)   (transfer: verified,     (Writer: whole
//!                                 resumed, with progress)  or not at all)
//! ```

mod archive;
mod assemble;
mod catalogue;
mod choice;
mod digests;
pub(crate) mod disk;
mod error;
mod http;
mod image_archive;
mod latest;
mod manifests;
mod origins;
mod pair;
mod partial;
mod platform;
mod reachable;
mod recipe;
mod registry;
mod release;
mod retry;
mod transfer;

pub use catalogue::{DEFAULT_ISTIO, Kind, Node, node_image, nodes};
pub use choice::{LATEST, Requested, Source};
pub use error::SourceError;
pub use http::download;
pub use origins::{Mirror, Origin, Origins};
pub use pair::{Pair, default_node_of, runs_with_cgroup_v1, supports, tutorial_node};
pub use platform::Platform;
pub use reachable::{Unreachable, reachable};
pub use recipe::{Checksum, Download, ImagePin, Pin, Recipe};
pub use release::Release;
pub use retry::Limits;
