//! `cargo xtask soak`: the same look at a healthy mesh, again and again. Whatever is not a pass is a flake.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::live::Cluster;
use crate::out::{elapsed, say};
use crate::results;
use crate::setup;
use crate::software::Software;
use crate::workspace::meshcheck;

/// How often.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Options {
    /// How many checks, over all clusters together
    #[arg(long, value_name = "N", default_value_t = 200)]
    checks: u32,
    /// How many clusters are made, one after the other
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    provisions: u32,
}

/// Everything that was not as it must be is kept, and nothing is tried a second time.
#[derive(Debug, Default)]
struct Found {
    provisions: Vec<Duration>,
    checks: Vec<Duration>,
    failures: Vec<String>,
}

/// Makes clusters and checks them.
pub(crate) fn run(options: Options) -> Result<()> {
    setup::ensure(&[setup::Scope::Conformance])?;
    let software = Software::choose()?;
    let meshcheck = meshcheck()?;
    let mut found = Found::default();
    for number in 0..options.provisions {
        let share = share(options.checks, options.provisions, number);
        say(format_args!("── cluster {} of {}, {share} checks", number + 1, options.provisions));
        let start = Instant::now();
        match Cluster::up(&meshcheck, &software) {
            Ok(cluster) => {
                found.provisions.push(start.elapsed());
                (0..share).for_each(|_| look(&cluster, &mut found));
            }
            Err(error) => found.failures.push(format!("provisioning: {error:#}")),
        }
        results::write("soak", &found.json())?;
        say(format_args!("   {found}"));
    }
    let checks = u32::try_from(found.checks.len()).unwrap_or(u32::MAX);
    ensure!(checks == options.checks, "{checks} checks were made, not {}", options.checks);
    ensure!(found.failures.is_empty(), "flakes: {}", found.failures.join("; "));
    Ok(())
}

/// The checks of one of the clusters: the first ones take what cannot be divided.
fn share(checks: u32, provisions: u32, number: u32) -> u32 {
    checks / provisions + u32::from(number < checks % provisions)
}

fn look(cluster: &Cluster, found: &mut Found) {
    let start = Instant::now();
    match cluster.check(&[]) {
        Ok(verdicts) if verdicts.is_green() => {}
        Ok(verdicts) => found.failures.push(verdicts.to_string()),
        Err(error) => found.failures.push(format!("{error:#}")),
    }
    found.checks.push(start.elapsed());
}

/// The least, the one in the middle, the greatest; in seconds.
fn spread(times: &[Duration]) -> [f64; 3] {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |place: usize| sorted.get(place).map_or(0.0, Duration::as_secs_f64);
    [at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1))]
}

impl Found {
    fn json(&self) -> Value {
        let named = |times: &[Duration]| {
            let [min, median, max] = spread(times);
            json!({ "min": min, "median": median, "max": max })
        };
        json!({
            "provisions": self.provisions.len(),
            "checks": self.checks.len(),
            "failures": self.failures.len(),
            "failed": self.failures,
            "seconds_to_provision": named(&self.provisions),
            "seconds_to_check": named(&self.checks),
        })
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [min, median, max] = spread(&self.checks);
        write!(
            f,
            "{} provisions (the last in {}), {} checks ({min:.2} to {max:.2} s, median {median:.2} s), {} failures",
            self.provisions.len(),
            elapsed(self.provisions.last().copied().unwrap_or_default()),
            self.checks.len(),
            self.failures.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_distributed_completely() {
        for (checks, provisions) in [(200, 5), (7, 3), (1, 4), (0, 2)] {
            let shares: Vec<_> = (0..provisions).map(|at| share(checks, provisions, at)).collect();
            assert_eq!(shares.iter().sum::<u32>(), checks);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn spread_is_computed_from_sorted_times() {
        let times = [3, 1, 2].map(Duration::from_secs);
        assert_eq!(format!("{:?}", spread(&times)), "[1.0, 2.0, 3.0]");
        assert_eq!(format!("{:?}", spread(&[])), "[0.0, 0.0, 0.0]");
    }
}
