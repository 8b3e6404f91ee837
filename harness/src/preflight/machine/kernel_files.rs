//! Where the kernel's files are: below `/`, or below a test's own directory.

use std::path::{Path, PathBuf};

/// Where the kernel's files are.
#[derive(Debug, Clone)]
pub struct KernelFiles {
    root: PathBuf,
}

impl Default for KernelFiles {
    fn default() -> Self {
        Self { root: PathBuf::from("/") }
    }
}

impl KernelFiles {
    /// Below this directory instead of `/`.
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The file or directory of this absolute path.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What is in a file.
    pub(super) fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(self.at(path)).map_err(|error| format!("{path}: {error}"))
    }
}
