//! What the section *ingress* needs: the gateway's address, asked from outside of the mesh.

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use meshcheck_suites::evidence::{
    GatewayCount, HttpAnswer, IngressEvidence, Observation, Pod, Service, Way,
};

use super::api::container::{self, Container, Silence};
use super::api::kubelet::{self, Kubelet};
use super::api::observe::{Missing, needed, observe};
use super::api::vantage::{self, Address, HERE, Question};
use super::api::{list, objects};
use super::context::CollectContext;
use super::demo;
use super::probe::route_and_address;

/// The gateway's health.
const HEALTH: Question<'static> = Question { port: 15021, path: "/healthz/ready", host: None };

/// How many requests are counted. The kubelet's own, one in two seconds, are fewer in the time that they take.
const COUNTED: u64 = 10;

/// Envoy's cluster to which the gateway's port for health leads. Source: `envoy_bootstrap.json` of Istio.
const AGENT: &str = "agent";

/// Asks the gateway from outside of the mesh: for its health, then for a route of meshcheck.
pub(super) async fn collect(context: &CollectContext<'_>) -> IngressEvidence {
    let (client, limit) = (&context.client, context.limit);
    let namespace = context.expectations.gateway_namespace();
    let services = observe(limit, list::services(client, namespace)).await;
    let (gateway, addresses) = match addresses(context, &services).await {
        Ok(found) => found,
        Err(missing) => {
            let route = route_and_address::route(context, Err(missing.clone()), None, false);
            let route = context.timed("route", route).await;
            // What was not read is not known to have no address.
            let (way, counted) = match &missing {
                Missing::Absent(_) => {
                    let why = "the gateway has no address";
                    (Observation::not_asked(why), Observation::not_asked(why))
                }
                Missing::Failed(_) => (missing.clone().into(), missing.clone().into()),
            };
            let (health, asked) = (missing.into(), Vec::new());
            return IngressEvidence { health, asked, way, counted, route };
        }
    };
    let seen = context.timed("gateway health", health(context, &addresses)).await;
    let Health { answer: health, way, container } = seen;
    // The route is asked at the address that answered, and at all of them where none did.
    let answered: Vec<_> = match &health {
        Observation::Seen { value } => {
            let is_answered = |it: &&Address| HEALTH.is_request(it, value);
            addresses.iter().filter(is_answered).cloned().collect()
        }
        _ => addresses.clone(),
    };
    let container = container.as_ref();
    let counting = count(context, gateway, &health, answered.first(), container);
    let counted = context.timed("gateway counters", counting).await;
    // Where nothing answers there is no use in waiting for a route.
    let reachable = health.value().is_some();
    let route = route_and_address::route(context, Ok(&answered), container, reachable);
    let route = context.timed("route", route).await;
    let asked = addresses.iter().map(|it| it.ip.to_string()).collect();
    IngressEvidence { health, asked, way, counted, route }
}

/// The gateway's service, and the IP addresses of all that it is given.
async fn addresses<'a>(
    context: &CollectContext<'_>,
    services: &'a Observation<Vec<Service>>,
) -> Result<(&'a Service, Vec<Address>), Missing> {
    let name = &context.expectations.gateway;
    let gateway = needed(services)?.iter().find(|service| service.name == *name);
    let gateway = gateway.ok_or_else(|| Missing::Absent(format!("there is no service {name}")))?;
    let names: Vec<_> = gateway.external_addresses().collect();
    if names.is_empty() {
        return Err(Missing::Absent(format!("the service {name} has no address")));
    }
    let (addresses, reasons) = vantage::resolve_all(names.iter().copied()).await;
    if addresses.is_empty() {
        let request = format!("GET http://{}:{}{}", names[0], HEALTH.port, HEALTH.path);
        let reasons = reasons.join("; ");
        return Err(Missing::Absent(format!("nothing answers {request}: from {HERE}: {reasons}")));
    }
    Ok((gateway, addresses))
}

/// How the health check ended.
struct Health {
    answer: Observation<HttpAnswer>,
    way: Observation<Way>,
    /// The container that asked in the place of this machine, where it ran.
    container: Option<Container>,
}

async fn health(context: &CollectContext<'_>, addresses: &[Address]) -> Health {
    let (here, way) = tokio::join!(vantage::from_here(addresses, HEALTH), find_way(context));
    let reason = match here {
        Ok(answer) => return Health { answer: Observation::seen(answer), way, container: None },
        Err(reason) => reason,
    };
    let found = Container::find(&context.server).await;
    let (container, asked) = match found {
        Ok(container) => {
            let asked = container.get(addresses, HEALTH).await;
            (Some(container), asked)
        }
        Err(reason) => (None, Err(Silence::NotRun(reason))),
    };
    let (node, networks) = match &container {
        Some(container) => container.network().await,
        None => Default::default(),
    };
    let has_run = !matches!(asked, Err(Silence::NotRun(_)));
    let way = match way {
        Observation::Seen { value } => Observation::seen(Way { networks, ..value }),
        // The container is on the nodes' network.
        _ if has_run => {
            let vantage = container::VANTAGE.to_owned();
            Observation::seen(Way { vantage, node, networks })
        }
        way => way,
    };
    let answer = match asked {
        Ok(answer) => Observation::seen(answer),
        Err(silence) => {
            let reasons = [reason, silence.reason()];
            Observation::absent(vantage::no_answer(addresses, HEALTH, &reasons))
        }
    };
    Health { answer, way, container: container.filter(|_| has_run) }
}

/// The way from this machine into the cluster's network.
async fn find_way(context: &CollectContext<'_>) -> Observation<Way> {
    let kubelets = observe(context.limit, list::list_all::<Node, _>(&context.client, kubelet));
    let kubelets = match kubelets.await {
        Observation::Seen { value } => value,
        other => return Observation::failed(other.reason().unwrap_or_default()),
    };
    match kubelet::find_way(&kubelets).await {
        Ok(node) => {
            let (vantage, node) = (HERE.to_owned(), node.to_string());
            Observation::seen(Way { vantage, node, networks: Vec::new() })
        }
        Err(reason) => Observation::absent(format!("from {HERE}: {reason}")),
    }
}

fn kubelet(node: &Node) -> Kubelet {
    let evidence = objects::node(node);
    let addresses = evidence.addresses.iter().filter_map(|it| it.parse().ok()).collect();
    let created_at = node.creation_timestamp().as_ref().and_then(objects::time);
    Kubelet { node: evidence.name, addresses, created_at }
}

/// Counts requests to the address in the gateway's own proxies.
async fn count(
    context: &CollectContext<'_>,
    gateway: &Service,
    health: &Observation<HttpAnswer>,
    address: Option<&Address>,
    container: Option<&Container>,
) -> Observation<GatewayCount> {
    let answered = health.value().filter(|it| it.status == 200);
    let (Some(_), Some(address)) = (answered, address) else {
        return Observation::not_asked("the gateway's address does not answer with 200");
    };
    let pods = async {
        let pods = list::pods(&context.client, &gateway.namespace).await?;
        let is_behind = |it: &Pod| it.is_running() && gateway.selects_labels(&it.labels);
        let pods: Vec<_> = pods.into_iter().filter(is_behind).collect();
        if pods.is_empty() {
            let name = &gateway.name;
            return Err(Missing::Absent(format!("the service {name} selects no pod that runs")));
        }
        Ok(pods)
    };
    let counting = async {
        let pods = pods.await?;
        let before = sum_counters(context, &pods).await?;
        let requests = ask_repeatedly(address, container).await.map_err(Missing::Failed)?;
        let after = sum_counters(context, &pods).await?;
        let pods = pods.into_iter().map(|pod| pod.name).collect();
        Ok(GatewayCount { requests, pods, before, after })
    };
    // A container of meshcheck may take longer to start than a look may take.
    observe(context.limit + container::CEILING, counting).await
}

async fn sum_counters(context: &CollectContext<'_>, pods: &[Pod]) -> Result<u64, Missing> {
    let counts = pods.iter().map(|pod| demo::counter(context, pod, AGENT));
    let counts = futures::future::try_join_all(counts).await?;
    Ok(counts.into_iter().sum())
}

/// How many of the requests were answered with 200, from where the first one was.
async fn ask_repeatedly(address: &Address, container: Option<&Container>) -> Result<u64, String> {
    if let Some(container) = container {
        return container.repeat(address, HEALTH, COUNTED).await.map_err(Silence::reason);
    }
    let mut answered = 0;
    for _ in 0..COUNTED {
        let answer = vantage::from_here(std::slice::from_ref(address), HEALTH).await?;
        answered += u64::from(answer.status == 200);
    }
    Ok(answered)
}
