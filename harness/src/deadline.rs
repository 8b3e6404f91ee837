//! The limits of time of requests to the API server, in one place: one variable shortens all of them for a
//! test that lets each request fail.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Timeout;

/// The variable that says by which number each limit is divided. Only debug builds read it.
const VARIABLE: &str = "MESHCHECK_TEST_DEADLINES";

/// How long something may take that is limited to `limit`. Messages name the limit itself.
pub(crate) fn shortened(limit: Duration) -> Duration {
    static DIVISOR: LazyLock<u32> = LazyLock::new(|| {
        let asked = std::env::var(VARIABLE).ok().filter(|_| cfg!(debug_assertions));
        asked.and_then(|number| number.parse().ok()).unwrap_or(1).max(1)
    });
    limit / *DIVISOR
}

/// Waits for the end of some work, `limit` at the most.
pub(crate) fn timeout<F: IntoFuture>(limit: Duration, work: F) -> Timeout<F::IntoFuture> {
    tokio::time::timeout(shortened(limit), work)
}
