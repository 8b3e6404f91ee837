//! Evidence on disk: JSON, compressed unless the name ends in `.json`. Written whole or not at all, without
//! secrets; read with suspicion.

use std::fs::{File, Permissions};
use std::io::{self, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use meshcheck_suites::Evidence;
use meshcheck_suites::evidence::SCHEMA;
use meshcheck_suites::hint::quote;
use meshcheck_suites::redact::redact;
use serde::Deserialize;

/// The longest evidence that is read, in bytes, decompressed. Seen: 0.1 MB on a healthy cluster.
const LIMIT: u64 = 64 << 20;

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a file is no evidence, or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFileError {
    /// It could not be read.
    #[error("reading the evidence `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// It is not a file.
    #[error("the evidence `{}` is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// It is too long.
    #[error("the evidence `{}` is longer than {} MiB when it is decompressed", .0.display(), LIMIT >> 20)]
    TooLong(PathBuf),
    /// It is not evidence.
    #[error("the evidence `{}` cannot be understood: {reason}", path.display())]
    NotEvidence {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
        /// Whether it ends too early.
        cut: bool,
    },
    /// It was written by a newer program.
    #[error("the evidence `{}` has schema {schema}, and this program reads up to {SCHEMA}", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: u64,
    },
    /// It could not be written.
    #[error("writing the evidence `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl EvidenceFileError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::TooLong(_) => "evidence is far shorter than that: do not trust this file".into(),
            Self::NotEvidence { cut: true, .. } => {
                "the file was cut off: copy it again, whole".into()
            }
            Self::Read { .. } | Self::NotAFile(_) | Self::NotEvidence { .. } => {
                "name a file of evidence: `meshcheck record --out evidence.json` writes one".into()
            }
            Self::TooNew { .. } => "use the program that wrote it, or a newer one".into(),
            Self::Write { source, path } => match source.kind() {
                io::ErrorKind::StorageFull => "the disk is full: free some space".into(),
                io::ErrorKind::IsADirectory => "it is a directory: name a file in it".into(),
                io::ErrorKind::NotFound => format!(
                    "the directory is not there: `mkdir -p {}`",
                    quote(&path.parent().unwrap_or(path).to_string_lossy())
                ),
                _ => "name a file in a directory where you may write".into(),
            },
        }
    }
}

#[derive(Deserialize)]
struct Schema {
    schema: u64,
}

/// Reads evidence.
///
/// # Errors
///
/// When the file cannot be read, is too long, is not evidence, or is of a newer schema.
pub fn read(path: &Path) -> Result<Evidence, EvidenceFileError> {
    let io = |source| EvidenceFileError::Read { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(EvidenceFileError::NotAFile(path.to_owned()));
    }
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(io)?;
    let all = io::Cursor::new(start.clone()).chain(file);
    let mut text = Vec::new();
    let outcome = if start == GZIP {
        MultiGzDecoder::new(all).take(LIMIT + 1).read_to_end(&mut text)
    } else {
        all.take(LIMIT + 1).read_to_end(&mut text)
    };
    let not =
        |reason: String, cut| EvidenceFileError::NotEvidence { path: path.to_owned(), reason, cut };
    match outcome {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(not("the compressed data ends too early".into(), true));
        }
        Err(error) if start == GZIP => return Err(not(error.to_string(), false)),
        Err(error) => return Err(io(error)),
    }
    if text.len() as u64 > LIMIT {
        return Err(EvidenceFileError::TooLong(path.to_owned()));
    }
    let broken = |error: serde_json::Error| not(error.to_string(), error.is_eof());
    let Schema { schema } = serde_json::from_slice(&text).map_err(broken)?;
    if schema > u64::from(SCHEMA) {
        return Err(EvidenceFileError::TooNew { path: path.to_owned(), schema });
    }
    let evidence: Evidence = serde_json::from_slice(&text).map_err(broken)?;
    if let Some(place) = evidence.option_in_place_of_a_name() {
        let reason = format!("{place} begins with a hyphen, which no name in Kubernetes does");
        return Err(not(reason, false));
    }
    // Whoever wrote it may have been an older program, or none of ours.
    Ok(redact(evidence))
}

/// Writes evidence: whole or not at all. What is no regular file, and what is called `.json`, gets it as
/// plain text.
///
/// # Errors
///
/// When it cannot be written; then nothing is left, and a file that was there is as before.
pub fn write(path: &Path, evidence: &Evidence) -> Result<(), EvidenceFileError> {
    let plain = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json"));
    // Compressed text on a terminal, or in a pipe to another program, would be of no use.
    let device = matches!(replaceable(path), Ok(None));
    atomically(path, |file| {
        if !plain && !device {
            let mut encoder = GzEncoder::new(file, Compression::default());
            serde_json::to_writer(&mut encoder, evidence)?;
            encoder.finish().map(drop)
        } else {
            serde_json::to_writer_pretty(&mut *file, evidence)?;
            file.write_all(b"\n")
        }
    })
    .map_err(|source| EvidenceFileError::Write { path: path.to_owned(), source })
}

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
    let mut file = beside(&place)?;
    {
        let mut buffer = io::BufWriter::new(&mut file);
        write(&mut buffer)?;
        buffer.flush()?;
    }
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
        Some((place, _)) => beside(&place).map(drop),
        // Opening a pipe would wait for its reader.
        None => Ok(()),
    }
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

fn beside(place: &Path) -> io::Result<tempfile::NamedTempFile> {
    let directory = match place.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".meshcheck-");
    // What any new file gets: the user's umask decides.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

#[cfg(test)]
mod tests;
