//! Looking at a cluster: everything at once, each look with its own time limit, each failure kept
//! with its reason.
//!
//! ```text
//! settle ─► pods, objects, logs, port-forwards, dry runs … all at once ─► Evidence
//! ```

mod api;
mod cluster;
mod container_logs;
mod context;
mod demo;
mod ingress;
mod install;
mod istiod;
mod kiali;
mod live_rules;
mod mesh;
mod mesh_resources;
mod preflight;
mod probe;
mod settle;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use meshcheck_suites::Section;
use meshcheck_suites::evidence::{
    Evidence, Expectations, LoadBalancerProbe, MeshEvidence, Observation,
};
use meshcheck_suites::redact::redact;
use tokio::time::Instant;

pub use context::Timings;
pub(crate) use preflight::before;
pub use probe::namespace::{remove_left, remove_own};
pub use probe::route_and_address::probe_load_balancer;

use crate::connect::Connection;
use crate::events::{Event, Events};
use api::list;
use api::observe::observe;
use context::CollectContext;

/// How to look.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the run expects to find.
    pub expectations: Expectations,
    /// Where Kiali is exposed, where the caller named a URL.
    pub kiali_url: Option<String>,
    /// The longest that any one look may take.
    pub limit: Duration,
    /// The longest that rollouts are waited for before the look.
    pub settle: Duration,
    /// A load balancer address that was asked for before the install.
    pub load_balancer_probe: Observation<LoadBalancerProbe>,
    /// What `istioctl` reports of itself, where it was used.
    pub istioctl_version: Observation<String>,
    /// Whether the ends of containers' logs are read too, for the reader who fixes the mesh.
    pub include_logs: bool,
    /// Who hears what is waited for.
    pub events: Events,
}

/// Looks at everything that claims need. Never fails: what could not be seen is in the evidence, with
/// its reason. Nothing is created on the cluster unless the connection is active.
pub async fn collect(connection: &Connection, options: &Options) -> (Evidence, Timings) {
    let start = Instant::now();
    let recorded_at = Timestamp::now();
    let (limit, expectations) = (options.limit, &options.expectations);
    let mut context = CollectContext::new(connection, expectations, limit, Some(&options.events));
    let namespaces = [expectations.namespace.as_str(), expectations.istio_namespace.as_str()];
    let (settling, (), here) = tokio::join!(
        context.timed("settling", settle::settle(&context, &namespaces, options.settle)),
        context.timed("leftovers", leftovers(&context)),
        context.timed("engine", crate::cluster::is_kind_here(&connection.subject)),
    );
    context.nodes_are_containers = here;
    let context = context;

    let istio_pods = install::list_parts(&context, list::pods);
    let (pods, istio_pods) = tokio::join!(
        context.timed("pods", observe(limit, demo::pods(&context))),
        context.timed("istio pods", observe(limit, istio_pods)),
    );
    let reconnecting = istiod::until_known(&context, [&pods, &istio_pods], options.settle);
    context.timed("proxies that reconnect", reconnecting).await;
    let probe = options.load_balancer_probe.clone();
    let version = Observation::seen(connection.server_version.clone());
    let istioctl = options.istioctl_version.clone();
    let part = Incomplete::new(connection, options, recorded_at);
    let kiali = kiali::collect(
        &context,
        &istio_pods,
        options.kiali_url.as_deref(),
        &connection.subject.server,
    );
    tokio::join!(
        part.add(Section::Prepare, cluster::collect(&context, version, probe), |it, found| {
            it.cluster = found;
        }),
        part.add(
            Section::Install,
            install::collect(&context, istio_pods.clone(), istioctl),
            |it, found| it.install = found
        ),
        part.add(
            Section::Demo,
            demo::collect(&context, settling, pods.clone()),
            |it, (demo, traffic)| {
                it.demo = demo;
                it.mesh.traffic = traffic;
            }
        ),
        part.add(Section::Mesh, mesh::collect(&context, &pods), |it, mesh| {
            it.mesh = MeshEvidence { traffic: it.mesh.traffic.clone(), ..mesh };
        }),
        part.add(Section::Ingress, ingress::collect(&context), |it, found| it.ingress = found),
        part.add(Section::Kiali, context.timed("kiali", kiali), |it, found| it.kiali = found),
    );
    let mut evidence = part.into_evidence();
    let pods_at_end = observe(limit, demo::pods(&context));
    evidence.demo.pods_at_end = context.timed("pods at end", pods_at_end).await;
    if options.include_logs {
        let pods = [&evidence.demo.pods_at_end, &istio_pods]
            .into_iter()
            .filter_map(Observation::value)
            .flatten();
        let logs = container_logs::collect(&context, pods.collect());
        evidence.logs = context.timed("logs", logs).await;
    }
    evidence.took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    // From here on nobody sees a secret: neither a file, nor a report, nor a judge.
    (redact(evidence), context.into_timings())
}

/// Evidence to which sections are added as they are complete.
struct Incomplete<'a> {
    events: &'a Events,
    state: Mutex<(Vec<Section>, Evidence)>,
}

impl<'a> Incomplete<'a> {
    fn new(connection: &Connection, options: &'a Options, recorded_at: Timestamp) -> Self {
        let evidence = Evidence {
            recorder: concat!("meshcheck ", env!("CARGO_PKG_VERSION")).into(),
            ..Evidence::without_observations(
                connection.subject.clone(),
                options.expectations.clone(),
                recorded_at,
                &Observation::failed("not collected yet"),
            )
        };
        Self { events: &options.events, state: Mutex::new((Vec::new(), evidence)) }
    }

    /// Collects a section, adds it, and tells the evidence so far.
    async fn add<T>(
        &self,
        section: Section,
        work: impl Future<Output = T>,
        add: impl FnOnce(&mut Evidence, T),
    ) {
        let found = Box::pin(work).await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (complete, evidence) = &mut *state;
        add(evidence, found);
        complete.push(section);
        // Removing the secrets takes most of the time that a collection needs a processor.
        if self.events.has_listener() {
            let evidence = Box::new(redact(evidence.clone()));
            self.events.tell(Event::Collected { complete: complete.clone(), evidence });
        }
    }

    fn into_evidence(self) -> Evidence {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// Reads a page of istiod's or of a proxy's in every way that the looks do: what the target in `suites/fuzz/` does
/// for days. Whether any of them could read it.
#[doc(hidden)]
pub fn read_page(page: &str) -> bool {
    let cluster = page.split("::").next().unwrap_or_default();
    let read = [
        istiod::parse(page).is_ok(),
        istiod::version(page).is_some(),
        demo::sum(page, cluster).is_some(),
        mesh_resources::certificate_end(page).is_some(),
    ];
    read.contains(&true)
}

/// Removes what an earlier run of meshcheck left on the cluster when it was killed. That it cannot be done is
/// told by whoever looks for it: `meshcheck down --leftovers`.
async fn leftovers(context: &CollectContext<'_>) {
    if context.active {
        let removing = probe::namespace::begin_to_remove_left(&context.client);
        let _ = crate::deadline::timeout(context.limit, removing).await;
    }
}
