//! How long is waited and how often is tried.

use std::time::Duration;

use super::SourceError;
use crate::events::Events;

/// The patience of downloads.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a connection to come about.
    pub connect: Duration,
    /// For the next bytes on a connection: after it, the connection is stalled.
    pub read: Duration,
    /// How many attempts in a row may bring nothing.
    pub attempts: u32,
    /// The pause after the first failed attempt; it doubles with each further one.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An attempt that brought this much was worth something: the count starts again, so that a large
/// file gets through a poor connection.
const WORTHWHILE: u64 = 1 << 20;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The next one may succeed.
    Again(String),
    /// No further one will.
    Final(SourceError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Final(error)
    }
}

/// Counts attempts and pauses between them.
pub(super) struct Attempts<'a> {
    limits: Limits,
    part: &'a str,
    events: &'a Events,
    failed: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(limits: Limits, part: &'a str, events: &'a Events) -> Self {
        Self { limits, part, events, failed: 0 }
    }

    /// Takes note of what an attempt brought before it failed.
    pub(super) fn brought(&mut self, bytes: u64) {
        if bytes >= WORTHWHILE {
            self.failed = 0;
        }
    }

    /// Pauses after a failed attempt, or gives up.
    pub(super) async fn after(&mut self, url: &str, failure: Failure) -> Result<(), SourceError> {
        let reason = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Again(reason) => reason,
        };
        self.failed += 1;
        if self.failed >= self.limits.attempts {
            return Err(SourceError::Interrupted {
                url: url.to_owned(),
                attempts: self.failed,
                reason,
            });
        }
        let doubled = self.limits.pause.saturating_mul(1 << (self.failed - 1).min(16));
        let after = doubled.min(LONGEST_PAUSE);
        let seconds = after.as_secs_f64();
        self.events.note(format!("{}: {reason}; tried again in {seconds:.1} s", self.part));
        tokio::time::sleep(after).await;
        Ok(())
    }
}
