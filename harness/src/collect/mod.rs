//! Looking at a cluster: everything at once, each look with its own time limit, each failure kept
//! with its reason.
//!
//! ```text
//! settle ─► pods, objects, logs, port-forwards, dry runs … all at once ─► Evidence
//! ```

mod before;
mod certificates;
mod client_log;
mod cluster;
mod curl;
mod demo;
mod ends;
mod forward;
mod ingress;
mod install;
mod istiod;
mod kiali;
mod list;
mod live;
mod logs;
mod look;
mod mesh;
mod objects;
mod ours;
mod own_namespace;
mod pull;
mod settle;

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use meshcheck_suites::evidence::{
    Asked, ClientLog, Clock, DemoEvidence, Evidence, Expectations, IngressEvidence,
    LoadBalancerProbe, MeshEvidence, Observation, Pod, Provider, SCHEMA, Traffic,
};
use tokio::time::Instant;

pub(crate) use before::before;
pub use ours::probe_load_balancer;
pub use own_namespace::{remove_left, remove_own};

use meshcheck_suites::redact::redact;

use crate::connect::Connection;
use crate::events::Events;
use client_log::{Reading, server_clock};
use list::list;
use look::{Missing, look};

/// How many requests of our own go from the client to the backend.
/// With as many, chance (1 in 4096) hardly ever hides one of two backends that has no sidecar.
pub(crate) const REQUESTS: u32 = 12;

/// What takes longer is told.
const MOMENT: Duration = Duration::from_secs(1);

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
    /// Whether the ends of containers' logs are read too, for who mends.
    pub include_logs: bool,
    /// Who hears what is waited for.
    pub events: Events,
}

/// How long each look took.
pub type Timings = Vec<(&'static str, Duration)>;

/// What all looks share.
struct Scene<'a> {
    client: Client,
    expectations: &'a Expectations,
    kiali_url: Option<&'a str>,
    active: bool,
    /// Whether the cluster was made by us.
    ours: bool,
    limit: Duration,
    /// Whether the nodes are containers of kind on this machine.
    nodes_are_containers: bool,
    timings: Mutex<Timings>,
    /// Who hears what is waited for.
    events: Option<&'a Events>,
}

impl Scene<'_> {
    /// Keeps the time that a look took.
    async fn timed<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        // Looks are many and large: each has a place of its own.
        let value = Box::pin(work).await;
        if let Ok(mut timings) = self.timings.lock() {
            timings.push((name, start.elapsed()));
        }
        value
    }

    /// Waits, and tells for what once that takes longer than a moment.
    async fn awaited<T>(&self, what: &str, ceiling: Duration, work: impl Future<Output = T>) -> T {
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

/// Looks at everything that claims need. Never fails: what could not be seen is in the evidence, with
/// its reason. Nothing is created on the cluster unless the connection is active.
pub async fn collect(connection: &Connection, options: &Options) -> (Evidence, Timings) {
    let start = Instant::now();
    let recorded_at = Timestamp::now();
    let mut scene = Scene {
        client: connection.client.clone(),
        expectations: &options.expectations,
        kiali_url: options.kiali_url.as_deref(),
        active: connection.subject.active,
        ours: connection.subject.provider == Provider::Kind,
        limit: options.limit,
        nodes_are_containers: false,
        timings: Mutex::default(),
        events: Some(&options.events),
    };
    let expectations = scene.expectations;
    let namespaces = [expectations.namespace.as_str(), expectations.istio_namespace.as_str()];
    let (settling, (), here) = tokio::join!(
        scene.timed("settling", settle::settle(&scene, &namespaces, options.settle)),
        scene.timed("leftovers", leftovers(&scene)),
        scene.timed("engine", crate::cluster::is_kind_here(&connection.subject)),
    );
    scene.nodes_are_containers = here;
    let scene = scene;

    let (pods, istio_pods) = tokio::join!(
        scene.timed("pods", look(scene.limit, demo_pods(&scene))),
        scene.timed(
            "istio pods",
            look(scene.limit, install::pods(&scene.client, &expectations.istio_namespace))
        ),
    );
    let reconnecting = istiod::until_known(&scene, [&pods, &istio_pods], options.settle);
    scene.timed("proxies that reconnect", reconnecting).await;
    let probe = options.load_balancer_probe.clone();
    let version = Observation::seen(connection.server_version.clone());
    let no_pods = Vec::new();
    let seen_pods = pods.value().unwrap_or(&no_pods);
    let (cluster, install, demo, init_logs, live_rules, dry_runs, kiali, ingress) = tokio::join!(
        Box::pin(cluster::collect(&scene, version, probe)),
        Box::pin(install::collect(&scene, istio_pods.clone(), options.istioctl_version.clone())),
        Box::pin(demonstration(&scene, &pods)),
        scene.timed("init logs", mesh::init_logs(&scene, seen_pods)),
        scene.timed("live rules", live::rules(&scene, seen_pods)),
        Box::pin(dry_runs(&scene, &pods)),
        scene.timed("kiali", kiali::collect(&scene, &istio_pods)),
        Box::pin(outside(&scene)),
    );
    let pods_at_end = scene.timed("pods at end", look(scene.limit, demo_pods(&scene))).await;
    let logs = if options.include_logs {
        let pods = [&pods_at_end, &istio_pods].into_iter().filter_map(Observation::value).flatten();
        scene.timed("logs", ends::read(&scene, pods.collect())).await
    } else {
        Vec::new()
    };
    let (objects, asked, traffic, client_logs) = demo;
    let (dry_run_unlabelled, dry_run_labelled) = dry_runs;
    let evidence = Evidence {
        schema: SCHEMA,
        recorder: concat!("meshcheck ", env!("CARGO_PKG_VERSION")).into(),
        recorded_at,
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        subject: connection.subject.clone(),
        expectations: expectations.clone(),
        cluster,
        install,
        demo: DemoEvidence {
            settling,
            pods,
            pods_at_end,
            deployments: objects.deployments,
            services: objects.services,
            endpoints: objects.endpoints,
            client_logs,
            asked,
        },
        mesh: MeshEvidence { dry_run_unlabelled, dry_run_labelled, init_logs, live_rules, traffic },
        ingress,
        kiali,
        logs,
        redactions: Vec::new(),
    };
    // From here on nobody sees a secret: neither a file, nor a report, nor a judge.
    let evidence = redact(evidence);
    let timings = scene.timings.into_inner().unwrap_or_default();
    (evidence, timings)
}

/// Reads a page of istiod's or of a proxy's in every way that the looks do: what the target in `suites/fuzz/` does
/// for days. Whether any of them could read it.
#[doc(hidden)]
pub fn read_page(page: &str) -> bool {
    let cluster = page.split("::").next().unwrap_or_default();
    let read = [
        istiod::parse(page).is_ok(),
        istiod::version(page).is_some(),
        mesh::sum(page, cluster).is_some(),
    ];
    read.contains(&true)
}

/// Removes what an earlier run of ours left on the cluster when it was killed. That it cannot be done is
/// told by whoever looks for it: `meshcheck down --leftovers`.
async fn leftovers(scene: &Scene<'_>) {
    if scene.active {
        let removing = own_namespace::begin_to_remove_left(&scene.client);
        let _ = tokio::time::timeout(scene.limit, removing).await;
    }
}

/// The pods of the demo's namespace; absent where there is no such namespace.
async fn demo_pods(scene: &Scene<'_>) -> Result<Vec<Pod>, Missing> {
    let namespace = &scene.expectations.namespace;
    let pods = install::pods(&scene.client, namespace).await?;
    if pods.is_empty() {
        exists(scene, namespace).await?;
    }
    Ok(pods)
}

/// An empty list is an answer only where the namespace is there.
async fn exists(scene: &Scene<'_>, namespace: &str) -> Result<(), Missing> {
    let api: kube::Api<k8s_openapi::api::core::v1::Namespace> =
        kube::Api::all(scene.client.clone());
    // Listed, not asked for by its name: one right less is needed.
    let named = kube::api::ListParams::default().fields(&format!("metadata.name={namespace}"));
    if api.list(&named).await?.items.is_empty() {
        return Err(Missing::Absent(format!("there is no namespace {namespace}")));
    }
    Ok(())
}

struct Objects {
    deployments: Observation<Vec<meshcheck_suites::evidence::Deployment>>,
    services: Observation<Vec<meshcheck_suites::evidence::Service>>,
    endpoints: Observation<Vec<meshcheck_suites::evidence::Endpoint>>,
}

type Demonstration =
    (Objects, Observation<Asked>, Observation<Traffic>, Observation<Vec<ClientLog>>);

/// The demo's objects, the backend asked between two readings of the counters, the client's log.
async fn demonstration(scene: &Scene<'_>, pods: &Observation<Vec<Pod>>) -> Demonstration {
    let namespace = &scene.expectations.namespace;
    let limit = scene.limit;
    let client = &scene.client;
    let (deployments, services, endpoints) = tokio::join!(
        look(limit, install::deployments(client, namespace)),
        look(limit, install::services(client, namespace)),
        look(limit, install::endpoints(client, namespace)),
    );
    let objects = Objects { deployments, services, endpoints };
    let value = match pods {
        Observation::Seen { value } => value,
        Observation::Absent { reason } => return without(objects, &Observation::absent(reason)),
        Observation::Failed { reason } | Observation::NotAsked { reason } => {
            return without(objects, &Observation::failed(reason));
        }
    };
    let clients = demo::clients(scene, value, &objects.deployments);
    let Some(chosen) = clients.iter().find(|pod| pod.ready).or(clients.first()) else {
        let name = &scene.expectations.client_deployment;
        let reason = format!("no pod of deployment {name} runs");
        return without(objects, &Observation::absent(reason));
    };
    let expectations = scene.expectations;
    let (name, labels) = (&expectations.backend_deployment, &expectations.backend.labels);
    let of_backend =
        |pod: &&Pod| pod.is_running() && demo::is_pod_of(pod, &objects.deployments, name, labels);
    let backends: Vec<_> = value.iter().filter(of_backend).collect();
    let (answers, traffic) = scene.timed("traffic", exchange(scene, chosen, &backends)).await;
    let (asked, clock) = match answers {
        Observation::Seen { value: (asked, now) } => (Observation::seen(asked), now),
        other => (other.map(|(asked, _)| asked), None),
    };
    let reply = &scene.expectations.reply;
    let replied = asked.value().is_some_and(|asked| {
        asked.replies.len() == REQUESTS as usize && asked.replies.iter().all(|it| it.says(reply))
    });
    let replied_at = clock.filter(|_| replied);
    let clock = match clock {
        Some(now) => Reading::new(now, Clock::Node),
        None => match server_clock(client).await {
            Some(now) => Reading::new(now, Clock::ApiServer),
            None => Reading::new(Timestamp::now(), Clock::Collector),
        },
    };
    let logs = clients.iter().map(|pod| client_log::log(scene, pod, clock, replied_at));
    let logs = scene.timed("client logs", futures::future::try_join_all(logs)).await;
    let logs = logs.map_or_else(Observation::from, Observation::seen);
    (objects, asked, traffic, logs)
}

fn without(objects: Objects, why: &Observation<()>) -> Demonstration {
    fn same<T>(why: &Observation<()>) -> Observation<T> {
        match why {
            Observation::Absent { reason } => Observation::absent(reason),
            other => Observation::failed(other.reason().unwrap_or_default()),
        }
    }
    (objects, same(why), same(why), same(why))
}

/// The counters, requests of our own, the counters again.
async fn exchange(
    scene: &Scene<'_>,
    asker: &Pod,
    backends: &[&Pod],
) -> (Observation<(Asked, Option<Timestamp>)>, Observation<Traffic>) {
    let before = mesh::read(scene, asker, backends).await;
    // Each request has a limit of its own; together they may take longer than one look.
    let asking = look(scene.limit * 4, demo::ask(scene, asker)).await;
    let after = mesh::read(scene, asker, backends).await;
    let made = match &asking {
        // What was not made cannot be counted.
        Observation::Seen { value: (answers, _) } => {
            u32::try_from(answers.replies.len()).unwrap_or(REQUESTS)
        }
        // How many were made is not known: none, where a command is forbidden. Counters that stand still
        // then tell nothing.
        Observation::Absent { reason }
        | Observation::Failed { reason }
        | Observation::NotAsked { reason } => {
            let reason = format!("no requests were made to be counted: {reason}");
            return (asking, Observation::failed(reason));
        }
    };
    let traffic = Observation::seen(mesh::traffic(made, asker, before, after, scene));
    (asking, traffic)
}

async fn dry_runs(
    scene: &Scene<'_>,
    pods: &Observation<Vec<Pod>>,
) -> (
    Observation<meshcheck_suites::evidence::DryRun>,
    Observation<meshcheck_suites::evidence::DryRun>,
) {
    let unlabelled = look(scene.limit, async {
        let namespace = mesh::unlabelled_namespace(scene).await?;
        mesh::dry_run(scene, &namespace).await
    });
    let labelled = async {
        if let Observation::Absent { reason } = pods {
            return Observation::absent(reason.clone());
        }
        look(scene.limit, mesh::dry_run(scene, &scene.expectations.namespace)).await
    };
    tokio::join!(
        scene.timed("dry run outside", unlabelled),
        scene.timed("dry run inside", labelled)
    )
}

/// The gateway, from outside of the mesh.
async fn outside(scene: &Scene<'_>) -> IngressEvidence {
    let namespace = &scene.expectations.istio_namespace;
    let services = look(scene.limit, install::services(&scene.client, namespace)).await;
    let nodes = if scene.nodes_are_containers {
        use k8s_openapi::api::core::v1::Node;
        use kube::ResourceExt;
        let api: kube::Api<Node> = kube::Api::all(scene.client.clone());
        let parameters = kube::api::ListParams::default();
        let names = look(scene.limit, list(&api, &parameters, ResourceExt::name_any)).await;
        names.value().cloned().unwrap_or_default()
    } else {
        Vec::new()
    };
    let address = ingress::address(scene, &services);
    let health = scene.timed("gateway health", ingress::health(scene, &services, &nodes)).await;
    // Where nobody answers there is no use in waiting for a route.
    let reachable = health.value().is_some();
    let route = scene.timed("route", ours::route(scene, address, &nodes, reachable)).await;
    IngressEvidence { health, route }
}
