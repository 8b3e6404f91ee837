//! A bundle of two small parts, for the tests of all crates.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::{Install, IstioBuild, KialiBuild, Manifest, NodeImage, Origin, Role, SCHEMA, Writer};

/// Writes it into a directory, with what a test changes in its manifest.
///
/// # Errors
/// When it cannot be written.
pub fn write_small(
    directory: &Path,
    change: impl FnOnce(&mut Manifest),
) -> Result<(), Box<dyn Error>> {
    fs::write(directory.join("node.tar"), "a node")?;
    fs::write(directory.join("kind.yaml"), "kind: Cluster")?;
    let mut writer = Writer::new(directory)?;
    writer.add("node-image", Role::Image, "node.tar", "v1", "a test")?;
    writer.add("kind-config", Role::Config, "kind.yaml", "v1", "a test")?;
    let istio = || "1.20.3".to_owned();
    let mut manifest = Manifest {
        schema: SCHEMA,
        origin: Origin::Lab,
        key: "0123".into(),
        istio: IstioBuild { version: istio(), hub: "docker.io/istio".into(), tag: istio() },
        kubernetes: "v1.29.15".into(),
        kiali: KialiBuild { version: "v1.76.0".into(), image: "quay.io/kiali/kiali:v1.76".into() },
        node: NodeImage {
            reference: "node:test".into(),
            id: None,
            archive: "node-image".into(),
            kind_config: "kind-config".into(),
        },
        images: Vec::new(),
        install: Install { profile: "default".into(), set: Vec::new() },
        notes: Vec::new(),
        parts: Vec::new(),
    };
    change(&mut manifest);
    writer.finish(manifest)?;
    Ok(())
}
