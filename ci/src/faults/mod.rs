//! `cargo xtask faults`: does every fault turn the right claims red, and only those?
//!
//! ```text
//! meshcheck up ─► for each fault: make ─► check ─► compare ─► follow the hints ─► undo ─► all green?
//!             └─► for each benign variation: make ─► check ─► all green? ─► undo
//! ```

mod campaign;
mod case;
mod fixtures;
mod networks;
mod results;
mod steps;
mod timing;
mod workers;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::live::Cluster;
use crate::out::{elapsed, say};
use crate::selection::Selection;
use crate::setup;
use crate::software::Software;
use crate::workspace::{meshcheck, results_directory as directory};
use case::{Case, Set};
use results::Results;

/// Which cases, and on what.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    selection: Selection,
    /// Which set of cases
    #[arg(long, value_enum, default_value_t = Set::Campaign)]
    set: Set,
    /// Use the cluster that `meshcheck up` left with this `MESHCHECK_STATE`, and leave it there
    #[arg(long, value_name = "DIR", conflicts_with = "clusters")]
    reuse: Option<PathBuf>,
    /// How many clusters the cases are shared out to
    #[arg(long, value_name = "N", default_value_t = CLUSTERS, value_parser = clap::value_parser!(u8).range(1..=8))]
    clusters: u8,
    /// Also put the evidence of these cases among the fixtures, where tests judge it without a cluster
    #[arg(long)]
    fixtures: bool,
}

/// How many clusters two cores work through most cases in a time with: each mostly waits for its mesh.
const CLUSTERS: u8 = 2;

impl Options {
    /// The cases that CI runs, on one cluster: tests run beside it.
    pub(crate) fn for_ci() -> Self {
        let selection = Selection::for_ci();
        Self { selection, set: Set::Campaign, reuse: None, clusters: 1, fixtures: false }
    }
}

/// Makes a fault of the campaign on a cluster. Returns the claims that do not hold then.
pub(crate) fn make(cluster: &Cluster, name: &str) -> Result<BTreeSet<String>> {
    let cases = case::read_all(Set::Campaign)?;
    let case = cases.into_iter().find(|case| case.name() == name);
    let case = case.with_context(|| format!("no fault is called {name}"))?;
    steps::run(cluster, &case.make).with_context(|| format!("making {name}"))?;
    Ok(case.red)
}

/// Breaks a cluster of meshcheck in every way that a case names, and looks whether the verdicts are right.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut cases = case::read_all(options.set)?;
    cases.retain(|case| options.selection.includes(&case.name(), case.ci));
    if options.selection.list {
        return results::print_cases(&cases);
    }
    ensure!(!cases.is_empty(), "no case has such a name; `cargo xtask faults --list` shows all");
    setup::ensure(&[setup::Scope::Conformance])?;
    let software = Software::choose()?;
    let start = Instant::now();
    let meshcheck = meshcheck()?;
    let clusters = if options.reuse.is_some() { 1 } else { options.clusters };
    let workers = usize::from(clusters).min(cases.len());
    let texts = directory().join("faults");
    let found = Mutex::new(Results::new(texts.clone())?);
    let evidence = |case: &Case| texts.join(format!("{}.json.gz", case.name()));
    let begin = || {
        let cluster = match &options.reuse {
            Some(state) => Cluster::there(&meshcheck, &software, state)?,
            // Two that tell their progress tell nobody anything.
            None if workers > 1 => Cluster::up_silently(&meshcheck, &software)?,
            None => Cluster::up(&meshcheck, &software)?,
        };
        cluster.until_green("all green before anything is broken", Duration::from_mins(1))?;
        Ok(cluster)
    };
    say(format_args!("{} cases, clusters: {workers}", cases.len()));
    workers::work_through(&cases, workers, begin, |cluster, case| {
        let outcome = campaign::run(cluster, case, &evidence(case))?;
        found.lock().unwrap_or_else(PoisonError::into_inner).add(outcome)
    })?;
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sums = found.finish()?;
    say(format_args!("{sums}, in {}", elapsed(start.elapsed())));
    if !sums.is_clean() {
        bail!("not every case ended as it must: see `target/xtask/faults.json`");
    }
    if options.fixtures {
        cases.iter().try_for_each(|case| fixtures::put(&evidence(case), case))?;
    }
    Ok(())
}
