//! Writes files whole or not at all: what was there before stays until the new one is complete.
//!
//! A file is written beside its place, as `.NAME.meshcheck-partial`, and moved there once it is whole. Its
//! writer holds a lock on it (`flock`), which the kernel takes from a process that has ended, whatever ended
//! it. So the next writer of the same place waits for one that lives, and writes over what a killed one left.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use meshcheck_suites::hint::quote;

use crate::report::STDOUT;

/// How much of a name goes into that of its partial file: file systems take 255 bytes.
const NAME_LENGTH: usize = 200;

/// Writes a file beside its place, and moves it there once it is whole. What is no regular file, such
/// as a pipe, is written to as it is: it must never be replaced by a file. Standard output is, too: it may be
/// a socket, which cannot be opened by its path, and a reader that has gone away is no error there.
pub(crate) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if path == Path::new(STDOUT) {
        let mut stdout = io::stdout().lock();
        return match write(&mut stdout).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome,
        };
    }
    let Some((place, permissions)) = replaceable(path)? else {
        let mut device = BufWriter::new(File::options().append(true).open(path)?);
        write(&mut device)?;
        return device.flush();
    };
    let partial = Partial::open(&place)?;
    let mut buffer = BufWriter::new(&partial.file);
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    if let Some(permissions) = permissions {
        partial.file.set_permissions(permissions)?;
    }
    partial.file.sync_all()?;
    // From now on the name is another writer's.
    fs::rename(&partial.path, place).map(|()| partial.moved())
}

/// Checks whether a file can be written at this path, without leaving anything there.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    match replaceable(path)? {
        Some((place, _)) => Partial::open(&place).map(drop),
        // Opening a pipe would wait for its reader.
        None => Ok(()),
    }
}

/// Returns the fix for a file that could not be written.
pub(crate) fn hint(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "free some space: the disk is full".into(),
        io::ErrorKind::IsADirectory => "name a file in this directory".into(),
        io::ErrorKind::NotFound => format!(
            "create the directory: `mkdir -p {}`",
            quote(&path.parent().unwrap_or(path).to_string_lossy())
        ),
        _ => "name a file in a directory where you may write".into(),
    }
}

/// Whether a file could not be written because its path is wrong.
pub(crate) fn is_wrong_path(error: &io::Error) -> bool {
    use io::ErrorKind::{
        InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
        ReadOnlyFilesystem,
    };
    matches!(
        error.kind(),
        InvalidFilename
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | ReadOnlyFilesystem
    )
}

/// Whether what stands at this path is written to as it is: a device or a pipe.
pub(crate) fn is_device(path: &Path) -> bool {
    matches!(replaceable(path), Ok(None))
}

/// Returns where a file can be put, and the permissions of the one that is there; nothing where what is
/// there is a device or a pipe.
fn replaceable(path: &Path) -> io::Result<Option<(PathBuf, Option<Permissions>)>> {
    // The links of a process to its own open files: what they lead to is in use. `/dev/shm` is a directory for
    // files as any other.
    if path.starts_with("/proc") || path.starts_with("/dev") && !path.starts_with("/dev/shm") {
        return Ok(None);
    }
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A link stays a link: the file that it leads to is replaced.
        Ok(there) if there.is_file() => {
            Ok(Some((fs::canonicalize(path)?, Some(there.permissions()))))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some((path.to_owned(), None))),
        Err(error) => Err(error),
    }
}

/// A file that is being written beside its place: locked, and removed unless it was moved.
struct Partial {
    file: File,
    path: PathBuf,
    is_moved: bool,
}

impl Partial {
    /// Opens the partial file of a place, empty, once no other process writes it.
    fn open(place: &Path) -> io::Result<Self> {
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?.as_bytes();
        let name = &name[..name.len().min(NAME_LENGTH)];
        let name = [b".", name, b".meshcheck-partial"].concat();
        let path = place.with_file_name(OsString::from_vec(name));
        // Others may have put a link or a pipe there.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let mut options = File::options();
        options.write(true).create(true).truncate(false).custom_flags(flags);
        loop {
            let file = options.open(&path)?;
            let open = file.metadata()?;
            if !open.is_file() || open.uid() != nix::unistd::geteuid().as_raw() {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            match file.lock() {
                // Where there are no locks there is no waiting either.
                Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
            // Its writer moved or removed it while we waited: the name is free again.
            let there = fs::symlink_metadata(&path);
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())) {
                file.set_len(0)?;
                return Ok(Self { file, path, is_moved: false });
            }
        }
    }

    fn moved(mut self) {
        self.is_moved = true;
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Before the lock goes with the file.
        if !self.is_moved {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const PARTIAL: &str = ".report.json.meshcheck-partial";

    /// A directory with an old report.
    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        fs::write(&path, "old").unwrap();
        (directory, path)
    }

    fn number_of_files(directory: &tempfile::TempDir) -> usize {
        fs::read_dir(directory.path()).unwrap().count()
    }

    #[test]
    fn failed_write_leaves_the_old_file_and_nothing_else() {
        let (directory, path) = directory();
        let outcome = write_atomically(&path, |to| {
            to.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(number_of_files(&directory), 1);
    }

    #[test]
    fn next_write_replaces_what_a_killed_writer_left() {
        let (directory, path) = directory();
        fs::write(directory.path().join(PARTIAL), "half of a longer text").unwrap();
        write_atomically(&path, |to| to.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(number_of_files(&directory), 1);
    }

    #[test]
    fn writers_of_one_place_wait_for_each_other() {
        let (directory, path) = directory();
        std::thread::scope(|threads| {
            for letter in ["a", "b", "c", "d"] {
                let path = &path;
                threads.spawn(move || {
                    for length in 1..60 {
                        let text = letter.repeat(length);
                        write_atomically(path, |to| to.write_all(text.as_bytes())).unwrap();
                        let found = fs::read_to_string(path).unwrap();
                        assert_eq!(found, found[..1].repeat(found.len()), "of one writer");
                        check_writable(path).unwrap();
                    }
                });
            }
        });
        assert_eq!(number_of_files(&directory), 1);
    }

    #[test]
    fn link_in_place_of_the_partial_file_is_not_followed() {
        let (directory, path) = directory();
        let precious = directory.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        symlink(&precious, directory.path().join(PARTIAL)).unwrap();
        write_atomically(&path, |to| to.write_all(b"new")).unwrap_err();
        assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
        assert_eq!(fs::read_to_string(path).unwrap(), "old");
    }

    #[test]
    fn longest_name_can_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(255));
        write_atomically(&path, |to| to.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "new");
    }

    /// As root, renaming over a device would take it from the whole machine.
    #[test]
    fn device_is_written_to_and_not_replaced() {
        let before = fs::symlink_metadata("/dev/full").unwrap().file_type();
        let full = write_atomically(Path::new("/dev/full"), |to| to.write_all(b"report"));
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::symlink_metadata("/dev/full").unwrap().file_type(), before);
        write_atomically(Path::new("/dev/null"), |to| to.write_all(b"report")).unwrap();
    }

    #[test]
    fn link_stays_a_link_and_permissions_stay() {
        let (directory, file) = directory();
        let link = directory.path().join("link");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        write_atomically(&link, |to| to.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn check_leaves_nothing_and_directory_is_no_file() {
        let (directory, path) = directory();
        fs::remove_file(&path).unwrap();
        check_writable(&path).unwrap();
        assert_eq!(number_of_files(&directory), 0);
        let error = check_writable(directory.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = check_writable(&directory.path().join("missing/report.xml")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
