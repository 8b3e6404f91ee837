//! What a run tells while it runs. Whoever listens decides how it looks.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshcheck_suites::report::PhaseTime;
use meshcheck_suites::{Evidence, Section};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::failpoint::failpoint;

/// A part of a run. Parts overlap: what can go in parallel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Getting the software.
    Source,
    /// Removing what a killed run left.
    Sweep,
    /// Loading the node image into the engine.
    NodeImage,
    /// Creating the cluster.
    Cluster,
    /// Loading workload images into the node.
    Images,
    /// The load balancer.
    LoadBalancer,
    /// Asking for a load balancer address before the install.
    Probe,
    /// `istioctl install`.
    Istio,
    /// The gateway's address.
    Address,
    /// The addon.
    Kiali,
    /// The echo backend and its client.
    Demo,
    /// Observing.
    Collect,
    /// Judging.
    Judge,
    /// Removing the cluster.
    Remove,
}

impl Phase {
    /// Its word in reports and progress.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sweep => "sweep",
            Self::NodeImage => "node image",
            Self::Cluster => "cluster",
            Self::Images => "images",
            Self::LoadBalancer => "load balancer",
            Self::Probe => "address probe",
            Self::Istio => "istio",
            Self::Address => "gateway address",
            Self::Kiali => "kiali",
            Self::Demo => "demo",
            Self::Collect => "collect",
            Self::Judge => "judge",
            Self::Remove => "remove",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A phase begins.
    Started(Phase),
    /// What a phase does or waits for now, with the last state seen.
    Doing(Phase, String),
    /// How far a transfer is, in bytes.
    Transferred {
        /// The phase.
        phase: Phase,
        /// What is transferred.
        what: String,
        /// Bytes that are there.
        done: u64,
        /// Bytes in all, where that is known.
        total: Option<u64>,
    },
    /// A phase has ended, well or not.
    Ended {
        /// The phase.
        phase: Phase,
        /// How long it took.
        took: Duration,
        /// Whether it did what it was to do.
        well: bool,
    },
    /// The evidence so far, without secrets.
    Collected {
        /// The sections that are complete. The others have no observations.
        complete: Vec<Section>,
        /// All of it.
        evidence: Box<Evidence>,
    },
    /// Something that a careful user wants to know.
    Note(String),
}

/// The end into which a run tells. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    sender: UnboundedSender<Event>,
    times: Arc<std::sync::Mutex<Vec<PhaseTime>>>,
    /// The first phase that ended without success.
    failed: Arc<std::sync::OnceLock<Phase>>,
}

impl Events {
    /// A stream of events: the end to tell into, and the end to listen at.
    pub fn channel() -> (Self, UnboundedReceiver<Event>) {
        let (sender, receiver) = unbounded_channel();
        (Self { sender, times: Arc::default(), failed: Arc::default() }, receiver)
    }

    /// Returns an end to which nothing listens.
    pub fn silent() -> Self {
        Self::channel().0
    }

    /// Whether anybody listens.
    pub(crate) fn has_listener(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Tells how far a transfer is.
    pub fn transferred(&self, phase: Phase, what: &str, done: u64, total: Option<u64>) {
        self.tell(Event::Transferred { phase, what: what.to_owned(), done, total });
    }

    /// Tells something. Nobody has to listen.
    pub fn tell(&self, event: Event) {
        let _ = self.sender.send(event);
    }

    /// Tells what a phase does now.
    pub fn doing(&self, phase: Phase, what: impl fmt::Display) {
        self.tell(Event::Doing(phase, what.to_string()));
    }

    /// Tells something that a careful user wants to know.
    pub fn note(&self, what: impl fmt::Display) {
        self.tell(Event::Note(what.to_string()));
    }

    /// Does the work of a phase: tells that it begins and ends, and keeps its time.
    ///
    /// # Errors
    ///
    /// Those of the work.
    pub async fn phase<T, E>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let start = Instant::now();
        self.tell(Event::Started(phase));
        failpoint(phase.word());
        let outcome = work.await;
        let took = start.elapsed();
        self.keep(phase.word(), took);
        if outcome.is_err() {
            // Those after the first fail because of it.
            let _ = self.failed.set(phase);
        }
        self.tell(Event::Ended { phase, took, well: outcome.is_ok() });
        outcome
    }

    /// Keeps a time that is not a phase's: the total.
    pub fn keep(&self, name: &str, took: Duration) {
        let seconds = (took.as_secs_f64() * 1000.0).round() / 1000.0;
        if let Ok(mut times) = self.times.lock() {
            times.push(PhaseTime { phase: name.to_owned(), seconds });
        }
    }

    /// The first phase that ended without success.
    pub fn failed(&self) -> Option<Phase> {
        self.failed.get().copied()
    }

    /// The seconds of the phases that have ended, in the order in which they ended.
    pub fn times(&self) -> Vec<PhaseTime> {
        self.times.lock().map(|times| times.clone()).unwrap_or_default()
    }
}
