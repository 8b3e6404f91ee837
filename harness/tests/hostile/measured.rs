//! Runs a program in a small process of its own, and measures the peak memory of that program alone.
//!
//! Linux counts what a process has in memory when it starts a child to the child's peak as well. All cases
//! may run in one test process, which holds their servers' answers: it cannot measure what it starts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode};

use nix::sys::resource::{UsageWho, getrusage};

/// The first argument of the test program where it is to measure: then come a file, a user and a command.
pub(crate) const ARGUMENT: &str = "--measured";

/// Runs the command of these arguments as their user, where they name one. Writes the peak of its resident
/// memory in KiB into their file, and exits as it did, with 128 and the signal where one ended it.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut next = || arguments.next().unwrap();
    let (file, user, program) = (next(), next(), next());
    let mut command = Command::new(program);
    command.args(arguments);
    if let Ok(user) = user.to_str().unwrap().parse() {
        command.uid(user).gid(user);
    }
    let status = command.status().unwrap();
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    fs::write(file, peak.to_string()).unwrap();
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
    u8::try_from(code).unwrap().into()
}
