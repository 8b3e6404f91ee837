//! The files that are needed from a release's archive, and no others.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tar::Archive;

use super::SourceError;

/// A file to take out: its path below the archive's top directory, and where it goes.
pub(super) struct ArchiveFile<'a> {
    pub(super) inside: &'a str,
    pub(super) target: PathBuf,
}

/// Takes files out of a `.tar.gz`. Only entries with exactly a wanted path are written, and only
/// to their targets: no path of the archive is ever used as a path of this machine.
pub(super) fn extract(archive: &Path, wanted: &[ArchiveFile<'_>]) -> Result<(), SourceError> {
    let result = write_files(archive, wanted);
    if result.is_err() {
        // Half a file is of no use, and the user may need the room.
        for wanted in wanted {
            let _ = std::fs::remove_file(&wanted.target);
        }
    }
    result
}

fn write_files(archive: &Path, wanted: &[ArchiveFile<'_>]) -> Result<(), SourceError> {
    let damaged = |error: io::Error| SourceError::content(archive.display(), error);
    let file = File::open(archive).map_err(|error| SourceError::io("opening", archive, error))?;
    let mut tar = Archive::new(GzDecoder::new(file));
    let mut missing: Vec<&ArchiveFile<'_>> = wanted.iter().collect();
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(damaged)?.into_owned();
        let Some(at) = missing.iter().position(|wanted| below_top(&path, wanted.inside)) else {
            continue;
        };
        let wanted = missing.swap_remove(at);
        let mut file = File::create(&wanted.target)
            .map_err(|error| SourceError::io("making", &wanted.target, error))?;
        io::copy(&mut entry, &mut file).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => SourceError::io("writing", &wanted.target, error),
            _ => damaged(error),
        })?;
        if missing.is_empty() {
            return Ok(());
        }
    }
    let names: Vec<_> = missing.iter().map(|wanted| wanted.inside).collect();
    let reason = format!("it does not hold {}", names.join(", "));
    Err(SourceError::content(archive.display(), reason))
}

/// Whether `path` is `TOP/inside`.
fn below_top(path: &Path, inside: &str) -> bool {
    let mut parts = path.components();
    parts.next().is_some() && parts.as_path() == Path::new(inside)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn archive(dir: &Path, files: &[(&str, &str)]) -> PathBuf {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            // Written as bytes: the crate refuses to make the paths that an attacker makes.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, text.as_bytes()).unwrap();
        }
        let target = dir.join("a.tar.gz");
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        fs::File::create(&target).unwrap().write_all(&bytes).unwrap();
        target
    }

    #[test]
    fn only_what_is_wanted_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let files =
            [("../../escape", "bad"), ("t/bin/istioctl", "yes"), ("t/other/bin/istioctl", "no")];
        let path = archive(dir.path(), &files);
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        let wanted = [ArchiveFile { inside: "bin/istioctl", target: out.join("istioctl") }];
        extract(&path, &wanted).unwrap();
        assert_eq!(fs::read_to_string(out.join("istioctl")).unwrap(), "yes");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
        assert!(!dir.path().parent().unwrap().join("escape").exists());
    }

    #[test]
    fn a_missing_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = archive(dir.path(), &[("t/bin/istioctl", "yes")]);
        let wanted =
            [ArchiveFile { inside: "samples/kiali.yaml", target: dir.path().join("kiali") }];
        let error = extract(&path, &wanted).unwrap_err().to_string();
        assert!(error.contains("samples/kiali.yaml"), "{error}");
    }

    #[test]
    fn a_damaged_archive_is_no_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar.gz");
        fs::write(&path, "not gzip").unwrap();
        let wanted = [ArchiveFile { inside: "x", target: dir.path().join("x") }];
        assert!(extract(&path, &wanted).is_err());
    }
}
