//! A bundle: a directory with everything that a run installs, described by its `bundle.json`.
//!
//! Whoever makes one (the lab build in `ci`, the release download in `harness`) writes it through
//! [`Writer`], which makes it appear whole or not at all; whoever uses one opens it with
//! [`Bundle::open`] and asks for parts with [`Bundle::verified`], which compares checksums first.

mod digest;
mod error;
mod locations;
mod manifest;
mod open;
#[doc(hidden)]
pub mod testing;
mod write;

pub use digest::{Sha256Hex, sha256_file, sha256_hex};
pub use error::BundleError;
pub use locations::cache_dir;
pub use manifest::{
    Image, Install, IstioBuild, KialiBuild, Manifest, NodeImage, Origin, Part, Role, SCHEMA,
};
pub use open::Bundle;
pub use write::Writer;

/// The name of the manifest inside a bundle's directory.
pub const MANIFEST_FILE: &str = "bundle.json";
