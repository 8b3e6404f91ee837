//! Evidence on disk: JSON, compressed unless the name ends in `.json`. Written whole or not at all, without
//! secrets; read with suspicion.

mod kind;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use meshcheck_suites::Evidence;
use meshcheck_suites::evidence::SCHEMA;
use meshcheck_suites::hint::quote;
use meshcheck_suites::preflight::evidence::{PreflightEvidence, PreflightRecord};
use meshcheck_suites::redact::redact;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic_file::{self, is_device, write_atomically};
use crate::suggest::nearest;
use crate::text::{io_reason, read_fix};
use kind::{Kind, NAME_EVIDENCE, damage, read_head};

/// The longest evidence that is read, in bytes, decompressed. Seen: 0.1 MB on a healthy cluster.
const LIMIT: u64 = 64 << 20;

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Why a file is not evidence, or could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvidenceFileError {
    /// It could not be read.
    #[error("cannot read {}: {}", name(path), io_reason(error))]
    Read { path: PathBuf, error: io::Error },
    /// It is not a file.
    #[error("cannot read {}: it is {}", name(.0), if .0.is_dir() { "a directory" } else { "not a regular file" })]
    NotAFile(PathBuf),
    /// It is too long.
    #[error("cannot read {}: it is longer than {} MiB when it is decompressed", name(.0), LIMIT >> 20)]
    TooLong(PathBuf),
    /// It is not evidence.
    #[error("cannot read {}: {reason}", name(path))]
    NotEvidence { path: PathBuf, reason: String, fix: String },
    /// It was written by a newer program.
    #[error(
        "cannot read {}: it has schema {schema}, and this meshcheck reads schema {SCHEMA}",
        name(path)
    )]
    TooNew { path: PathBuf, schema: u64, writer: Option<String> },
    /// It could not be written.
    #[error("cannot write the evidence {}: {}", path.display(), io_reason(error))]
    Write { path: PathBuf, error: io::Error },
}

/// Returns the name of a file in messages.
fn name(path: &Path) -> String {
    if path == Path::new(STDIN) { "standard input".into() } else { path.display().to_string() }
}

impl EvidenceFileError {
    /// Returns the fix.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::TooLong(_) => "do not trust this file: evidence is far shorter".into(),
            Self::NotEvidence { fix, .. } => fix.clone(),
            Self::Read { path, error } if error.kind() == io::ErrorKind::NotFound => {
                let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
                listed(directory.unwrap_or(Path::new(".")), path)
            }
            Self::Read { path, .. } => read_fix(path),
            Self::NotAFile(path) if path.is_dir() => listed(path, path),
            Self::NotAFile(_) => {
                "pass it through standard input: `meshcheck judge - < FILE`".into()
            }
            Self::TooNew { writer: Some(version), .. } => {
                format!("use meshcheck {version}, which wrote it, or a newer one")
            }
            Self::TooNew { .. } => "use the meshcheck that wrote it, or a newer one".into(),
            Self::Write { error, path } => atomic_file::hint(path, error),
        }
    }

    /// Whether the environment is wrong, rather than the call.
    pub(crate) fn is_environment(&self) -> bool {
        matches!(self, Self::Write { error, .. } if !atomic_file::is_wrong_path(error))
    }
}

/// The fix for a missing file: names the files of this directory that may be meant.
fn listed(directory: &Path, path: &Path) -> String {
    /// How many names are listed.
    const NAMES: usize = 5;
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_evidence = |name: &String| {
        let name = name.to_lowercase();
        [".json", ".json.gz"].iter().any(|end| name.ends_with(end))
    };
    let mut names: Vec<_> = names.filter(is_evidence).collect();
    names.sort();
    let stem = |name: &str| name.split(".json").next().unwrap_or_default().to_owned();
    let asked = stem(&path.file_name().unwrap_or_default().to_string_lossy());
    let near = nearest(&asked, names.iter().map(|name| (stem(name), name.clone())));
    match (near.filter(|_| directory != path), names.as_slice()) {
        (Some(near), _) => format!("check the name: the directory has {near}"),
        (None, []) => NAME_EVIDENCE.into(),
        (None, names) => {
            let more = if names.len() > NAMES { " and others" } else { "" };
            let shown = names.get(..NAMES).unwrap_or(names).join(", ");
            format!("name a file in this directory: {shown}{more}")
        }
    }
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
        _ => Err("its UTF-16 text is damaged"),
    }
}

/// Evidence of either kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Record {
    /// Of a mesh.
    Mesh(Box<Evidence>),
    /// Of a preflight.
    Preflight(Box<PreflightRecord>),
}

impl Record {
    /// A record of a preflight, without secrets.
    pub(crate) fn preflight(evidence: PreflightEvidence) -> Self {
        let recorder = concat!("meshcheck ", env!("CARGO_PKG_VERSION"));
        Self::Preflight(Box::new(PreflightRecord::new(evidence, recorder)))
    }
}

/// Reads the evidence of a mesh; from standard input where the path is `-`.
pub(crate) fn read(path: &Path) -> Result<Evidence, EvidenceFileError> {
    match read_record(path)? {
        Record::Mesh(evidence) => Ok(*evidence),
        Record::Preflight(_) => Err(not_evidence(path, Kind::preflight())),
    }
}

/// Reads evidence of either kind; from standard input where the path is `-`.
pub(crate) fn read_record(path: &Path) -> Result<Record, EvidenceFileError> {
    let io = |error| EvidenceFileError::Read { path: path.to_owned(), error };
    let input: Box<dyn Read> = if [STDIN, "/dev/stdin"].iter().any(|it| path == Path::new(it)) {
        Box::new(io::stdin())
    } else {
        // Opening a pipe would wait for its writer.
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(EvidenceFileError::NotAFile(path.to_owned()));
        }
        Box::new(File::open(path).map_err(io)?)
    };
    read_record_from(input, path)
}

fn not_evidence(path: &Path, Kind { name, fix }: Kind) -> EvidenceFileError {
    let shown = path.to_string_lossy();
    let file = if path == Path::new(STDIN) { "FILE".into() } else { quote(&shown) };
    let (path, fix) = (path.to_owned(), fix.replace("THIS", &file));
    EvidenceFileError::NotEvidence { path, reason: name, fix }
}

/// Reads evidence of either kind from any input; errors name it as `path`.
pub(crate) fn read_record_from(input: impl Read, path: &Path) -> Result<Record, EvidenceFileError> {
    let io = |error| EvidenceFileError::Read { path: path.to_owned(), error };
    let mut file = BufReader::new(input);
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(io)?;
    let all = io::Cursor::new(start.clone()).chain(file);
    let mut text = Vec::new();
    let outcome = if start == GZIP {
        MultiGzDecoder::new(all).take(LIMIT + 1).read_to_end(&mut text)
    } else {
        all.take(LIMIT + 1).read_to_end(&mut text)
    };
    let not = |kind| not_evidence(path, kind);
    match outcome {
        Ok(_) => {}
        Err(error) if start == GZIP => return Err(not(damaged_gzip(&error))),
        Err(error) => return Err(io(error)),
    }
    if text.len() as u64 > LIMIT {
        return Err(EvidenceFileError::TooLong(path.to_owned()));
    }
    let text = decode(text).map_err(|reason| not(Kind::damaged(reason)))?;
    let head = read_head(&text).map_err(not)?;
    let schema = head.schema().unwrap_or_default();
    if schema > u64::from(SCHEMA) {
        let writer = head.writer();
        return Err(EvidenceFileError::TooNew { path: path.to_owned(), schema, writer });
    }
    // It may come from an older program, or from another one: its secrets go here, too.
    if head.is_preflight() {
        let record: PreflightRecord = parse(&text).map_err(not)?;
        refuse_option(record.option_in_place_of_a_name()).map_err(not)?;
        Ok(Record::Preflight(Box::new(redact(record))))
    } else {
        let evidence: Evidence = parse(&text).map_err(not)?;
        refuse_option(evidence.option_in_place_of_a_name()).map_err(not)?;
        Ok(Record::Mesh(Box::new(redact(evidence))))
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Kind> {
    serde_json::from_slice(text).map_err(|error| damage(&error))
}

fn refuse_option(place: Option<String>) -> Result<(), Kind> {
    let refusal = |place| {
        Kind::damaged(&format!("{place} begins with a hyphen, which no name in Kubernetes does"))
    };
    place.map_or(Ok(()), |place| Err(refusal(place)))
}

/// Describes an error of the decompression.
fn damaged_gzip(error: &io::Error) -> Kind {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Kind::cut("its compressed data ends too early")
    } else {
        Kind::damaged("its compressed data is damaged")
    }
}

/// Checks, before anything is collected, whether evidence can be written to this path.
pub(crate) fn check_writable(path: &Path) -> Result<(), EvidenceFileError> {
    let not = |error| EvidenceFileError::Write { path: path.to_owned(), error };
    atomic_file::check_writable(path).map_err(not)
}

/// Writes evidence: whole or not at all. What is no regular file, and what is called `.json`, gets it as
/// plain text.
pub(crate) fn write(path: &Path, evidence: &impl Serialize) -> Result<(), EvidenceFileError> {
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
    .map_err(|error| EvidenceFileError::Write { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests;
