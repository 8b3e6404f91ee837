//! `cargo xtask mutants`: would the tests notice it if a judge, or the walker, were wrong?
//!
//! `.cargo/mutants.toml` says how they are tested, and which of them no test can tell from the code.

use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use fs_err as fs;
use serde::Deserialize;
use serde_json::json;

use crate::out::{elapsed, say};
use crate::results;
use crate::setup;
use crate::workspace::{cargo, results_directory};

/// The packages whose mutants are tested: what is claimed, and nothing that touches the world.
const PACKAGES: [&str; 2] = ["meshcheck-suites", "meshcheck-netfilter"];
/// The tests of all of it take seconds: what takes this long does not end.
const CEILING_SECONDS: &str = "60";
/// What `cargo mutants` exits with when it went through all mutants: all caught, some missed, some
/// that did not end.
const RAN_THROUGH: [i32; 3] = [0, 2, 3];

/// Which mutants.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Only this part of them, the first is 0: `0/4`
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only those of these files; can be repeated: `suites/netfilter/**`
    #[arg(long, value_name = "GLOB")]
    file: Vec<String>,
    /// How many to build and test at once; each has a build directory of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: u16,
}

/// The sums that `cargo mutants` leaves behind.
#[derive(Debug, Deserialize)]
struct Outcomes {
    caught: usize,
    timeout: usize,
    missed: usize,
    unviable: usize,
}

impl Outcomes {
    fn viable(&self) -> usize {
        self.caught + self.timeout + self.missed
    }

    /// How many of a hundred that can be built are noticed. A test that does not end is noticed, too.
    #[expect(clippy::cast_precision_loss, reason = "thousands at most")]
    fn percent(&self) -> f64 {
        let noticed = (self.caught + self.timeout) as f64 * 100.0;
        noticed / self.viable().max(1) as f64
    }
}

/// Tests the mutants. What was found stays in `target/xtask/mutants.json`, what was built and printed in
/// `target/xtask/mutants.out`. A mutant that is missed is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure(&[setup::Scope::Mutants])?;
    let start = Instant::now();
    fs::create_dir_all(results_directory())?;
    test(options)?;
    let directory = results_directory().join("mutants.out");
    let outcomes = fs::read_to_string(directory.join("outcomes.json"))?;
    let outcomes: Outcomes = serde_json::from_str(&outcomes)?;
    let missed = fs::read_to_string(directory.join("missed.txt"))?;
    let Outcomes { caught, timeout, unviable, .. } = outcomes;
    let (viable, percent) = (outcomes.viable(), outcomes.percent());
    results::write(
        "mutants",
        &json!({
            "viable": viable, "killed": caught, "timeout": timeout, "missed": outcomes.missed,
            "unviable": unviable, "percent": (percent * 100.0).round() / 100.0,
            "missed_without_reason": missed.lines().collect::<Vec<_>>(),
        }),
    )?;
    missed.lines().for_each(|name| say(format_args!("missed: {name}")));
    say(format_args!(
        "{viable} mutants: {caught} killed, {timeout} without an end, {} missed; {percent:.1} of 100 \
         noticed; {unviable} more cannot be built, in {}",
        outcomes.missed,
        elapsed(start.elapsed())
    ));
    ensure!(viable > 0, "no mutant can be built: is the file's name right?");
    ensure!(
        outcomes.missed == 0,
        "mutants are missed: add a test, or, where no test can tell, a line with its reason in \
         `.cargo/mutants.toml`"
    );
    Ok(())
}

fn test(options: &Options) -> Result<()> {
    let mut program = cargo(&["mutants", "--timeout", CEILING_SECONDS, "--no-times"])
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        .args(["--colors", "never", "--jobs", &options.jobs.to_string(), "--output"])
        .arg(results_directory())
        // Fewer cases, and the same in each run: what is missed must not depend on luck.
        .env("PROPTEST_CASES", "32")
        .env("PROPTEST_RNG_SEED", "1")
        // That a case fails is enough: making it small can take minutes.
        .env("PROPTEST_MAX_SHRINK_ITERS", "0");
    if let Some(shard) = &options.shard {
        // Neighbours resemble one another: a part of them says something of all.
        program = program.args(["--sharding", "round-robin", "--shard", shard]);
    }
    for file in &options.file {
        program = program.args(["--file", file]);
    }
    let status = program.watched()?;
    ensure!(
        status.code().is_some_and(|code| RAN_THROUGH.contains(&code)),
        "testing mutants: `cargo mutants` ended with {status}"
    );
    Ok(())
}
