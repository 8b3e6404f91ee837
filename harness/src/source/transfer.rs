//! The loop behind every download: attempts, resuming, room on the disk, progress and the checksum
//! are the same for a release file and for an image's layer.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use hyper::body::Bytes;
use meshcheck_bundle::sha256_file;

use super::partial::Partial;
use super::retry::{Attempts, Failure};
use super::{Limits, SourceError};
use crate::chain;
use crate::events::{Events, Phase};

/// What is to be fetched, where it goes and how it is known to be right.
pub(super) struct Job<'a> {
    /// What the progress calls it.
    pub(super) part: &'a str,
    /// The file that appears when it is complete and right.
    pub(super) target: &'a Path,
    /// The SHA-256 that it must have.
    pub(super) sha256: &'a str,
    /// Its size, where it is known beforehand.
    pub(super) size: Option<u64>,
}

/// An answer of the other side whose bytes are about to arrive.
pub(super) struct Opened {
    /// Where in the file its first byte belongs.
    pub(super) start: u64,
    /// The size of the whole file.
    pub(super) total: Option<u64>,
    /// How the other side names this version of the file.
    pub(super) validator: Option<String>,
    /// The bytes.
    pub(super) bytes: BoxStream<'static, io::Result<Bytes>>,
}

/// Something that can be fetched from any byte on.
pub(super) trait Remote: Sync {
    /// Its address, for messages.
    fn url(&self) -> String;

    /// Asks for it from the byte `offset` on, and for the version named by `validator` only. An
    /// answer that starts at 0 is right, too: then it comes whole.
    fn open(
        &self,
        offset: u64,
        validator: Option<String>,
    ) -> impl Future<Output = Result<Opened, Failure>> + Send;
}

/// Fetches a file whole, or what is missing of it.
pub(super) async fn fetch(
    remote: &impl Remote,
    job: &Job<'_>,
    limits: Limits,
    events: &Events,
) -> Result<(), SourceError> {
    if job.target.exists() {
        if sum(job.target).await? == job.sha256 {
            return Ok(());
        }
        std::fs::remove_file(job.target)
            .map_err(|source| SourceError::io("removing", job.target, source))?;
    }
    let partial = Partial::of(job.target, job.sha256)?;
    let url = remote.url();
    // Bytes of two attempts can be from two files, where the other side has no validators.
    let mut pieced = partial.len() > 0;
    let mut afresh = false;
    let mut attempts = Attempts::new(limits, job.part, events);
    loop {
        let before = partial.len();
        let arrived = attempt(remote, job, &partial, events).await;
        attempts.brought(partial.len().saturating_sub(before));
        match arrived {
            Ok(()) => {}
            Err(Failure::Final(error @ SourceError::DiskFull { .. })) => {
                // The user needs the room that this has taken.
                partial.remove()?;
                return Err(error);
            }
            Err(failure) => {
                pieced = pieced || partial.len() > 0;
                attempts.after(&url, failure).await?;
                continue;
            }
        }
        let found = sum(partial.path()).await?;
        if found == job.sha256 {
            partial.complete(job.target)?;
            events.doing(Phase::Source, format!("{} is complete", job.part));
            return Ok(());
        }
        partial.remove()?;
        if !pieced || afresh {
            return Err(SourceError::Checksum { url, expected: job.sha256.to_owned(), found });
        }
        afresh = true;
        events.note("the pieces did not fit together: it is fetched once more, whole");
    }
}

/// One connection: appends to the partial file what it brings. `Ok` when the file is complete.
async fn attempt(
    remote: &impl Remote,
    job: &Job<'_>,
    partial: &Partial,
    events: &Events,
) -> Result<(), Failure> {
    let mut offset = partial.len();
    match job.size {
        Some(size) if offset == size && size > 0 => return Ok(()),
        Some(size) if offset > size => {
            partial.remove()?;
            offset = 0;
        }
        _ => {}
    }
    let validator = if offset > 0 { partial.validator() } else { None };
    let mut opened = remote.open(offset, validator).await?;
    let total = opened.total.or(job.size);
    if let (Some(size), Some(total)) = (job.size, opened.total)
        && size != total
    {
        let reason = format!("it has {total} bytes instead of {size}");
        return Err(SourceError::content(remote.url(), reason).into());
    }
    let path = partial.path();
    SourceError::if_too_large(path, total.unwrap_or(0).saturating_sub(opened.start))?;
    partial.note(opened.validator.take())?;
    let mut file = place(path, opened.start)?;
    let mut done = opened.start;
    events.transferred(Phase::Source, job.part, done, total);
    let ended = loop {
        match opened.bytes.next().await {
            None => break None,
            Some(Err(error)) => break Some(chain(&error)),
            Some(Ok(bytes)) => {
                // Not through tokio's file: a write that goes on behind the back of a download
                // that was stopped would end up in the middle of the next one.
                written(path, total, done, file.write_all(&bytes))?;
                done += bytes.len() as u64;
                events.transferred(Phase::Source, job.part, done, total);
            }
        }
    };
    match (ended, total) {
        (Some(reason), _) => Err(Failure::Again(reason)),
        (None, Some(total)) if done < total => {
            Err(Failure::Again(format!("the connection ended after {done} of {total} bytes")))
        }
        (None, _) => Ok(()),
    }
}

/// Opens the partial file for bytes that belong at `start`.
fn place(path: &Path, start: u64) -> Result<File, SourceError> {
    let opened =
        if start == 0 { File::create(path) } else { OpenOptions::new().append(true).open(path) };
    opened.map_err(|source| SourceError::io("opening", path, source))
}

fn written(
    path: &Path,
    total: Option<u64>,
    done: u64,
    result: io::Result<()>,
) -> Result<(), SourceError> {
    result.map_err(|source| match SourceError::io("writing", path, source) {
        SourceError::DiskFull { path, free, .. } => {
            let need = total.map(|total| total.saturating_sub(done));
            SourceError::DiskFull { path, need, free }
        }
        other => other,
    })
}

/// The SHA-256 of a file, computed where it does not hold up other downloads.
pub(super) async fn sum(path: &Path) -> Result<String, SourceError> {
    let owned = path.to_owned();
    let result = tokio::task::spawn_blocking(move || sha256_file(&owned)).await;
    result
        .map_err(io::Error::from)
        .and_then(|result| result)
        .map_err(|source| SourceError::io("reading", path, source))
}
