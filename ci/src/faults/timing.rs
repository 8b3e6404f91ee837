//! How long a check takes on a mesh whose rollout cannot end, compared with the healthy mesh in the same run.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::live::Cluster;

/// How many times as long as on the healthy mesh a check may take.
const MOST: f64 = 3.0;

/// How many checks are measured; the fastest counts. A client in the middle of its request makes one slower, and so do the
/// cases on other clusters.
const CHECKS: usize = 3;

/// How long the fastest of a few checks took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fastest {
    /// `meshcheck check` on a cluster of `meshcheck up`, where it may create objects.
    plain: Duration,
    /// The same by the kubeconfig, without `--active`.
    without_active: Duration,
}

/// The times of a case, in seconds, and their ratios.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Times {
    plain: Comparison,
    without_active: Comparison,
}

#[derive(Debug, Clone, Serialize)]
struct Comparison {
    healthy_seconds: f64,
    broken_seconds: f64,
    ratio: f64,
}

/// Measures both kinds of check.
pub(super) fn measure(cluster: &Cluster) -> Result<Fastest> {
    let kubeconfig = cluster.kubeconfig().display().to_string();
    let bundle = cluster.bundle().display().to_string();
    Ok(Fastest {
        plain: fastest(cluster, &[])?,
        without_active: fastest(cluster, &["--kubeconfig", &kubeconfig, "--bundle", &bundle])?,
    })
}

fn fastest(cluster: &Cluster, arguments: &[&str]) -> Result<Duration> {
    let mut fastest = Duration::MAX;
    for _ in 0..CHECKS {
        let start = Instant::now();
        cluster.check(arguments)?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(fastest)
}

impl Times {
    /// Compares a broken mesh with the healthy one.
    pub(super) fn of(healthy: Fastest, broken: Fastest) -> Self {
        Self {
            plain: Comparison::of(healthy.plain, broken.plain),
            without_active: Comparison::of(healthy.without_active, broken.without_active),
        }
    }

    /// Whether a check took at most [`MOST`] times as long, of both kinds.
    pub(crate) fn are_short(&self) -> bool {
        [&self.plain, &self.without_active].iter().all(|it| it.ratio <= MOST)
    }
}

impl Comparison {
    fn of(healthy: Duration, broken: Duration) -> Self {
        let (healthy_seconds, broken_seconds) = (healthy.as_secs_f64(), broken.as_secs_f64());
        Self { healthy_seconds, broken_seconds, ratio: broken_seconds / healthy_seconds }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plain, without_active } = self;
        write!(f, "check: {plain}; without --active: {without_active}")
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { healthy_seconds, broken_seconds, ratio } = self;
        write!(f, "{broken_seconds:.1} s, healthy {healthy_seconds:.1} s, ratio {ratio:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_that_takes_over_three_times_as_long_is_not_short() {
        let seconds = |plain, without_active| Fastest {
            plain: Duration::from_secs(plain),
            without_active: Duration::from_secs(without_active),
        };
        let is_short = |broken| Times::of(seconds(2, 1), broken).are_short();
        assert!(is_short(seconds(6, 3)));
        assert!(!is_short(seconds(7, 3)));
        assert!(!is_short(seconds(6, 4)));
        let times = Times::of(seconds(2, 1), seconds(6, 1)).to_string();
        assert_eq!(
            times,
            "check: 6.0 s, healthy 2.0 s, ratio 3.0; without --active: 1.0 s, healthy 1.0 s, ratio 1.0"
        );
    }
}
