//! The directories of a test: a home, a working directory and a temporary one.

use std::fs;
use std::path::{Path, PathBuf};

/// The directories of a test. They go with it.
pub(crate) struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("test-").tempdir().unwrap();
        for name in ["home", "work", "tmp"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in the working directory.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join("work").join(name)
    }

    /// Writes a file into the working directory.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, content).unwrap();
        path
    }
}
