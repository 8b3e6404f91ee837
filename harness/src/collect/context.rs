//! What all collectors share.

use std::sync::Mutex;
use std::time::Duration;

use kube::Client;
use meshcheck_suites::evidence::{Expectations, Provider};
use tokio::time::Instant;

use crate::connect::Connection;
use crate::events::Events;

/// What takes longer is reported.
const MOMENT: Duration = Duration::from_secs(1);

/// How long each look took.
pub type Timings = Vec<(&'static str, Duration)>;

/// What all collectors share.
pub(super) struct CollectContext<'a> {
    pub(super) client: Client,
    pub(super) expectations: &'a Expectations,
    /// The URL of the API server.
    pub(super) server: String,
    /// Whether objects of meshcheck may be made.
    pub(super) active: bool,
    /// Whether the cluster was made by us.
    pub(super) cluster_is_ours: bool,
    /// The longest that any one look may take.
    pub(super) limit: Duration,
    /// Whether the nodes are containers of kind on this machine.
    pub(super) nodes_are_containers: bool,
    timings: Mutex<Timings>,
    /// Who hears what is waited for.
    events: Option<&'a Events>,
}

impl<'a> CollectContext<'a> {
    /// What is known before the first look: not yet where the nodes are.
    pub(super) fn new(
        connection: &Connection,
        expectations: &'a Expectations,
        limit: Duration,
        events: Option<&'a Events>,
    ) -> Self {
        let subject = &connection.subject;
        Self {
            server: subject.server.clone(),
            active: subject.active,
            cluster_is_ours: subject.provider == Provider::Kind,
            limit,
            events,
            ..Self::of(connection.client.clone(), expectations)
        }
    }

    fn of(client: Client, expectations: &'a Expectations) -> Self {
        Self {
            client,
            expectations,
            server: String::new(),
            active: false,
            cluster_is_ours: false,
            limit: Duration::from_secs(5),
            nodes_are_containers: false,
            timings: Mutex::default(),
            events: None,
        }
    }

    /// A context for tests: of a stand-in for the API server.
    #[cfg(test)]
    pub(super) fn of_stand_in(client: Client, expectations: &'a Expectations) -> Self {
        Self::of(client, expectations)
    }

    /// How long each look took.
    pub(super) fn into_timings(self) -> Timings {
        self.timings.into_inner().unwrap_or_default()
    }

    /// Keeps the time that a look took.
    pub(super) async fn timed<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        // Looks are many and large: each has a place of its own.
        let value = Box::pin(work).await;
        if let Ok(mut timings) = self.timings.lock() {
            timings.push((name, start.elapsed()));
        }
        value
    }

    /// Waits, and tells for what once that takes longer than a moment.
    pub(super) async fn awaited<T>(
        &self,
        what: &str,
        ceiling: Duration,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(value) = tokio::time::timeout(MOMENT, &mut work).await {
            return value;
        }
        if let Some(events) = self.events {
            events.note(format!("waiting for {what}, {} s at the most", ceiling.as_secs()));
        }
        work.await
    }
}
