//! The limits of `meshcheck class`: the time, the memory and the CPU of a whole class, and machines behind a real
//! `sshd`. The classes are small here; `cargo xtask class` runs the same with large ones, and holds the figures to
//! their limits.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod over_api;
mod over_ssh;
mod run;
mod sshd;
mod sshd_machines;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use support::measured;

/// The tests: the name of each, and what it does. It fails by panicking.
static TESTS: [(&str, fn()); 5] = [
    ("verdicts_of_all_machines_over_ssh", over_ssh::verdicts_of_all_machines),
    ("rows_of_all_machines_in_a_terminal", over_ssh::rows_of_all_machines),
    ("hanging_machine_costs_the_others_nothing", over_ssh::hanging_machine_costs_nothing),
    ("verdicts_of_all_machines_over_tls", over_api::verdicts_of_all_machines),
    ("machines_behind_sshd_needs_sshd", sshd_machines::each_has_its_verdict_or_reason),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == measured::ARGUMENT) {
        return measured::run(arguments);
    }
    let trials = TESTS.iter().map(|(name, run)| {
        let test = move || {
            run();
            Ok(())
        };
        Trial::test(*name, test).with_ignored_flag(name.contains("needs_"))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
