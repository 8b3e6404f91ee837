//! Progress for people: moving lines on a terminal, plain lines elsewhere. Always standard error.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::events::{Event, Phase};
use crate::text::for_terminal;

/// Shows events until the other end is dropped.
pub fn show(mut events: UnboundedReceiver<Event>, quiet: bool) -> JoinHandle<()> {
    let terminal = stderr().is_terminal();
    tokio::spawn(async move {
        let mut shown: Box<dyn Show> = match (quiet, terminal) {
            (true, _) => Box::new(Nothing),
            (false, true) => Box::new(Bars::default()),
            (false, false) => Box::new(Lines::new()),
        };
        while let Some(event) = events.recv().await {
            shown.event(event);
        }
        shown.end();
    })
}

trait Show: Send {
    fn event(&mut self, event: Event);
    fn end(&mut self) {}
}

struct Nothing;

impl Show for Nothing {
    fn event(&mut self, _event: Event) {}
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn share(done: u64, total: Option<u64>) -> String {
    let mega = |bytes: u64| bytes / 1_000_000;
    match total {
        Some(total) => format!("{} of {} MB", mega(done), mega(total)),
        None => format!("{} MB", mega(done)),
    }
}

/// A line for each thing that happens, with the time since the beginning.
struct Lines {
    start: Instant,
    transfers: BTreeMap<String, u64>,
}

impl Lines {
    fn new() -> Self {
        Self { start: Instant::now(), transfers: BTreeMap::new() }
    }

    fn line(&self, text: &str) {
        let since = self.start.elapsed().as_secs_f64();
        let _ = writeln!(stderr().lock(), "{since:6.1}s  {}", for_terminal(text));
    }
}

impl Show for Lines {
    fn event(&mut self, event: Event) {
        match event {
            Event::Started(_) => {}
            Event::Doing(phase, what) => self.line(&format!("{phase}: {what}")),
            Event::Transferred { phase, what, done, total } => {
                // A line for every 100 MB is enough for a log.
                let step = done / 100_000_000;
                if self.transfers.insert(what.clone(), step) != Some(step) {
                    self.line(&format!("{phase}: {what}: {}", share(done, total)));
                }
            }
            Event::Ended { phase, took, well: true } => {
                if took >= Duration::from_millis(500) {
                    self.line(&format!("{phase}: done in {}", seconds(took)));
                }
            }
            Event::Ended { phase, took, well: false } => {
                self.line(&format!("{phase}: ended after {} without success", seconds(took)));
            }
            Event::Note(text) => self.line(&text),
        }
    }
}

/// A moving line for each phase that runs.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    running: BTreeMap<Phase, ProgressBar>,
}

impl Show for Bars {
    fn event(&mut self, event: Event) {
        match event {
            Event::Started(phase) => {
                let bar = self.all.add(ProgressBar::new_spinner());
                if let Ok(style) =
                    ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} {elapsed}")
                {
                    bar.set_style(style);
                }
                bar.set_prefix(phase.word());
                bar.enable_steady_tick(Duration::from_millis(120));
                self.running.insert(phase, bar);
            }
            Event::Doing(phase, what) => {
                if let Some(bar) = self.running.get(&phase) {
                    bar.set_message(for_terminal(&what));
                }
            }
            Event::Transferred { phase, what, done, total } => {
                if let Some(bar) = self.running.get(&phase) {
                    bar.set_message(for_terminal(&format!("{what}: {}", share(done, total))));
                }
            }
            Event::Ended { phase, took, well } => {
                if let Some(bar) = self.running.remove(&phase) {
                    bar.finish_and_clear();
                }
                let end = if well { "done in" } else { "ended without success after" };
                let _ = self.all.println(format!("{phase}: {end} {}", seconds(took)));
            }
            Event::Note(text) => {
                let _ = self.all.println(for_terminal(&text));
            }
        }
    }

    fn end(&mut self) {
        for bar in std::mem::take(&mut self.running).into_values() {
            bar.finish_and_clear();
        }
    }
}
