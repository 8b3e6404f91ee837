//! Takes the records that machines send. They are treated as hostile: bounded, judged here, refused with the reason.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header::CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::live::LiveError;
use super::super::machine::{LONGEST_NAME, checked};
use super::Site;
use crate::evidence_file::{self, EvidenceFileError};

/// The largest body, in bytes, and the same of the evidence in it.
const LONGEST: u64 = 64 << 20;

/// How long a body may take.
const BODY: Duration = Duration::from_mins(1);

/// The memory for all bodies together, in units.
const BUDGET: usize = (256 << 20) / UNIT;
const UNIT: usize = 64 << 10;

/// What records share.
pub(super) struct Limits {
    memory: Arc<Semaphore>,
    judging: Semaphore,
}

impl Limits {
    pub(super) fn new() -> Self {
        // One for each processor is judged at a time.
        let cores = available_parallelism().map_or(1, usize::from);
        Self { memory: Arc::new(Semaphore::new(BUDGET)), judging: Semaphore::new(cores) }
    }
}

/// A refusal: its code and its reason.
type Refusal = (StatusCode, String);

fn refused(code: StatusCode, reason: impl Into<String>) -> Refusal {
    (code, reason.into())
}

/// `PUT /records/NAME`
pub(super) async fn put(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match take(site, name, &headers, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err((code, reason)) => (code, format!("{reason}\n")).into_response(),
    }
}

async fn take(
    site: Arc<Site>,
    name: String,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Refusal> {
    let name = checked(&name, "machine").ok().filter(|it| it.len() <= LONGEST_NAME);
    let name =
        name.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "this is no name of a machine"))?;
    // Before the body: whoever is not wanted sends none.
    let at = site.board.find(&name, false);
    if !site.accept_any && at.is_err() {
        return Err(unknown(&LiveError::Unknown));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LONGEST) {
        return Err(too_long());
    }
    let received = tokio::time::timeout(BODY, receive(&site.limits.memory, body)).await;
    let late = || {
        refused(
            StatusCode::REQUEST_TIMEOUT,
            format!("the record took more than {} s", BODY.as_secs()),
        )
    };
    let (bytes, _memory) = received.map_err(|_| late())??;
    let judging = site.limits.judging.acquire().await;
    let _judging =
        judging.map_err(|_| refused(StatusCode::SERVICE_UNAVAILABLE, "the board ends"))?;
    let shared = Arc::clone(&site);
    let judged = tokio::task::spawn_blocking(move || {
        let record = evidence_file::read_record_from(Cursor::new(bytes), &PathBuf::from(&name));
        let record = record.map_err(|error| not_evidence(&error))?;
        // Before it gets a row: evidence of the other kind has none.
        let report = shared.board.judge(&record);
        let report = report.map_err(|why| refused(StatusCode::UNPROCESSABLE_ENTITY, why))?;
        let at = shared.board.find(&name, shared.accept_any).map_err(|error| unknown(&error))?;
        shared.board.show(at, &record, report, true).map_err(|error| not_kept(&error))
    });
    judged.await.unwrap_or_else(|_| {
        Err(refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the record cannot be judged: a bug of meshcheck",
        ))
    })
}

fn too_long() -> Refusal {
    let reason = format!("the record is longer than {} MiB", LONGEST >> 20);
    refused(StatusCode::PAYLOAD_TOO_LARGE, reason)
}

fn unknown(error: &LiveError) -> Refusal {
    let code = match error {
        LiveError::Unknown => StatusCode::NOT_FOUND,
        _ => StatusCode::INSUFFICIENT_STORAGE,
    };
    refused(code, error.to_string())
}

fn not_kept(error: &LiveError) -> Refusal {
    refused(StatusCode::INSUFFICIENT_STORAGE, format!("the board cannot keep the record: {error}"))
}

fn not_evidence(error: &EvidenceFileError) -> Refusal {
    match error {
        EvidenceFileError::TooLong(_) => too_long(),
        error => refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    }
}

/// Reads a body. Each part of it takes its share of the memory for all bodies, and no more than was sent.
async fn receive(
    memory: &Arc<Semaphore>,
    mut body: Body,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Refusal> {
    let mut bytes = Vec::new();
    let mut taken: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| refused(StatusCode::BAD_REQUEST, "the record ends too early"))?;
        let Ok(data) = frame.into_data() else { continue };
        if (bytes.len() + data.len()) as u64 > LONGEST {
            return Err(too_long());
        }
        bytes.extend_from_slice(&data);
        // A vector may have twice the room that it needs.
        let units = bytes.capacity().div_ceil(UNIT);
        let more =
            units.saturating_sub(taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let more = Arc::clone(memory).try_acquire_many_owned(more);
            let more = more.map_err(|_| {
                refused(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the board takes too many records now: send it again later",
                )
            })?;
            match &mut taken {
                Some(taken) => taken.merge(more),
                None => taken = Some(more),
            }
        }
    }
    Ok((bytes, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn body_takes_memory_as_it_arrives_and_gives_it_back() {
        let memory = Arc::new(Semaphore::new(4));
        let (bytes, taken) = receive(&memory, Body::from(vec![b'x'; 100_000])).await.unwrap();
        assert_eq!((bytes.len(), memory.available_permits() < 4), (100_000, true));
        drop(taken);
        assert_eq!(memory.available_permits(), 4);
        let refusal = receive(&memory, Body::from(vec![b'x'; 500_000])).await.unwrap_err();
        assert_eq!(refusal.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(memory.available_permits(), 4);
    }
}
