//! `cargo xtask faults`: does every fault turn the right claims red, and only those?
//!
//! ```text
//! meshcheck up ─► for each case: break ─► check ─► compare ─► follow the hints ─► undo ─► all green?
//!             └─► for each benign variation: vary ─► check ─► all green? ─► undo
//! ```

mod benign;
mod campaign;
mod case;
mod cases;
mod networks;
mod proxy;
mod results;
mod steps;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::live::Cluster;
use crate::out::{elapsed, say};
use crate::setup;
use crate::steps::{Software, meshcheck, results as directory};
use results::Results;

/// Which cases.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Options {
    /// Only the cases whose name contains this; can be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Only the cases that CI runs: at least one of every section
    #[arg(long)]
    ci: bool,
    /// The table of cases: what is broken, and what must be red
    #[arg(long)]
    list: bool,
    /// Use the cluster that `meshcheck up` left with this `MESHCHECK_STATE`, and leave it there
    #[arg(long, value_name = "DIR")]
    reuse: Option<PathBuf>,
}

impl Options {
    /// Those that CI runs.
    pub(crate) fn for_ci() -> Self {
        Self { ci: true, ..Self::default() }
    }

    fn asks_for(&self, name: &str, ci: bool) -> bool {
        (ci || !self.ci)
            && (self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str())))
    }
}

/// Breaks a cluster of our own in every way that a case names, and looks whether the verdicts are right.
///
/// # Errors
/// When a case did not end as it must, or the cluster could not be had.
pub(crate) fn run(options: &Options) -> Result<()> {
    let faults: Vec<_> =
        cases::faults().filter(|fault| options.asks_for(fault.name, fault.ci)).collect();
    let variations: Vec<_> =
        cases::benign().filter(|one| options.asks_for(one.name, one.ci)).collect();
    if options.list {
        return results::list(&faults, &variations);
    }
    ensure!(
        !(faults.is_empty() && variations.is_empty()),
        "no case has such a name; `cargo xtask faults --list` shows all"
    );
    setup::ensure(&[setup::Scope::Conformance])?;
    let software = Software::choose()?;
    let start = Instant::now();
    let cluster = match &options.reuse {
        Some(state) => Cluster::there(&meshcheck()?, &software, state)?,
        None => Cluster::up(&meshcheck()?, &software)?,
    };
    cluster.until_green("all green before anything is broken", Duration::from_mins(1))?;
    let mut found = Results::new(directory().join("faults"))?;
    for fault in faults {
        found.fault(campaign::run(&cluster, fault)?)?;
    }
    for variation in variations {
        found.variation(benign::run(&cluster, variation)?)?;
    }
    let sums = found.finish()?;
    say(format_args!("{sums}, in {}", elapsed(start.elapsed())));
    if !sums.is_clean() {
        bail!("not every case ended as it must: see `target/xtask/faults.json`");
    }
    Ok(())
}
