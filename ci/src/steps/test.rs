//! `cargo xtask test`: formatting, lints, all tests, every claim on a real cluster. What CI runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::matrix;
use crate::command::Program;
use crate::faults;
use crate::golang::Go;
use crate::interrupts;
use crate::out::{elapsed, say};
use crate::selection::Selection;
use crate::setup;
use crate::software::Software;
use crate::workspace::{cargo, meshcheck};

/// Makes random tests the same in each run of CI: what is found by chance fails where it was changed, not where somebody
/// else lands. Called by themselves, the tests are random, and print the seed of a failure.
const SEEDS: [(&str, &str); 2] = [("PROPTEST_RNG_SEED", "1"), ("MESHCHECK_KERNEL_SEED", "1")];

/// The free space that the clusters need on the engine's disk, in GiB. Up to three run at the same time; seen: 6.
const ROOM: u64 = 7;

/// Which tests.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Options {
    /// Leave out what needs docker and a cluster: the quick loop
    #[arg(long)]
    unit: bool,
}

/// Runs them; the first that fails ends it.
pub(crate) fn run(options: Options) -> Result<()> {
    setup::ensure(&[setup::Scope::Test])?;
    step("formatting", || cargo(&["fmt", "--all", "--check"]).show())?;
    step("lints", || {
        cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"])
            .show()
    })?;
    step("unit and integration tests", || {
        nextest("xtask").arg("--test-threads").arg(threads()?).show()
    })?;
    step("examples in the documentation", || {
        cargo(&["test", "--quiet", "--doc", "--workspace"]).show()
    })?;
    if options.unit {
        say("left out, as asked for: what needs docker and a cluster");
        return Ok(());
    }
    setup::ensure(&[setup::Scope::Conformance, setup::Scope::Kernel, setup::Scope::Ssh])?;
    setup::need_room(ROOM)?;
    let software = Software::choose()?;
    let directory: PathBuf = match software.directory() {
        Some(directory) => directory.to_owned(),
        // Everything that needs docker shares one bundle: the release, downloaded once.
        None => meshcheck()?.args(["bundle", "--quiet"]).read()?.into(),
    };
    let name = "what needs docker, root or a network, every claim on a real cluster, and some faults of every section";
    step(name, || {
        // Both wait for clusters most of the time.
        std::thread::scope(|scope| {
            let faults = scope.spawn(|| {
                faults::run(&faults::Options::for_ci()).and_then(|()| one_column(&software))
            });
            let tests = on_the_real_thing(&software, &directory);
            let faults = faults.join().unwrap_or_else(|_| bail!("the faults ended in a panic"));
            tests.and(faults.context("faults on a real mesh, and the matrix"))
        })
    })?;
    step("runs that are ended: nothing is left", || interrupts::run(&Selection::for_ci()))
}

/// A run of the workspace's tests with this profile of `.config/nextest.toml`.
fn nextest(profile: &str) -> Program {
    let run = cargo(&["nextest", "run", "--workspace", "--profile", profile]);
    SEEDS.iter().fold(run, |run, (name, seed)| run.env(name, seed))
}

/// How many tests run at the same time: twice as many as there are processors. `.config/nextest.toml` says
/// which tests take the place of one, because they mostly wait.
fn threads() -> Result<String> {
    Ok((2 * available_parallelism().context("counting the processors")?.get()).to_string())
}

/// A matrix of one column, the lab's default mesh: its record must be as the one in the repository.
fn one_column(software: &Software) -> Result<()> {
    if matches!(software, Software::Lab(_)) {
        return matrix::run(&matrix::Options::for_ci());
    }
    say("left out: the matrix, whose known records are of the lab's meshes");
    Ok(())
}

/// The tests that are ignored elsewhere, and one test for each claim.
fn on_the_real_thing(software: &Software, bundle: &Path) -> Result<()> {
    // What only the lab's files can prove is left out, with a message, where there are none.
    let (docker, lab) = match software {
        Software::Lab(_) => ("test(needs_docker)", Some(bundle)),
        Software::Named(_) | Software::Release => {
            say("left out: what needs the lab's bundle, `test(needs_docker_and_lab)`");
            ("(test(needs_docker) - test(needs_docker_and_lab))", None)
        }
    };
    let kernel = if nix::unistd::geteuid().is_root() {
        "test(needs_netns)"
    } else {
        say("left out: what only root may do, the walker against the kernel, `test(needs_netns)`");
        "none()"
    };
    let browser = match setup::browser() {
        Ok(_) => "test(needs_browser)",
        Err(error) => {
            say(format_args!(
                "left out: the HTML report in a browser, `test(needs_browser)`: {error:#}"
            ));
            "none()"
        }
    };
    let goldens = if has_istio_module() {
        "test(needs_istio_module)"
    } else {
        say("left out: Istio's golden files, which its Go module has, `test(needs_istio_module)`");
        "none()"
    };
    let real = format!(
        "binary(conformance) + binary(by_hand) + test(needs_mount) + test(needs_sshd) + {kernel} + {browser} + {goldens}"
    );
    let tests = nextest("ci")
        .args(["--run-ignored", "all", "--filterset"])
        .arg(format!("{real} + {docker}"))
        .env("MESHCHECK_BUNDLE", bundle);
    match lab {
        Some(lab) => tests.env("MESHCHECK_LAB_BUNDLE", lab).show(),
        None => tests.show(),
    }
}

/// Whether Go's module cache has a module of Istio: the lab is built from it.
fn has_istio_module() -> bool {
    let cache = Go::find().and_then(|go| go.call(&["env", "GOMODCACHE"]).read());
    let entries = cache.ok().and_then(|it| fs::read_dir(Path::new(&it).join("istio.io")).ok());
    let mut names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with("istio@"))
}

/// Runs a step, and says how long it took.
fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    say(format_args!("── {name}"));
    work().with_context(|| name.to_owned())?;
    say(format_args!("── {name}: done in {}", elapsed(start.elapsed())));
    Ok(())
}
