//! Objects of our own on a cluster: in a namespace of ours, labelled, removed again.
//!
//! Whatever these probes create lives in one namespace, so that removing it removes everything, at
//! whatever point the probe ended.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace, Service};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use meshcheck_suites::evidence::{HttpAnswer, LoadBalancerProbe, Observation, Route};
use serde_json::json;
use tokio::time::Instant;

use super::look::Missing;
use super::{Scene, ingress};
use crate::wait::{Look, Wait};

/// Marks what is ours on a cluster.
const OURS: &str = "app.kubernetes.io/managed-by=meshcheck,meshcheck.dev/probe";

/// How long the load balancer may take to give an address.
const ADDRESS_CEILING: Duration = Duration::from_secs(30);

/// How long a route of ours may take to reach the gateway. Seen: under a second.
const ROUTE_CEILING: Duration = Duration::from_secs(15);

/// The same where the gateway does not even answer for its health.
const ROUTE_CEILING_UNREACHABLE: Duration = Duration::from_secs(2);

/// How long another answer than the backend's may come through a route of ours until it is the answer.
/// Until the gateway knows the route it answers 404, or refuses.
const OTHER_ANSWER: Duration = Duration::from_secs(3);

/// How long a removed namespace may take to be gone. Seen: some five seconds.
const REMOVAL_CEILING: Duration = Duration::from_mins(1);

/// How long one request of these probes may take: what they made must be removed in the end.
const REQUEST: Duration = Duration::from_secs(10);

/// The gateway's port for traffic.
const HTTP_PORT: u16 = 80;

/// A namespace of ours. [`OwnNamespace::remove`] takes it away; a drop without that, as when the run is
/// cancelled, does so in the background, and [`remove_all`] finds what even that could not.
struct OwnNamespace {
    client: Client,
    name: String,
    there: bool,
}

impl OwnNamespace {
    async fn create(client: &Client, what: &str) -> Result<Self, Missing> {
        let name = format!("meshcheck-{what}-{:08x}", fastrand::u32(..));
        let namespace: Namespace = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": {
                "app.kubernetes.io/managed-by": "meshcheck",
                "meshcheck.dev/probe": what
            } }
        }))
        .map_err(|error| Missing::Failed(error.to_string()))?;
        // From here on it may be there, also when the answer is lost.
        let own = Self { client: client.clone(), name, there: true };
        let namespaces: Api<Namespace> = Api::all(client.clone());
        match within(namespaces.create(&PostParams::default(), &namespace)).await {
            Ok(_) => Ok(own),
            Err(error) => {
                let mut own = own;
                // Refused by the server: nothing is there.
                own.there = !matches!(error, kube::Error::Api(_));
                Err(error.into())
            }
        }
    }

    /// Removes it. Whether its objects are gone already is for the caller to look at.
    ///
    /// Kubernetes takes five seconds for any namespace (`namespaceDeletionGracePeriod` of its
    /// controller), and needs nobody for it. They are waited for where the cluster is not ours: it is
    /// left as it was found.
    async fn remove(mut self, cluster_is_ours: bool) -> Result<(), Missing> {
        delete(&self.client, &self.name).await?;
        self.there = false;
        if cluster_is_ours {
            return Ok(());
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        Wait::new(format_args!("namespace {} to be gone", self.name), REMOVAL_CEILING)
            .until(
                |_| (),
                || async {
                    match namespaces.get_metadata_opt(&self.name).await {
                        Ok(None) => Look::Ready(()),
                        Ok(Some(_)) => Look::NotYet("it is Terminating".into()),
                        Err(error) => Look::NotYet(crate::chain(&error)),
                    }
                },
            )
            .await
            .map_err(|error| Missing::Failed(error.to_string()))
    }
}

impl Drop for OwnNamespace {
    fn drop(&mut self) {
        if !self.there {
            return;
        }
        let (client, name) = (self.client.clone(), self.name.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { delete(&client, &name).await });
        }
    }
}

/// A request, broken off where a server never answers it.
async fn within<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let silence =
        |_| kube::Error::Service(format!("no answer within {} s", REQUEST.as_secs()).into());
    tokio::time::timeout(REQUEST, Box::pin(request)).await.map_err(silence)?
}

async fn delete(client: &Client, name: &str) -> Result<(), Missing> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match within(namespaces.delete(name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes every namespace of ours that is still there, and waits until they are gone: for the end of
/// a run that was cancelled, and for the next run after one that was killed.
///
/// # Errors
///
/// In words, when they cannot be listed, removed, or do not go.
pub async fn remove_all(client: &Client) -> Result<usize, String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = ListParams::default().labels(OURS);
    let found = within(namespaces.list(&ours)).await.map_err(|error| crate::chain(&error))?;
    let count = found.items.len();
    for namespace in &found.items {
        let removed = delete(client, &namespace.name_any()).await;
        if let Err(Missing::Absent(reason) | Missing::Failed(reason)) = removed {
            return Err(reason);
        }
    }
    if count == 0 {
        return Ok(0);
    }
    Wait::new("our namespaces to be gone", REMOVAL_CEILING)
        .until(
            |_| (),
            || async {
                match namespaces.list(&ours).await {
                    Ok(left) if left.items.is_empty() => Look::Ready(()),
                    Ok(left) => Look::NotYet(format!("{} left", left.items.len())),
                    Err(error) => Look::NotYet(crate::chain(&error)),
                }
            },
        )
        .await
        .map_err(|error| error.to_string())?;
    Ok(count)
}

/// Asks for a load balancer address with a short-lived service of our own.
pub async fn probe_load_balancer(client: &Client) -> Observation<LoadBalancerProbe> {
    match probe(client).await {
        Ok(probe) => Observation::seen(probe),
        Err(missing) => missing.into(),
    }
}

async fn probe(client: &Client) -> Result<LoadBalancerProbe, Missing> {
    let namespace = OwnNamespace::create(client, "address").await?;
    let outcome = ask_for_address(client, &namespace.name).await;
    // The cluster that is probed before the install is one of ours.
    namespace.remove(true).await?;
    outcome
}

async fn ask_for_address(client: &Client, namespace: &str) -> Result<LoadBalancerProbe, Missing> {
    const NAME: &str = "probe";
    let start = Instant::now();
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let service: Service = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": NAME },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80, "protocol": "TCP" }] }
    }))
    .map_err(|error| Missing::Failed(error.to_string()))?;
    within(services.create(&PostParams::default(), &service)).await?;
    let address = Wait::new("an address", ADDRESS_CEILING)
        .until(
            |_| (),
            || async {
                match services.get(NAME).await {
                    Ok(service) => {
                        let service = super::objects::service(&service);
                        match service.load_balancer_addresses.into_iter().next() {
                            Some(address) => Look::Ready(address),
                            None => Look::NotYet("it is pending".into()),
                        }
                    }
                    Err(error) => Look::NotYet(crate::chain(&error)),
                }
            },
        )
        .await
        .ok();
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let told = match within(events.list(&ListParams::default())).await {
        Ok(list) => list
            .items
            .into_iter()
            .map(|it| {
                format!("{}: {}", it.reason.unwrap_or_default(), it.message.unwrap_or_default())
            })
            .collect(),
        Err(error) => vec![format!("events could not be read: {}", crate::chain(&error))],
    };
    // Removed before its namespace, so that the address is free at once.
    within(services.delete(NAME, &DeleteParams::default())).await?;
    Ok(LoadBalancerProbe {
        namespace: namespace.to_owned(),
        address,
        waited_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        events: told,
    })
}

/// Routes a host name of our own to the backend, asks through the gateway's address, and takes the
/// route away again.
pub(super) async fn route(
    scene: &Scene<'_>,
    address: Observation<&str>,
    nodes: &[String],
    reachable: bool,
) -> Observation<Route> {
    if !scene.active {
        return Observation::not_asked("it needs objects of our own: --active allows them");
    }
    let address = match address {
        Observation::Seen { value } => value,
        Observation::Absent { reason } => return Observation::absent(reason),
        Observation::Failed { reason } | Observation::NotAsked { reason } => {
            return Observation::failed(reason);
        }
    };
    let ceiling = if reachable { ROUTE_CEILING } else { ROUTE_CEILING_UNREACHABLE };
    match route_through(scene, address, nodes, ceiling).await {
        Ok(route) => Observation::seen(route),
        Err(missing) => missing.into(),
    }
}

async fn route_through(
    scene: &Scene<'_>,
    address: &str,
    nodes: &[String],
    ceiling: Duration,
) -> Result<Route, Missing> {
    let namespace = OwnNamespace::create(&scene.client, "route").await?;
    let name = namespace.name.clone();
    let host = format!("{name}.meshcheck.test");
    let asked = ask_through(scene, (&name, &host), address, nodes, ceiling).await;
    let kinds = [resource("Gateway", "gateways"), resource("VirtualService", "virtualservices")];
    let mut removed = Ok(());
    for kind in &kinds {
        // One by one and first: the namespace goes later, the route is to be gone now.
        let objects: Api<DynamicObject> = Api::namespaced_with(scene.client.clone(), &name, kind);
        match within(objects.delete("probe", &DeleteParams::default())).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => removed = Err(Missing::from(error)),
        }
    }
    let gone = async {
        removed?;
        let mut gone = true;
        for kind in &kinds {
            let objects: Api<DynamicObject> =
                Api::namespaced_with(scene.client.clone(), &name, kind);
            gone &= within(objects.get_opt("probe")).await?.is_none();
        }
        Ok::<_, Missing>(gone)
    };
    let removed = match gone.await {
        Ok(gone) => Observation::seen(gone),
        Err(missing) => missing.into(),
    };
    // What was seen is kept, also where the namespace does not go.
    let removed = match namespace.remove(scene.ours).await {
        Ok(()) => removed,
        Err(missing) => Observation::failed(missing.reason()),
    };
    let (routed, unknown_host) = asked?;
    Ok(Route { namespace: name, host, routed, unknown_host, removed })
}

type Answers = (Observation<HttpAnswer>, Observation<HttpAnswer>);

async fn ask_through(
    scene: &Scene<'_>,
    (namespace, host): (&str, &str),
    address: &str,
    nodes: &[String],
    ceiling: Duration,
) -> Result<Answers, Missing> {
    let expectations = scene.expectations;
    // The gateway's pods carry the label `istio` with the name less its prefix.
    let selector = expectations.gateway.strip_prefix("istio-").unwrap_or(&expectations.gateway);
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "Gateway",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": {
            "selector": { "istio": selector },
            "servers": [{
                "port": { "number": HTTP_PORT, "name": "http", "protocol": "HTTP" },
                "hosts": [host]
            }]
        }
    });
    let service =
        format!("{}.{}.svc.cluster.local", expectations.backend_service, expectations.namespace);
    let virtual_service = json!({
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": {
            "hosts": [host],
            "gateways": ["probe"],
            "http": [{ "route": [{ "destination": { "host": service, "port": { "number": 80 } } }] }]
        }
    });
    let objects = [
        (resource("Gateway", "gateways"), gateway),
        (resource("VirtualService", "virtualservices"), virtual_service),
    ];
    for (kind, object) in objects {
        let api: Api<DynamicObject> = Api::namespaced_with(scene.client.clone(), namespace, &kind);
        let object: DynamicObject =
            serde_json::from_value(object).map_err(|error| Missing::Failed(error.to_string()))?;
        within(api.create(&PostParams::default(), &object)).await?;
    }
    let last = std::cell::RefCell::new(Observation::failed("not asked"));
    let routed_since = std::cell::Cell::new(None::<Instant>);
    let waited = Wait::new("the route to reach the gateway", ceiling)
        .until(
            |_| (),
            || async {
                let seen = ingress::get(scene, address, HTTP_PORT, "/", Some(host), nodes).await;
                let status = seen.value().map(|answer| answer.status);
                *last.borrow_mut() = seen;
                match status {
                    Some(200) => return Look::Ready(()),
                    Some(status) if status != 404 => {
                        let since = routed_since.get().unwrap_or_else(Instant::now);
                        routed_since.set(Some(since));
                        if since.elapsed() >= OTHER_ANSWER {
                            return Look::Ready(());
                        }
                    }
                    _ => routed_since.set(None),
                }
                Look::NotYet(String::new())
            },
        )
        .await;
    // What was seen last is the evidence, whether or not it came in time.
    drop(waited);
    let stranger = format!("unknown.{host}");
    let unknown = ingress::get(scene, address, HTTP_PORT, "/", Some(&stranger), nodes).await;
    Ok((last.into_inner(), unknown))
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    let kind = GroupVersionKind::gvk("networking.istio.io", "v1beta1", kind);
    ApiResource::from_gvk_with_plural(&kind, plural)
}
