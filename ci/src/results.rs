//! What long tasks find: a file each in `target/xtask`, written after each case, so that a task that is
//! ended early has shown something all the same.

use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::Result;
use fs_err as fs;
use serde::Serialize;

use crate::workspace::results_directory;

fn file(name: &str) -> PathBuf {
    results_directory().join(format!("{name}.json"))
}

/// Writes what a task has found so far.
pub(crate) fn write(name: &str, results: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(results)? + "\n";
    fs::create_dir_all(results_directory())?;
    Ok(fs::write(file(name), text)?)
}

/// Removes what an earlier run has found: it must not pass for this run's.
pub(crate) fn remove(name: &str) -> Result<PathBuf> {
    let file = file(name);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(file),
    }
}
