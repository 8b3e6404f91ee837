//! Ctrl-C and its kin: the first ends the work so that what was made can be removed, the second ends
//! the program at once.

use std::io::Write as _;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal, as shells count: 128 + SIGINT.
const EXIT_AT_ONCE: i32 = 130;

/// Listens for SIGINT, SIGTERM and SIGHUP from now on; the token is cancelled by the first.
///
/// A terminal's Ctrl-C reaches both us and whoever started us, who may then ask us to end with
/// SIGTERM: only a signal of the same kind counts as the second.
///
/// # Errors
///
/// When the signals cannot be listened for.
pub fn listen() -> std::io::Result<CancellationToken> {
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
