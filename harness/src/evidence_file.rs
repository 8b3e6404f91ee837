//! Evidence on disk: JSON, compressed unless the name ends in `.json`. Written whole or not at all, without
//! secrets; read with suspicion.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use meshcheck_suites::Evidence;
use meshcheck_suites::evidence::SCHEMA;
use meshcheck_suites::redact::redact;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::atomic_file::{self, is_device, write_atomically};

/// The longest evidence that is read, in bytes, decompressed. Seen: 0.1 MB on a healthy cluster.
const LIMIT: u64 = 64 << 20;

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a file is no evidence, or could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvidenceFileError {
    /// It could not be read.
    #[error("reading the evidence `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is not a file.
    #[error("the evidence `{}` is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// It is too long.
    #[error("the evidence `{}` is longer than {} MiB when it is decompressed", .0.display(), LIMIT >> 20)]
    TooLong(PathBuf),
    /// It is not evidence.
    #[error("the evidence `{}` cannot be understood: {reason}", path.display())]
    NotEvidence { path: PathBuf, reason: String, cut: bool },
    /// It is a report: the verdicts, without what they were judged on.
    #[error("`{}` is a report, not evidence: it has the verdicts, without the observations", .0.display())]
    Report(PathBuf),
    /// It was written by a newer program.
    #[error("the evidence `{}` has schema {schema}, and this program reads up to {SCHEMA}", path.display())]
    TooNew { path: PathBuf, schema: u64 },
    /// It could not be written.
    #[error("writing the evidence `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl EvidenceFileError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::TooLong(_) => "evidence is far shorter than that: do not trust this file".into(),
            Self::NotEvidence { cut: true, .. } => {
                "the file was cut off: copy it again, whole".into()
            }
            Self::Report(_) => {
                "judge the file that `meshcheck record` or `--evidence` wrote".into()
            }
            Self::Read { .. } | Self::NotAFile(_) | Self::NotEvidence { .. } => {
                "name a file of evidence: `meshcheck record --out evidence.json` writes one".into()
            }
            Self::TooNew { .. } => "use the program that wrote it, or a newer one".into(),
            Self::Write { source, path } => atomic_file::hint(path, source),
        }
    }
}

#[derive(Deserialize)]
struct Head {
    schema: u64,
    /// A report has these instead of a recorder.
    #[serde(default)]
    claims: Option<IgnoredAny>,
    #[serde(default)]
    recorder: Option<IgnoredAny>,
}

/// The text of a file, as UTF-8 without a byte order mark: Notepad writes one, and the `>` of PowerShell makes UTF-16.
fn decode(bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    let unit: fn([u8; 2]) -> u16 = match bytes.as_slice() {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        [0xef, 0xbb, 0xbf, text @ ..] => return Ok(text.to_vec()),
        _ => return Ok(bytes),
    };
    let (pairs, rest) = bytes[2..].as_chunks();
    let text = char::decode_utf16(pairs.iter().copied().map(unit)).collect::<Result<String, _>>();
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into_bytes()),
        _ => Err("it begins as UTF-16 and does not go on as such"),
    }
}

/// Reads evidence.
pub(crate) fn read(path: &Path) -> Result<Evidence, EvidenceFileError> {
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
    let text = decode(text).map_err(|reason| not(reason.into(), false))?;
    let broken = |error: serde_json::Error| not(error.to_string(), error.is_eof());
    let Head { schema, claims, recorder } = serde_json::from_slice(&text).map_err(broken)?;
    if claims.is_some() && recorder.is_none() {
        return Err(EvidenceFileError::Report(path.to_owned()));
    }
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

/// Finds out, before anything is looked at, whether evidence can be written there.
pub(crate) fn check_writable(path: &Path) -> Result<(), EvidenceFileError> {
    let not = |source| EvidenceFileError::Write { path: path.to_owned(), source };
    atomic_file::check_writable(path).map_err(not)
}

/// Writes evidence: whole or not at all. What is no regular file, and what is called `.json`, gets it as
/// plain text.
pub(crate) fn write(path: &Path, evidence: &Evidence) -> Result<(), EvidenceFileError> {
    let plain = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json"));
    // Compressed text on a terminal, or in a pipe to another program, would be of no use.
    let device = is_device(path);
    write_atomically(path, |file| {
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

#[cfg(test)]
mod tests;
