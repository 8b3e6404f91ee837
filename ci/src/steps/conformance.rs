//! `cargo xtask conformance`: the main job, from nothing to verdicts on a real mesh.

use std::fs;

use anyhow::{Context as _, Result};

use crate::results;
use crate::setup;
use crate::software::Software;
use crate::workspace::{meshcheck, repository, results_directory};

/// Sets up, gets the software, provisions, installs, checks, reports, removes. The report, with the
/// seconds of each phase, stays in `target/xtask/conformance.json`.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[setup::Scope::Conformance])?;
    let software = Software::choose()?;
    fs::create_dir_all(results_directory())?;
    let report = results::remove("conformance")?;
    let mut run = meshcheck()?.arg("run");
    if let Some(directory) = software.directory() {
        run = run.arg("--bundle").arg(directory);
    }
    let relative = report.strip_prefix(repository()).unwrap_or(&report);
    run.arg("--report")
        .arg(format!("json={}", relative.display()))
        .direct()
        .context("checking the tutorial's claims")
}
