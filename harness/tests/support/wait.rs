//! Waiting for a condition, and for nothing.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Waits for a state. `look` returns it, or the state that is there.
pub(crate) fn wait_until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        match look() {
            Ok(found) => return found,
            Err(state) => {
                assert!(Instant::now() < end, "waited for {what}; the last state: {state}");
            }
        }
        pause(Duration::from_millis(50));
    }
}

/// Lets time pass.
pub(crate) fn pause(time: Duration) {
    // Nobody sends: the receiver is a clock.
    let (_sender, clock) = mpsc::channel::<()>();
    let _ = clock.recv_timeout(time);
}
