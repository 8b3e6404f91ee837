//! Objects of meshcheck on a cluster: in a namespace of meshcheck, labelled, removed again.
//!
//! Whatever these probes create lives in one namespace, so that removing it removes everything, at
//! whatever point the probe ended.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace, Service};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt as _};
use meshcheck_suites::evidence::{Endpoint, HttpAnswer, LoadBalancerProbe, Observation, Route};
use serde_json::json;
use tokio::time::Instant;

use super::namespace::{OwnNamespace, REMOVAL_CEILING, REQUEST, within};
use crate::collect::api::container::Container;
use crate::collect::api::list::{self, list};
use crate::collect::api::objects;
use crate::collect::api::observe::{self, Missing, ended};
use crate::collect::api::vantage::{self, Address, Question};
use crate::collect::context::CollectContext;
use crate::failpoint::failpoint;
use crate::wait::{Look, Wait};

/// How long the load balancer may take to give an address.
const ADDRESS_CEILING: Duration = Duration::from_secs(30);

/// How long a route of meshcheck may take to reach the gateway. Seen: under a second.
const ROUTE_CEILING: Duration = Duration::from_secs(15);

/// The same where the gateway does not even answer for its health.
const ROUTE_CEILING_UNREACHABLE: Duration = Duration::from_secs(2);

/// How long another answer than the backend's may come through a route of meshcheck until it is the answer.
/// Until the gateway knows the route it answers 404, or refuses.
const OTHER_ANSWER: Duration = Duration::from_secs(3);

/// The gateway's port for traffic.
const HTTP_PORT: u16 = 80;

/// Asks for a load balancer address with a short-lived service of meshcheck.
pub async fn probe_load_balancer(
    client: &Client,
    cluster_is_ours: bool,
) -> Observation<LoadBalancerProbe> {
    ended(probe(client, cluster_is_ours).await)
}

async fn probe(client: &Client, cluster_is_ours: bool) -> Result<LoadBalancerProbe, Missing> {
    let namespace = OwnNamespace::create(client, "address", &BTreeMap::new()).await?;
    failpoint("address");
    let outcome = ask_for_address(client, &namespace.name).await;
    namespace.remove(cluster_is_ours).await?;
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
    }))?;
    within(services.create(&PostParams::default(), &service)).await?;
    let address = Wait::new("an address", ADDRESS_CEILING)
        .until(|| async {
            match services.get(NAME).await {
                Ok(service) => {
                    let service = objects::service(&service);
                    match service.load_balancer_addresses.into_iter().next() {
                        Some(address) => Look::Ready(address),
                        None => Look::NotYet("it is pending".into()),
                    }
                }
                Err(error) => Look::NotYet(crate::chain(&error)),
            }
        })
        .await
        .ok();
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let all = ListParams::default();
    let told = list(&events, &all, objects::event);
    let told = observe::within(REQUEST, told)
        .await
        .unwrap_or_else(|missing| vec![format!("events could not be read: {}", missing.reason())]);
    // Removed before its namespace, so that the address is free at once.
    within(services.delete(NAME, &DeleteParams::default())).await?;
    Ok(LoadBalancerProbe {
        namespace: namespace.to_owned(),
        address,
        waited_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        events: told,
    })
}

/// Routes a host name of meshcheck to the backend, asks through the gateway's address, and takes the
/// route away again.
pub(crate) async fn route(
    context: &CollectContext<'_>,
    addresses: Result<&[Address], Missing>,
    container: Option<&Container>,
    reachable: bool,
) -> Observation<Route> {
    if !context.active {
        return Observation::not_asked("it needs --active");
    }
    let ceiling = if reachable { ROUTE_CEILING } else { ROUTE_CEILING_UNREACHABLE };
    let routed = async { route_through(context, addresses?, container, ceiling).await };
    ended(routed.await)
}

async fn route_through(
    context: &CollectContext<'_>,
    addresses: &[Address],
    container: Option<&Container>,
    ceiling: Duration,
) -> Result<Route, Missing> {
    let labels = demo_labels(context).await;
    let namespace = OwnNamespace::create(&context.client, "route", &labels).await?;
    failpoint("route");
    let name = namespace.name.clone();
    let host = format!("{name}.meshcheck.test");
    let asked = ask_through(context, (&name, &host), addresses, container, ceiling).await;
    let kinds = [resource("Gateway", "gateways"), resource("VirtualService", "virtualservices")];
    let mut removed = Ok(());
    for kind in &kinds {
        // One by one and first: the namespace goes later, the route is to be gone now.
        let objects: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &name, kind);
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
                Api::namespaced_with(context.client.clone(), &name, kind);
            gone &= within(objects.get_opt("probe")).await?.is_none();
        }
        Ok::<_, Missing>(gone)
    };
    let removed = ended(gone.await);
    // What was seen is kept, also where the namespace does not go.
    let removal = namespace.remove(context.cluster_is_ours);
    let what = "the probe's namespace to be gone";
    let removed = match context.awaited(what, REMOVAL_CEILING, removal).await {
        Ok(()) => removed,
        Err(missing) => Observation::failed(missing.reason()),
    };
    let (routed, unknown_host) = asked?;
    let namespace_labels = Some(labels);
    Ok(Route { namespace: name, namespace_labels, host, routed, unknown_host, removed })
}

/// The labels of the demo's namespace, by which istiod may select the namespaces that it sees. Some are only
/// Kubernetes' own, or have pods changed.
async fn demo_labels(context: &CollectContext<'_>) -> BTreeMap<String, String> {
    const LEFT_OUT: [&str; 2] = ["kubernetes.io/metadata.name", "istio-injection"];
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let demo = format!("metadata.name={}", context.expectations.namespace);
    let demo = ListParams::default().fields(&demo);
    let labels = list(&namespaces, &demo, |it| it.labels().clone());
    // Without the right to list them, the judge knows that they are missing.
    let labels = observe::within(REQUEST, labels).await.unwrap_or_default().into_iter().flatten();
    labels.filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())).collect()
}

type Answers = (Observation<HttpAnswer>, Observation<HttpAnswer>);

async fn ask_through(
    context: &CollectContext<'_>,
    (namespace, host): (&str, &str),
    addresses: &[Address],
    container: Option<&Container>,
    ceiling: Duration,
) -> Result<Answers, Missing> {
    let expectations = context.expectations;
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "Gateway",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": {
            "selector": expectations.gateway_labels,
            "servers": [{
                "port": { "number": HTTP_PORT, "name": "http", "protocol": "HTTP" },
                "hosts": [host]
            }]
        }
    });
    let service = expectations.backend_host();
    let virtual_service = json!({
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": {
            "hosts": [host],
            "gateways": ["probe"],
            "http": [{ "route": [{ "destination": { "host": service, "port": { "number": expectations.backend.service_port } } }] }]
        }
    });
    let objects = [
        (resource("Gateway", "gateways"), gateway),
        (resource("VirtualService", "virtualservices"), virtual_service),
    ];
    for (kind, object) in objects {
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), namespace, &kind);
        let object: DynamicObject = serde_json::from_value(object)?;
        within(api.create(&PostParams::default(), &object)).await?;
    }
    let routed_since = std::cell::Cell::new(None::<Instant>);
    let is_enough = |(seen, is_final): &(Observation<HttpAnswer>, bool)| match status(seen) {
        Some(200) => true,
        Some(status) if status != 404 => {
            let since = routed_since.get().unwrap_or_else(Instant::now);
            routed_since.set(Some(since));
            *is_final || since.elapsed() >= OTHER_ANSWER
        }
        _ => {
            routed_since.set(None);
            false
        }
    };
    let question = |host| Question { port: HTTP_PORT, path: "/", host: Some(host) };
    let ask = || async {
        let answer = vantage::get(addresses, question(host), container).await;
        let is_final =
            status(&answer) == Some(503) && Box::pin(has_no_ready_backend(context)).await;
        (answer, is_final)
    };
    let waiting = Wait::new("the route to reach the gateway", ceiling);
    let what = "a route of our own to lead through the gateway";
    let routed = context.awaited(what, ceiling, waiting.last(ask, is_enough)).await;
    let routed = routed.map_or_else(|| Observation::failed("not asked"), |(answer, _)| answer);
    let stranger = format!("unknown.{host}");
    let unknown = vantage::get(addresses, question(&stranger), container).await;
    Ok((routed, unknown))
}

fn status(answer: &Observation<HttpAnswer>) -> Option<u16> {
    answer.value().map(|it| it.status)
}

/// Whether the backend's service has no ready endpoint: the gateway then answers 503 as long as that is so. False where the
/// endpoints cannot be read.
async fn has_no_ready_backend(context: &CollectContext<'_>) -> bool {
    let expectations = context.expectations;
    let endpoints = list::endpoints(&context.client, &expectations.namespace);
    let service = &expectations.backend_service;
    let is_ready = |it: &Endpoint| it.ready && it.service == *service;
    let endpoints = observe::within(REQUEST, endpoints).await;
    endpoints.is_ok_and(|endpoints| !endpoints.iter().any(is_ready))
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    list::resource("networking.istio.io", "v1beta1", kind, plural)
}
