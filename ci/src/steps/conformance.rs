//! `cargo xtask conformance`: the main job, from nothing to verdicts on a real mesh.

use std::fs;

use anyhow::{Context as _, Result};

use super::software::{Software, meshcheck};
use super::{repository, results};
use crate::setup;

/// Sets up, gets the software, provisions, installs, checks, reports, removes. The report, with the
/// seconds of each phase, stays in `target/xtask/conformance.json`.
///
/// # Errors
/// When something on the way cannot be done, or a claim does not hold.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[setup::Scope::Conformance])?;
    let software = Software::choose()?;
    let results = results();
    fs::create_dir_all(&results).with_context(|| format!("making `{}`", results.display()))?;
    let report = results.join("conformance.json");
    // An old report must not pass for this run's.
    if report.exists() {
        fs::remove_file(&report).with_context(|| format!("removing `{}`", report.display()))?;
    }
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
