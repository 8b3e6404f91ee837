//! What a download tells while it runs; whoever listens decides how it looks.

use std::path::Path;
use std::time::Duration;

/// Something that happened while a source was resolved.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Another process fills the same cache; this one goes on when that one is done.
    Waiting {
        /// The lock that the other one holds.
        lock: &'a Path,
    },
    /// A part begins to arrive.
    Started {
        /// The part: `istio`, `kind`, an image's layer.
        part: &'a str,
        /// Bytes that were there already, from an earlier attempt.
        already: u64,
        /// Its size, where the other side says it.
        total: Option<u64>,
    },
    /// Bytes arrived.
    Advanced {
        /// The part.
        part: &'a str,
        /// Bytes that are there now.
        done: u64,
        /// Its size, where the other side says it.
        total: Option<u64>,
    },
    /// An attempt failed and the next one follows.
    Retrying {
        /// The part.
        part: &'a str,
        /// Why.
        reason: &'a str,
        /// The pause before the next attempt.
        after: Duration,
    },
    /// A part is complete and its checksum is right.
    Finished {
        /// The part.
        part: &'a str,
    },
    /// A part was there already, complete and with the right checksum.
    Reused {
        /// The part.
        part: &'a str,
    },
    /// Everything has arrived; the bundle is being put together.
    Assembling {
        /// The bundle's directory.
        directory: &'a Path,
    },
    /// Something that a careful user wants to know.
    Note(&'a str),
}

/// A listener.
pub trait Events: Send + Sync {
    /// Takes note of an event. Called from the download's own task: it must not block.
    fn event(&self, event: Event<'_>);
}

/// A listener for whoever does not want to listen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {
    fn event(&self, _event: Event<'_>) {}
}

impl<F: Fn(Event<'_>) + Send + Sync> Events for F {
    fn event(&self, event: Event<'_>) {
        self(event);
    }
}
