//! One case: its name, what is done, and the place where it is done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Call, Ended};

/// A case.
pub(crate) struct Case {
    /// `surroundings::what_is_wrong`.
    pub(crate) name: &'static str,
    /// What is done, in words.
    pub(crate) input: &'static str,
    /// Does it; fails by panicking.
    pub(crate) run: fn(&Place) -> Ended,
}

impl Case {
    /// A case of a table: `Case::new(name, input, run)`.
    pub(crate) fn new(name: &'static str, input: &'static str, run: fn(&Place) -> Ended) -> Self {
        Self { name, input, run }
    }

    /// Whether it needs a file system of its own.
    pub(crate) fn needs_mount(&self) -> bool {
        self.name.contains("needs_mount")
    }
}

/// What all runs of one case took, and what they left behind.
#[derive(Default)]
pub(crate) struct Tally {
    /// The longest run, in seconds.
    pub(crate) seconds: f64,
    /// The largest resident set of a run, in MiB.
    pub(crate) peak_mib: u64,
    /// What was there after a run and should not be.
    pub(crate) left: Vec<String>,
}

/// The directories of a case: a home, a working directory and the others of its own.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    pub(crate) tally: RefCell<Tally>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("hostile-").tempdir().unwrap();
        for name in ["home", "work", "tmp"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self { directory, tally: RefCell::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
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

    /// The program, with these arguments.
    pub(crate) fn meshcheck<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Call<'_> {
        Call::new(self, arguments)
    }

    /// Everything in this place: each path with what stands there.
    pub(crate) fn listing(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        list(self.path(), &mut found);
        found
    }
}

fn list(directory: &Path, found: &mut BTreeMap<PathBuf, String>) {
    // A directory that may not be read has been made so by the case.
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let data = fs::symlink_metadata(&path).unwrap();
        let what = if data.is_dir() {
            list(&path, found);
            "a directory".to_owned()
        } else if data.is_file() {
            // Large inputs are told apart by their time: reading them again would cost seconds.
            format!("{} bytes of {:?}", data.len(), data.modified().unwrap())
        } else {
            "something else".to_owned()
        };
        found.insert(path, what);
    }
}
