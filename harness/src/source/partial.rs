//! A file that is still arriving: `NAME.partial`, with what is known of it beside it, so that
//! another process can go on where this one was stopped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SourceError;

/// What is known of the remote file that the bytes are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// The SHA-256 that the whole must have.
    sha256: String,
    /// The `ETag` or modification date under which the other side will go on sending it.
    validator: Option<String>,
}

/// The two files of a download that is not complete.
#[derive(Debug)]
pub(super) struct Partial {
    data: PathBuf,
    notes: PathBuf,
    sha256: String,
}

impl Partial {
    /// The partial file for `target`. What is left of another version of it is removed.
    pub(super) fn of(target: &Path, sha256: &str) -> Result<Self, SourceError> {
        let with = |ending: &str| {
            let mut name = target.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let partial = Self {
            data: with(".partial"),
            notes: with(".partial.json"),
            sha256: sha256.to_owned(),
        };
        if partial.known().is_none() {
            partial.remove()?;
        }
        Ok(partial)
    }

    pub(super) fn path(&self) -> &Path {
        &self.data
    }

    /// How many bytes are there.
    pub(super) fn len(&self) -> u64 {
        fs::metadata(&self.data).map_or(0, |data| data.len())
    }

    /// What the other side can be asked with, to go on with the same file only.
    pub(super) fn validator(&self) -> Option<String> {
        self.known()?.validator
    }

    /// Records what the other side calls the version that is arriving.
    pub(super) fn note(&self, validator: Option<String>) -> Result<(), SourceError> {
        let known = Known { sha256: self.sha256.clone(), validator };
        if self.known().as_ref() == Some(&known) {
            return Ok(());
        }
        let text = serde_json::to_vec(&known).map_err(io::Error::from);
        text.and_then(|text| fs::write(&self.notes, text))
            .map_err(|source| SourceError::io("writing", &self.notes, source))
    }

    /// Removes both files.
    pub(super) fn remove(&self) -> Result<(), SourceError> {
        for path in [&self.data, &self.notes] {
            match fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SourceError::io("removing", path, source)),
            }
        }
        Ok(())
    }

    /// Gives the complete file its name.
    pub(super) fn complete(&self, target: &Path) -> Result<(), SourceError> {
        fs::rename(&self.data, target)
            .map_err(|source| SourceError::io("renaming", &self.data, source))?;
        self.remove()
    }

    fn known(&self) -> Option<Known> {
        let known: Known = serde_json::from_slice(&fs::read(&self.notes).ok()?).ok()?;
        (known.sha256 == self.sha256).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_goes_on_with_the_same_version_only() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("kind");
        let partial = Partial::of(&target, "aa").unwrap();
        partial.note(Some("\"v1\"".to_owned())).unwrap();
        fs::write(partial.path(), "half").unwrap();

        let again = Partial::of(&target, "aa").unwrap();
        assert_eq!((again.len(), again.validator().as_deref()), (4, Some("\"v1\"")));

        let other = Partial::of(&target, "bb").unwrap();
        assert_eq!((other.len(), other.validator()), (0, None));
    }

    #[test]
    fn bytes_of_unknown_origin_are_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("kind");
        fs::write(dir.path().join("kind.partial"), "half").unwrap();
        assert_eq!(Partial::of(&target, "aa").unwrap().len(), 0);
    }
}
