//! The repository: where it is, where results go, and how its program is built.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

use crate::command::Program;
use crate::out::say;

/// This machine's architecture, as images and Go call it.
pub(crate) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// The top of the repository.
pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// What goes into the builds of the lab: Go modules, Dockerfiles, scripts, configurations.
pub(crate) fn lab_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab")
}

/// Where tasks leave their results.
pub(crate) fn results_directory() -> PathBuf {
    repository().join("target").join("xtask")
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), |target| repository().join(target))
}

/// `cargo …` in the repository, with the toolchain that runs this.
pub(crate) fn cargo(arguments: &[&str]) -> Program {
    let cargo = option_env!("CARGO").filter(|path| Path::new(path).exists()).unwrap_or("cargo");
    // The tests' own verdicts do not belong into the summary of a job of GitHub Actions.
    Program::new(cargo).args(arguments).dir(repository()).env("GITHUB_ACTIONS", "")
}

/// Builds `meshcheck` from this repository, once in a process, with cargo's own progress.
pub(crate) fn meshcheck() -> Result<Program> {
    static IS_BUILT: AtomicBool = AtomicBool::new(false);
    if !IS_BUILT.load(Ordering::Relaxed) {
        say("building the program meshcheck; the first build takes some minutes");
        cargo(&["build", "--package", "meshcheck", "--bin", "meshcheck"])
            .show()
            .context("building meshcheck")?;
        IS_BUILT.store(true, Ordering::Relaxed);
    }
    Ok(Program::new(target_directory().join("debug").join("meshcheck")).dir(repository()))
}
