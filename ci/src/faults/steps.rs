//! Runs the steps of a case.

use std::time::Duration;

use anyhow::Result;

use super::case::Step;
use crate::live::Cluster;
use crate::wait::until;

/// How long the next request may take: the client sends one every 10 seconds, and curl gives up late.
const REQUEST: Duration = Duration::from_secs(45);

/// How long a condition may take to come about.
const CEILING: Duration = Duration::from_mins(2);

/// Runs steps one after the other.
pub(crate) fn run(cluster: &Cluster, steps: &[Step]) -> Result<()> {
    steps.iter().try_for_each(|step| match step {
        Step::Sh(line) => cluster.typed(line).run(),
        Step::Apply(objects) => cluster.typed("kubectl apply -f -").feed(|stdin| {
            stdin.write_all(objects.as_bytes())?;
            Ok(())
        }),
        Step::Until(line) => until(line, Duration::from_millis(500), CEILING, || {
            cluster.typed(line).read().map(drop).map_err(|error| format!("{error:#}"))
        }),
        Step::NextRequest => next_request(cluster),
    })
}

/// Waits until every client has asked, and its log shows what came of it: a reply or a complaint, or
/// two turns of curl's meter with nothing. (Envoy's own answers end without a line end, and stay out of
/// the log until one comes.)
fn next_request(cluster: &Cluster) -> Result<()> {
    let since = cluster.typed("date -u +%Y-%m-%dT%H:%M:%SZ").read()?;
    // The first second may hold a turn that began before.
    let asked = format!(
        "for pod in $(kubectl -n client get pods -l app=client \
         -o go-template='{{{{range .items}}}}{{{{if not .metadata.deletionTimestamp}}}}pod/{{{{.metadata.name}}}} {{{{end}}}}{{{{end}}}}'); do \
         kubectl -n client logs $pod -c client --since-time={since} --timestamps \
         | awk '/^{}/ {{ next }} /Hello|not found|curl: / {{ n += 2 }} /--:--:--/ {{ n++ }} \
           END {{ exit n < 2 }}' || exit 1; done",
        since.trim_end_matches('Z')
    );
    until("the client to ask once more", Duration::from_millis(500), REQUEST, || {
        cluster.typed(&asked).read().map(drop).map_err(|_| "no outcome in its log yet".to_owned())
    })
}
