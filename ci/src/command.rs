//! Running programs: with their output kept for the error message, or shown as it comes.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;

use crate::cleanup::{Running, gate};

/// How many lines of a failed program's output an error message shows.
const LAST_LINES: usize = 25;

/// How a program ended that may well not succeed.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code, or the signal that ended it.
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program with its arguments, ready to run.
#[derive(Debug)]
pub(crate) struct Program(Command);

impl Program {
    /// Starts describing a call of `name`, looked up on `PATH`.
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name);
        command.stdin(Stdio::null());
        Self(command)
    }

    #[must_use]
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    #[must_use]
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, all: impl IntoIterator<Item = A>) -> Self {
        self.0.args(all);
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    #[must_use]
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs it and hands out its stdout, trimmed. Its stderr is shown only when it fails.
    pub(crate) fn read(mut self) -> Result<String> {
        let ended = self.finish(|_| ())?;
        self.judge(ended.status, &ended.stderr, &ended.stdout)?;
        Ok(ended.stdout.trim().to_owned())
    }

    /// Runs it silently to its end, whatever that is.
    pub(crate) fn ended(mut self) -> Result<Ended> {
        self.finish(|_| ())
    }

    /// The program itself, as it was named.
    pub(crate) fn path(&self) -> &Path {
        Path::new(self.0.get_program())
    }

    /// Runs it silently.
    pub(crate) fn run(self) -> Result<()> {
        self.read().map(drop)
    }

    /// Runs it silently with `feed` writing its stdin.
    pub(crate) fn feed(mut self, feed: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        self.0.stdin(Stdio::piped());
        let mut outcome = Ok(());
        let ended = self.finish(|stdin| outcome = feed(stdin))?;
        // A program that fails stops reading: its own message is the one that explains.
        self.judge(ended.status, &ended.stderr, &ended.stdout)?;
        outcome.with_context(|| format!("writing to `{}`", self.shown()))
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
        self.judge(status, "", "")
    }

    fn wait(&mut self, stdout: Stdio) -> Result<ExitStatus> {
        let mut child = self.spawn(stdout, Stdio::inherit())?;
        let _running = Running::new(child.id());
        child.wait().with_context(|| format!("waiting for `{}`", self.shown()))
    }

    /// Whether it runs and succeeds. Its output is thrown away.
    pub(crate) fn succeeds(mut self) -> bool {
        self.finish(|_| ()).is_ok_and(|ended| ended.status.success())
    }

    fn spawn(&mut self, stdout: Stdio, stderr: Stdio) -> Result<Child> {
        gate();
        self.0.stdout(stdout).stderr(stderr).spawn().with_context(|| {
            format!("starting `{}` (is it installed? `cargo xtask setup` checks)", self.shown())
        })
    }

    /// Reads both outputs while `feed` writes the input, then waits.
    fn finish(&mut self, feed: impl FnOnce(&mut dyn Write)) -> Result<Ended> {
        let mut child = self.spawn(Stdio::piped(), Stdio::piped())?;
        let _running = Running::new(child.id());
        let stdin = child.stdin.take();
        let output = thread::scope(|scope| {
            let output = scope.spawn(|| child.wait_with_output());
            // Closed by being dropped, so that the program sees the end of its input.
            if let Some(mut stdin) = stdin {
                feed(&mut stdin);
            }
            output.join().map_err(|_| anyhow!("reading its output ended in a panic"))
        })?;
        let output = output.with_context(|| format!("waiting for `{}`", self.shown()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Ok(Ended { status: output.status, stdout, stderr })
    }

    fn judge(&self, status: ExitStatus, stderr: &str, stdout: &str) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let text = if stderr.trim().is_empty() { stdout.trim() } else { stderr.trim() };
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        let shown: String = self.shown().chars().take(400).collect();
        if last.is_empty() {
            bail!("`{shown}` ended with {status}");
        }
        bail!("`{shown}` ended with {status}:\n  {last}");
    }

    /// The call as a message shows it.
    fn shown(&self) -> String {
        let name = self.path().file_name().unwrap_or_default();
        let words = [name].into_iter().chain(self.0.get_args()).map(OsStr::to_string_lossy);
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Copies a file or a directory, without the write protection of Go's module cache.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let cp = ["--recursive", "--no-preserve=mode", "--no-target-directory"];
    Program::new("cp").args(cp).arg(from).arg(to).run()
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
