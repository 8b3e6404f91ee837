//! Waiting for a condition: with a ceiling, and with the last state in the message.
//!
//! This is the one place that lets time pass. Everything else says what it waits for.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::deadline;

/// One look at what is waited for.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Ready(T),
    /// It is not there yet: the state that was seen.
    NotYet(String),
    /// It will never be there: why.
    Never(String),
}

/// How a wait ended without what it waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its fields are")]
pub enum WaitError {
    /// The ceiling was reached.
    #[error("waited {} s for {what}; the last state: {last}", ceiling.as_secs())]
    Timeout { what: String, ceiling: Duration, last: String },
    /// It can never come.
    #[error("waiting for {what}: {why}")]
    Never { what: String, why: String },
}

/// What a wait is for, how long at the most, and how often to look.
#[derive(Debug, Clone)]
pub struct Wait {
    what: String,
    ceiling: Duration,
    every: Duration,
    late: bool,
}

impl Wait {
    /// A wait for `what`, at the most this long. It looks every 200 ms.
    pub fn new(what: impl fmt::Display, ceiling: Duration) -> Self {
        Self { what: what.to_string(), ceiling, every: Duration::from_millis(200), late: false }
    }

    /// Looks this often.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// Looks for the first time after a pause, not at once.
    #[must_use]
    pub fn late(mut self) -> Self {
        self.late = true;
        self
    }

    /// What it waits for.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Looks until a value is good enough, and returns the last one, good or not; none where no look ended.
    pub async fn last<T, F>(
        &self,
        mut look: impl FnMut() -> F,
        is_enough: impl Fn(&T) -> bool,
    ) -> Option<T>
    where
        F: Future<Output = T>,
    {
        let last = RefCell::new(None);
        let waited = self.until(|| {
            let value = look();
            async {
                let value = value.await;
                let enough = is_enough(&value);
                last.replace(Some(value));
                if enough { Look::Ready(()) } else { Look::NotYet(String::new()) }
            }
        });
        // What came last is the answer, whether or not it came in time.
        drop(waited.await);
        last.into_inner()
    }

    /// Looks until the condition holds.
    ///
    /// # Errors
    ///
    /// As [`Wait::until_seen`].
    pub async fn until<T, F>(&self, look: impl FnMut() -> F) -> Result<T, WaitError>
    where
        F: Future<Output = Look<T>>,
    {
        self.until_seen(|_| (), look).await
    }

    /// Looks until the condition holds. `seen` hears of every new state.
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`] at the ceiling, with the last state seen; [`WaitError::Never`] as soon as
    /// a look says that it is in vain. A single look that hangs counts against the ceiling as well.
    pub async fn until_seen<T, F>(
        &self,
        mut seen: impl FnMut(&str),
        mut look: impl FnMut() -> F,
    ) -> Result<T, WaitError>
    where
        F: Future<Output = Look<T>>,
    {
        let end = Instant::now() + deadline::shortened(self.ceiling);
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = String::from("not looked at");
        if self.late {
            ticks.tick().await;
        }
        while timeout_at(end, ticks.tick()).await.is_ok() {
            match timeout_at(end, look()).await {
                Ok(Look::Ready(value)) => return Ok(value),
                Ok(Look::Never(why)) => {
                    return Err(WaitError::Never { what: self.what.clone(), why });
                }
                Ok(Look::NotYet(state)) => {
                    if state != last {
                        seen(&state);
                        last = state;
                    }
                }
                Err(_) => break,
            }
            // A look that answers at once is never cut off by its time limit: the ceiling is asked for.
            if Instant::now() >= end {
                break;
            }
        }
        Err(WaitError::Timeout { what: self.what.clone(), ceiling: self.ceiling, last })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use super::*;

    fn wait() -> Wait {
        Wait::new("deployment istiod", Duration::from_secs(3))
    }

    #[tokio::test(start_paused = true)]
    async fn wait_returns_the_awaited_value() {
        let looks = Cell::new(0);
        let mut states = Vec::new();
        let found = wait()
            .until_seen(
                |state| states.push(state.to_owned()),
                || {
                    looks.set(looks.get() + 1);
                    ready(if looks.get() < 4 {
                        Look::NotYet("0/1 available".into())
                    } else {
                        Look::Ready(looks.get())
                    })
                },
            )
            .await;
        assert_eq!(found, Ok(4));
        assert_eq!(states, ["0/1 available"], "a state is told once");
    }

    #[tokio::test(start_paused = true)]
    async fn last_value_is_the_first_sufficient_one_or_the_latest() {
        let waiting = Wait::new("a number", Duration::from_secs(1));
        let count = std::cell::Cell::new(0);
        let look = || {
            count.set(count.get() + 1);
            std::future::ready(count.get())
        };
        assert_eq!(waiting.last(look, |number| *number == 3).await, Some(3));
        assert!(waiting.last(look, |_| false).await.is_some_and(|number| number > 5));
        assert_eq!(waiting.last(std::future::pending::<u32>, |_| true).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_names_the_last_state() {
        let outcome: Result<(), _> =
            wait().until(|| ready(Look::NotYet("0/1 available".into()))).await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "waited 3 s for deployment istiod; the last state: 0/1 available"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_comes_at_the_ceiling_with_any_pause() {
        for pause in [Duration::from_millis(200), Duration::from_mins(1)] {
            for wait in [wait().every(pause), wait().every(pause).late()] {
                let start = Instant::now();
                let outcome: Result<(), _> =
                    wait.until(|| ready(Look::NotYet("0/1 available".into()))).await;
                assert!(matches!(outcome, Err(WaitError::Timeout { .. })), "{outcome:?}");
                assert_eq!(start.elapsed(), Duration::from_secs(3), "{wait:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_attempt_ends_at_the_ceiling() {
        let outcome: Result<(), _> = wait().until(pending).await;
        assert!(matches!(outcome, Err(WaitError::Timeout { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn hopeless_wait_ends_at_once() {
        let start = Instant::now();
        let outcome: Result<(), _> =
            wait().until(|| ready(Look::Never("the image does not exist".into()))).await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "waiting for deployment istiod: the image does not exist"
        );
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
