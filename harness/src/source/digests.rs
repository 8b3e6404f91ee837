//! What was downloaded before: digests that nobody could pin beforehand are recorded the first
//! time, so that a later change is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SourceError;
use crate::atomic_file::write_atomically;

/// The record in a cache, `digests.json`: addresses and image names with their digests.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    digests: BTreeMap<String, String>,
}

impl Record {
    /// Reads it; a cache without one has an empty one.
    pub(super) fn read(cache: &Path) -> Result<Self, SourceError> {
        let path = cache.join("digests.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, digests: BTreeMap::new() });
            }
            Err(source) => return Err(SourceError::io("reading", &path, source)),
        };
        let digests = serde_json::from_slice(&text)
            .map_err(|error| SourceError::content(path.display(), error))?;
        Ok(Self { path, digests })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes note of a digest. Returns the one that was recorded before, where it is another one;
    /// the record then stays as it was.
    pub(super) fn note(&mut self, name: &str, digest: &str) -> Result<Option<String>, SourceError> {
        match self.digests.get(name) {
            Some(before) if before == digest => Ok(None),
            Some(before) => Ok(Some(before.clone())),
            None => {
                self.digests.insert(name.to_owned(), digest.to_owned());
                self.write().map(|()| None)
            }
        }
    }

    /// Replaces a digest.
    pub(super) fn replace(&mut self, name: &str, digest: &str) -> Result<(), SourceError> {
        self.digests.insert(name.to_owned(), digest.to_owned());
        self.write()
    }

    fn write(&self) -> Result<(), SourceError> {
        write_atomically(&self.path, |to| {
            serde_json::to_writer_pretty(&mut *to, &self.digests)?;
            to.write_all(b"\n")
        })
        .map_err(|source| SourceError::io("writing", &self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed_in_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::read(dir.path()).unwrap();
        assert_eq!(record.note("https://x/a", "1").unwrap(), None);
        let mut later = Record::read(dir.path()).unwrap();
        assert_eq!(later.note("https://x/a", "1").unwrap(), None);
        assert_eq!(later.note("https://x/a", "2").unwrap().as_deref(), Some("1"));
        // It was not accepted.
        assert_eq!(later.note("https://x/a", "2").unwrap().as_deref(), Some("1"));
        later.replace("https://x/a", "2").unwrap();
        assert_eq!(Record::read(dir.path()).unwrap().note("https://x/a", "2").unwrap(), None);
    }
}
