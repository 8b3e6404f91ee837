//! `cargo xtask class`: does `meshcheck class` keep its limits, with whole classes and with real machines?
//!
//! ```text
//! build the release program ─► run the tests of a class with whole classes ─► run one of them on clusters ─► compare
//! ```
//!
//! The stand-ins and the checks are those of `harness/tests/class_limits` and `harness/tests/board`, which CI runs with
//! small classes. They hand over figures; their limits are here.

mod bars;
mod clusters;
mod job;
mod trial;

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::command::Program;
use crate::out::{elapsed, result, say};
use crate::workspace::{cargo, target_directory};
use crate::{results, setup};
use bars::Bars;
use trial::Trial;

/// The test that takes clusters where there are some.
const REAL: &str = "machines_behind_sshd";

/// With what.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Options {
    /// Leave out the clusters: the bar that needs them is not shown
    #[arg(long)]
    without_clusters: bool,
}

/// Measures, prints the figures with their limits, and keeps them in `target/xtask/class.json`.
pub(crate) fn run(options: Options) -> Result<()> {
    setup::ensure(&[setup::Scope::Test, setup::Scope::Ssh])?;
    if !options.without_clusters {
        setup::ensure(&[setup::Scope::Conformance])?;
    }
    results::remove("class")?;
    let start = Instant::now();
    let trial = Trial::new(&release_program()?)?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    say(format_args!("── whole classes, over stand-ins; the load of this machine before: {load}"));
    // Clusters would take processor time from what is measured: they come last.
    let tests = ["class_limits", "board"];
    let mut is_well = trial.run(&tests, &["--skip", REAL], &[])?;
    let mut bars = Bars::new(&trial.figures()?)?;
    bars.write(is_well)?;
    if options.without_clusters {
        say("left out, as asked for: clusters, and machines beside them");
        bars.leave_out_clusters();
    } else {
        say("── two clusters, and a machine behind a real sshd");
        let (passes, checked_by_job) = clusters::check(&trial)?;
        is_well &= passes;
        let mut figures = trial.figures()?;
        figures.insert(bars::JOB.into(), checked_by_job);
        bars = Bars::new(&figures)?;
    }
    bars.write(is_well)?;
    result(format_args!("{bars}"))?;
    say(format_args!("in {}", elapsed(start.elapsed())));
    ensure!(bars.hold() && is_well, "not every limit is kept: see `target/xtask/class.json`");
    Ok(())
}

/// Builds the program as users get it.
fn release_program() -> Result<Program> {
    say("building the release program; the first build takes some minutes");
    let build = cargo(&["build", "--release", "--package", "meshcheck", "--bin", "meshcheck"]);
    build.show().context("building meshcheck")?;
    Ok(Program::new(target_directory().join("release").join("meshcheck")))
}
