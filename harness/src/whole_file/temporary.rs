//! The file that is written beside a place before it takes it, and the removal of those whose writer was
//! killed.
//!
//! A file without a name (`O_TMPFILE`) would leave nothing behind. But it can be given a name only where there
//! is none, never that of a report that is to be replaced: it would need another one for a moment, and a sweep
//! for that moment. So there is the sweep alone.
//!
//! Whoever writes holds a lock on the file (`flock`). The kernel takes it from a process that has ended,
//! whatever ended it: on a kernel that has not been started anew since, a file without a lock has no writer. But
//! not every file system shares locks between machines, so the file's name says under which start of a
//! kernel it was made. Of another one nothing is known: it may be another machine's, or of this one before it
//! was started anew. A file of that kind is removed once it is a day old, by the clock of its file system.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

/// What the names of these files begin with.
const PREFIX: &str = ".meshcheck-";

/// How many letters of a name tell the kernel's start, and how many are random.
const START: usize = 12;
const RANDOM: usize = 6;

/// When a file is given up of whose writer nothing is known. Writing takes seconds.
const OLD: Duration = Duration::from_hours(24);

/// A new file beside a place, with a lock on it. What killed writers left there is removed.
pub(super) fn beside(place: &Path) -> io::Result<NamedTempFile> {
    let directory = match place.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let prefix = format!("{PREFIX}{}", start().unwrap_or_default());
    let mut builder = tempfile::Builder::new();
    let file = builder.prefix(&prefix).rand_bytes(RANDOM).make_in(directory, locked)?;
    // The new file's time is now, by the clock that stamps the others.
    if let Ok(now) = file.as_file().metadata().and_then(|it| it.modified()) {
        sweep(directory, now);
    }
    Ok(file)
}

/// A new file with a lock on it.
///
/// # Errors
///
/// Those of making it; that it exists where another name is to be tried.
fn locked(path: &Path) -> io::Result<File> {
    // What any new file gets: the user's umask decides.
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    match file.try_lock() {
        Ok(()) if file.metadata()?.nlink() > 0 => Ok(file),
        // A sweep found it before it had its lock, and takes it away.
        Ok(()) | Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AlreadyExists.into()),
        // Where there are no locks no sweep gets one either.
        Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// The number that the kernel drew when it started, as far as names have it.
fn start() -> Option<&'static str> {
    static START_OF_KERNEL: OnceLock<Option<String>> = OnceLock::new();
    START_OF_KERNEL
        .get_or_init(|| {
            let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
            let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(START).collect();
            (digits.len() == START).then_some(digits)
        })
        .as_deref()
}

/// Removes the files there that have lost their writer. What cannot be looked at stays.
fn sweep(directory: &Path, now: SystemTime) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let here = match name.to_str().and_then(made) {
            Some(Made::Here) => true,
            Some(Made::Elsewhere) => false,
            None => continue,
        };
        // Held until it is gone.
        if let Some(_lock) = abandoned(&entry.path(), here, now) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Under which start of a kernel a file was made.
#[derive(Debug, PartialEq, Eq)]
enum Made {
    /// The one that is running.
    Here,
    /// Any other, or one that is not known.
    Elsewhere,
}

/// Where a file of this name was made; nothing where it is none of ours.
fn made(name: &str) -> Option<Made> {
    let rest = name.strip_prefix(PREFIX)?;
    if !rest.bytes().all(|it| it.is_ascii_alphanumeric()) {
        return None;
    }
    match rest.len() {
        RANDOM => Some(Made::Elsewhere),
        length if length == START + RANDOM => {
            let here = start().is_some_and(|start| rest.starts_with(start));
            Some(if here { Made::Here } else { Made::Elsewhere })
        }
        _ => None,
    }
}

/// The lock of a file that nobody writes any more.
fn abandoned(path: &Path, here: bool, now: SystemTime) -> Option<File> {
    let found = fs::symlink_metadata(path).ok()?;
    // Others may have put a link or a pipe there: only a file of our own is touched.
    if !found.is_file() || found.uid() != nix::unistd::geteuid().as_raw() {
        return None;
    }
    let age = now.duration_since(found.modified().ok()?).unwrap_or_default();
    if !here && age < OLD {
        return None;
    }
    // On a network a lock is given only to who may write.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = File::options().read(true).write(true).custom_flags(flags).open(path).ok()?;
    file.try_lock().ok()?;
    let (open, there) = (file.metadata().ok()?, fs::symlink_metadata(path).ok()?);
    ((open.dev(), open.ino()) == (there.dev(), there.ino())).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    fn of_this_start(random: &str) -> String {
        format!("{PREFIX}{}{random}", start().unwrap())
    }

    /// A place for a report, and a file beside it.
    fn place_with(name: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, "half").unwrap();
        (directory, path)
    }

    fn write_beside(path: &Path) {
        let place = path.with_file_name("report.xml");
        beside(&place).unwrap().persist(&place).unwrap();
        assert!(place.exists());
    }

    fn age(path: &Path, by: Duration) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }

    #[test]
    fn what_lost_its_writer_goes_with_the_next_write() {
        let (_directory, path) = place_with(&of_this_start("aB3dE9"));
        write_beside(&path);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_being_written_stays_however_old_it_is() {
        let (_directory, path) = place_with("other");
        let held = beside(&path).unwrap();
        age(held.path(), OLD * 3);
        write_beside(&path);
        assert!(held.path().exists());
        // The kernel takes the lock when its holder ends; here by hand.
        held.as_file().unlock().unwrap();
        write_beside(&path);
        assert!(!held.path().exists());
    }

    /// Another machine's file system may know nothing of our locks, nor we of its.
    #[rstest]
    #[case::elsewhere(".meshcheck-0123456789abcdefgh")]
    #[case::of_an_older_program(".meshcheck-aB3dE9")]
    fn what_was_made_elsewhere_is_given_up_after_a_day(#[case] name: &str) {
        let (_directory, path) = place_with(name);
        age(&path, OLD / 2);
        write_beside(&path);
        assert!(path.exists(), "its writer may live");
        age(&path, OLD * 2);
        let lock = File::open(&path).unwrap();
        lock.lock().unwrap();
        write_beside(&path);
        assert!(path.exists(), "its writer lives");
        drop(lock);
        write_beside(&path);
        assert!(!path.exists());
    }

    #[rstest]
    #[case(".meshcheck-")]
    #[case(".meshcheck-aB3dE")]
    #[case(".meshcheck-aB3dE9.xml")]
    #[case("meshcheck-aB3dE9")]
    #[case(".meshcheck-notes-of-mine12345")]
    fn names_of_others_are_left_alone(#[case] name: &str) {
        let (_directory, path) = place_with(name);
        age(&path, OLD * 3);
        write_beside(&path);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let (directory, target) = place_with("precious");
        let at = |random: &str| directory.path().join(of_this_start(random));
        symlink(&target, at("link00")).unwrap();
        fs::create_dir(at("direct")).unwrap();
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&at("pipe00"), mode).unwrap();
        write_beside(&target);
        assert!(target.exists() && at("direct").exists());
        assert!(at("link00").is_symlink() && at("pipe00").exists());
    }

    /// A sweep may come between the making of a file and its lock.
    #[test]
    fn many_writers_in_one_place_do_not_take_each_other_s_files() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|threads| {
            for writer in 0..8 {
                let place = directory.path().join(format!("{writer}.xml"));
                threads.spawn(move || {
                    for _ in 0..60 {
                        beside(&place).unwrap().persist(&place).unwrap();
                    }
                });
            }
        });
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 8, "one file for each, and nothing besides");
    }
}
