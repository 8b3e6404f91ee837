//! Hostile surroundings: the real program, as its users call it, where everything around it is broken,
//! slow, full, or means harm. Each case wants one clear error (or verdicts that claim nothing that was
//! not seen), the right exit code, bounded time and memory, nothing lost and nothing left behind.
//!
//! What is tried: `docs/hostile.md`. The figures of a run: `target/xtask/hostile.json`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod bundle;
mod clock;
mod environment;
mod evidence;
mod kubeconfig;
mod plugin;
mod program;
mod record;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod text;
mod tls;
mod unwritable;
mod ways;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use program::Outcome;
use support::{measured, mesh, sandbox, server, whole_mesh};

/// Cases of one kind of surroundings: the name of each, and what it does in a sandbox of its own. It fails
/// by panicking, and returns how its last run ended.
type Cases = &'static [(&'static str, fn(&sandbox::Sandbox) -> Outcome)];

static SURROUNDINGS: [(&str, Cases); 11] = [
    ("kubeconfig", kubeconfig::CASES),
    ("plugin", plugin::CASES),
    ("tls", tls::CASES),
    ("api", api::CASES),
    ("requests", requests::CASES),
    ("clock", clock::CASES),
    ("text", text::CASES),
    ("evidence", evidence::CASES),
    ("bundle", bundle::CASES),
    ("unwritable", unwritable::CASES),
    ("environment", environment::CASES),
];

/// Each case by its full name.
fn cases() -> impl Iterator<Item = (String, fn(&sandbox::Sandbox) -> Outcome)> {
    SURROUNDINGS.iter().flat_map(|(kind, cases)| {
        cases.iter().map(move |(name, run)| (format!("{kind}::{name}"), *run))
    })
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == measured::ARGUMENT) {
        return measured::run(arguments);
    }
    let trials = cases().map(|(name, run)| {
        let ignored = name.contains("needs_mount");
        let case = name.clone();
        let test = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| run(&sandbox::Sandbox::new())));
            record::add(&case, outcome.as_ref().ok());
            outcome.map(drop).map_err(|panic| resume_unwind(panic))
        };
        Trial::test(name, test).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
