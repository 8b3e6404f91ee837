//! `cargo xtask`: what a machine needs to run all this, the lab bundle, the steps of CI.

mod cleanup;
mod command;
mod faults;
mod golang;
mod interrupts;
mod lab;
mod line;
mod live;
mod mutants;
mod new_claim;
mod out;
mod results;
mod selection;
mod setup;
mod soak;
mod software;
mod steps;
#[cfg(test)]
mod structure;
mod wait;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use selection::Selection;

/// Set-up, the lab bundle, and what CI runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Task {
    /// Check and install what this machine needs: docker, Go and other build tools, cargo-nextest.
    Setup(setup::Options),
    /// Build the bundles of the lab from package registries, or find them in the cache; prints their directories.
    Lab(lab::Options),
    /// The main job: set up, get the software, provision, install, check, report, remove.
    Conformance,
    /// All tests: formatting, lints, unit and integration tests, every claim on a real cluster.
    Test(steps::TestOptions),
    /// The fault campaign: breaks a mesh of meshcheck in many ways; exactly the right claims must be red
    Faults(faults::Options),
    /// Ends runs and checks at many moments, in many ways: nothing of meshcheck may be left
    Interrupts(Selection),
    /// Provisions every mesh of the lab, reports them side by side, and compares each with its known record
    Matrix(steps::MatrixOptions),
    /// Mutation tests of the judges: small changes to the code, each of which the tests must notice
    Mutants(mutants::Options),
    /// The program as one static file of less than 20 MB; prints its path.
    Static(steps::StaticOptions),
    /// The program as an image for pods, see `meshcheck class --job-out`; prints its name.
    Image(steps::ImageOptions),
    /// Create the files of a new claim, register it, and print what is left to write
    NewClaim(new_claim::Options),
    /// Writes the generated files again: pages, snapshots, tables, the manifests of rights
    Bless(steps::BlessOptions),
    /// Looks for flakes: provisions and checks again and again; every verdict must be a pass
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = cleanup::watch().and_then(|()| run(arguments.task));
    // After a signal the exit code is the signal's, not this one.
    cleanup::gate();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup(options) => setup::run(&options),
        Task::Lab(options) => lab::run(&options),
        Task::Conformance => steps::conformance(),
        Task::Test(options) => steps::test(options),
        Task::Faults(options) => faults::run(&options),
        Task::Interrupts(options) => interrupts::run(&options),
        Task::Matrix(options) => steps::matrix(&options),
        Task::Mutants(options) => mutants::run(&options),
        Task::Static(options) => steps::portable(options),
        Task::Image(options) => steps::image(options),
        Task::NewClaim(options) => new_claim::run(&options),
        Task::Bless(options) => steps::bless(options),
        Task::Soak(options) => soak::run(options),
    }
}
