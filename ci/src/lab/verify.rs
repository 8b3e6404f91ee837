//! Whether a finished bundle is intact, quickly: its checksums are compared once, and again only
//! when the size or the time of a file has changed since.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use meshcheck_bundle::{Bundle, MANIFEST_FILE};
use serde::{Deserialize, Serialize};

/// What a file looked like when its checksum was last compared.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    size: u64,
    modified: u128,
}

type Looks = BTreeMap<String, Look>;

/// Checks that the bundle is there and is what its manifest says.
///
/// # Errors
/// When it is not, with what is wrong.
pub(crate) fn check(dir: &Path, root: &Path) -> Result<()> {
    let bundle = Bundle::open(dir)?;
    let looks = looks(&bundle)?;
    if recorded(dir, root).is_some_and(|recorded| recorded == looks) {
        return Ok(());
    }
    bundle.verify_all()?;
    write(dir, root, &looks)
}

/// Remembers a bundle whose checksums were just made.
///
/// # Errors
/// When it cannot be read, or the record cannot be written.
pub(crate) fn record(dir: &Path, root: &Path) -> Result<()> {
    write(dir, root, &looks(&Bundle::open(dir)?)?)
}

fn looks(bundle: &Bundle) -> Result<Looks> {
    let names = bundle.manifest().parts.iter().map(|part| part.path.as_str());
    names
        .chain([MANIFEST_FILE])
        .map(|name| {
            let data = fs::metadata(bundle.dir().join(name))
                .with_context(|| format!("`{name}` is missing"))?;
            let modified = data.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
            Ok((name.to_owned(), Look { size: data.len(), modified }))
        })
        .collect()
}

fn place(dir: &Path, root: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    root.join("verified").join(format!("{name}.json"))
}

fn recorded(dir: &Path, root: &Path) -> Option<Looks> {
    serde_json::from_slice(&fs::read(place(dir, root)).ok()?).ok()
}

fn write(dir: &Path, root: &Path, looks: &Looks) -> Result<()> {
    let path = place(dir, root);
    let writing = || format!("writing `{}`", path.display());
    let parent = path.parent().unwrap_or(root);
    fs::create_dir_all(parent).with_context(writing)?;
    let file = tempfile::NamedTempFile::new_in(parent).with_context(writing)?;
    serde_json::to_writer(&file, looks).with_context(writing)?;
    file.persist(&path).with_context(writing)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshcheck_bundle::{
        Install, IstioBuild, KialiBuild, Manifest, NodeImage, Origin, Role, SCHEMA, Writer,
    };

    fn bundle(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("node.tar"), "image").unwrap();
        fs::write(dir.join("kind.yaml"), "kind: Cluster").unwrap();
        let mut writer = Writer::new(dir).unwrap();
        writer.add("node-image", Role::Image, "node.tar", "1", "test").unwrap();
        writer.add("kind-config", Role::Config, "kind.yaml", "1", "test").unwrap();
        let text = String::new;
        let manifest = Manifest {
            schema: SCHEMA,
            origin: Origin::Lab,
            key: text(),
            istio: IstioBuild { version: text(), hub: text(), tag: text() },
            kubernetes: text(),
            kiali: KialiBuild { version: text(), image: text() },
            node: NodeImage {
                reference: text(),
                id: None,
                archive: "node-image".to_owned(),
                kind_config: "kind-config".to_owned(),
            },
            images: Vec::new(),
            install: Install { profile: text(), set: Vec::new() },
            notes: Vec::new(),
            parts: Vec::new(),
        };
        writer.finish(manifest).unwrap();
    }

    fn made() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("bundle");
        bundle(&dir);
        (root, dir)
    }

    #[test]
    fn a_whole_bundle_is_intact_and_remembered() {
        let (root, dir) = made();
        check(&dir, root.path()).unwrap();
        assert!(recorded(&dir, root.path()).is_some());
        check(&dir, root.path()).unwrap();
    }

    #[test]
    fn a_changed_file_is_noticed_after_the_record() {
        let (root, dir) = made();
        check(&dir, root.path()).unwrap();
        // The same size: only the content tells.
        fs::write(dir.join("node.tar"), "IMAGE").unwrap();
        assert!(check(&dir, root.path()).is_err());
    }

    #[test]
    fn a_truncated_or_missing_file_is_noticed() {
        let (root, dir) = made();
        fs::write(dir.join("node.tar"), "ima").unwrap();
        assert!(check(&dir, root.path()).is_err());
        fs::remove_file(dir.join("node.tar")).unwrap();
        assert!(check(&dir, root.path()).is_err());
    }

    #[test]
    fn a_touched_file_is_compared_and_accepted() {
        let (root, dir) = made();
        check(&dir, root.path()).unwrap();
        fs::write(dir.join("node.tar"), "image").unwrap();
        check(&dir, root.path()).unwrap();
    }
}
