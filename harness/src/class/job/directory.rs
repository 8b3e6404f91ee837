//! Writes the files of a Job into a directory: all of them or none.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{JobFile, MARK};
use crate::text::io_reason;

/// Why the directory was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    /// It has files of others.
    #[error("{} has {file}, which is no file of a Job: nothing was written", directory.display())]
    Foreign { directory: PathBuf, file: String },
    /// It cannot be written.
    #[error("cannot write {}: {}", directory.display(), io_reason(error))]
    Io { directory: PathBuf, error: io::Error },
}

/// Writes the files beside their place, readable for their owner alone, and moves them there together. An earlier Job
/// in this place is replaced.
///
/// # Errors
///
/// When the directory has files of others, or cannot be written. It is then as it was.
pub(crate) fn write(directory: &Path, files: &[JobFile]) -> Result<(), DirectoryError> {
    let failed = |error| DirectoryError::Io { directory: directory.to_owned(), error };
    // A link stays a link.
    let place = match fs::canonicalize(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => directory.to_owned(),
        place => place.map_err(failed)?,
    };
    let is_there = place.try_exists().map_err(failed)?;
    if is_there && let Some(file) = foreign(&place).map_err(failed)? {
        return Err(DirectoryError::Foreign { directory: directory.to_owned(), file });
    }
    let parent = match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::metadata(parent).map_err(failed)?;
    let partial = tempfile::Builder::new()
        .prefix(".meshcheck-job-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        // Its message names the directory that was to be made.
        .map_err(|error| failed(error.kind().into()))?;
    let new = partial.path().join("new");
    DirBuilder::new().mode(0o700).create(&new).map_err(failed)?;
    for file in files {
        let path = new.join(&file.name);
        let mut to =
            File::options().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        to.write_all(file.text.as_bytes()).and_then(|()| to.sync_all()).map_err(failed)?;
    }
    let old = partial.path().join("old");
    if is_there {
        fs::rename(&place, &old).map_err(failed)?;
    }
    fs::rename(&new, &place).map_err(|error| {
        if is_there {
            // What was there comes back.
            let _ = fs::rename(&old, &place);
        }
        failed(error)
    })
}

/// Returns the first file of a directory that is not of a Job.
fn foreign(directory: &Path) -> io::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_own = entry.file_type()?.is_file() && {
            let mut line = String::new();
            // A file that is no text is of somebody else.
            let start = File::open(entry.path())?.take(200);
            let read = BufReader::new(start).read_line(&mut line);
            read.is_ok() && line.trim_end() == MARK
        };
        if !is_own {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<JobFile> {
        ["a.yaml", "b.yaml"]
            .map(|name| JobFile { name: name.into(), text: format!("{MARK}\n{text}\n") })
            .into()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_for_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let job = home.path().join("job");
        write(&job, &files("one")).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&job), mode(&job.join("a.yaml"))), (0o700, 0o600));
        assert_eq!(names(home.path()), ["job"]);
    }

    #[test]
    fn earlier_job_is_replaced_as_a_whole() {
        let home = tempfile::tempdir().unwrap();
        let job = home.path().join("job");
        fs::create_dir(&job).unwrap();
        write(&job, &files("one")).unwrap();
        write(&job, &files("two")[..1]).unwrap();
        assert_eq!(names(&job), ["a.yaml"]);
        assert!(fs::read_to_string(job.join("a.yaml")).unwrap().contains("two"));
        assert_eq!(names(home.path()), ["job"]);
    }

    #[test]
    fn directory_with_files_of_others_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let job = home.path().join("job");
        write(&job, &files("one")).unwrap();
        for foreign in [&b"mine"[..], &[0xff, 0xfe], b""] {
            fs::write(job.join("notes.txt"), foreign).unwrap();
            let error = write(&job, &files("two")).unwrap_err();
            assert!(error.to_string().contains("job has notes.txt, which is no file of a Job"));
            assert!(fs::read_to_string(job.join("a.yaml")).unwrap().contains("one"));
        }
        assert_eq!(names(home.path()), ["job"]);
    }

    #[test]
    fn place_that_is_no_directory_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("job");
        fs::write(&file, "mine").unwrap();
        assert!(write(&file, &files("one")).unwrap_err().to_string().ends_with("Not a directory"));
        let error = write(&home.path().join("none/job"), &files("one")).unwrap_err();
        assert!(error.to_string().ends_with("No such file or directory"), "{error}");
        assert_eq!(names(home.path()), ["job"]);
    }
}
