//! Lock files, and the name of this machine.

use std::fs::{self, File};
use std::path::Path;

use super::StateError;
use super::error::io;

/// Returns the name of this machine, as far as it can be a file's: two that share an engine have two names.
pub(crate) fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').take(64).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Opens a lock file, which is made where it is missing.
pub(super) fn lock_file(path: &Path) -> Result<File, StateError> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(io("opening", path))
}

/// Takes a lock that nobody holds for long.
pub(super) fn locked(path: &Path) -> Result<File, StateError> {
    let file = lock_file(path)?;
    file.lock().map_err(io("locking", path))?;
    Ok(file)
}
