//! The program's commands: arguments in, exit code out.

mod arguments;
mod candidates;
mod class;
mod class_job;
mod class_look;
mod class_screen;
mod class_watch;
mod cleanup;
mod cluster;
mod command;
mod diff;
mod diff_arguments;
mod elsewhere;
mod explain;
mod failure;
mod file_conflicts;
mod github;
mod matrix;
mod nextest;
mod observe;
mod preflight;
mod rbac;
mod record;
mod reports;
mod send;
mod shell;
mod software;
mod software_options;
mod target;
mod wrong_call;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

use futures::FutureExt as _;

pub use command::Cli;
pub(crate) use command::Command;
use command::GlobalOptions;
pub(crate) use nextest::{EVIDENCE_VARIABLE, ISTIO_VARIABLE, REASON_VARIABLE, record_once};

use crate::report::to_stdout;
use crate::settings::{self, Settings};
use crate::text::{for_terminal, io_reason};
use failure::Failure;
use reports::Reports;

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    shell::complete();
    let outcome = wrong_call::parse().and_then(|Cli { command, global }| {
        crate::signals::unblock();
        run(command, &global)
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}

fn run(mut command: Command, global: &GlobalOptions) -> Result<u8, Failure> {
    let output = command.output().cloned();
    file_conflicts::check(&command, output.as_ref(), global.config.as_deref())?;
    let reports = Reports::of(&command, output);
    let report = |failure| match &reports {
        Some(reports) => reports.write_failure(failure),
        None => failure,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let fix = "check the limits of files and processes: `ulimit -a`";
        report(Failure::environment(format!("cannot start: {error}")).with_hint(fix))
    })?;
    let outcome = runtime.block_on(async {
        let work = AssertUnwindSafe(dispatch(command, global)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|_| Err(Failure::bug()));
        // Still here: a second signal ends it, should writing hang.
        outcome.map_err(report)
    });
    // Nothing that still runs in the background holds the end up.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(command: Command, global: &GlobalOptions) -> Result<u8, Failure> {
    let config = global.config.as_deref();
    let quiet = global.quiet;
    let named = named_configuration(&command, config)?;
    let configured = || configured(config);
    match command {
        Command::Run(arguments) => Box::pin(cluster::run(arguments, configured()?)).await,
        Command::Up(arguments) => Box::pin(cluster::up(arguments, &configured()?, quiet)).await,
        Command::Down(arguments) => cluster::down(arguments).await,
        Command::Check(arguments) => Box::pin(observe::check(arguments, &configured()?)).await,
        Command::Record(arguments) => {
            Box::pin(record::record(arguments, &configured()?, quiet)).await
        }
        Command::Show(arguments) => record::show(&arguments),
        Command::Rbac(arguments) => rbac::rbac(&arguments),
        Command::Judge(arguments) => observe::judge(&arguments, &configured()?, config.is_some()),
        Command::Diff(arguments) => diff::diff(&arguments, &configured()?, config.is_some()),
        Command::Preflight(arguments) => {
            Box::pin(preflight::preflight(arguments, &configured()?)).await
        }
        Command::Class(arguments) => Box::pin(class::class(*arguments, &configured()?)).await,
        Command::Matrix(arguments) => Box::pin(matrix::matrix(arguments, config)).await,
        Command::Claims(arguments) => {
            let waivers = named.and_then(|settings| settings.waivers).unwrap_or_default();
            to_stdout(&crate::report::claims(&arguments.only, &waivers, arguments.output))?;
            Ok(0)
        }
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Bundle(arguments) => software::bundle(arguments, &configured()?, quiet).await,
        Command::Versions(arguments) => {
            to_stdout(&crate::report::versions(arguments.output))?;
            Ok(0)
        }
        Command::Schema(arguments) => {
            to_stdout(&crate::report::schema(arguments.document))?;
            Ok(0)
        }
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

/// Reads the configuration that a call names, where the command itself needs none: a wrong one is refused. A file that
/// merely lies in the directory keeps no command from cleaning up or printing.
fn named_configuration(
    command: &Command,
    config: Option<&Path>,
) -> Result<Option<Settings>, Failure> {
    let named = match command {
        Command::Down(_) | Command::Completions(_) | Command::Man(_) => config.map(Path::to_owned),
        Command::Show(_)
        | Command::Rbac(_)
        | Command::Claims(_)
        | Command::Explain(_)
        | Command::Versions(_)
        | Command::Schema(_) => {
            settings::find(config).filter(|found| found.by.is_some()).map(|found| found.path)
        }
        _ => None,
    };
    Ok(named.map(|file| settings::load(&file)).transpose()?)
}

/// Reads the configuration. One that was not named on the command line is noted: it decides what is checked.
fn configured(option: Option<&Path>) -> Result<Settings, Failure> {
    let Some(found) = settings::find(option) else { return Ok(Settings::default()) };
    let settings = settings::load(&found.path)?;
    let file = found.path.display();
    match found.by {
        Some(settings::VARIABLE) => say(&format!("configuration: {file} ({})", settings::VARIABLE)),
        Some(_) => {}
        None => say(&format!("configuration: {file} (in this directory)")),
    }
    Ok(settings)
}

/// Creates the directory of `--records`.
fn create_records(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).map_err(|error| {
        Failure::usage(
            format!("cannot create {}: {}", directory.display(), io_reason(&error)),
            "name another directory with --records".into(),
        )
    })
}

/// Prints a line on standard error.
fn say(line: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "{}", for_terminal(line));
}
