//! What cargo needs beyond itself: rustfmt, clippy, cargo-nextest, cargo-mutants.

use std::fs;

use anyhow::{Context as _, Result, bail};
use meshcheck_bundle::cache_dir;

use crate::command::Program;
use crate::out::say;

// The newest versions that this repository's Rust compiles.
const NEXTEST: &str = "0.9.151";
const MUTANTS: &str = "27.1.0";

fn cargo(arguments: &[&str]) -> Program {
    Program::new("cargo").args(arguments)
}

/// Checks that rustfmt and clippy are there: they belong to the toolchain, so whoever installed
/// that installs them.
pub(crate) fn components() -> Result<String> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !cargo(&[command, "--version"]).succeeds() {
            bail!("{component} is missing; type: rustup component add {component}");
        }
    }
    Ok("rustfmt, clippy: there".to_owned())
}

/// Installs cargo-nextest where there is none. Any version that is there is used.
pub(crate) fn nextest() -> Result<String> {
    subcommand("nextest", NEXTEST, &["--no-default-features", "--features", "default-no-update"])
}

/// Installs cargo-mutants where there is none. Any version that is there is used.
pub(crate) fn mutants() -> Result<String> {
    subcommand("mutants", MUTANTS, &[])
}

fn subcommand(name: &str, newest: &str, features: &[&str]) -> Result<String> {
    let version = || cargo(&[name, "--version"]).read();
    let first = |text: String| format!("{name}: {}", text.lines().next().unwrap_or_default());
    if let Ok(text) = version() {
        return Ok(first(text));
    }
    let package = format!("cargo-{name}");
    say(format_args!("{package} {newest}: building it (a few minutes)"));
    // In the cache, so that a build that is stopped goes on where it was.
    let target = cache_dir().context("set MESHCHECK_CACHE or HOME")?.join("setup").join(name);
    cargo(&["install", &package, "--locked", "--version", newest])
        .args(features)
        .env("CARGO_TARGET_DIR", &target)
        // It runs other programs: building it faster is worth more than its being faster.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .show()
        .with_context(|| format!("installing {package}"))?;
    // Half a gigabyte that nothing needs any more.
    drop(fs::remove_dir_all(&target));
    version().map(first).with_context(|| {
        format!(
            "{package} is installed, but cargo does not find it: put cargo's bin directory on PATH"
        )
    })
}
