//! What the section *ingress* needs: the gateway's address, asked from outside of the mesh.

use meshcheck_suites::evidence::{HttpAnswer, IngressEvidence, Observation, Service};

use super::api::observe::{Missing, needed, observe};
use super::api::{list, vantage};
use super::context::CollectContext;
use super::probe::route_and_address;

/// The gateway's port for health.
const HEALTH_PORT: u16 = 15021;

/// The gateway's path for health.
const HEALTH_PATH: &str = "/healthz/ready";

/// Asks the gateway from outside of the mesh: for its health, then for a route of our own.
pub(super) async fn collect(context: &CollectContext<'_>) -> IngressEvidence {
    let (client, limit) = (&context.client, context.limit);
    let namespace = context.expectations.gateway_namespace();
    let services = observe(limit, list::services(client, namespace)).await;
    // Nodes that are containers here stand in where this machine has no route to their network.
    let nodes = if context.nodes_are_containers {
        let nodes = observe(limit, list::nodes(client)).await;
        nodes.value().into_iter().flatten().map(|node| node.name.clone()).collect()
    } else {
        Vec::new()
    };
    let address = address(context, &services);
    let health = context.timed("gateway health", health(address.clone(), &nodes)).await;
    // Where nobody answers there is no use in waiting for a route.
    let reachable = health.value().is_some();
    let route = route_and_address::route(context, address, &nodes, reachable);
    IngressEvidence { route: context.timed("route", route).await, health }
}

/// The gateway's first address.
fn address<'a>(
    context: &CollectContext<'_>,
    services: &'a Observation<Vec<Service>>,
) -> Result<&'a str, Missing> {
    let name = &context.expectations.gateway;
    let gateway = needed(services)?.iter().find(|service| service.name == *name);
    let gateway = gateway.ok_or_else(|| Missing::Absent(format!("there is no service {name}")))?;
    let address = gateway.load_balancer_addresses.first().map(String::as_str);
    address.ok_or_else(|| Missing::Absent(format!("the service {name} has no address")))
}

async fn health(address: Result<&str, Missing>, nodes: &[String]) -> Observation<HttpAnswer> {
    match address {
        Ok(address) => vantage::get(address, HEALTH_PORT, HEALTH_PATH, None, nodes).await,
        Err(missing) => missing.into(),
    }
}
