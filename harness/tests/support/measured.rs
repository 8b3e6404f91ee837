//! Runs a program in a small process of its own, and measures the peak memory and the CPU time of that program alone.
//!
//! Linux counts what a process has in memory when it starts a child to the child's peak as well. All cases
//! may run in one test process, which holds their servers' answers: it cannot measure what it starts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// The first argument of the test program where it is to measure: then come a file, a user and a command.
pub(crate) const ARGUMENT: &str = "--measured";

/// What a program took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// The peak of its resident memory, in KiB.
    pub(crate) peak: u64,
    /// The CPU time of it and of what it started, in milliseconds.
    pub(crate) cpu: u64,
}

impl Measured {
    /// Reads what was measured; nothing where the program was killed.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (peak, cpu) = text.split_once(' ').unwrap();
        Some(Self { peak: peak.parse().unwrap(), cpu: cpu.parse().unwrap() })
    }
}

/// A command that measures another one into a file, with its arguments, its directory and its environment. A user may
/// be named who runs it.
pub(crate) fn measuring(command: &Command, file: &Path, user: &str) -> Command {
    let mut measuring = Command::new(std::env::current_exe().unwrap());
    measuring.arg(ARGUMENT).arg(file).arg(user).arg(command.get_program());
    like(command, measuring)
}

/// Gives the arguments, the directory and the whole environment of a command to another one.
pub(crate) fn like(command: &Command, mut other: Command) -> Command {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    other.args(command.get_args()).env_clear().envs(variables);
    other.current_dir(command.get_current_dir().unwrap());
    other
}

/// Runs the command of these arguments as their user, where they name one. Writes what it took into their file, and
/// exits as it did, with 128 and the signal where one ended it.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut next = || arguments.next().unwrap();
    let (file, user, program) = (next(), next(), next());
    let mut command = Command::new(program);
    command.args(arguments);
    if let Ok(user) = user.to_str().unwrap().parse() {
        command.uid(user).gid(user);
    }
    let status = command.status().unwrap();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let cpu = usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
    fs::write(file, format!("{} {cpu}", usage.max_rss())).unwrap();
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
    u8::try_from(code).unwrap().into()
}
