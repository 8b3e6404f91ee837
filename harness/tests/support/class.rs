//! A directory with a stand-in for `ssh`, and calls of `meshcheck class` in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::scale;

/// The stand-in: the first letters of a host say how it behaves. `own…` is this machine: the script runs, with a home
/// of its own.
const SSH: &str = r#"#!/bin/bash
while [ "$1" != -- ]; do shift; done
host=$2 script=$3
echo "$host" >> "$PLACE/asked"
case $host in
  refused*) echo "ssh: connect to host $host port 22: Connection refused" >&2; exit 255 ;;
  hanging*) echo "SSH-2.0-banner" >&2; exec tail -f /dev/null ;;
  dead*) exec tail -f /dev/null ;;
  changed*) echo "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @" >&2
            echo "Host key verification failed." >&2; exit 255 ;;
  own*) mkdir -p "$PLACE/home-$host"; echo "Welcome to $host"
        HOME=$PLACE/home-$host XDG_CACHE_HOME= exec bash -c "$script" ;;
  broken*) echo meshcheck-has-it; exec zcat "$FIXTURES/faults/service-deleted/evidence.json.gz" ;;
  cut*) echo meshcheck-has-it; exec head -c 5000 "$FIXTURES/evidence/lab.json" ;;
  *) echo meshcheck-has-it; exec cat "$FIXTURES/evidence/lab.json" ;;
esac
"#;

/// A directory with the stand-in, and the file of an inventory.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory };
        place.executable("ssh", SSH);
        place
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn executable(&self, name: &str, text: &str) -> PathBuf {
        let file = self.at(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(scale::program());
        command
            .arg("class")
            .args(arguments)
            .current_dir(self.directory.path())
            .env("PATH", format!("{}:{path}", self.directory.path().display()))
            .env("PLACE", self.directory.path())
            .env("MESHCHECK", scale::program())
            .env("FIXTURES", concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"))
            .env_remove("MESHCHECK_CONFIG")
            .env_remove("MESHCHECK_BUNDLE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// An output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The rows of a report in JSON.
pub(crate) fn rows(report: &[u8]) -> Vec<Value> {
    let parsed = serde_json::from_slice(report);
    assert!(parsed.is_ok(), "{parsed:?}: {}", String::from_utf8_lossy(report));
    let report: Value = parsed.unwrap();
    assert_eq!(report["schema"], 1);
    report["machines"].as_array().unwrap().clone()
}

/// Files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}
