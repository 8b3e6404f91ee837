//! Ctrl-C and its kin: the first ends the work so that what was made can be removed, the second ends
//! the program at once.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as Which};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The signals that end the work.
const ENDING: [Which; 3] = [Which::SIGINT, Which::SIGTERM, Which::SIGHUP];

/// How long after a program that we started a signal may reach us: both get it in the same moment.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// Cancelled by the first signal.
static CANCEL: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// The exit code after a second signal, as shells count: 128 + SIGINT.
const EXIT_AT_ONCE: i32 = 130;

/// Lets the signals through that [`listen`] listens for. A program inherits what its parent has blocked,
/// and a parent that waits for signals in a thread of its own, as CI runners do, has blocked them: without
/// this, Ctrl-C would never arrive. Called before any other thread is started.
pub(crate) fn unblock() {
    let mut signals = SigSet::empty();
    for signal in ENDING {
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
    for kind in ENDING {
        tokio::spawn(watch(signal(SignalKind::from_raw(kind as i32))?, CANCEL.clone()));
    }
    Ok(CANCEL.clone())
}

/// Waits for the signal that ended a program that we started, where it may reach us too. A terminal's Ctrl-C goes to all
/// programs of our process group, and one that has just been started is in it for a moment. Its end is then no
/// error: the work is cancelled.
pub(crate) async fn arrival(status: ExitStatus) {
    if ENDING.iter().any(|signal| status.signal() == Some(*signal as i32)) {
        let _ = timeout(SAME_MOMENT, CANCEL.cancelled()).await;
    }
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
