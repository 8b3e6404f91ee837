//! Ends work that a signal or a panic ended early, and removes what probes left on a cluster.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use meshcheck_suites::evidence::Provider;
use meshcheck_suites::hint::quote;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use crate::connect::Connection;
use crate::{cluster, collect, signals};

/// Listens for Ctrl-C and its kin.
pub(super) fn listen() -> Result<CancellationToken, Failure> {
    signals::listen()
        .map_err(|error| Failure::environment(format!("cannot listen for signals: {error}")))
}

/// Does `work`, until a signal cancels it or it panics.
pub(super) async fn until_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    tokio::select! {
        outcome = AssertUnwindSafe(work).catch_unwind() => outcome.map_err(|_| Failure::bug()),
        () = cancel.cancelled() => Err(Failure::interrupted()),
    }
}

/// Removes what probes left on this cluster. Evidence that was collected is kept, whatever comes of it.
pub(super) async fn remove_probes<T>(
    connection: &Connection,
    outcome: Result<T, Failure>,
) -> Result<T, Failure> {
    let subject = &connection.subject;
    let is_done = outcome.is_ok();
    if !is_done {
        // Where there is no engine on this machine there is no container of ours.
        let _ = cluster::remove_own_helpers().await;
    }
    // Probes remove what they made. A cluster of others is asked once more, should it not have answered then.
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
