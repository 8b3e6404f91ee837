//! `cargo xtask mutants`: would the tests notice it if a judge, or the walker, were wrong?
//!
//! ```text
//! cargo mutants ─► outcomes.json ─► tally ─┬─► missed, and accepted with a reason
//!                  accepted.json ──────────┴─► missed without one: an error, as is too low a share
//! ```

mod accepted;
mod tally;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::out::{elapsed, say};
use crate::setup;
use crate::steps::{cargo, results};
use accepted::Accepted;
use tally::{Outcomes, Tally};

/// The packages whose mutants are tested: what is claimed, and nothing that touches the world.
const PACKAGES: [&str; 2] = ["meshcheck-suites", "meshcheck-netfilter"];
/// How many of a hundred mutants the tests must notice.
const WANTED: f64 = 95.0;
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

/// Tests the mutants. What was found stays in `target/xtask/mutants.json`, what was built and said
/// in `target/xtask/mutants.out`.
///
/// # Errors
/// When too few are noticed, or one is missed that nobody has given a reason for.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure(&[setup::Scope::Mutants])?;
    let accepted = Accepted::read()?;
    let results = results();
    fs::create_dir_all(&results).with_context(|| format!("making `{}`", results.display()))?;
    let start = Instant::now();
    test(options, &results)?;
    let tally = Tally::new(&Outcomes::read(&results.join("mutants.out"))?, &accepted);
    let json = results.join("mutants.json");
    fs::write(&json, serde_json::to_string_pretty(&tally.json())? + "\n")
        .with_context(|| format!("writing `{}`", json.display()))?;
    for missed in tally.missed_without_reason() {
        say(format_args!("missed: {missed}"));
    }
    say(format_args!("{tally}, in {}", elapsed(start.elapsed())));
    // A part does not meet them all.
    if options.shard.is_none() && options.file.is_empty() {
        for name in tally.not_missed(&accepted) {
            say(format_args!("accepted, but no longer missed: {name}"));
        }
    }
    ensure!(tally.viable() > 0, "no mutant can be built: is the file's name right?");
    if tally.percent() < WANTED {
        bail!("fewer than {WANTED} of 100 mutants are noticed by the tests");
    }
    ensure!(
        tally.missed_without_reason().is_empty(),
        "mutants are missed without a reason: add a test, or, where no test can tell, a reason in \
         `ci/src/mutants/accepted.json`"
    );
    Ok(())
}

fn test(options: &Options, results: &Path) -> Result<()> {
    let mut program = cargo(&["mutants", "--profile", "mutants"])
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        .args(["--timeout", CEILING_SECONDS, "--colors", "never", "--no-times"])
        .args(["--jobs", &options.jobs.to_string()])
        .arg("--output")
        .arg(results)
        // Only the library's tests: building the library itself, too, takes half as long again.
        .arg("--cargo-arg=--lib")
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
