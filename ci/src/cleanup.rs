//! What has to be undone when a command ends early: on an error, on Ctrl-C, on SIGTERM.
//!
//! [`watch`] takes the signals over. When one arrives, the programs that xtask runs are asked to
//! end and waited for, the registered clean-ups run, and xtask exits with 128 + the signal's
//! number, as a shell would say.

use std::collections::BTreeMap;
use std::process::exit;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

/// How long programs get to end after a signal.
const PATIENCE: Duration = Duration::from_mins(1);

type Undo = Box<dyn FnOnce() + Send>;

struct Registry {
    next: u64,
    undo: BTreeMap<u64, Undo>,
    running: Vec<Pid>,
    /// The thread that ends the program, once it does.
    stopping: Option<ThreadId>,
}

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { next: 0, undo: BTreeMap::new(), running: Vec::new(), stopping: None });
static ENDED: Condvar = Condvar::new();

fn registry() -> MutexGuard<'static, Registry> {
    // A panic elsewhere leaves the registry usable: its entries are independent.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something to undo: when this is dropped, or when a signal ends the program.
#[must_use = "dropping it undoes the thing at once"]
pub(crate) struct Cleanup(u64);

impl Cleanup {
    /// Registers what to do. It must not fail loudly: at that point nobody can act on it.
    pub(crate) fn new(undo: impl FnOnce() + Send + 'static) -> Self {
        let mut registry = registry();
        registry.next += 1;
        let id = registry.next;
        registry.undo.insert(id, Box::new(undo));
        Self(id)
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let undo = registry().undo.remove(&self.0);
        if let Some(undo) = undo {
            undo();
        }
    }
}

/// Once the program is being ended, holds every thread but the one that does it: nothing new is
/// started, and no error of a program that was told to end is taken for the reason.
pub(crate) fn gate() {
    let stopping = registry().stopping;
    if stopping.is_some_and(|stopper| stopper != thread::current().id()) {
        loop {
            thread::park();
        }
    }
}

/// A program that runs now and gets xtask's signal.
pub(crate) struct Running(Pid);

impl Running {
    /// Registers a child process by its id.
    pub(crate) fn new(id: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(id).ok()?);
        let mut registry = registry();
        if registry.stopping.is_some_and(|stopper| stopper != thread::current().id()) {
            // Started in the moment of the signal: it has missed the word.
            let _ = kill(pid, Signal::SIGTERM);
        }
        registry.running.push(pid);
        Some(Self(pid))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        registry().running.retain(|pid| *pid != self.0);
        ENDED.notify_all();
        gate();
    }
}

/// Takes SIGINT and SIGTERM over. Call it first in `main`, before any thread is started.
pub(crate) fn watch() -> anyhow::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    // Threads inherit the mask; programs that are started do not: the standard library resets it.
    signals.thread_block()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Ok(signal) = signals.wait() {
            stop(signal);
        }
    })?;
    Ok(())
}

fn stop(signal: Signal) -> ! {
    crate::out::say(format_args!("{signal}: cleaning up"));
    let mut registry = registry();
    registry.stopping = Some(thread::current().id());
    for pid in &registry.running {
        // On Ctrl-C the terminal has told them already; a second word does no harm.
        let _ = kill(*pid, Signal::SIGTERM);
    }
    let (mut registry, _) = ENDED
        .wait_timeout_while(registry, PATIENCE, |registry| !registry.running.is_empty())
        .unwrap_or_else(PoisonError::into_inner);
    let undo = std::mem::take(&mut registry.undo);
    drop(registry);
    // The last thing made is the first undone.
    for undo in undo.into_values().rev() {
        undo();
    }
    exit(128 + signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn armed() -> (Cleanup, Arc<AtomicBool>) {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        (Cleanup::new(move || done.store(true, Ordering::SeqCst)), seen)
    }

    #[test]
    fn dropped_guard_undoes_the_change() {
        let (cleanup, done) = armed();
        drop(cleanup);
        assert!(done.load(Ordering::SeqCst));
    }
}
