//! Keys: a short name for "made from exactly these inputs".

use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;
use meshcheck_bundle::{Sha256Hex, sha256_file};

/// How much of a key stands in directory names.
const SHORT: usize = 12;

/// Collects the inputs of something that is built.
#[derive(Default)]
pub(crate) struct KeyBuilder(Sha256Hex);

impl KeyBuilder {
    /// Starts with what is being built.
    pub(crate) fn new(name: &str) -> Self {
        Self::default().with("name", name)
    }

    /// Adds an input. Lengths are part of it, so that no two lists of inputs look alike.
    #[must_use]
    pub(crate) fn with(mut self, label: &str, value: &str) -> Self {
        for text in [label, value] {
            self.0.update(&(text.len() as u64).to_le_bytes());
            self.0.update(text.as_bytes());
        }
        self
    }

    /// Adds all inputs of a list, in its order.
    #[must_use]
    pub(crate) fn with_all<V: AsRef<str>>(
        self,
        label: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        values.into_iter().fold(self, |key, value| key.with(label, value.as_ref()))
    }

    /// Adds a file, or every file below a directory, by name and content.
    pub(crate) fn with_files(self, path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !path.is_dir() {
            let reading = || format!("reading the build input `{}`", path.display());
            return Ok(self.with(&name, &sha256_file(path).with_context(reading)?));
        }
        let mut entries = fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        entries
            .into_iter()
            .try_fold(self.with("directory", &name), |key, entry| key.with_files(&entry.path()))
    }

    pub(crate) fn finish(self) -> Key {
        Key(self.0.finish())
    }
}

/// A key: SHA-256 over the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn full(&self) -> &str {
        &self.0
    }

    /// The part of it that names directories.
    pub(crate) fn short(&self) -> &str {
        &self.0[..SHORT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_inputs_give_the_same_key() {
        let key = || KeyBuilder::new("kind").with("go", "1.26").finish();
        assert_eq!(key(), key());
        assert_eq!(key().short().len(), SHORT);
    }

    #[test]
    fn every_input_counts() {
        let base = KeyBuilder::new("kind").with("go", "1.26").finish();
        assert_ne!(base, KeyBuilder::new("kind").with("go", "1.27").finish());
        assert_ne!(base, KeyBuilder::new("etcd").with("go", "1.26").finish());
        assert_ne!(base, KeyBuilder::new("kind").with("go1.26", "").finish());
        assert_ne!(base, KeyBuilder::new("kind").with("go", "1.26").with("x", "").finish());
    }

    #[test]
    fn files_count_by_name_and_content() {
        let dir = tempfile::tempdir().unwrap();
        let key = || KeyBuilder::new("x").with_files(dir.path()).unwrap().finish();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a"), "one").unwrap();
        let first = key();
        fs::write(dir.path().join("sub/a"), "two").unwrap();
        let changed = key();
        fs::rename(dir.path().join("sub/a"), dir.path().join("sub/b")).unwrap();
        let renamed = key();
        assert_ne!(first, changed);
        assert_ne!(changed, renamed);
    }
}
