//! Waiting for a condition, with a ceiling and the last state in the message.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `condition` again every `pause` until it is ready, at most for `ceiling`. While it is not,
/// it says what the state is.
pub(crate) fn until<T>(
    what: &str,
    pause: Duration,
    ceiling: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let state = match condition() {
            Ok(value) => return Ok(value),
            Err(state) => state,
        };
        if start.elapsed() >= ceiling {
            bail!("{what}: not after {} s; last state: {state}", ceiling.as_secs());
        }
        pass(pause);
    }
}

/// Lets so much time pass.
pub(crate) fn pass(time: Duration) {
    // Nobody ever sends: the receiver is a clock that can be waited on.
    let (_sender, clock) = mpsc::channel::<()>();
    let _ = clock.recv_timeout(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_ends_when_ready() {
        let mut turns = 0;
        let answer = until("counting", Duration::from_millis(1), Duration::from_secs(5), || {
            turns += 1;
            if turns == 3 { Ok(turns) } else { Err(format!("turn {turns}")) }
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn timeout_names_the_last_state() {
        let error = until("the socket answers", Duration::from_millis(1), Duration::ZERO, || {
            Err::<(), _>("connection refused".to_owned())
        })
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("the socket answers") && text.contains("connection refused"));
    }
}
