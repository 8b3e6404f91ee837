//! Cleans up after a signal or a panic, and deletes what probes left on a cluster.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use meshcheck_suites::evidence::Provider;
use meshcheck_suites::hint::quote;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use crate::connect::Connection;
use crate::{cluster, collect, signals};

/// Listens for Ctrl-C and other signals that end a program.
pub(super) fn listen() -> Result<CancellationToken, Failure> {
    signals::listen()
        .map_err(|error| Failure::environment(format!("cannot listen for signals: {error}")))
}

/// Does `work` until a signal cancels it or it panics.
pub(super) async fn until_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    tokio::select! {
        // The signal first: it may be what the work has failed for.
        biased;
        () = cancel.cancelled() => Err(Failure::interrupted()),
        outcome = AssertUnwindSafe(work).catch_unwind() => outcome.map_err(|_| Failure::bug()),
    }
}

/// Deletes what probes left on this cluster. Evidence that was collected is kept, even if this fails.
pub(super) async fn remove_probes<T>(
    connection: &Connection,
    outcome: Result<T, Failure>,
) -> Result<T, Failure> {
    let subject = &connection.subject;
    let is_done = outcome.is_ok();
    if !is_done {
        // Without a container engine on this machine there is no container of meshcheck.
        let _ = cluster::remove_own_helpers().await;
    }
    // Probes delete their own objects. An existing cluster gets a second request, in case it did not answer then.
    if !subject.active || (is_done && subject.provider == Provider::Kind) {
        return outcome;
    }
    let Err(reason) = collect::remove_own(&connection.client).await else { return outcome };
    let command = format!("meshcheck down --leftovers --context {}", quote(&subject.context));
    let left = Failure::left(&reason, &command);
    match outcome {
        Ok(value) => {
            left.print();
            Ok(value)
        }
        Err(failure) => Err(failure.and(&left)),
    }
}
