//! The bundle of a mesh that differs from another one by its install options alone.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use meshcheck_bundle::{Bundle, Writer};

use super::assemble::publish;
use super::key::{Key, KeyBuilder};
use super::recipe::Mesh;
use super::store::Store;

/// The key of a mesh, from that of its software.
pub(super) fn key(mesh: &Mesh, software: &Key) -> Key {
    if mesh.set.is_empty() {
        return software.clone();
    }
    KeyBuilder::new("mesh").with("software", software.full()).with_all("set", mesh.set).finish()
}

/// Makes the bundle of `mesh` from the one `of` its software: the same files, as hard links, and a manifest
/// of its own.
pub(super) fn build(store: &Store, mesh: &Mesh, key: &Key, of: &Path, bundle: &Path) -> Result<()> {
    let of = Bundle::open(of)?;
    let made = store.scratch()?;
    let mut writer = Writer::new(made.path())?;
    let mut manifest = of.manifest().clone();
    for part in manifest.parts.drain(..) {
        link(&of.dir().join(&part.path), &made.path().join(&part.path))?;
        writer.add_described(part)?;
    }
    key.full().clone_into(&mut manifest.key);
    manifest.install.set.extend(mesh.set.iter().map(|&option| option.to_owned()));
    writer.finish(manifest)?;
    publish(made, bundle)
}

/// Links a file, or copies it where the file system has no links.
fn link(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use meshcheck_bundle::testing::write_small;

    use super::*;
    use crate::lab::recipe::MESHES;

    fn mesh_with_options() -> &'static Mesh {
        MESHES.iter().find(|mesh| !mesh.set.is_empty()).unwrap()
    }

    #[test]
    fn options_alone_change_the_key() {
        let software = || KeyBuilder::new("software").finish();
        assert_eq!(key(&MESHES[0], &software()), software());
        assert_ne!(key(mesh_with_options(), &software()), software());
    }

    #[test]
    fn bundle_of_a_variant_links_all_files_and_adds_options() {
        let place = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| place.path().join(name));
        fs::create_dir(&first).unwrap();
        write_small(&first, |manifest| manifest.install.set = vec!["a=b".into()]).unwrap();
        let store = Store::open(&place.path().join("lab")).unwrap();
        let key = KeyBuilder::new("second").finish();

        build(&store, mesh_with_options(), &key, &first, &second).unwrap();

        let bundle = Bundle::open(&second).unwrap();
        bundle.verify_all().unwrap();
        let manifest = bundle.manifest();
        let options = [&["a=b"], mesh_with_options().set].concat();
        assert_eq!(manifest.install.set, options);
        assert_eq!(manifest.key, key.full());
        for part in &manifest.parts {
            let inode = |bundle: &Path| fs::metadata(bundle.join(&part.path)).unwrap().ino();
            assert_eq!(inode(&first), inode(&second), "{} is a copy", part.path);
        }
    }
}
