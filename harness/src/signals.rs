//! Ctrl-C and its kin: the first ends the work so that what was made can be removed, the second ends
//! the program at once.

use std::io::Write as _;

use nix::sys::signal::{SigSet, Signal as Which};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal, as shells count: 128 + SIGINT.
const EXIT_AT_ONCE: i32 = 130;

/// Lets the signals through that [`listen`] listens for. A program inherits what its parent has blocked,
/// and a parent that waits for signals in a thread of its own, as CI runners do, has blocked them: without
/// this, Ctrl-C would never arrive. Called before any other thread is started.
pub(crate) fn unblock() {
    let mut signals = SigSet::empty();
    for signal in [Which::SIGINT, Which::SIGTERM, Which::SIGHUP] {
        signals.add(signal);
    }
    // Fails for a mask that is none, which this is not.
    let _ = signals.thread_unblock();
}

/// Listens for SIGINT, SIGTERM and SIGHUP from now on; the token is cancelled by the first.
///
/// A terminal's Ctrl-C reaches both us and whoever started us, who may then ask us to end with
/// SIGTERM: only a signal of the same kind counts as the second.
pub(crate) fn listen() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        tokio::spawn(watch(signal(kind)?, token.clone()));
    }
    Ok(token)
}

async fn watch(mut signal: Signal, token: CancellationToken) {
    if signal.recv().await.is_some() {
        token.cancel();
    }
    if signal.recv().await.is_some() {
        let _ = writeln!(
            std::io::stderr(),
            "\nended at once; `meshcheck down --leftovers` removes what is left"
        );
        std::process::exit(EXIT_AT_ONCE);
    }
}
