//! Files that are written whole or not at all: what was there before stays until the new one is complete.

mod temporary;
#[cfg(test)]
mod tests;

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use meshcheck_suites::hint::quote;

/// Writes a file beside its place, and moves it there once it is whole. What is no regular file, such
/// as `/dev/stdout` or a pipe, is written to as it is: it must never be replaced by a file.
///
/// # Errors
///
/// Those of writing; then nothing is left, and a file that was there is as before.
pub(crate) fn atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let Some((place, permissions)) = replaceable(path)? else {
        let mut device = io::BufWriter::new(File::options().append(true).open(path)?);
        write(&mut device)?;
        return device.flush();
    };
    let file = temporary::beside(&place)?;
    // To the file itself: errors that name a file beside would tell a user nothing.
    let mut buffer = io::BufWriter::new(file.as_file());
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(place).map(drop).map_err(|error| error.error)
}

/// Whether a file can be written at this path, without leaving anything there.
///
/// # Errors
///
/// Why it cannot.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    match replaceable(path)? {
        Some((place, _)) => temporary::beside(&place).map(drop),
        // Opening a pipe would wait for its reader.
        None => Ok(()),
    }
}

/// What to do where a file could not be written.
pub(crate) fn hint(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free some space".into(),
        io::ErrorKind::IsADirectory => "it is a directory: name a file in it".into(),
        io::ErrorKind::NotFound => format!(
            "the directory is not there: `mkdir -p {}`",
            quote(&path.parent().unwrap_or(path).to_string_lossy())
        ),
        _ => "name a file in a directory where you may write".into(),
    }
}

/// Whether what stands at this path is written to as it is: a device or a pipe.
pub(crate) fn is_device(path: &Path) -> bool {
    matches!(replaceable(path), Ok(None))
}

/// Where a file can be put, and the permissions of the one that is there; nothing where what is there
/// is a device or a pipe.
fn replaceable(path: &Path) -> io::Result<Option<(PathBuf, Option<Permissions>)>> {
    // The links of a process to its own open files: what they lead to is in use.
    if path.starts_with("/dev") || path.starts_with("/proc") {
        return Ok(None);
    }
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A link stays a link: the file that it leads to is replaced.
        Ok(there) if there.is_file() => {
            Ok(Some((std::fs::canonicalize(path)?, Some(there.permissions()))))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some((path.to_owned(), None))),
        Err(error) => Err(error),
    }
}
