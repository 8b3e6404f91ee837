//! The cache of intermediate parts: each in a directory of its own under its key, whole or absent.
//!
//! A part is made under a temporary name and renamed when it is complete, its files' checksums
//! beside it. A build that is killed therefore goes on where it stopped, and a part that was
//! changed or cut short since is noticed and made again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use meshcheck_bundle::sha256_file;
use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::cleanup::Cleanup;
use crate::out::{elapsed, say};

/// The file that lists a part's files; written last.
const SUMS: &str = "sums.json";

/// Where intermediate parts are kept.
pub(crate) struct Store {
    parts: PathBuf,
    temporary: PathBuf,
    _cleanup: Cleanup,
}

/// The directory of a part among all parts, made or not.
pub(crate) fn part_directory(parts: &Path, name: &str, key: &Key) -> PathBuf {
    parts.join(format!("{name}-{}", key.short()))
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    size: u64,
    sha256: String,
}

type Sums = BTreeMap<String, Sum>;

impl Store {
    /// Opens the store below `root`. The caller holds the lock: what an earlier build left
    /// half-made is removed.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let (parts, temporary) = (root.join("parts"), root.join("unfinished"));
        if temporary.exists() {
            fs::remove_dir_all(&temporary)?;
        }
        for dir in [&parts, &temporary] {
            fs::create_dir_all(dir)?;
        }
        let unfinished = temporary.clone();
        let cleanup = Cleanup::new(move || drop(fs::remove_dir_all(unfinished)));
        Ok(Self { parts, temporary, _cleanup: cleanup })
    }

    /// A directory for work in progress. It is removed when it is dropped, and at the next start
    /// where that was not possible.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir> {
        tempfile::tempdir_in(&self.temporary)
            .with_context(|| format!("making a directory in `{}`", self.temporary.display()))
    }

    /// The directory of all parts.
    pub(crate) fn parts(&self) -> &Path {
        &self.parts
    }

    /// The part `name` under `key`: from the cache where it is there and intact, else `build`
    /// makes its files in the directory that it is given.
    pub(crate) fn get(
        &self,
        name: &str,
        key: &Key,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let dir = part_directory(&self.parts, name, key);
        if dir.exists() {
            match check(&dir) {
                Ok(()) => return Ok(()),
                Err(damage) => say(format_args!(
                    "{name}: the cached part is damaged ({damage:#}): building it again"
                )),
            }
            fs::remove_dir_all(&dir)?;
        }
        let start = Instant::now();
        say(format_args!("{name}: building"));
        let scratch = self.scratch()?;
        reporting(name, || build(scratch.path())).with_context(|| format!("building {name}"))?;
        seal(scratch.path())?;
        fs::rename(scratch.keep(), &dir)?;
        say(format_args!("{name}: built in {}", elapsed(start.elapsed())));
        Ok(())
    }
}

/// How often a long build says that it is still at it.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Says from time to time that `work` is still going on.
fn reporting<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                say(format_args!("{name}: still building ({})", elapsed(start.elapsed())));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Writes the checksums of all files beside them.
fn seal(dir: &Path) -> Result<()> {
    let mut sums = Sums::new();
    for name in files(dir, Path::new(""))? {
        let path = dir.join(&name);
        let size = fs::metadata(&path)?.len();
        let sha256 = sha256_file(&path).with_context(|| format!("reading `{}`", path.display()))?;
        sums.insert(name, Sum { size, sha256 });
    }
    if sums.is_empty() {
        bail!("nothing was made in `{}`", dir.display());
    }
    fs::write(dir.join(SUMS), serde_json::to_vec_pretty(&sums)?)?;
    Ok(())
}

/// Compares all files with the checksums beside them.
fn check(dir: &Path) -> Result<()> {
    let text = fs::read(dir.join(SUMS)).context("it has no list of checksums")?;
    let sums: Sums = serde_json::from_slice(&text).context("its list of checksums is broken")?;
    for (name, sum) in sums {
        let path = dir.join(&name);
        let size = fs::metadata(&path).with_context(|| format!("`{name}` is missing"))?.len();
        if size != sum.size {
            bail!("`{name}` has {size} bytes instead of {}", sum.size);
        }
        if sha256_file(&path)? != sum.sha256 {
            bail!("`{name}` has another content");
        }
    }
    Ok(())
}

/// All files below a directory, as paths relative to it. Links are not followed: there are none.
fn files(root: &Path, below: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            found.extend(files(root, &path)?);
        } else {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::key::KeyBuilder;
    use rstest::rstest;

    fn build(dir: &Path) -> Result<()> {
        fs::create_dir(dir.join("sub"))?;
        fs::write(dir.join("sub/file"), "content")?;
        Ok(())
    }

    fn store() -> (tempfile::TempDir, Store, Key) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        (root, store, KeyBuilder::new("part").finish())
    }

    #[test]
    fn a_part_is_built_once() {
        let (_root, store, key) = store();
        store.get("part", &key, build).unwrap();
        store.get("part", &key, |_| bail!("built twice")).unwrap();
        let file = part_directory(store.parts(), "part", &key).join("sub/file");
        assert_eq!(fs::read_to_string(file).unwrap(), "content");
    }

    #[rstest]
    #[case::truncated(Some("cont"))]
    #[case::changed(Some("CONTENT"))]
    #[case::removed(None)]
    fn damage_is_noticed_and_repaired(#[case] damaged: Option<&str>) {
        let (_root, store, key) = store();
        store.get("part", &key, build).unwrap();
        let file = part_directory(store.parts(), "part", &key).join("sub/file");
        match damaged {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        store.get("part", &key, build).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "content");
    }

    #[test]
    fn a_failed_build_leaves_nothing() {
        let (root, store, key) = store();
        let failed = store.get("part", &key, |dir| {
            build(dir)?;
            bail!("half-way")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("building part: half-way"));
        assert_eq!(fs::read_dir(root.path().join("parts")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(root.path().join("unfinished")).unwrap().count(), 0);
        drop(store);
        assert!(!root.path().join("unfinished").exists());
    }

    #[test]
    fn leftovers_of_a_killed_build_are_removed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("unfinished/half")).unwrap();
        let _store = Store::open(root.path()).unwrap();
        assert_eq!(fs::read_dir(root.path().join("unfinished")).unwrap().count(), 0);
    }
}
