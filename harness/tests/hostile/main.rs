//! Hostile surroundings: the real program, as its users call it, where everything around it is broken,
//! slow, full, or means harm. Each case wants one clear error (or verdicts that claim nothing that was
//! not seen), the right exit code, bounded time and memory, nothing lost and nothing left behind.
//!
//! What was tried and what came of it: `docs/hostile.md`, which the cases hold to what they saw
//! (`MESHCHECK_HOSTILE=renew` writes it anew), and `target/xtask/hostile.json`, with figures.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::too_many_lines, reason = "the cases are tables")]
#![expect(clippy::needless_pass_by_value, reason = "what a case makes is used up by it")]

mod api;
mod bundle;
mod case;
mod clock;
mod environment;
mod evidence;
mod kubeconfig;
mod measured;
mod mesh;
mod plugin;
mod program;
mod record;
mod server;
mod text;
mod tls;
mod unwritable;

use std::process::ExitCode;

use case::Case;
use libtest_mimic::{Arguments, Trial};

/// All cases, in the order of the table.
fn cases() -> Vec<Case> {
    [
        kubeconfig::cases(),
        plugin::cases(),
        tls::cases(),
        api::cases(),
        clock::cases(),
        text::cases(),
        evidence::cases(),
        bundle::cases(),
        unwritable::cases(),
        environment::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == measured::ARGUMENT) {
        return measured::run(arguments);
    }
    let arguments = Arguments::from_args();
    let mut trials: Vec<_> = cases()
        .into_iter()
        .map(|case| {
            let ignored = case.needs_mount();
            Trial::test(case.name, move || record::run(&case).map_err(Into::into))
                .with_ignored_flag(ignored)
        })
        .collect();
    trials.push(Trial::test("the_table_names_every_case_and_no_other", || {
        record::complete().map_err(Into::into)
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}
