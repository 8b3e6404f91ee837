//! The directories of a test: a home, a working directory and a temporary one; and the program in them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::run::Run;
use super::scale;

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

    /// Reads a file of the working directory.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Writes a program into the working directory.
    pub(crate) fn executable(&self, name: &str, script: &str) -> PathBuf {
        let path = self.file(name, script);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A call of the program in the working directory. It has nothing of this process's environment but the `PATH`, and
    /// the mark by which `cargo xtask class` finds what its tests start.
    pub(crate) fn meshcheck<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let kept = ["PATH", scale::FIGURES].map(|name| Some((name, env::var_os(name)?)));
        let mut command = Command::new(scale::program());
        command
            .args(arguments)
            .current_dir(self.at(""))
            .env_clear()
            .envs(kept.into_iter().flatten())
            .env("HOME", self.path().join("home"))
            .env("TMPDIR", self.path().join("tmp"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the program in the working directory.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        Run::of(&mut self.meshcheck(arguments))
    }
}

/// The names of all files below a directory, in order.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found.sort();
    found
}
