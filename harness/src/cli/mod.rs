//! The program's commands: arguments in, exit code out.

mod arguments;
mod candidates;
mod cleanup;
mod cluster;
mod command;
mod explain;
mod failure;
mod file_conflicts;
mod nextest;
mod observe;
mod preflight;
mod rbac;
mod record;
mod reports;
mod shell;
mod software;
mod target;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use futures::FutureExt as _;

pub use command::Cli;
pub(crate) use command::Command;
pub(crate) use nextest::{EVIDENCE_VARIABLE, REASON_VARIABLE, record_once};

use crate::report::to_stdout;
use crate::settings::{self, Settings};
use crate::text::for_terminal;
use failure::Failure;
use reports::Reports;

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    shell::complete();
    let Cli { command, config } = Cli::parse();
    crate::signals::unblock();
    match run(command, config.as_deref()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Command, config: Option<&Path>) -> Result<u8, Failure> {
    file_conflicts::check(&command, config)?;
    let reports = Reports::of(&command);
    let report = |failure| match &reports {
        Some(reports) => reports.write_failure(failure),
        None => failure,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let hint = "`ulimit -a` shows how many files and processes a user may have";
        report(Failure::environment(format!("starting: {error}")).with_hint(hint))
    })?;
    let outcome = runtime.block_on(async {
        let work = AssertUnwindSafe(dispatch(command, config)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|_| Err(Failure::bug()));
        // Still here: a second signal ends it, should writing hang.
        outcome.map_err(report)
    });
    // Nothing that still runs in the background holds the end up.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(command: Command, config: Option<&Path>) -> Result<u8, Failure> {
    // What cleans up, and what only prints, is not kept from it by a wrong file.
    let configured = || configured(config);
    match command {
        Command::Run(arguments) => Box::pin(cluster::run(arguments, &configured()?)).await,
        Command::Up(arguments) => Box::pin(cluster::up(arguments, &configured()?)).await,
        Command::Down(arguments) => cluster::down(arguments).await,
        Command::Check(arguments) => Box::pin(observe::check(arguments, &configured()?)).await,
        Command::Record(arguments) => Box::pin(record::record(arguments, &configured()?)).await,
        Command::Show(arguments) => record::show(&arguments),
        Command::Rbac(arguments) => rbac::rbac(&arguments),
        Command::Judge(arguments) => observe::judge(&arguments, &configured()?, config.is_some()),
        Command::Preflight(arguments) => {
            Box::pin(preflight::preflight(arguments, &configured()?)).await
        }
        Command::Claims(arguments) => {
            to_stdout(&crate::report::claims(&arguments.selection.only, arguments.output))?;
            Ok(0)
        }
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Bundle(arguments) => software::bundle(arguments, &configured()?).await,
        Command::Config(arguments) => {
            let found = arguments.check.then(|| settings::find(config)).flatten();
            let settings = found.as_ref().map(|found| settings::load(&found.path)).transpose()?;
            shell::config(&arguments, found.as_ref(), &settings.unwrap_or_default())
        }
        Command::Completions(arguments) => shell::completions(&arguments),
        Command::Man(arguments) => shell::man(&arguments),
        Command::ReleasesReachable => software::releases_reachable().await,
        Command::NextestSetup(arguments) => Box::pin(nextest::setup(arguments, configured())).await,
    }
}

/// The configuration that holds. One that was not named on the command line is told of: it decides what
/// is looked at.
fn configured(option: Option<&Path>) -> Result<Settings, Failure> {
    let Some(found) = settings::find(option) else { return Ok(Settings::default()) };
    let settings = settings::load(&found.path)?;
    let file = found.path.display();
    match found.by {
        Some(settings::VARIABLE) => say(&format!("configuration: {file} ({})", settings::VARIABLE)),
        Some(_) => {}
        None => say(&format!("configuration: {file}, which lies in this directory")),
    }
    Ok(settings)
}

/// A line on standard error.
fn say(line: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{}", for_terminal(line));
}
