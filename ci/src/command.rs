//! Running programs: with their output kept for the error message, or shown as it comes.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::cleanup::{Running, gate};

/// How many lines of a failed program's output an error message shows.
const LAST_LINES: usize = 25;

/// How a program ended that may well not succeed.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code, or the signal that ended it.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// A program with its arguments, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    shown: String,
}

impl Program {
    /// Starts describing a call of `name`, looked up on `PATH`.
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let shown = Path::new(name.as_ref())
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut command = Command::new(name);
        command.stdin(Stdio::null());
        Self { command, shown }
    }

    /// Adds one argument.
    #[must_use]
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        // Writing to a String does not fail.
        let _ = write!(self.shown, " {}", argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in this directory.
    #[must_use]
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs it and hands out its stdout, trimmed. Its stderr is shown only when it fails.
    pub(crate) fn read(mut self) -> Result<String> {
        let child = self.spawn(Stdio::piped(), Stdio::piped())?;
        let (status, stdout, stderr) = finish(child, |_| ())?;
        let stdout = String::from_utf8_lossy(&stdout).trim().to_owned();
        self.judge(status, &stderr, &stdout)?;
        Ok(stdout)
    }

    /// Runs it silently to its end, whatever that is.
    pub(crate) fn ended(mut self) -> Result<Ended> {
        let child = self.spawn(Stdio::piped(), Stdio::piped())?;
        let (status, stdout, stderr) = finish(child, |_| ())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended { status, stdout: text(&stdout), stderr: text(&stderr) })
    }

    /// The program itself, as it was named.
    pub(crate) fn path(&self) -> &Path {
        Path::new(self.command.get_program())
    }

    /// Runs it silently.
    pub(crate) fn run(self) -> Result<()> {
        self.read().map(drop)
    }

    /// Runs it silently with `feed` writing its stdin.
    pub(crate) fn feed(mut self, feed: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        self.command.stdin(Stdio::piped());
        let child = self.spawn(Stdio::piped(), Stdio::piped())?;
        let mut outcome = Ok(());
        let (status, stdout, stderr) = finish(child, |stdin| {
            outcome = feed(stdin);
        })?;
        // A program that fails stops reading: its own message is the one that explains.
        self.judge(status, &stderr, &String::from_utf8_lossy(&stdout))?;
        outcome.with_context(|| format!("writing to `{}`", self.shown))
    }

    /// Runs it with its output going to our stderr as it comes.
    pub(crate) fn show(self) -> Result<()> {
        self.attached(Stdio::from(io::stderr()))
    }

    /// Runs it with both of its outputs where xtask's go.
    pub(crate) fn direct(self) -> Result<()> {
        self.attached(Stdio::inherit())
    }

    /// Runs it with its output going to our stderr as it comes, to its end, whatever that is.
    pub(crate) fn watched(mut self) -> Result<ExitStatus> {
        self.wait(Stdio::from(io::stderr()))
    }

    fn attached(mut self, stdout: Stdio) -> Result<()> {
        let status = self.wait(stdout)?;
        self.judge(status, &[], "")
    }

    fn wait(&mut self, stdout: Stdio) -> Result<ExitStatus> {
        let mut child = self.spawn(stdout, Stdio::inherit())?;
        let _running = Running::new(child.id());
        child.wait().with_context(|| format!("waiting for `{}`", self.shown))
    }

    /// Whether it runs and succeeds. Its output is thrown away.
    pub(crate) fn succeeds(mut self) -> bool {
        self.spawn(Stdio::null(), Stdio::null())
            .and_then(|child| finish(child, |_| ()))
            .is_ok_and(|(status, ..)| status.success())
    }

    fn spawn(&mut self, stdout: Stdio, stderr: Stdio) -> Result<Child> {
        gate();
        self.command.stdout(stdout).stderr(stderr).spawn().with_context(|| {
            format!("starting `{}` (is it installed? `cargo xtask setup` checks)", self.shown)
        })
    }

    fn judge(&self, status: ExitStatus, stderr: &[u8], stdout: &str) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(stderr);
        let text = if text.trim().is_empty() { stdout } else { text.trim() };
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        let shown: String = self.shown.chars().take(400).collect();
        if last.is_empty() {
            bail!("`{shown}` ended with {status}");
        }
        bail!("`{shown}` ended with {status}:\n  {last}");
    }
}

/// Copies a file or a directory, without the write protection of Go's module cache.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making `{}`", parent.display()))?;
    }
    let cp = ["--recursive", "--no-preserve=mode", "--no-target-directory"];
    Program::new("cp").args(cp).arg(from).arg(to).run()
}

/// Reads both outputs while `feed` writes the input, then waits.
fn finish(
    mut child: Child,
    feed: impl FnOnce(&mut dyn Write),
) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let _running = Running::new(child.id());
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let stdin = child.stdin.take();
    let (stdout, stderr) = thread::scope(|scope| {
        let stdout = scope.spawn(|| read_all(stdout));
        let stderr = scope.spawn(|| read_all(stderr));
        // Closed by being dropped, so that the program sees the end of its input.
        if let Some(mut stdin) = stdin {
            feed(&mut stdin);
        }
        (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default())
    });
    let status = child.wait().context("waiting for a program")?;
    Ok((status, stdout, stderr))
}

fn read_all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read_and_trimmed() {
        let text = Program::new("sh").args(["-c", "echo one; echo noise >&2"]).read();
        assert_eq!(text.unwrap(), "one");
    }

    #[test]
    fn failed_program_is_named_with_its_call_and_last_lines() {
        let error = Program::new("sh").args(["-c", "echo broken >&2; exit 3"]).run().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains("broken") && text.contains('3'), "{text}");
    }

    #[test]
    fn missing_program_has_a_fix() {
        let error = Program::new("no-such-program-here").run().unwrap_err();
        assert!(format!("{error:#}").contains("cargo xtask setup"));
    }

    #[test]
    fn program_reads_the_given_input() {
        Program::new("grep")
            .arg("-q")
            .arg("needle")
            .feed(|stdin| {
                stdin.write_all(b"hay\nneedle\n")?;
                Ok(())
            })
            .unwrap();
    }
}
