//! Where the software of a run comes from: a bundle that is there, or the official releases, which
//! are downloaded into the cache in bundle form.
//!
//! ```text
//! Source ─► Release: recipe ─► files and image blobs ─► bundle directory ─► Bundle
//!                   (catalogue)  (transfer: verified,     (Writer: whole
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
mod manifests;
mod origins;
mod partial;
mod platform;
mod reachable;
mod registry;
mod release;
mod retry;
mod transfer;

pub use catalogue::{Checksum, DEFAULT_ISTIO, Download, ImagePin, Pin, Recipe};
pub use choice::Source;
pub use error::SourceError;
pub use http::download;
pub use origins::{Mirror, Origin, Origins};
pub use platform::Platform;
pub use reachable::{Unreachable, reachable};
pub use release::Release;
pub use retry::Limits;
