//! Progress for people: moving lines on a terminal, plain lines elsewhere. Always standard error.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use meshcheck_suites::{Evidence, Section};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::events::{Event, Events, Phase};
use crate::text::for_terminal;

/// A phase that ends sooner has no line of its own: what failed at once is in the error.
const SHORT: Duration = Duration::from_millis(500);

/// Returns the lines to show of incomplete evidence, of which these sections are complete.
pub(crate) type Claims = Box<dyn Fn(&Evidence, &[Section]) -> Vec<String> + Send>;

/// Runs `work`, and shows its events as [`show`] does. All lines are written before this returns.
pub(crate) async fn shown<T>(
    quiet: bool,
    claims: Option<Claims>,
    work: impl AsyncFnOnce(&Events) -> T,
) -> T {
    let (events, receiver) = Events::channel();
    let lines = show(receiver, quiet, claims);
    let done = work(&events).await;
    drop(events);
    let _ = lines.await;
    done
}

/// Shows events until the other end is dropped; on a terminal, also claims as soon as they are judged.
pub(crate) fn show(
    mut events: UnboundedReceiver<Event>,
    quiet: bool,
    claims: Option<Claims>,
) -> JoinHandle<()> {
    let terminal = stderr().is_terminal();
    tokio::spawn(async move {
        let mut shown: Option<Box<dyn Show>> = match (quiet, terminal) {
            (true, _) => None,
            (false, true) => Some(Box::new(Bars::new(claims))),
            (false, false) => Some(Box::new(Lines::to(stderr()))),
        };
        while let Some(event) = events.recv().await {
            if let Some(shown) = &mut shown {
                shown.event(event);
            }
        }
        if let Some(shown) = &mut shown {
            shown.end();
        }
    })
}

trait Show: Send {
    fn event(&mut self, event: Event);
    fn end(&mut self) {}
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
struct Lines<W> {
    to: W,
    start: Instant,
    transfers: BTreeMap<String, u64>,
    last: BTreeMap<Phase, String>,
}

impl<W: Write> Lines<W> {
    fn to(to: W) -> Self {
        Self { to, start: Instant::now(), transfers: BTreeMap::new(), last: BTreeMap::new() }
    }

    fn line(&mut self, text: &str) {
        let since = self.start.elapsed().as_secs_f64();
        // A reader that has gone away is no reason to end a run.
        let _ = writeln!(self.to, "{since:6.1}s  {}", for_terminal(text));
    }
}

impl<W: Write + Send> Show for Lines<W> {
    fn event(&mut self, event: Event) {
        match event {
            // The report shows the claims.
            Event::Started(_) | Event::Collected { .. } => {}
            Event::Doing(phase, what) => {
                if self.last.get(&phase) != Some(&what) {
                    self.line(&format!("{phase}: {what}"));
                    self.last.insert(phase, what);
                }
            }
            Event::Transferred { phase, what, done, total } => {
                // A line for every 100 MB is enough for a log.
                let step = done / 100_000_000;
                if self.transfers.insert(what.clone(), step) != Some(step) {
                    self.line(&format!("{phase}: {what}: {}", share(done, total)));
                }
            }
            Event::Ended { phase, took, well } => {
                if took >= SHORT {
                    let end = if well { "done in" } else { "failed after" };
                    self.line(&format!("{phase}: {end} {}", seconds(took)));
                }
            }
            Event::Note(text) => self.line(&text),
        }
    }
}

/// A moving line for each phase that runs, and a line for each claim once it is judged.
struct Bars {
    all: MultiProgress,
    running: BTreeMap<Phase, ProgressBar>,
    claims: Option<Claims>,
    shown: BTreeSet<String>,
}

impl Bars {
    fn new(claims: Option<Claims>) -> Self {
        let (all, running) = (MultiProgress::new(), BTreeMap::new());
        Self { all, running, claims, shown: BTreeSet::new() }
    }
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
                if well || took >= SHORT {
                    let end = if well { "done in" } else { "failed after" };
                    let _ = self.all.println(format!("{phase}: {end} {}", seconds(took)));
                }
            }
            Event::Collected { complete, evidence } => {
                let lines = self.claims.iter().flat_map(|claims| claims(&evidence, &complete));
                let new: Vec<_> = lines.filter(|line| self.shown.insert(line.clone())).collect();
                self.all.suspend(|| {
                    // A closed standard error is no reason to end a run.
                    for line in new {
                        let _ = writeln!(stderr(), "{line}");
                    }
                });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(events: impl IntoIterator<Item = Event>) -> String {
        let mut lines = Lines::to(Vec::new());
        for event in events {
            lines.event(event);
        }
        String::from_utf8(lines.to).unwrap()
    }

    #[test]
    fn repeated_state_prints_one_line() {
        let doing = || Event::Doing(Phase::Istio, "waiting for deployment istiod (0/1)".into());
        let text = lines_of([Event::Started(Phase::Istio), doing(), doing()]);
        assert_eq!(text, "   0.0s  istio: waiting for deployment istiod (0/1)\n");
    }

    #[test]
    fn short_phases_end_silently() {
        let ended = |took, well| Event::Ended { phase: Phase::Kiali, took, well };
        let short = Duration::from_millis(20);
        assert_eq!(lines_of([ended(short, true), ended(short, false)]), "");
        let text = lines_of([ended(Duration::from_secs(2), false)]);
        assert!(text.contains("kiali: failed after 2.0 s"), "{text}");
    }

    #[test]
    fn transfer_prints_a_line_for_each_100_megabytes() {
        let at = |done| {
            let (phase, what) = (Phase::Source, "node image".to_owned());
            Event::Transferred { phase, what, done, total: Some(250_000_000) }
        };
        let text = lines_of((0..=250).map(|mega| at(mega * 1_000_000)));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("200 of 250 MB"), "{text}");
    }

    #[test]
    fn text_of_the_cluster_is_cleaned_for_the_terminal() {
        let text = lines_of([Event::Note("pod \u{1b}[31mred\r\nerror: faked".into())]);
        assert_eq!(text, "   0.0s  pod red⏎error: faked\n");
    }
}
