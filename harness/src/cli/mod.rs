//! The program's commands: arguments in, exit code out.

mod arguments;
mod cluster;
mod failure;
mod nextest;
mod observe;
mod preflight;
mod rbac;
mod record;
mod software;

use std::process::ExitCode;

use clap::Parser as _;

pub use arguments::{Cli, Command};
pub use nextest::record_once;

use crate::report::to_stdout;
use failure::Failure;

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    crate::signals::unblock();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::environment(format!("starting: {error}"));
            failure.tell();
            return ExitCode::from(failure.code());
        }
    };
    let outcome = runtime.block_on(dispatch(command));
    // Nothing that still runs in the background holds the end up.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.code())
        }
    }
}

async fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(arguments) => Box::pin(cluster::run(arguments)).await,
        Command::Up(arguments) => Box::pin(cluster::up(arguments)).await,
        Command::Down(arguments) => cluster::down(arguments).await,
        Command::Check(arguments) => Box::pin(observe::check(arguments)).await,
        Command::Record(arguments) => Box::pin(record::record(arguments)).await,
        Command::Show(arguments) => record::show(&arguments),
        Command::Rbac(arguments) => rbac::rbac(&arguments),
        Command::Judge(arguments) => observe::judge(&arguments),
        Command::Preflight(arguments) => Box::pin(preflight::preflight(arguments)).await,
        Command::Claims(arguments) => {
            to_stdout(&crate::report::claims(arguments.output))?;
            Ok(0)
        }
        Command::Bundle(arguments) => software::bundle(arguments).await,
        Command::ReleasesReachable => software::releases_reachable().await,
        Command::NextestSetup(arguments) => Box::pin(nextest::setup(arguments)).await,
    }
}
