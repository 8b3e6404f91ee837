//! The program that is ended: started as a terminal starts it, its messages read as they come.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::cleanup::Running;
use crate::wait::until;

/// How long a moment may take to come: a whole provisioning on a busy machine.
const MOMENT_CEILING: Duration = Duration::from_mins(5);

/// How long the program may take to end after it was told to.
const END_CEILING: Duration = Duration::from_mins(3);

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(10);

/// A program that runs, in a process group of its own.
pub(crate) struct Subject {
    child: Child,
    group: Pid,
    told: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
    _running: Option<Running>,
}

impl Subject {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("starting meshcheck")?;
        let told: Arc<Mutex<String>> = Arc::default();
        let reader = child.stderr.take().map(|stderr| {
            let told = Arc::clone(&told);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.push_str(&line);
                    told.push('\n');
                }
            })
        });
        let running = Running::new(child.id());
        let group = Pid::from_raw(i32::try_from(child.id())?);
        Ok(Self { child, group, told, reader, _running: running })
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `come` says so.
    pub(crate) fn until(&mut self, what: &str, mut come: impl FnMut(&str) -> bool) -> Result<()> {
        until(what, PAUSE, MOMENT_CEILING, || {
            let told = self.output();
            if come(&told) {
                return Ok(Ok(()));
            }
            match self.child.try_wait() {
                Ok(None) => Err(last(&told)),
                Ok(Some(status)) => {
                    Ok(Err(format!("it ended before, with {status}: {}", last(&told))))
                }
                Err(error) => Ok(Err(error.to_string())),
            }
        })?
        .map_err(|why| anyhow::anyhow!("waiting for {what}: {why}"))
    }

    /// Sends a signal to the whole group, as a terminal does.
    pub(crate) fn send(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it had ended before {signal}, with {status}: {}", last(&self.output()));
        }
        killpg(self.group, signal).with_context(|| format!("sending {signal}"))
    }

    /// Waits for its end: how it ended, and how long that took.
    pub(crate) fn end(mut self) -> Result<End> {
        let start = Instant::now();
        let status = until("meshcheck to end", PAUSE, END_CEILING, || {
            self.child.try_wait().ok().flatten().ok_or_else(|| last(&self.output()))
        });
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                let _ = killpg(self.group, Signal::SIGKILL);
                let _ = self.child.wait();
                return Err(error);
            }
        };
        let took = start.elapsed();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        Ok(End { status, took, told: self.output() })
    }
}

/// How it ended.
pub(crate) struct End {
    status: ExitStatus,
    /// How long after it was told to.
    pub(crate) took: Duration,
    pub(crate) told: String,
}

impl End {
    /// The exit code as a shell would say it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }
}

/// The last line.
pub(crate) fn last(told: &str) -> String {
    told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it told nothing").to_owned()
}
